"""Check a batch of rows against themselves and against what is remembered of their locations. Stop 7 of the walk; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from ..model.flags import Flag
from .row_checks import Flags, check_row
from .time_checks import State, check_against

Row = dict[str, Any]

#: Flags of values that later values are not compared with.
UNTRUSTED: Final = frozenset({Flag.RANGE, Flag.REJECTED})


class LocationPast(NamedTuple):
    """What the checks know of a location before a batch."""

    #: [degree north]
    latitude: float
    #: None before the first row.
    state: State | None


class CheckedBatch(NamedTuple):
    """The result of ``check_batch``."""

    #: The rows in their order, with the new flags added to their ``flags``; no value is changed.
    rows: list[Row]
    #: Location id → state after the batch, for each location whose state has changed.
    states: dict[int, State]
    #: States of answers that have become stale in this batch.
    stale: list[State]


def check_batch(rows: Sequence[Row], past: Mapping[int, LocationPast]) -> CheckedBatch:
    """Flag the rows of a batch.

    A row that is no newer than the state of its location (backfilled, or stored again) is compared with the older rows
    of the same location in the batch, and leaves the state as it is.

    Args:
        rows: Columns of ``WeatherData``.
        past: Location id → what is known of it; the rows of other locations are checked without latitude and past.
    """
    checked = list(rows)
    states: dict[int, State] = {}
    stale: list[State] = []
    order = sorted(range(len(rows)), key=lambda index: (rows[index]["location_id"], rows[index]["due_at"]))
    for location_id, indexes in groupby(order, key=lambda index: rows[index]["location_id"]):
        latitude, before = past.get(location_id, (None, None))
        aside: State | None = None
        for index in indexes:
            row = rows[index]
            own = check_row(row, latitude)
            given: Flags = row.get("flags") or {}
            untrusted = {name for flags in (own, given) for name, words in flags.items() if not UNTRUSTED.isdisjoint(words)}
            if before is None or int(row["due_at"].timestamp()) > before.at:
                after, compared = check_against(row, before, untrusted)
                if after.is_stale and (before is None or not before.is_stale):
                    stale.append(after)
                before = states[location_id] = after
            else:
                aside, compared = check_against(row, aside, untrusted)
            if own or compared:
                checked[index] = {**row, "flags": _merged(given, own, compared)}
    return CheckedBatch(checked, {id_: state for id_, state in states.items() if id_ in past}, stale)


def _merged(*given: Flags) -> Flags:
    """The flags of all, each once for a quantity."""
    merged: Flags = {}
    for flags in given:
        for name, words in flags.items():
            merged[name] = list(dict.fromkeys((*merged.get(name, ()), *words)))
    return merged
