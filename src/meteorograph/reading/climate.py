"""The climate of a place from its days: months, records and degree days, and its winds. Pure.

A day counts where three quarters of its slots are stored; what is certain all the same, such as a frost, counts always. The mean
of a month is that of the means of its days (WMO-No. 1203).
"""

from __future__ import annotations

from calendar import monthrange
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from .aggregates import Bucket

#: Quantities of the days that are read.
QUANTITIES: Final = ("temperature", "precipitation", "wind_gust", "pressure")

#: Part of the due slots that a day must have.
_ENOUGH: Final = 0.75

#: A rain day has at least so much [mm] (WMO-No. 1203).
RAIN_DAY: Final = 1.0

#: Degree days: heating below, and cooling above this daily mean [°C].
BASE: Final = 18.0

#: Directions of the wind rose, and the upper edges of its classes of speed [m/s].
SECTORS: Final = 16
SPEEDS: Final = (3.0, 6.0, 10.0)
#: Slower wind is calm [m/s].
CALM: Final = 0.5


class Extreme(NamedTuple):
    """A value and its local day."""

    value: float
    day: date


@dataclass(frozen=True, slots=True)
class Day:
    """A local day; None for what has no value."""

    day: date
    #: Whether enough of its slots are stored.
    is_measured: bool
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    #: What fell in the measured part of it [mm], and whether that is the whole day.
    rain: float | None = None
    is_rain_whole: bool = False
    gust: float | None = None
    pressure_low: float | None = None
    pressure_high: float | None = None


@dataclass(frozen=True, slots=True)
class Month:
    """A month. Counts are those of the days that have values."""

    year: int
    month: int
    #: Days of the month, and those that count.
    days: int
    measured: int
    #: Mean, lowest and highest temperature [°C].
    mean: float | None
    low: Extreme | None
    high: Extreme | None
    #: Precipitation [mm], and whether every day is wholly measured.
    rain: float | None
    is_rain_whole: bool
    rain_days: int
    frost_days: int
    #: Heating and cooling degree days of the days that count [K d].
    heating: float
    cooling: float


@dataclass(frozen=True, slots=True)
class WindRose:
    """How often the wind came from each direction, by class of speed: parts of all hours with wind."""

    #: Sector (0 is north, clockwise) → part of the hours for each class of speed.
    parts: list[tuple[float, ...]]
    calm: float
    hours: int


def days_of_buckets(buckets: Iterable[Bucket], zone: ZoneInfo) -> list[Day]:
    """The days of daily buckets."""
    return [_day(bucket, zone) for bucket in buckets]


def _day(bucket: Bucket, zone: ZoneInfo) -> Day:
    temperature, rain = bucket.values["temperature"], bucket.values["precipitation"]
    pressure = bucket.values["pressure"]
    seconds = (bucket.end - bucket.start).total_seconds()
    return Day(
        day=bucket.start.astimezone(zone).date(),
        is_measured=bucket.due > 0 and bucket.stored >= _ENOUGH * bucket.due,
        mean=temperature["mean"],
        low=temperature["min"],
        high=temperature["max"],
        rain=rain["sum"],
        is_rain_whole=(rain["covered_seconds"] or 0.0) >= 0.95 * seconds,
        gust=bucket.values["wind_gust"]["max"],
        pressure_low=pressure["min"],
        pressure_high=pressure["max"],
    )


def months_of(days: Sequence[Day]) -> list[Month]:
    """The months of days, which are in order."""
    return [_month(key, list(own)) for key, own in groupby(days, key=lambda day: (day.day.year, day.day.month))]


def _month(key: tuple[int, int], days: Sequence[Day]) -> Month:
    means = [day.mean for day in days if day.is_measured and day.mean is not None]
    amounts = [day.rain for day in days if day.rain is not None]
    length = monthrange(*key)[1]
    return Month(
        year=key[0],
        month=key[1],
        days=length,
        measured=sum(day.is_measured for day in days),
        mean=sum(means) / len(means) if means else None,
        low=extreme(days, lambda day: day.low, min),
        high=extreme(days, lambda day: day.high, max),
        rain=sum(amounts) if amounts else None,
        is_rain_whole=len(days) == length and all(day.is_rain_whole for day in days),
        rain_days=sum(amount >= RAIN_DAY for amount in amounts),
        frost_days=sum(day.low is not None and day.low < 0 for day in days),
        heating=sum(max(0.0, BASE - mean) for mean in means),
        cooling=sum(max(0.0, mean - BASE) for mean in means),
    )


def extreme(
    days: Iterable[Day], value_of: Callable[[Day], float | None], choose: Callable[..., tuple[float, date]]
) -> Extreme | None:
    """The day with the lowest or the highest value, by ``min`` or ``max``; None without values. Of equal days the last one or,
    for ``min``, the first one.
    """
    found = [(value, day.day) for day in days if (value := value_of(day)) is not None]
    return Extreme(*choose(found)) if found else None


def wind_rose(hours: Iterable[Bucket]) -> WindRose | None:
    """The wind rose of hourly buckets; None without wind."""
    counts: Counter[tuple[int, int]] = Counter()
    calm = total = 0
    for bucket in hours:
        speed, direction = bucket.values["wind_speed"]["mean"], bucket.values["wind_direction"]["mean"]
        if speed is None or (speed >= CALM and direction is None):
            continue
        total += 1
        if speed < CALM:
            calm += 1
        else:
            sector = round(direction / (360 / SECTORS)) % SECTORS
            counts[sector, sum(speed >= edge for edge in SPEEDS)] += 1
    if not total:
        return None
    parts = [tuple(counts[sector, number] / total for number in range(len(SPEEDS) + 1)) for sector in range(SECTORS)]
    return WindRose(parts, calm / total, total)
