"""Gaps: consecutive missed slots of a location, read from the ledger."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from ..locations.repository import get_location
from ..storage.models import Location, Missed, Run
from .queries import FOLLOWED_SCHEDULE, MISSED_OF_LOCATION, STILL_MISSED, Cursor, schedules_with_runs

#: Length of the first period that is searched for gaps. Where there are many gaps, the newest ones lie in it.
_FIRST_SEARCH_PERIOD: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Gap:
    """Consecutive missed slots of a location that share their reason and are all, or none of them, unrecoverable."""

    location_id: int
    location: str
    reason: str
    #: The first and the last missed slot.
    first_slot: datetime
    last_slot: datetime
    #: Number of missed slots.
    slots: int
    #: Detail of the newest slot that has one.
    detail: str | None
    #: Whether the slots are closed: they are not healed any more.
    is_unrecoverable: bool
    #: Whether the slot before the first one was read too, so that the gap cannot have started earlier.
    is_start_known: bool

    @property
    def cursor(self) -> Cursor:
        """Position of the gap in an answer."""
        return Cursor(self.last_slot, self.location_id)


def list_gaps(
    session: Session,
    start: datetime,
    end: datetime,
    *,
    location: str | None = None,
    reason: str | None = None,
    limit: int = 100,
    after: Cursor | None = None,
) -> tuple[list[Gap], Cursor | None]:
    """Missed slots with ``start <= due_at < end`` as gaps, newest first, and the cursor of the next page (None: last page).

    Consecutive slots of a location with the same reason form one gap. Unrecoverable slots and slots that may still be healed
    form separate gaps.

    Raises:
        LocationNotFoundError: No location has that name.
    """
    location_id = None if location is None else get_location(session, location).id
    names, length = schedules_with_runs(session), _FIRST_SEARCH_PERIOD if location is None else end - start
    while True:
        since = end - length if end - start > length else start
        gaps = _find_gaps(session, list(names), since, end, location_id, reason)
        following = (gap for gap in gaps if after is None or gap.cursor < after)
        newest = heapq.nlargest(limit + 1, following, key=lambda gap: gap.cursor)
        if since == start or (len(newest) > limit and all(gap.is_start_known for gap in newest)):
            return newest[:limit], newest[limit - 1].cursor if len(newest) > limit else None
        length *= 4


class _MissedSlot(NamedTuple):
    location_id: int
    location: str
    schedule: str
    due_at: datetime
    reason: str
    detail: str | None
    is_closed: bool


def _find_gaps(
    session: Session, names: list[str], start: datetime, end: datetime, location_id: int | None, reason: str | None
) -> Iterator[Gap]:
    """Gaps by location, oldest first."""
    within = and_(Run.schedule.in_(names), Run.due_at >= start, Run.due_at < end)
    due: dict[str, list[datetime]] = {name: [] for name in names}
    for name, due_at in session.execute(select(Run.schedule, Run.due_at).where(within).order_by(Run.schedule, Run.due_at)):
        due[name].append(due_at)
    slots: list[_MissedSlot] = []
    key: tuple[int, str, bool] | None = None
    is_start_known = False
    for slot in _missed_slots(session, start, end, location_id, reason):
        id_, _, schedule, due_at, slot_reason, _, is_closed = slot
        instants, slot_key = due.get(schedule, []), (id_, slot_reason, is_closed)
        index = bisect_left(instants, due_at)
        if key != slot_key or bisect_right(instants, slots[-1].due_at) < index:
            if slots:
                yield _make_gap(slots, is_start_known)
            slots, key, is_start_known = [], slot_key, index > 0
        slots.append(slot)
    if slots:
        yield _make_gap(slots, is_start_known)


def _missed_slots(
    session: Session, start: datetime, end: datetime, location_id: int | None, reason: str | None
) -> Iterator[_MissedSlot]:
    """Slots that are still missed, by location, oldest first."""
    is_closed = Missed.closed_at.is_not(None)
    query = select(Location.id, Location.name, FOLLOWED_SCHEDULE, Missed.due_at, Missed.reason, Missed.detail, is_closed)
    query = query.select_from(Location).join(Missed, MISSED_OF_LOCATION)
    query = query.where(Missed.due_at >= start, Missed.due_at < end, STILL_MISSED)
    if location_id is not None:
        query = query.where(Location.id == location_id)
    if reason is not None:
        query = query.where(Missed.reason == reason)
    rows = session.execute(query.order_by(Location.id, Missed.due_at).execution_options(yield_per=5000))
    return map(_MissedSlot._make, rows)


def _make_gap(slots: Sequence[_MissedSlot], is_start_known: bool) -> Gap:
    first, last = slots[0], slots[-1]
    return Gap(
        location_id=last.location_id,
        location=last.location,
        reason=last.reason,
        first_slot=first.due_at,
        last_slot=last.due_at,
        slots=len(slots),
        detail=next((slot.detail for slot in reversed(slots) if slot.detail), first.detail),
        is_unrecoverable=last.is_closed,
        is_start_known=is_start_known,
    )
