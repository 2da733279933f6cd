"""Gaps: consecutive missed slots of a location, read from the ledger."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import and_, exists, func, select
from sqlalchemy.orm import Session

from ..locations.repository import get_location
from ..quality.row_checks import MAX_CLOCK_LEAD
from ..storage.archive.ranges import last_sealed_slot
from ..storage.models import Location, Missed, Run, WeatherData
from .queries import FOLLOWED_SCHEDULE, MISSED_OF_LOCATION, STILL_MISSED, Cursor, ScheduleSpan, schedules_with_runs

#: Length of the first period that is searched for gaps. Where there are many gaps, the newest ones lie in it.
_FIRST_SEARCH_PERIOD: Final = timedelta(hours=6)

#: How far back missed slots are counted, and how many at most.
MISSED_SINCE: Final = timedelta(days=1)
MISSED_COUNTED: Final = 10_000

_MICROSECOND: Final = timedelta(microseconds=1)


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
    spans = schedules_with_runs(session)
    names = list(spans)
    if after is not None:
        end = min(end, _end_of_page_before(session, names, after.at))
    length = end - start if location is not None else _FIRST_SEARCH_PERIOD
    while True:
        since = end - length if end - start > length else start
        gaps = _find_gaps(session, spans, since, end, location_id, reason)
        following = (gap for gap in gaps if after is None or gap.cursor < after)
        newest = heapq.nlargest(limit + 1, following, key=lambda gap: gap.cursor)
        if since == start or len(newest) > limit:
            page = [
                gap if gap.is_start_known or since == start else _with_start(session, spans, gap, start) for gap in newest[:limit]
            ]
            return page, newest[limit - 1].cursor if len(newest) > limit else None
        length *= 8


def count_missed(session: Session, now: datetime) -> dict[str, int]:
    """Reason → slots of the last day that are missed, also those that no history has; at most ``MISSED_COUNTED`` are counted."""
    within = (Missed.due_at > now - MISSED_SINCE, Missed.due_at <= now + MAX_CLOCK_LEAD, STILL_MISSED)
    found = select(Missed.reason).select_from(Location).join(Missed, MISSED_OF_LOCATION).where(*within)
    counted = found.limit(MISSED_COUNTED).subquery()
    query = select(counted.c.reason, func.count()).group_by(counted.c.reason)
    return {row.reason: row[1] for row in session.execute(query)}


def _end_of_page_before(session: Session, names: list[str], at: datetime) -> datetime:
    """An instant after the next slot of each schedule: slots up to it show which gaps go on after ``at``."""
    times = [session.scalar(select(func.min(Run.due_at)).where(Run.schedule == name, Run.due_at > at)) for name in names]
    return max((time for time in times if time is not None), default=at) + timedelta(microseconds=1)


def _with_start(session: Session, spans: Mapping[str, ScheduleSpan], gap: Gap, start: datetime) -> Gap:
    """The gap with its slots between ``start`` and its first known slot, which were not read with the other gaps."""
    of_gap = and_(
        Missed.location_id == gap.location_id,
        Missed.reason == gap.reason,
        Missed.closed_at.is_not(None) if gap.is_unrecoverable else Missed.closed_at.is_(None),
        STILL_MISSED,
    )
    earlier = and_(Missed.location_id == gap.location_id, Missed.due_at >= start, Missed.due_at < gap.first_slot)
    schedule = session.scalars(select(FOLLOWED_SCHEDULE).where(Location.id == gap.location_id)).one()
    before = min(gap.first_slot, spans[schedule].first) if schedule in spans else gap.first_slot
    other_slot = select(Run.due_at).where(
        Run.schedule == schedule,
        Run.due_at >= start,
        Run.due_at < gap.first_slot,
        ~exists().where(of_gap, Missed.due_at == Run.due_at),
    )
    other_missed = select(Missed.due_at).where(earlier, STILL_MISSED, ~of_gap)
    row = select(WeatherData.due_at).where(
        WeatherData.location_id == gap.location_id, WeatherData.due_at >= start, WeatherData.due_at < before
    )
    ends = (
        session.scalar(row.order_by(WeatherData.due_at.desc()).limit(1)),  # at a slot of an earlier schedule
        last_sealed_slot(session, gap.location_id, start, before),
        session.scalar(other_slot.order_by(Run.due_at.desc()).limit(1)),
        session.scalar(other_missed.order_by(Missed.due_at.desc()).limit(1)),
    )
    since = max((end for end in ends if end is not None), default=None)
    slots = and_(of_gap, earlier) if since is None else and_(of_gap, earlier, Missed.due_at > since)
    first, count = session.execute(select(func.min(Missed.due_at), func.count()).where(slots)).one()
    detail = select(Missed.detail).where(slots, Missed.detail != "").order_by(Missed.due_at.desc()).limit(1)
    return replace(
        gap,
        first_slot=first if count else gap.first_slot,
        slots=gap.slots + count,
        detail=gap.detail or session.scalar(detail),
        is_start_known=since is not None,
    )


class _MissedSlot(NamedTuple):
    location_id: int
    location: str
    schedule: str
    due_at: datetime
    reason: str
    detail: str | None
    is_closed: bool


def _find_gaps(
    session: Session,
    spans: Mapping[str, ScheduleSpan],
    start: datetime,
    end: datetime,
    location_id: int | None,
    reason: str | None,
) -> Iterator[Gap]:
    """Gaps by location, oldest first."""
    within = and_(Run.schedule.in_(spans), Run.due_at >= start, Run.due_at < end)
    due: dict[str, list[datetime]] = {name: [] for name in spans}
    for name, due_at in session.execute(select(Run.schedule, Run.due_at).where(within).order_by(Run.schedule, Run.due_at)):
        due[name].append(due_at)
    slots: list[_MissedSlot] = []
    is_start_known = False
    for slot in _missed_slots(session, start, end, location_id, reason):
        instants = due.get(slot.schedule, [])
        if slots and not _continues(session, slots, slot, instants, spans.get(slot.schedule)):
            yield _make_gap(slots, is_start_known)
            slots = []
        if not slots:
            is_start_known = bisect_left(instants, slot.due_at) > 0
        slots.append(slot)
    if slots:
        yield _make_gap(slots, is_start_known)


def _continues(
    session: Session, slots: Sequence[_MissedSlot], slot: _MissedSlot, instants: Sequence[datetime], span: ScheduleSpan | None
) -> bool:
    """Whether a missed slot belongs to the gap of the slots before it: no other slot of the location lies between.

    Before the first run of its schedule the location followed another one, whose slots are known only by their rows. There,
    slots at equal distances follow one another.
    """
    last = slots[-1]
    if (last.location_id, last.reason, last.is_closed) != (slot.location_id, slot.reason, slot.is_closed):
        return False
    if span is not None and last.due_at >= span.first:
        return bisect_right(instants, last.due_at) >= bisect_left(instants, slot.due_at)
    if len(slots) > 1 and slot.due_at - last.due_at == last.due_at - slots[-2].due_at:
        return True
    between = WeatherData.due_at > last.due_at, WeatherData.due_at < slot.due_at
    row = select(WeatherData.due_at).where(WeatherData.location_id == slot.location_id, *between).limit(1)
    is_next = session.scalar(row) is None
    return is_next and last_sealed_slot(session, slot.location_id, last.due_at + _MICROSECOND, slot.due_at) is None


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
