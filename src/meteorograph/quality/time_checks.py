"""Check a row against the past of its location: steps, constant values, stale answers. Part of stop 7 of the walk; pure.

The past of a location is its ``PastState``, with the last trusted value of each quantity. A value with a step from the last
trusted value is not trusted, so that the return from a spike is no second step. A new level is accepted once the last trusted
value is three hours old.
"""

from __future__ import annotations

import zlib
from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from ..model.flags import Flag
from .levels import (
    MAX_CALM_WIND,
    NEAR_LEVEL,
    SUSPECTED_WIND_EXCESS,
    UPDATE_SECONDS,
    WIND_EXCESS,
    Level,
    Shift,
    follow_pressure,
    follow_wind,
    is_off_level,
    pressure_drop,
    update_level,
)
from .persistence import MIN_PERSISTENCE_ROWS, PERSISTENCE_LIMITS, LastTrustedValue, is_persistent
from .row_checks import QUANTITY_NAMES, Flags, values_of

#: Largest change of a quantity in an hour [unit of the quantity]; over more hours the limit grows in proportion.
MAX_CHANGE_PER_HOUR: Final = {
    "temperature": 12.0,
    "dew_point": 19.4,
    "humidity": 50.0,
    "pressure": 10.0,
    "station_pressure": 10.0,
    "altimeter_setting": 10.0,
    "wind_speed": 20.0,
}

#: The quantities whose last trusted value is remembered: those with a check that compares with it.
TRUSTED_NAMES: Final = frozenset({*MAX_CHANGE_PER_HOUR, *PERSISTENCE_LIMITS})

#: Position of each of them among the values of a row, its name, how near to its level a value is never suspect, and its largest
#: change in an hour; None where it has no level, or no such limit.
_TRUSTED_POSITIONS: Final = tuple(
    (index, name, NEAR_LEVEL.get(name), MAX_CHANGE_PER_HOUR.get(name))
    for index, name in enumerate(QUANTITY_NAMES)
    if name in TRUSTED_NAMES
)

#: Position of the only whole number.
_CODE: Final = QUANTITY_NAMES.index("weather_code")

#: Among the flags of a value before the checks: another provider or a neighbour confirms it, so it is no step. It is not stored.
CONFIRMED: Final = "confirmed"

#: Flags of values that are not compared with later values.
UNTRUSTED: Final = frozenset({Flag.RANGE, Flag.REJECTED, Flag.INCONSISTENT, Flag.OLD, Flag.FUTURE})

#: A value is not compared with an older one than this [s].
MAX_STEP_AGE: Final = 3 * 3600


#: An answer is stale if it has not changed for this time [s] and in this number of rows. Answers with few values are not checked.
STALE_SECONDS: Final = 6 * 3600
STALE_ROWS: Final = 3
MIN_STALE_VALUES: Final = 4


class PastState(msgspec.Struct, array_like=True, gc=False):
    """What the checks remember of a location. Times are in Unix s."""

    #: Slot of the latest row.
    at: int
    observed_at: float | None
    provider: str
    providers: dict[str, str] | None
    #: Checksum of the values of the latest row; since when, and in how many rows, the values have not changed.
    checksum: int
    unchanged_since: int
    unchanged_rows: int
    #: Quantity (of ``TRUSTED_NAMES``) → its last trusted value.
    last_trusted: dict[str, LastTrustedValue]
    #: Quantity → its level, and what deviates from it for long.
    levels: dict[str, Level] = {}
    shifts: dict[str, Shift] = {}
    #: Pressure of the latest row, and its change in an hour [hPa].
    pressure: float | None = None
    tendency: float = 0.0
    #: Elevation of the location as the row was checked [m]; set when the state is stored.
    elevation: float | None = None

    @property
    def is_stale(self) -> bool:
        """Whether the answer has not changed for too long."""
        return self.unchanged_rows >= STALE_ROWS and self.at - self.unchanged_since >= STALE_SECONDS


def compare_with_past(
    row: Mapping[str, Any], before: PastState | None, untrusted: Container[str] = (), elevation: float | None = None
) -> tuple[PastState, Flags]:
    """Compare a row with the past of its location; gives the state after the row, and the flags of the row.

    Args:
        row: Columns of ``WeatherData``; its slot is later than that of ``before``.
        before: The state before the row; None for the first row of a location.
        untrusted: Quantities with an untrusted value in this row; the values are not compared.
        elevation: Of the location [m], if it is known.
    """
    due_at: datetime = row["due_at"]
    values = values_of(row)
    state = _next_state(row, values, int(due_at.timestamp()), before)
    flags: Flags = {}
    if before is not None:
        shifted = _follow_shifts(row, state, before, untrusted, elevation)
        _compare(row, values, state, before, (untrusted, shifted), flags)
        if state.is_stale:
            for name, value in zip(QUANTITY_NAMES, values, strict=True):
                if value is not None:
                    flags.setdefault(name, []).append(Flag.STALE)
        if state.observed_at is not None and state.observed_at == before.observed_at and state.provider == before.provider:
            flags["observed_at"] = [Flag.DUPLICATE]
    else:
        for index, name, near, _ in _TRUSTED_POSITIONS:
            value = values[index]
            if value is not None and name not in untrusted:
                state.last_trusted[name] = LastTrustedValue(value, state.at, state.at, 1)
                if near is not None:
                    state.levels[name] = update_level(None, value, state.at)
    return state, flags


