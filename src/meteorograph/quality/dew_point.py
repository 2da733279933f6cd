"""Derive the dew point from temperature and humidity where a provider does not give it. Pure."""

from __future__ import annotations

import math
from typing import Final

import msgspec

from ..model.flags import SUSPECT, Flag
from ..model.values import Observation

#: Magnus' formula over water, e(t) = 6.112 hPa · exp(A t / (B + t)): WMO-No. 8, volume I, annex 4.B.
_A: Final = 17.62
_B: Final = 243.12
#: The temperatures for which the source gives the formula [°C].
_LOWEST: Final = -45.0
_HIGHEST: Final = 60.0

_DERIVED: Final = Flag.DERIVED.value


def derive_dew_point(observation: Observation) -> Observation:
    """The observation with a dew point that follows from its temperature and humidity, with the flag ``derived``.

    The observation is not changed if it has a dew point, or lacks one of the two. A value that the provider has rejected gives a
    rejected dew point.
    """
    if observation.dew_point is not None or "dew_point" in observation.flags:
        return observation
    dew_point = dew_point_of(observation.temperature, observation.humidity)
    if dew_point is None:
        return observation
    flags, words = observation.flags, [_DERIVED]
    if flags and (Flag.REJECTED in flags.get("temperature", ()) or Flag.REJECTED in flags.get("humidity", ())):
        words.append(Flag.REJECTED.value)
    return msgspec.structs.replace(observation, dew_point=dew_point, flags={**flags, "dew_point": words})


def dew_point_of(temperature: float | None, humidity: float | None) -> float | None:
    """Dew point [°C] of air of this temperature [°C] and humidity [%]; None if one is missing, or outside of the formula."""
    if temperature is None or humidity is None or not (_LOWEST <= temperature <= _HIGHEST and 0 < humidity <= 100):
        return None
    exponent = math.log(humidity / 100) + _A * temperature / (_B + temperature)
    return round(_B * exponent / (_A - exponent), 4)


#: The quantities that a derived dew point follows from.
SOURCES: Final = ("temperature", "humidity")


def doubt_derived(flags: dict[str, list[str]]) -> dict[str, list[str]]:
    """The flags of a row, with those of a suspect temperature or humidity also at the dew point that is derived from them."""
    words = flags.get("dew_point", ())
    if Flag.DERIVED not in words:
        return flags
    doubts = [word for name in SOURCES for word in flags.get(name, ()) if word in SUSPECT and word not in words]
    return {**flags, "dew_point": [*words, *dict.fromkeys(doubts)]} if doubts else flags
