"""Check a batch of rows: each row by itself, and against the past of its location. Part of stop 7 of the walk; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final, NamedTuple

from ..model.flags import Flag
from .pressure_level import assign_pressure_level
from .row_checks import DEFAULT_MAX_AGE, MAX_CLOCK_LEAD, QUANTITY_NAMES, Flags, check_row
from .time_checks import PastState, compare_with_past

Row = dict[str, Any]

#: Flags of values that are not compared with later values.
UNTRUSTED: Final = frozenset({Flag.RANGE, Flag.REJECTED, Flag.OLD, Flag.FUTURE})


class LocationPast(NamedTuple):
    """A location before a batch."""

    #: [degree north]
    latitude: float
    #: None before the first row.
    state: PastState | None
    #: Above sea level [m]; None if it is not known.
    elevation: float | None = None


class CheckedBatch(NamedTuple):
    """The result of ``check_batch``."""

    #: The rows in their order, with the new flags added to their ``flags``.
    rows: list[Row]
    #: Location id → state after the batch, for each location with a new state.
    states: dict[int, PastState]
    #: PastStates of answers that have become stale in this batch.
    stale: list[PastState]


def check_batch(
    rows: Sequence[Row],
    past: Mapping[int, LocationPast],
    max_ages: Mapping[str, timedelta] | None = None,
    now: datetime | None = None,
) -> CheckedBatch:
    """Flag the rows of a batch.

    A row that is not newer than the state of its location, because it is backfilled or stored again, is compared with the older
    rows of its location in the batch, and does not change the state.

    Args:
        rows: Columns of ``WeatherData``.
        past: Location id → its past; rows of other locations are checked without latitude and past.
        max_ages: Provider → how old its observations may be when they are fetched.
        now: The time (aware UTC). A row of a later slot comes from a clock that was wrong: its values have the flag ``future``,
            and it is treated as one that is not newer. None to accept any slot.
    """
    until = None if now is None else now + MAX_CLOCK_LEAD
    max_ages = max_ages or {}
    checked = list(rows)
    states: dict[int, PastState] = {}
    stale: list[PastState] = []
    order = sorted(range(len(rows)), key=lambda index: (rows[index]["location_id"], rows[index]["due_at"]))
    for location_id, indexes in groupby(order, key=lambda index: rows[index]["location_id"]):
        latitude, before, elevation = past.get(location_id, (None, None, None))
        older_state: PastState | None = None
        for index in indexes:
            row = checked[index] = assign_pressure_level(rows[index], elevation)
            is_future = until is not None and row["due_at"] > until
            own = check_row(row, latitude, max_ages.get(row["provider"], DEFAULT_MAX_AGE))
            if is_future:
                own = merge_flags(own, {name: [Flag.FUTURE] for name in QUANTITY_NAMES if row.get(name) is not None})
            parsed: Flags = row.get("flags") or {}
            untrusted = {name for flags in (own, parsed) for name, words in flags.items() if not UNTRUSTED.isdisjoint(words)}
            if not is_future and (before is None or int(row["due_at"].timestamp()) > before.at):
                after, compared = compare_with_past(row, before, untrusted)
                if after.is_stale and (before is None or not before.is_stale):
                    stale.append(after)
                before = states[location_id] = after
            else:
                older_state, compared = compare_with_past(row, older_state, untrusted)
            if own or compared:
                checked[index] = {**row, "flags": merge_flags(parsed, own, compared)}
    return CheckedBatch(checked, {id_: state for id_, state in states.items() if id_ in past}, stale)


def merge_flags(*all_flags: Flags) -> Flags:
    """All flags of each quantity, without duplicates."""
    merged: Flags = {}
    for flags in all_flags:
        for name, words in flags.items():
            merged[name] = list(dict.fromkeys((*merged.get(name, ()), *words)))
    return merged
