"""Runs, read from the ledger, and the conditions that all queries of the ledger share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import Integer, and_, cast, func, literal, select, tuple_
from sqlalchemy.orm import Session, aliased

from ..model.schedule import DEFAULT_SCHEDULE
from ..model.states import OPEN_STATES, LocationState, MissedReason, RunState
from ..storage.archive.ranges import has_no_row
from ..storage.models import Location, Missed, Run, WeatherData

RUN_STATES: Final = tuple(state.value for state in RunState)
MISSED_REASONS: Final = tuple(reason.value for reason in MissedReason)

#: Name of the schedule that a location follows.
FOLLOWED_SCHEDULE: Final = func.coalesce(Location.schedule, DEFAULT_SCHEDULE)

#: Condition: a missed slot for which no row was stored later.
STILL_MISSED: Final = has_no_row(Missed.location_id, Missed.due_at)

#: Joins locations to their missed slots, with one index seek per location, because no index starts with the instant of missed
#: slots. Without the cast, SQLite scans the whole table of missed slots.
MISSED_OF_LOCATION: Final = cast(Location.id, Integer) == Missed.location_id


#: Where a read-only session keeps the schedules with runs.
_SPANS: Final = "schedules with runs"


class Cursor(NamedTuple):
    """Position of an entry in an answer that is ordered by time, newest first, and then by id."""

    at: datetime
    id: int


class ScheduleSpan(NamedTuple):
    """``due_at`` of the first and of the last run of a schedule."""

    first: datetime
    last: datetime


def schedules_with_runs(session: Session) -> Mapping[str, ScheduleSpan]:
    """The schedules that have runs, by name. Read once in a read-only session, whose answer has many parts that need it."""
    if not session.get_bind().get_execution_options().get("read_only"):
        return _read_spans(session)
    if _SPANS not in session.info:
        session.info[_SPANS] = _read_spans(session)
    spans: Mapping[str, ScheduleSpan] = session.info[_SPANS]
    return spans


def _read_spans(session: Session) -> dict[str, ScheduleSpan]:
    """Needs one index seek per schedule, whatever the number of runs."""
    other = aliased(Run)
    last = select(func.max(other.due_at)).where(other.schedule == Run.schedule).scalar_subquery()
    first = select(Run.schedule, Run.due_at, last).order_by(Run.schedule, Run.due_at).limit(1)
    spans: dict[str, ScheduleSpan] = {}
    name = ""
    while row := session.execute(first.where(Run.schedule > name)).first():
        name = row[0]
        spans[name] = ScheduleSpan(row[1], row[2])
    return spans


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with its counts, as the web and the command line show it."""

    schedule: str
    due_at: datetime
    state: str
    #: Why the whole run was missed, or what a run that was given back waits for.
    reason: str | None
    #: Number of locations that were due, stored and failed.
    due: int
    stored: int
    failed: int
    failed_by_reason: dict[str, int]
    #: HTTP attempts.
    calls: int
    started_at: datetime | None
    ended_at: datetime | None
    #: Number of the failed locations whose slot is no longer missed: a history filled it, or the location is gone.
    settled: int = 0


def list_runs(
    session: Session,
    start: datetime,
    end: datetime,
    *,
    limit: int = 100,
    schedule: str | None = None,
    state: str | None = None,
    after: Cursor | None = None,
) -> tuple[list[RunView], Cursor | None]:
    """Runs with ``start <= due_at < end``, newest first, and the cursor of the next page; None on the last page."""
    names = [name for name in schedules_with_runs(session) if schedule in (None, name)]
    query = select(Run).where(Run.schedule.in_(names), Run.due_at >= start, Run.due_at < end)
    if state is not None:
        query = query.where(Run.state == state)
    if after is not None:
        query = query.where(tuple_(Run.due_at, Run.id) < tuple_(literal(after.at, Run.due_at.type), after.id))
    runs = session.scalars(query.order_by(Run.due_at.desc(), Run.id.desc()).limit(limit + 1)).all()
    page = runs[:limit]
    following = Cursor(page[-1].due_at, page[-1].id) if len(runs) > limit else None
    reasons = _failure_reasons(session, page)
    settled = _count_settled(page, reasons)
    return [
        _run_view(session, run, reasons.get((run.schedule, run.due_at), {}), settled.get(run.id, 0)) for run in page
    ], following


def _failure_reasons(session: Session, runs: Sequence[Run]) -> dict[tuple[str, datetime], dict[str, int]]:
    """Number of failed locations by reason, for each schedule and slot; one query for all runs."""
    slots = [run.due_at for run in runs if run.failed or run.state in OPEN_STATES]
    if not slots:
        return {}
    within = Missed.due_at.between(min(slots), max(slots))
    query = (
        select(FOLLOWED_SCHEDULE, Missed.due_at, Missed.reason, func.count())
        .select_from(Location)
        .join(Missed, MISSED_OF_LOCATION)
    )
    by_run: dict[tuple[str, datetime], dict[str, int]] = {}
    for schedule, due_at, reason, count in session.execute(
        query.where(within).group_by(FOLLOWED_SCHEDULE, Missed.due_at, Missed.reason)
    ):
        by_run.setdefault((schedule, due_at), {})[reason] = count
    return {key: dict(sorted(reasons.items())) for key, reasons in by_run.items()}


def _count_settled(runs: Sequence[Run], reasons: Mapping[tuple[str, datetime], dict[str, int]]) -> dict[int, int]:
    """Number of failed locations without a reason, by the id of the run.

    A reason has no schedule: it may be of a location that has changed its schedule since. Such a slot is not settled, so there
    are never more of them than reasons are lacking at the instant.
    """
    missed: Counter[datetime] = Counter()
    for (_, due_at), counts in reasons.items():
        missed[due_at] += sum(counts.values())
    failed: Counter[datetime] = Counter()
    for run in runs:
        failed[run.due_at] += run.failed
    return {
        run.id: max(0, min(run.failed - sum(own.values()), failed[run.due_at] - missed[run.due_at]))
        for run in runs
        for own in [reasons.get((run.schedule, run.due_at), {})]
    }


def _run_view(session: Session, run: Run, failed_by_reason: dict[str, int], settled: int) -> RunView:
    stored, failed = run.stored, run.failed
    if run.state in OPEN_STATES:  # the counts of a run are written when the run ends
        rows = select(func.count()).select_from(WeatherData).join(Location, Location.id == WeatherData.location_id)
        mine = and_(WeatherData.due_at == run.due_at, FOLLOWED_SCHEDULE == run.schedule, Location.state == LocationState.ACTIVE)
        stored, failed = session.scalar(rows.where(mine)) or 0, sum(failed_by_reason.values())
    return RunView(
        schedule=run.schedule,
        due_at=run.due_at,
        state=run.state,
        reason=run.reason,
        due=max(run.due, stored + failed),
        stored=stored,
        failed=failed,
        failed_by_reason=failed_by_reason,
        settled=settled,
        calls=run.calls,
        started_at=run.started_at,
        ended_at=run.ended_at,
    )
