"""What the ledger tells of the past: runs, and gaps. It reads, and changes nothing."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Integer, and_, cast, exists, func, literal, select, tuple_
from sqlalchemy.orm import Session, aliased

from ..locations.repository import get_location
from ..model.schedule import DEFAULT_SCHEDULE
from ..model.states import OPEN_STATES, LocationState, MissedReason, RunState
from ..storage.models import Location, Missed, Run, WeatherData

RUN_STATES: Final = tuple(state.value for state in RunState)
MISSED_REASONS: Final = tuple(reason.value for reason in MissedReason)

#: How far back gaps are looked for at first: the newest are soon found where there are many.
_FIRST_LOOK: Final = timedelta(days=7)

#: Name of the schedule that a location follows.
FOLLOWED_SCHEDULE: Final = func.coalesce(Location.schedule, DEFAULT_SCHEDULE)

#: A slot of the missed ledger with nothing stored since.
STILL_MISSED: Final = ~exists().where(WeatherData.location_id == Missed.location_id, WeatherData.due_at == Missed.due_at)

#: Joins locations to what they missed, one seek a location: no index has the instants of missed slots. Given the plain column,
#: SQLite would rather read all that was ever missed.
MISSED_OF_LOCATION: Final = cast(Location.id, Integer) == Missed.location_id


class Cursor(NamedTuple):
    """An entry's place in the order of an answer: newest first, then by id."""

    at: datetime
    id: int


class ScheduleSpan(NamedTuple):
    """The first and the last run of a schedule."""

    first: datetime
    last: datetime


def schedules_with_runs(session: Session) -> dict[str, ScheduleSpan]:
    """The schedules that ever ran; one indexed seek for each, however many runs they had."""
    other = aliased(Run)
    last = select(func.max(other.due_at)).where(other.schedule == Run.schedule).scalar_subquery()
    first = select(Run.schedule, Run.due_at, last).order_by(Run.schedule, Run.due_at).limit(1)
    found: dict[str, ScheduleSpan] = {}
    name = ""
    while row := session.execute(first.where(Run.schedule > name)).first():
        name = row[0]
        found[name] = ScheduleSpan(row[1], row[2])
    return found


def list_runs(
    session: Session,
    start: datetime,
    end: datetime,
    *,
    limit: int = 100,
    schedule: str | None = None,
    state: str | None = None,
    after: Cursor | None = None,
) -> tuple[list[dict[str, Any]], Cursor | None]:
    """Runs with ``start <= due_at < end``, newest first, and the place to go on after; None when there are no more."""
    names = [name for name in schedules_with_runs(session) if schedule in (None, name)]
    query = select(Run).where(Run.schedule.in_(names), Run.due_at >= start, Run.due_at < end)
    if state is not None:
        query = query.where(Run.state == state)
    if after is not None:
        query = query.where(tuple_(Run.due_at, Run.id) < tuple_(literal(after.at, Run.due_at.type), after.id))
    found = session.scalars(query.order_by(Run.due_at.desc(), Run.id.desc()).limit(limit + 1)).all()
    more = Cursor(found[limit - 1].due_at, found[limit - 1].id) if len(found) > limit else None
    why = _reasons(session, found[:limit])
    return [_run_view(session, run, why.get((run.schedule, run.due_at), {})) for run in found[:limit]], more


def _reasons(session: Session, shown: Sequence[Run]) -> dict[tuple[str, datetime], dict[str, int]]:
    """How many locations of each run failed for which reason: one query for all runs."""
    failed = [run.due_at for run in shown if run.failed or run.state in OPEN_STATES]
    if not failed:
        return {}
    within = Missed.due_at.between(min(failed), max(failed))
    query = (
        select(FOLLOWED_SCHEDULE, Missed.due_at, Missed.reason, func.count())
        .select_from(Location)
        .join(Missed, MISSED_OF_LOCATION)
    )
    found: dict[tuple[str, datetime], dict[str, int]] = {}
    for schedule, due_at, reason, many in session.execute(
        query.where(within).group_by(FOLLOWED_SCHEDULE, Missed.due_at, Missed.reason)
    ):
        found.setdefault((schedule, due_at), {})[reason] = many
    return {key: dict(sorted(reasons.items())) for key, reasons in found.items()}


