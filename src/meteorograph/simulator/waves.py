"""Repeatable random numbers, and fields of travelling waves on the sphere: smooth in space and time, reproducible by a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

WAVES_PER_FIELD = 6


def random_unit(*parts: int | str) -> float:
    """A pseudo-random number in [0, 1) that depends on ``parts`` only, on every machine."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(blake2b(text.encode(), digest_size=7).digest()) / 2**56


@dataclass(frozen=True, slots=True)
class Wave:
    """One plane wave through the unit sphere: wave vector [rad per earth radius], rate [rad/h], phase [rad]."""

    x: float
    y: float
    z: float
    rate: float
    phase: float


@dataclass(frozen=True, slots=True)
class Field:
    """A sum of waves with mean 0 and standard deviation 1."""

    waves: tuple[Wave, ...]

    def pair(self, point: tuple[float, float, float], hours: float) -> tuple[float, float]:
        """The field at ``point`` on the unit sphere, and the same field shifted by a quarter of a wave."""
        x, y, z = point
        sine = cosine = 0.0
        for wave in self.waves:
            angle = wave.x * x + wave.y * y + wave.z * z + wave.rate * hours + wave.phase
            sine += math.sin(angle)
            cosine += math.cos(angle)
        scale = math.sqrt(2 / len(self.waves))
        return sine * scale, cosine * scale

    def value(self, point: tuple[float, float, float], hours: float) -> float:
        """The field at ``point`` on the unit sphere."""
        return self.pair(point, hours)[0]


def make_field(seed: int, name: str, shortest_km: float, longest_km: float, period_hours: float) -> Field:
    """A field with wavelengths between two bounds [km] and periods of at least ``period_hours``."""

    def wave(number: int) -> Wave:
        def draw(what: str) -> float:
            return random_unit(seed, name, number, what)

        length_km = shortest_km + (longest_km - shortest_km) * draw("length")
        size = 2 * math.pi * 6371 / length_km
        height = 2 * draw("height") - 1
        turn = 2 * math.pi * draw("turn")
        flat = math.sqrt(1 - height * height)
        rate = 2 * math.pi / period_hours * (2 * draw("rate") - 1)
        return Wave(size * flat * math.cos(turn), size * flat * math.sin(turn), size * height, rate, 2 * math.pi * draw("phase"))

    return Field(tuple(wave(number) for number in range(WAVES_PER_FIELD)))


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of the weather model."""

    #: Highs (positive) and lows (negative).
    pressure: Field
    #: Bands of rising (positive) and sinking air.
    front: Field
    #: Warm (positive) and cold air masses.
    air_mass: Field
    #: Strong (positive) and weak zonal wind.
    zonal: Field


@lru_cache(maxsize=16)
def make_fields(seed: int) -> Fields:
    """The fields of a seed."""
    return Fields(
        pressure=make_field(seed, "pressure", 2500, 6000, 120),
        front=make_field(seed, "front", 1300, 2600, 60),
        air_mass=make_field(seed, "air mass", 3500, 8000, 160),
        zonal=make_field(seed, "zonal", 2500, 6000, 120),
    )
