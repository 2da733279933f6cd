"""What the rows before tell of a row: steps, values that stand still, answers that no longer change. Part of stop 7; pure.

A location's past is its ``State``: per quantity the last value that was trusted. A value that is a step from it is not, so the
way back from a spike is no second step; a new level is taken over once the value before it is three hours old.
"""

from __future__ import annotations

import zlib
from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from ..model.flags import Flag
from .row_checks import QUANTITY_NAMES, Flags

#: The most that a quantity changes within an hour [unit of the quantity]; up to ``REACH`` as much again for each further hour.
MOST_AN_HOUR: Final = {
    "temperature": 12.0,
    "dew_point": 19.4,
    "humidity": 50.0,
    "pressure": 10.0,
    "altimeter_setting": 10.0,
    "wind_speed": 20.0,
}

#: How old a value may be to tell a step [s].
REACH: Final = 3 * 3600


class PersistenceLimit(NamedTuple):
    """For how long a quantity stands still at most, while ``above`` < value < ``below`` [unit of the quantity]."""

    #: Hours, where the values are whole numbers and where they are finer.
    whole: float
    finer: float
    above: float = -1e308
    below: float = 1e308


PERSISTENCE_LIMITS: Final = {
    "temperature": PersistenceLimit(40, 24),
    "dew_point": PersistenceLimit(80, 48),
    "humidity": PersistenceLimit(48, 48, below=96),
    "pressure": PersistenceLimit(120, 72),
    "altimeter_setting": PersistenceLimit(120, 72),
    "wind_speed": PersistenceLimit(40, 24, above=0.5),
    "wind_direction": PersistenceLimit(48, 24),
    "wind_gust": PersistenceLimit(40, 24, above=0.5),
    "precipitation": PersistenceLimit(24, 24, above=0),
}

#: Rows that must have the value: where they are few a day, the same one may come for days.
PERSISTENCE_ROWS: Final = 24

#: An answer is stale when it has been the same for so long [s], in so many rows, and has so many values at least.
STALE_SECONDS: Final = 6 * 3600
STALE_ROWS: Final = 3
STALE_VALUES: Final = 4


class LastTrustedValue(msgspec.Struct, array_like=True, gc=False):
    """The last trusted value of a quantity, of when it is, since when it stands still and in how many rows; times in Unix s."""

    value: float
    at: int
    since: int
    rows: int


class State(msgspec.Struct, array_like=True):
    """What is remembered of a location; times in Unix s."""

    #: The slot of the newest row.
    at: int
    observed_at: float | None
    provider: str
    providers: dict[str, str] | None
    #: Tells one set of values from another; since when it has been the same, and in how many rows.
    answer: int
    since: int
    rows: int
    seen: dict[str, LastTrustedValue]

    @property
    def is_stale(self) -> bool:
        """Whether the answer has not changed for too long."""
        return self.rows >= STALE_ROWS and self.at - self.since >= STALE_SECONDS


def check_against(row: Mapping[str, Any], before: State | None, untrusted: Container[str] = ()) -> tuple[State, Flags]:
    """The state after a row, and the flags that the state before it gives to the row's values.

    Args:
        row: Columns of ``WeatherData``; its slot is later than that of ``before``.
        before: What is known of the location; None at first.
        untrusted: Quantities whose value in this row is not to be held against the next one.
    """
    due_at: datetime = row["due_at"]
    values = [row.get(name) for name in QUANTITY_NAMES]
    state = _state(row, values, int(due_at.timestamp()), before)
    flags: Flags = {}
    if before is not None:
        _compare(row, values, state, before, untrusted, flags)
        if state.is_stale:
            for name, value in zip(QUANTITY_NAMES, values, strict=True):
                if value is not None:
                    flags.setdefault(name, []).append(Flag.STALE)
        if state.observed_at is not None and state.observed_at == before.observed_at and state.provider == before.provider:
            flags["observed_at"] = [Flag.DUPLICATE]
    else:
        for name, value in zip(QUANTITY_NAMES, values, strict=True):
            if value is not None and name not in untrusted:
                state.seen[name] = LastTrustedValue(value, state.at, state.at, 1)
    return state, flags


def _state(row: Mapping[str, Any], values: Sequence[Any], at: int, before: State | None) -> State:
    answer = zlib.crc32(msgspec.msgpack.encode(values)) if len(values) - values.count(None) >= STALE_VALUES else 0
    same = before is not None and answer != 0 and answer == before.answer and row["provider"] == before.provider
    observed_at: datetime | None = row.get("observed_at")
    return State(
        at=at,
        observed_at=None if observed_at is None else observed_at.timestamp(),
        provider=row["provider"],
        providers=row.get("providers"),
        answer=answer,
        since=before.since if before is not None and same else at,
        rows=before.rows + 1 if before is not None and same else 1,
        seen=dict(before.seen) if before is not None else {},
    )


def _compare(
    row: Mapping[str, Any], values: Sequence[Any], state: State, before: State, untrusted: Container[str], flags: Flags
) -> None:
    """Hold each value against the last one of its own provider."""
    at, seen = state.at, state.seen
    same_source = state.provider == before.provider and state.providers == before.providers
    wind = row.get("wind_speed")
    for name, value in zip(QUANTITY_NAMES, values, strict=True):
        if value is None or name in untrusted:
            continue
        last = seen.get(name)
        if last is None or not (same_source or _source(state, name) == _source(before, name)):
            seen[name] = LastTrustedValue(value, at, at, 1)
        elif value != last.value:
            most = MOST_AN_HOUR.get(name)
            age = at - last.at
            if most is not None and age <= REACH and abs(value - last.value) > most * max(1.0, age / 3600):
                flags[name] = [Flag.STEP]
            else:
                seen[name] = LastTrustedValue(value, at, at, 1)
        elif name == "wind_direction" and wind is not None and wind <= 0.5:
            seen[name] = LastTrustedValue(value, at, at, 1)  # a vane stands still in a calm
        else:
            seen[name] = LastTrustedValue(value, at, last.since, last.rows + 1)
            if last.rows + 1 >= PERSISTENCE_ROWS and _stands_still(name, value, at - last.since):
                flags[name] = [Flag.PERSISTENCE]


def _source(state: State, name: str) -> str:
    return (state.providers or {}).get(name, state.provider)


def _stands_still(name: str, value: float, seconds: int) -> bool:
    still = PERSISTENCE_LIMITS.get(name)
    if still is None or not still.above < value < still.below:
        return False
    whole = value % (10 if name == "wind_direction" else 1) == 0
    return seconds >= (still.whole if whole else still.finer) * 3600