def _next_state(row: Mapping[str, Any], values: Sequence[Any], at: int, before: PastState | None) -> PastState:
    checksum = _checksum(values) if len(values) - values.count(None) >= MIN_STALE_VALUES else 0
    same = before is not None and checksum != 0 and checksum == before.checksum and row["provider"] == before.provider
    observed_at: datetime | None = row.get("observed_at")
    return PastState(
        at=at,
        observed_at=None if observed_at is None else observed_at.timestamp(),
        provider=row["provider"],
        providers=row.get("providers"),
        checksum=checksum,
        unchanged_since=before.unchanged_since if before is not None and same else at,
        unchanged_rows=before.unchanged_rows + 1 if before is not None and same else 1,
        last_trusted=dict(before.last_trusted) if before is not None else {},
        levels=before.levels if before is not None else {},
        shifts=before.shifts if before is not None else {},
        pressure=row.get("pressure"),
    )


def _checksum(values: Sequence[Any]) -> int:
    """The checksum of values, the same for those of an answer and those that the database gives back."""
    numbers = [float(value) if value.__class__ is int and at != _CODE else value for at, value in enumerate(values)]
    return zlib.crc32(msgspec.msgpack.encode(numbers))


def _follow_shifts(
    row: Mapping[str, Any], state: PastState, before: PastState, untrusted: Container[str], elevation: float | None
) -> tuple[str, ...]:
    """Update the shifts of wind and pressure, and the trend of the pressure; gives the quantities that are shifted."""
    shifts, seconds = state.shifts, state.at - before.at
    wind, pressure = row.get("wind_speed"), state.pressure
    if wind is not None and (wind > MAX_CALM_WIND or "wind_speed" in shifts) and "wind_speed" not in untrusted:
        shift = follow_wind(shifts.get("wind_speed"), state.levels.get("wind_speed"), wind, state.at, seconds)
        if shift is not shifts.get("wind_speed"):
            shifts = _with(shifts, "wind_speed", shift)
    if pressure is not None and before.pressure is not None and seconds <= MAX_STEP_AGE:
        change = pressure - before.pressure
        state.tendency = round(change * 3600 / seconds, 1)
        if elevation is not None and (abs(change) > 1 or "pressure" in shifts):
            trend, shift = before.tendency * seconds / 3600, shifts.get("pressure")
            after = follow_pressure(shift, change, trend, pressure_drop(elevation), state.at)
            if after is not shift:
                shifts = _with(shifts, "pressure", after)
                if after is not None or change > 0:
                    state.tendency = before.tendency  # a jump down or back is no trend
    state.shifts = shifts
    if not shifts:
        return ()
    return tuple(name for name, shift in shifts.items() if name != "wind_speed" or shift.excess >= WIND_EXCESS)


def _with(shifts: dict[str, Shift], name: str, shift: Shift | None) -> dict[str, Shift]:
    others = {other: found for other, found in shifts.items() if other != name}
    return others if shift is None else {**others, name: shift}


def _compare(
    row: Mapping[str, Any],
    values: Sequence[Any],
    state: PastState,
    before: PastState,
    left_out: tuple[Container[str], Container[str]],
    flags: Flags,
) -> None:
    """Compare each value with the last trusted value of the same provider; update ``state`` and ``flags``.

    Args:
        row: Columns of ``WeatherData``.
        values: Its values, in the order of ``QUANTITY_NAMES``.
        state: The state after the row.
        before: The state before the row.
        left_out: The quantities with an untrusted value, and those that are shifted.
        flags: The flags of the row.
    """
    at, last_trusted, (untrusted, shifted) = state.at, state.last_trusted, left_out
    same_source = state.provider == before.provider and state.providers == before.providers
    wind = row.get("wind_speed")
    levels_before, due_levels = before.levels, []
    for index, name, near, limit in _TRUSTED_POSITIONS:
        value = values[index]
        if value is None or name in untrusted:
            continue
        if near is not None:
            level = levels_before.get(name)
            is_far = level is not None and not -near < value - level.mean < near
            if name in shifted or (is_far and level is not None and is_off_level(name, level, value, at, row.get("flags"))):
                flags[name] = [Flag.LEVEL]
                continue
            if level is None or at - level.at >= UPDATE_SECONDS:
                due_levels.append((name, level, value))
        last = last_trusted.get(name)
        if last is None or not (same_source or _source(state, name) == _source(before, name)):
            last_trusted[name] = LastTrustedValue(value, at, at, 1)
        elif value != last.value:
            age = at - last.at
            if limit is not None and age <= MAX_STEP_AGE and abs(value - last.value) > limit * max(1.0, age / 3600):
                if CONFIRMED not in (row.get("flags") or {}).get(name, ()):
                    flags[name] = [Flag.STEP]
                    continue
            last_trusted[name] = LastTrustedValue(value, at, at, 1)
        elif name == "wind_direction" and wind is not None and wind <= 0.5:
            last_trusted[name] = LastTrustedValue(value, at, at, 1)  # a wind vane does not move in a calm
        else:
            rows = last.unchanged_rows + 1
            last_trusted[name] = last = LastTrustedValue(value, at, last.unchanged_since, rows)
            if rows >= MIN_PERSISTENCE_ROWS and is_persistent(name, last):
                flags[name] = [Flag.PERSISTENCE]
    if due_levels:
        levels = dict(state.levels)
        suspected = state.shifts.get("wind_speed")
        for name, level, value in due_levels:
            if name not in flags and (name != "wind_speed" or suspected is None or suspected.excess < SUSPECTED_WIND_EXCESS):
                levels[name] = update_level(level, value, at)
        state.levels = levels


def _source(state: PastState, name: str) -> str:
    return (state.providers or {}).get(name, state.provider)
