"""Check a row against the past of its location: steps, constant values, stale answers. Part of stop 7 of the walk; pure.

The past of a location is its ``PastState``, with the last trusted value of each quantity. A value with a step from the last
trusted value is not trusted, so that the return from a spike is no second step. A new level is accepted once the last trusted
value is three hours old.
"""

from __future__ import annotations

import zlib
from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from ..model.flags import Flag
from .row_checks import QUANTITY_NAMES, Flags

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

#: A value is not compared with an older one than this [s].
MAX_STEP_AGE: Final = 3 * 3600


class PersistenceLimit(NamedTuple):
    """How long a quantity can stay constant, while ``above`` < value < ``below`` [unit of the quantity]."""

    #: Limit for whole numbers and for finer values [h].
    whole: float
    finer: float
    above: float = -1e308
    below: float = 1e308


PERSISTENCE_LIMITS: Final = {
    "temperature": PersistenceLimit(40, 24),
    "dew_point": PersistenceLimit(80, 48),
    "humidity": PersistenceLimit(48, 48, below=96),
    "pressure": PersistenceLimit(120, 72),
    "station_pressure": PersistenceLimit(120, 72),
    "altimeter_setting": PersistenceLimit(120, 72),
    "wind_speed": PersistenceLimit(40, 24, above=0.5),
    "wind_direction": PersistenceLimit(48, 24),
    "wind_gust": PersistenceLimit(40, 24, above=0.5),
    "precipitation": PersistenceLimit(24, 24, above=0),
}

#: Fewest rows with the same value for the flag: with few rows a day, the same value may repeat for days.
MIN_PERSISTENCE_ROWS: Final = 24

#: An answer is stale if it has not changed for this time [s] and in this number of rows. Answers with few values are not checked.
STALE_SECONDS: Final = 6 * 3600
STALE_ROWS: Final = 3
MIN_STALE_VALUES: Final = 4


class LastTrustedValue(msgspec.Struct, array_like=True, gc=False):
    """The last trusted value of a quantity. Times are slots [Unix s]."""

    value: float
    at: int
    #: Since when, and in how many rows, the value has not changed.
    unchanged_since: int
    unchanged_rows: int


class PastState(msgspec.Struct, array_like=True):
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
    #: Quantity → its last trusted value.
    last_trusted: dict[str, LastTrustedValue]

    @property
    def is_stale(self) -> bool:
        """Whether the answer has not changed for too long."""
        return self.unchanged_rows >= STALE_ROWS and self.at - self.unchanged_since >= STALE_SECONDS


def compare_with_past(
    row: Mapping[str, Any], before: PastState | None, untrusted: Container[str] = ()
) -> tuple[PastState, Flags]:
    """Compare a row with the past of its location; gives the state after the row, and the flags of the row.

    Args:
        row: Columns of ``WeatherData``; its slot is later than that of ``before``.
        before: The state before the row; None for the first row of a location.
        untrusted: Quantities with an untrusted value in this row; the values are not compared.
    """
    due_at: datetime = row["due_at"]
    values = [row.get(name) for name in QUANTITY_NAMES]
    state = _next_state(row, values, int(due_at.timestamp()), before)
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
                state.last_trusted[name] = LastTrustedValue(value, state.at, state.at, 1)
    return state, flags


def _next_state(row: Mapping[str, Any], values: Sequence[Any], at: int, before: PastState | None) -> PastState:
    checksum = zlib.crc32(msgspec.msgpack.encode(values)) if len(values) - values.count(None) >= MIN_STALE_VALUES else 0
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
    )


def _compare(
    row: Mapping[str, Any], values: Sequence[Any], state: PastState, before: PastState, untrusted: Container[str], flags: Flags
) -> None:
    """Compare each value with the last trusted value of the same provider; update ``state`` and ``flags``."""
    at, last_trusted = state.at, state.last_trusted
    same_source = state.provider == before.provider and state.providers == before.providers
    wind = row.get("wind_speed")
    for name, value in zip(QUANTITY_NAMES, values, strict=True):
        if value is None or name in untrusted:
            continue
        last = last_trusted.get(name)
        if last is None or not (same_source or _source(state, name) == _source(before, name)):
            last_trusted[name] = LastTrustedValue(value, at, at, 1)
        elif value != last.value:
            limit = MAX_CHANGE_PER_HOUR.get(name)
            age = at - last.at
            if limit is not None and age <= MAX_STEP_AGE and abs(value - last.value) > limit * max(1.0, age / 3600):
                flags[name] = [Flag.STEP]
            else:
                last_trusted[name] = LastTrustedValue(value, at, at, 1)
        elif name == "wind_direction" and wind is not None and wind <= 0.5:
            last_trusted[name] = LastTrustedValue(value, at, at, 1)  # a wind vane does not move in a calm
        else:
            last_trusted[name] = LastTrustedValue(value, at, last.unchanged_since, last.unchanged_rows + 1)
            if last.unchanged_rows + 1 >= MIN_PERSISTENCE_ROWS and _is_persistent(name, value, at - last.unchanged_since):
                flags[name] = [Flag.PERSISTENCE]


def _source(state: PastState, name: str) -> str:
    return (state.providers or {}).get(name, state.provider)


def _is_persistent(name: str, value: float, seconds: int) -> bool:
    """Whether a value that has not changed for this time has been constant for too long."""
    limit = PERSISTENCE_LIMITS.get(name)
    if limit is None or not limit.above < value < limit.below:
        return False
    is_whole = value % (10 if name == "wind_direction" else 1) == 0
    return seconds >= (limit.whole if is_whole else limit.finer) * 3600
