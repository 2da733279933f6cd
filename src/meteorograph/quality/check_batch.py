"""Check a batch of rows: each row by itself, and against the past of its location. Part of stop 7 of the walk; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final, NamedTuple

from ..model.flags import Flag
from .dew_point import doubt_derived
from .levels import LEVEL_LIMITS, MIN_UPDATES, WIND_EXCESS
from .persistence import is_persistent
from .pressure_level import assign_pressure_level
from .roll_forward import is_reproduced
from .row_checks import DEFAULT_MAX_AGE, MAX_CLOCK_LEAD, QUANTITY_NAMES, Flags, check_row
from .time_checks import CONFIRMED, UNTRUSTED, PastState, compare_with_past

Row = dict[str, Any]


class LocationPast(NamedTuple):
    """A location before a batch."""

    #: [degree north]
    latitude: float
    #: None before the first row.
    state: PastState | None
    #: [m], if it is known.
    elevation: float | None = None


class Streak(NamedTuple):
    """Rows that must get a flag, because a later row has shown that they are wrong."""

    location_id: int
    flag: Flag
    #: Slots of the first row and after the last row (aware UTC).
    start: datetime
    end: datetime
    #: Quantity → the value that is wrong; None for any value.
    values: Mapping[str, float | None]

    def flags_of(self, row: Mapping[str, Any]) -> Flags:
        """The flags of a row of the location after this."""
        flags: Flags = row.get("flags") or {}
        if not self.start <= row["due_at"] < self.end:
            return flags
        wrong = [name for name, value in self.values.items() if row[name] is not None and value in (None, row[name])]
        return merge_flags(flags, {name: [self.flag] for name in wrong}) if wrong else flags


class CheckedBatch(NamedTuple):
    """The result of ``check_batch``."""

    #: The rows in their order, with the new flags added to their ``flags``.
    rows: list[Row]
    #: Location id → state after the batch, for each location with a new state.
    states: dict[int, PastState]
    #: PastStates of answers that have become stale in this batch.
    stale: list[PastState]
    #: What the checks say of earlier rows, which may be in the batch or stored.
    streaks: list[Streak]
    #: Locations whose state does not follow from their state before the batch and their stored rows (``roll_forward``).
    irreproducible: set[int]


def check_batch(
    rows: Sequence[Row],
    past: Mapping[int, LocationPast],
    max_ages: Mapping[str, timedelta] | None = None,
    now: datetime | None = None,
    older: dict[int, PastState] | None = None,
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
        older: Location id → what its rows in earlier batches say that are not newer than its state. Updated with those of this
            batch, for batches that come in the order of time.
    """
    until = None if now is None else now + MAX_CLOCK_LEAD
    max_ages, older = max_ages or {}, {} if older is None else older
    checked = list(rows)
    states: dict[int, PastState] = {}
    stale: list[PastState] = []
    streaks: list[Streak] = []
    irreproducible: set[int] = set()
    order = sorted(range(len(rows)), key=lambda index: (rows[index]["location_id"], rows[index]["due_at"]))
    for location_id, group in groupby(order, key=lambda index: rows[index]["location_id"]):
        latitude, before, elevation = past.get(location_id, _UNKNOWN)
        older_state = older.get(location_id)
        indexes = list(group)
        for index in indexes:
            row = checked[index] = assign_pressure_level(rows[index], elevation)
            is_future = until is not None and row["due_at"] > until
            own = check_row(row, latitude, max_ages.get(row["provider"], DEFAULT_MAX_AGE), elevation)
            is_newer = not is_future and (before is None or int(row["due_at"].timestamp()) > before.at)
            last = before if is_newer else older_state
            if own:
                own = _attribute(own, row, last)
            if is_future:
                own = merge_flags(own, {name: [Flag.FUTURE] for name in QUANTITY_NAMES if row.get(name) is not None})
            parsed: Flags = row.get("flags") or {}
            untrusted = {name for flags in (own, parsed) for name, words in flags.items() if not UNTRUSTED.isdisjoint(words)}
            after, compared = compare_with_past(row, last, untrusted, elevation)
            if compared and last is not None:
                streaks += _new_streaks(location_id, last, after, compared)
            kept = _without_confirmed(parsed) if parsed else parsed
            if own or compared or kept is not parsed:
                checked[index] = {**row, "flags": doubt_derived(merge_flags(kept, own, compared)) or None}
            if not is_newer:
                older_state = older[location_id] = after
                irreproducible.add(location_id)
                continue
            if before is None or not is_reproduced(checked[index], parsed, before, after, elevation):
                irreproducible.add(location_id)
            if after.is_stale and (before is None or not before.is_stale):
                stale.append(after)
            before = states[location_id] = after
        _flag_streaks(checked, indexes, [streak for streak in streaks if streak.location_id == location_id])
    known = {id_: state for id_, state in states.items() if id_ in past}
    return CheckedBatch(checked, known, stale, streaks, irreproducible)