def _run_view(session: Session, run: Run, why: dict[str, int]) -> dict[str, Any]:
    stored, failed = run.stored, run.failed
    if run.state in OPEN_STATES:  # its counts are written as it ends
        rows = select(func.count()).select_from(WeatherData).join(Location, Location.id == WeatherData.location_id)
        mine = and_(WeatherData.due_at == run.due_at, FOLLOWED_SCHEDULE == run.schedule, Location.state == LocationState.ACTIVE)
        stored, failed = session.scalar(rows.where(mine)) or 0, sum(why.values())
    counts = {"due": max(run.due, stored + failed), "stored": stored, "failed": failed, "failed_by_reason": why}
    head = {"schedule": run.schedule, "due_at": run.due_at, "state": run.state, "reason": run.reason}
    return {**head, **counts, "calls": run.calls, "started_at": run.started_at, "ended_at": run.ended_at}


@dataclass(slots=True)
class _Gap:
    """Missed slots of a location in a row, for one reason, all or none of them unrecoverable."""

    location_id: int
    location: str
    reason: str
    since: datetime
    until: datetime
    slots: int
    detail: str | None
    #: Whether it will not be healed any more.
    unrecoverable: bool
    #: Whether a slot before it is known, so that it cannot have begun earlier.
    whole: bool

    @property
    def place(self) -> Cursor:
        return Cursor(self.until, self.location_id)

    def told(self) -> dict[str, Any]:
        head = {"location": self.location, "from": self.since, "to": self.until}
        return {**head, "slots": self.slots, "reason": self.reason, "detail": self.detail, "unrecoverable": self.unrecoverable}


def list_gaps(
    session: Session,
    start: datetime,
    end: datetime,
    *,
    location: str | None = None,
    reason: str | None = None,
    limit: int = 100,
    after: Cursor | None = None,
) -> tuple[list[dict[str, Any]], Cursor | None]:
    """Missed slots with ``start <= due_at < end`` as gaps, newest first, and the place to go on after (None: no more).

    Slots of a location that follow each other and were missed for the same reason are one gap, those that are unrecoverable
    apart from those that may still be healed; ``from`` and ``to`` are its first and its last slot, ``detail`` is that of its
    last slot that has one.

    Raises:
        LocationNotFoundError: No location has that name.
    """
    only = None if location is None else get_location(session, location).id
    names, length = schedules_with_runs(session), _FIRST_LOOK if location is None else end - start
    while True:
        since = end - length if end - start > length else start
        every = _gaps(session, list(names), since, end, only, reason)
        wanted = (gap for gap in every if after is None or gap.place < after)
        found = heapq.nlargest(limit + 1, wanted, key=lambda gap: gap.place)
        if since == start or (len(found) > limit and all(gap.whole for gap in found)):
            more = found[limit - 1].place if len(found) > limit else None
            return [gap.told() for gap in found[:limit]], more
        length *= 4


def _gaps(
    session: Session, names: list[str], start: datetime, end: datetime, only: int | None, reason: str | None
) -> Iterator[_Gap]:
    """Gaps by location, oldest first."""
    within = and_(Run.schedule.in_(names), Run.due_at >= start, Run.due_at < end)
    slots: dict[str, list[datetime]] = {name: [] for name in names}
    for name, due_at in session.execute(select(Run.schedule, Run.due_at).where(within).order_by(Run.schedule, Run.due_at)):
        slots[name].append(due_at)
    closed = Missed.closed_at.is_not(None)
    query = select(Location.id, Location.name, FOLLOWED_SCHEDULE, Missed.due_at, Missed.reason, Missed.detail, closed)
    query = (
        query.select_from(Location)
        .join(Missed, MISSED_OF_LOCATION)
        .where(Missed.due_at >= start, Missed.due_at < end, STILL_MISSED)
    )
    if only is not None:
        query = query.where(Location.id == only)
    if reason is not None:
        query = query.where(Missed.reason == reason)
    gap: _Gap | None = None
    rows = session.execute(query.order_by(Location.id, Missed.due_at).execution_options(yield_per=5000))
    for id_, location, schedule, due_at, why, detail, unrecoverable in rows:
        line = slots.get(schedule, [])
        place = bisect_left(line, due_at)
        goes_on = gap and (gap.location_id, gap.reason, gap.unrecoverable) == (id_, why, unrecoverable)
        if gap and goes_on and bisect_right(line, gap.until) >= place:
            gap.until, gap.slots, gap.detail = due_at, gap.slots + 1, detail or gap.detail
        else:
            if gap:
                yield gap
            gap = _Gap(id_, location, why, due_at, due_at, 1, detail, unrecoverable, whole=place > 0)
    if gap:
        yield gap
