"""The level of a quantity at a location in the last weeks, to find lasting mistakes such as a wrong unit. Part of stop 7; pure.

A step check accepts a new level after three hours. The mean and the spread of the last weeks change slowly, and values that are
far away from them do not change them at all, so a month of degrees Fahrenheit stays flagged.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from typing import Final, NamedTuple

import msgspec

from ..model.flags import Flag
from .pressure_level import standard_pressure

DAY: Final = 86400

#: The level follows the values with this time constant, and is updated this often at most [s].
TIME_CONSTANT: Final = 10 * DAY
UPDATE_SECONDS: Final = 6 * 3600

#: Updates until the level is compared with: three days of hourly values.
MIN_UPDATES: Final = 12

#: Without a value near the level for so long, the next value starts a new level: the place or the season has changed [s].
MAX_LEVEL_AGE: Final = 60 * DAY


class LevelLimit(NamedTuple):
    """How far a value may be from the level: ``smallest``, or ``spreads`` times the spread if that is more."""

    #: [unit of the quantity]
    smallest: float
    spreads: float
    #: Added for each day since the level was updated [unit of the quantity].
    per_day: float


LEVEL_LIMITS: Final = {
    "temperature": LevelLimit(18.0, 5.5, 0.3),
    "dew_point": LevelLimit(22.0, 5.5, 0.3),
    "pressure": LevelLimit(50.0, 6.5, 0.5),
    "station_pressure": LevelLimit(50.0, 6.5, 0.5),
    "altimeter_setting": LevelLimit(50.0, 6.5, 0.5),
}

#: Quantity with a level → distance from it that is never too far [unit of the quantity].
NEAR_LEVEL: Final = {**{name: limit.smallest / 2 for name, limit in LEVEL_LIMITS.items()}, "wind_speed": math.inf}

#: Wind that is on average above this multiple of its level is too high; the excess is added up over the hours.
WIND_RATIO: Final = 2.3
#: The level that wind is compared with at least [m/s]: in a calm month a breeze is no mistake.
MIN_WIND_LEVEL: Final = 3.0
#: Wind up to this never has an excess [m/s].
MAX_CALM_WIND: Final = WIND_RATIO * MIN_WIND_LEVEL
#: The excess from which on the wind is flagged, and the largest excess that is kept [h].
WIND_EXCESS: Final = 100.0
MAX_WIND_EXCESS: Final = 106.0
#: A value says nothing of the hours before it beyond this [s].
MAX_STEP_SECONDS: Final = 3 * 3600
#: Above this excess the level does not learn [h].
SUSPECTED_WIND_EXCESS: Final = 4.0

#: A jump of the pressure is a change between station and sea level if the two differ by at least this [hPa].
MIN_PRESSURE_DROP: Final = 3.5
#: Tolerance of that jump: [hPa], and as a share of the difference, which depends on temperature and pressure.
JUMP_TOLERANCE: Final = (0.8, 0.1)
#: After the jump the pressure must be steady for three hours, or it was a storm [hPa in an hour].
STEADY_SECONDS: Final = 3 * 3600
MAX_STEADY_CHANGE: Final = 2.0


class Level(msgspec.Struct, array_like=True, gc=False):
    """Mean and mean absolute deviation of a quantity in the last weeks [unit of the quantity]."""

    mean: float
    spread: float
    #: Slot of the last update [Unix s], and number of updates.
    at: int
    updates: int


class Shift(msgspec.Struct, array_like=True, gc=False):
    """A lasting deviation that is suspected or found: the excess of the wind [h], or the jump of the pressure [hPa]."""

    excess: float
    #: Slot of the first value that deviates [Unix s].
    since: int


def update_level(level: Level | None, value: float, at: int) -> Level:
    """The level after a value near it."""
    if level is None or at - level.at > MAX_LEVEL_AGE:
        return Level(value, 0.0, at, 1)
    weight = max(min(at - level.at, DAY) / TIME_CONSTANT, 1 / (level.updates + 1))
    deviation = value - level.mean
    spread = level.spread + weight * (abs(deviation) - level.spread)
    return Level(round(level.mean + weight * deviation, 3), round(spread, 3), at, level.updates + 1)


def is_off_level(name: str, level: Level, value: float, at: int, flags: Mapping[str, Container[str]] | None = None) -> bool:
    """Whether a value is too far from the level; half as far is too far where another provider disagrees."""
    limit = LEVEL_LIMITS.get(name)
    if limit is None or level.updates < MIN_UPDATES or at - level.at > MAX_LEVEL_AGE:
        return False
    distance = max(limit.smallest, limit.spreads * level.spread) + limit.per_day * (at - level.at) / DAY
    is_disputed = flags is not None and Flag.DISAGREES in flags.get(name, ())
    return abs(value - level.mean) > (distance / 2 if is_disputed else distance)


def follow_wind(shift: Shift | None, level: Level | None, value: float, at: int, seconds: int) -> Shift | None:
    """The excess of the wind after a value that comes ``seconds`` after the one before; None without an excess."""
    if level is None or level.updates < MIN_UPDATES:
        return None
    hours = min(seconds, MAX_STEP_SECONDS) / 3600
    excess = (value / max(level.mean, MIN_WIND_LEVEL) - WIND_RATIO) * hours + (shift.excess if shift else 0.0)
    if excess <= 0 or (shift is not None and at - shift.since > MAX_LEVEL_AGE):
        return None
    return Shift(round(min(excess, MAX_WIND_EXCESS), 2), shift.since if shift else at)


def pressure_drop(elevation: float) -> float:
    """Sea level pressure minus station pressure at an elevation [m] in the standard atmosphere [hPa]."""
    return standard_pressure(0.0) - standard_pressure(elevation) if 0 < elevation < 9000 else 0.0


def follow_pressure(shift: Shift | None, change: float, trend: float, drop: float, at: int) -> Shift | None:
    """Whether station pressure is given as sea level pressure: since a jump of their difference, until a jump back.

    Args:
        shift: What is known before the value.
        change: Change from the value before [hPa].
        trend: The change that the values before let expect [hPa].
        drop: Sea level pressure minus station pressure at the location [hPa].
        at: Slot of the value [Unix s].
    """
    if drop < MIN_PRESSURE_DROP:
        return None
    tolerance = max(JUMP_TOLERANCE[0], JUMP_TOLERANCE[1] * drop)
    if shift is None:
        is_jump = abs(trend) <= MAX_STEADY_CHANGE and abs(change - trend + drop) <= tolerance
        return Shift(round(change, 1), at) if is_jump else None
    age = at - shift.since
    is_storm = age <= STEADY_SECONDS and abs(change) > MAX_STEADY_CHANGE
    return None if is_storm or age > MAX_LEVEL_AGE or abs(change - trend - drop) <= tolerance else shift