_UNKNOWN: Final = (None, None, None)


def _new_streaks(location_id: int, before: PastState, after: PastState, flags: Flags) -> Iterator[Streak]:
    """What the first flag after a streak says of its earlier rows."""
    end = datetime.fromtimestamp(after.at, UTC)

    def streak(flag: Flag, since: int, values: Mapping[str, float | None]) -> Streak:
        return Streak(location_id, flag, datetime.fromtimestamp(since, UTC), end, values)

    stale = {name: None for name, words in flags.items() if Flag.STALE in words}
    if stale and not before.is_stale:
        yield streak(Flag.STALE, after.unchanged_since + 1, stale)  # the first answer was new
    for name, words in flags.items():
        if Flag.PERSISTENCE in words and not is_persistent(name, before.last_trusted[name]):
            last = after.last_trusted[name]
            if last.unchanged_since < after.unchanged_since or not stale:  # otherwise the rows are stale already
                yield streak(Flag.PERSISTENCE, last.unchanged_since, {name: last.value})
        if name == "wind_speed" and Flag.LEVEL in words:
            shift, earlier = after.shifts[name], before.shifts.get(name)
            if earlier is None or earlier.excess < WIND_EXCESS:
                yield streak(Flag.LEVEL, shift.since, {name: None})


def _flag_streaks(checked: list[Row], indexes: Sequence[int], streaks: Sequence[Streak]) -> None:
    """Add the flags of streaks to their rows in the batch."""
    for streak in streaks:
        for index in indexes:
            flags = streak.flags_of(checked[index])
            if flags is not checked[index].get("flags") and flags:
                checked[index] = {**checked[index], "flags": flags}


def _attribute(flags: Flags, row: Row, state: PastState | None) -> Flags:
    """Decide by its level whether the temperature is wrong, or the humidity, where only these two contradict each other."""
    level = state.levels.get("temperature") if state else None
    if level is None or level.updates < MIN_UPDATES or Flag.INCONSISTENT in flags.get("dew_point", ()):
        return flags
    if not all(Flag.INCONSISTENT in flags.get(name, ()) for name in ("temperature", "humidity")):
        return flags
    is_usual = abs(row["temperature"] - level.mean) < LEVEL_LIMITS["temperature"].smallest / 2
    right = "temperature" if is_usual else "humidity"
    return without_flag(flags, right, Flag.INCONSISTENT)


def without_flag(flags: Flags, quantity: str, flag: str) -> Flags:
    """The flags without one of a quantity."""
    others = [word for word in flags.get(quantity, ()) if word != flag]
    return {name: others if name == quantity else words for name, words in flags.items() if name != quantity or others}


def _without_confirmed(flags: Flags) -> Flags:
    """The flags without what is only said to the checks."""
    for name in [name for name, words in flags.items() if CONFIRMED in words]:
        flags = without_flag(flags, name, CONFIRMED)
    return flags


def merge_flags(*all_flags: Flags) -> Flags:
    """All flags of each quantity, without duplicates."""
    merged: Flags = {}
    for flags in all_flags:
        for name, words in flags.items():
            known = merged.get(name)
            if known is None and len(words) == 1:  # the most frequent case, a sixth of the time of the general one
                merged[name] = [*words]
            else:
                merged[name] = list(dict.fromkeys((*(known or ()), *words)))
    return merged
