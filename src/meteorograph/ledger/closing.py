"""How a run ends: what it stored is counted, and whatever it did not store gets its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, exists, func, insert, literal, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..model import schedule
from ..model.schedule import Schedule
from ..model.states import OPEN_STATES, MissedReason, RunState
from ..storage.engine import get_db_session
from ..storage.models import Location, Missed, Run, WeatherData
from ..storage.process import process_name
from ..storage.upsert import insert_or_replace
from .conditions import Claim, follows_schedule, is_free, row_count, still_missing


def release_run(claimed: Claim, calls: int, *, until: datetime | None = None, reason: MissedReason | None = None) -> None:
    """Give a run back unfinished: free at once, or from ``until`` on when it waits for what ``reason`` says."""
    with get_db_session() as session:
        mine = update(Run).where(Run.id == claimed.run_id, Run.holder == process_name(), Run.state == RunState.RUNNING)
        free = {"state": RunState.PENDING, "holder": None, "lease_expires_at": until, "reason": reason}
        given = session.execute(mine.values(**free, calls=Run.calls + calls).execution_options(synchronize_session=False))
        if not row_count(given):
            ended_at = session.scalar(select(Run.ended_at).where(Run.id == claimed.run_id))
            if ended_at is not None:  # closed by another process while this one, longer than its lease, stored
                _settle_run(session, claimed.run_id, claimed.schedule, claimed.due_at, ended_at)


def record_missed(missed: Sequence[dict[str, Any]]) -> None:
    """Write why slots have nothing stored: rows of ``location_id``, ``due_at``, ``reason`` and ``detail``."""
    try:
        with get_db_session() as session:
            insert_or_replace(session, Missed, missed)
    except IntegrityError:  # a location was removed meanwhile; it owes no reason
        with get_db_session() as session:
            there = set(session.scalars(select(Location.id).where(Location.id.in_([row["location_id"] for row in missed]))))
            insert_or_replace(session, Missed, [row for row in missed if row["location_id"] in there])


def finish_run(claimed: Claim, calls: int, now: datetime) -> RunState:
    """Count what the run has come to and close it; gives its final state."""
    with get_db_session() as session:
        spent = update(Run).where(Run.id == claimed.run_id).values(calls=Run.calls + calls)
        session.execute(spent.execution_options(synchronize_session=False))
        return _settle_run(session, claimed.run_id, claimed.schedule, claimed.due_at, now)


def close_orphans(now: datetime, names: Collection[str]) -> None:
    """Close runs past their slot whose schedule no active location follows any more, so that nobody will claim them."""
    orphans = select(Run.id, Run.schedule, Run.due_at).where(
        Run.state.in_(OPEN_STATES), Run.schedule.not_in(names), Run.due_at < now - schedule.GRACE, is_free(now)
    )
    with get_db_session(read_only=True) as session:
        found = session.execute(orphans).all()
    for run_id, name, due_at in found:
        with get_db_session() as session:
            _settle_run(session, run_id, name, due_at, now)


def unfinished_slots(now: datetime, schedules: Sequence[tuple[str, Schedule]]) -> list[datetime]:
    """The slots of runs that were begun, that nobody has any more, and that are too old to be taken up: they are to be closed."""
    begun = select(Run.schedule, Run.due_at).where(Run.state.in_(OPEN_STATES), Run.started_at.is_not(None))
    with get_db_session(read_only=True) as session:
        found = session.execute(begun.where(_is_unclaimed(now)).order_by(Run.due_at)).all()
    known = dict(schedules)
    return [due_at for name, due_at in found if name in known and _is_over(known[name], due_at, now)]


def _is_over(when: Schedule, due_at: datetime, now: datetime) -> bool:
    slot = when.slot_at(now)
    return slot is not None and (due_at < slot or now - due_at >= schedule.GRACE)


def _is_unclaimed(now: datetime) -> Any:
    return or_(Run.state == RunState.PENDING, and_(Run.state == RunState.RUNNING, Run.lease_expires_at <= now))


def close_abandoned(session: Session, name: str, slot: datetime, now: datetime) -> list[datetime]:
    """Runs of earlier slots that are over: what they did not store is missed, for the reason they waited for; gives which."""
    abandoned = select(Run).where(Run.schedule == name, Run.due_at < slot, _is_unclaimed(now)).with_for_update()
    runs = session.scalars(abandoned).all()
    for run in runs:
        record_unaccounted(session, name, run.due_at, run.reason or MissedReason.DOWN)
        _settle_run(session, run.id, name, run.due_at, now)
    return [run.due_at for run in runs]


def record_unaccounted(session: Session, name: str, slot: datetime, reason: str) -> int:
    """Write a reason for every location that has neither a row nor a reason for the slot; gives how many."""
    known = or_(
        func.coalesce(Location.due_since, Location.created_at) <= slot,
        exists().where(Run.schedule == name, Run.due_at == slot, Run.started_at.is_not(None)),
    )
    lost = select(Location.id, literal(slot, Run.due_at.type), literal(reason, Missed.reason.type)).where(
        still_missing(name, slot), known
    )
    written = insert(Missed).from_select(["location_id", "due_at", "reason"], lost)
    return row_count(session.execute(written.execution_options(preserve_rowcount=True)))


def recount_runs(session: Session, slots: Collection[datetime]) -> None:
    """Count once more what the ended runs of these slots have come to: rows came from elsewhere meanwhile."""
    ended = Run.state.in_((RunState.SUCCEEDED, RunState.PARTIAL, RunState.FAILED))
    query = select(Run.id, Run.schedule, Run.due_at, Run.ended_at).where(ended, Run.ended_at.is_not(None))
    for slot in slots:
        for run_id, name, due_at, ended_at in session.execute(query.where(Run.due_at == slot)).all():
            _settle_run(session, run_id, name, due_at, ended_at or due_at)


def _settle_run(session: Session, run_id: int, name: str, due_at: datetime, now: datetime) -> RunState:
    # A process that stalls longer than its lease may store what another has written off meanwhile.
    after_all = exists().where(WeatherData.location_id == Missed.location_id, WeatherData.due_at == Missed.due_at)
    written_off = delete(Missed).where(Missed.due_at == due_at, after_all)
    session.execute(written_off.execution_options(synchronize_session=False))
    stored = _count(session, WeatherData, name, due_at)
    failed = _count(session, Missed, name, due_at)
    state = RunState.SUCCEEDED if not failed else RunState.PARTIAL if stored else RunState.FAILED
    done = {"state": state, "stored": stored, "failed": failed, "due": stored + failed, "ended_at": now, "reason": None}
    closed = update(Run).where(Run.id == run_id).values(**done, holder=None, lease_expires_at=None)
    session.execute(closed.execution_options(synchronize_session=False))
    return state


def _count(session: Session, model: type[WeatherData | Missed], name: str, due_at: datetime) -> int:
    rows = select(func.count()).select_from(model).join(Location, Location.id == model.location_id)
    return session.scalar(rows.where(model.due_at == due_at, follows_schedule(name))) or 0


def count_reasons(due_at: datetime) -> Counter[str]:
    """How often each reason was recorded for a slot."""
    query = select(Missed.reason, func.count()).where(Missed.due_at == due_at).group_by(Missed.reason)
    with get_db_session(read_only=True) as session:
        return Counter(dict(session.execute(query).all()))
