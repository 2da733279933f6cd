"""End runs: count what they stored, and record a reason for every location without a row. Stop 8 of the walk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, literal, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..model import schedule
from ..model.schedule import Schedule
from ..model.states import OPEN_STATES, MissedReason, RunState, ShardState
from ..storage.archive.ranges import has_row, is_sealed
from ..storage.engine import get_db_session
from ..storage.lease_clock import lease_offset
from ..storage.models import Location, Missed, Run, Shard, WeatherData
from ..storage.process import process_name
from ..storage.upsert import insert_or_replace
from .conditions import Claim, follows_schedule, grace_of, is_free, row_count, still_missing
from .own_runs import OWN_RUNS


def release_run(claim: Claim, calls: int, *, until: datetime | None = None, reason: MissedReason | None = None) -> None:
    """Release a run unfinished: it may be claimed at once, or from ``until`` on, when it waits for what ``reason`` names."""
    with get_db_session() as session:
        if not _release(session, claim, calls, until, reason):
            ended_at = session.scalar(select(Run.ended_at).where(Run.id == claim.run_id))
            if ended_at is not None:  # the lease had expired: another process closed the run while this one stored rows
                _settle_run(session, claim.run_id, claim.schedule, claim.due_at, ended_at)


def _release(
    session: Session, claim: Claim, calls: int, until: datetime | None = None, reason: MissedReason | None = None
) -> bool:
    """Release a run that this process holds; False when it does not hold it."""
    is_held = (Run.holder == process_name(), Run.token == claim.token, Run.state == RunState.RUNNING)
    held = update(Run).where(Run.id == claim.run_id, *is_held)
    values: dict[str, Any] = {"state": RunState.PENDING, "holder": None, "reason": reason}
    values["lease_expires_at"] = until + lease_offset(session) if until is not None else None
    released = held.values(**values, calls=Run.calls + calls).execution_options(synchronize_session=False)
    return row_count(session.execute(released)) > 0


def reopen_waiting_runs() -> None:
    """Let runs that wait for a provider or its quota be claimed at once."""
    with get_db_session() as session:
        for model, pending in ((Run, RunState.PENDING), (Shard, ShardState.PENDING)):
            is_waiting = (model.state == pending, model.reason.in_((MissedReason.PROVIDER_ERROR, MissedReason.QUOTA)))
            waiting = update(model).where(*is_waiting).values(lease_expires_at=None)
            session.execute(waiting.execution_options(synchronize_session=False))


def record_missed(missed: Sequence[dict[str, Any]]) -> None:
    """Record why slots have no row: rows of ``location_id``, ``due_at``, ``reason`` and ``detail``."""
    if not missed:
        return
    try:
        with get_db_session() as session:
            insert_or_replace(session, Missed, missed)
    except IntegrityError:  # a location was removed meanwhile; its slots need no reason
        with get_db_session() as session:
            ids = [row["location_id"] for row in missed]
            existing = set(session.scalars(select(Location.id).where(Location.id.in_(ids))))
            insert_or_replace(session, Missed, [row for row in missed if row["location_id"] in existing])


def finish_run(claim: Claim, calls: int, now: datetime) -> RunState:
    """Count the rows and reasons of a run and close it.

    Returns:
        Its final state; ``pending`` where a location has neither a row nor a reason, so that the run is released instead, or
        left to the process that has claimed it meanwhile.
    """
    with get_db_session() as session:
        run = session.execute(select(Run.token, Run.state).where(Run.id == claim.run_id).with_for_update()).one()
        unaccounted = select(Location.id).where(still_missing(claim.schedule, claim.due_at)).limit(1)
        is_open = session.scalar(unaccounted) is not None
        if is_open and _release(session, claim, calls):
            return RunState.PENDING
        if calls:
            spent = update(Run).where(Run.id == claim.run_id).values(calls=Run.calls + calls)
            session.execute(spent.execution_options(synchronize_session=False))
        if run.state in OPEN_STATES and (is_open or run.token != claim.token):
            return RunState.PENDING
        return _settle_run(session, claim.run_id, claim.schedule, claim.due_at, now)


def close_orphans(now: datetime, schedules: Collection[str]) -> None:
    """Close runs past their slot that no process will claim, because no active location follows their schedule any more."""
    orphans = select(Run.id, Run.schedule, Run.due_at).where(
        Run.state.in_(OPEN_STATES), Run.schedule.not_in(schedules), Run.due_at < now - schedule.GRACE
    )
    with get_db_session(read_only=True) as session:
        is_abandoned = is_free(now + lease_offset(session)), OWN_RUNS.are_not_own()
        runs = session.execute(orphans.where(*is_abandoned)).all()
    for run_id, name, due_at in runs:
        with get_db_session() as session:
            delete_shards(session, run_id)
            _settle_run(session, run_id, name, due_at, now)


def unfinished_slots(now: datetime, schedules: Sequence[tuple[str, Schedule]]) -> list[datetime]:
    """Slots of runs that were started, that no process holds, and that are too old to be resumed: they must be closed."""
    started = select(Run.schedule, Run.due_at).where(Run.state.in_(OPEN_STATES), Run.started_at.is_not(None))
    with get_db_session(read_only=True) as session:
        unclaimed = started.where(_is_unclaimed(now + lease_offset(session)), OWN_RUNS.are_not_own())
        runs = session.execute(unclaimed.order_by(Run.due_at)).all()
    by_name = dict(schedules)
    return [due_at for name, due_at in runs if name in by_name and _is_over(by_name[name], due_at, now)]


def _is_over(when: Schedule, due_at: datetime, now: datetime) -> bool:
    slot = when.slot_at(now)
    return slot is not None and (due_at < slot or now - due_at >= grace_of(when))


def _is_unclaimed(now: datetime) -> ColumnElement[bool]:
    return or_(Run.state == RunState.PENDING, and_(Run.state == RunState.RUNNING, Run.lease_expires_at <= now))


def close_abandoned(
    session: Session, name: str, slot: datetime, now: datetime, lease_now: datetime, are_not_own: ColumnElement[bool]
) -> None:
    """Close the unclaimed runs of earlier slots: locations without a row were missed for the reason that the run waited for.

    Such a run ends when its last lease did, because no process has worked on it since.

    Args:
        session: Session to write with.
        name: The schedule.
        slot: The first slot that is not an earlier one.
        now: The time by the clock of this process, and
        lease_now: by the clock of leases.
        are_not_own: Holds for the runs that no thread of this process works on.
    """
    abandoned = select(Run).where(Run.schedule == name, Run.due_at < slot, _is_unclaimed(lease_now), are_not_own)
    abandoned = abandoned.with_for_update()
    for run in session.scalars(abandoned).all():
        delete_shards(session, run.id)  # from here on no process stores anything of them
        record_unaccounted(session, name, run.due_at, run.reason or MissedReason.DOWN)
        ended_at = run.lease_expires_at if run.state == RunState.RUNNING else run.started_at
        _settle_run(session, run.id, name, run.due_at, max(run.due_at, min(now, ended_at or run.due_at)))


def record_unaccounted(session: Session, name: str, slot: datetime, reason: str) -> int:
    """Record a reason for every location that has neither a row nor a reason for a slot; gives how many."""
    was_due = or_(
        func.coalesce(Location.due_since, Location.created_at) <= slot,
        exists().where(Run.schedule == name, Run.due_at == slot, Run.started_at.is_not(None)),
    )
    columns = Location.id, literal(slot, Run.due_at.type), literal(reason, Missed.reason.type)
    unaccounted = select(*columns).where(still_missing(name, slot), was_due)
    recorded = insert(Missed).from_select(["location_id", "due_at", "reason"], unaccounted)
    return row_count(session.execute(recorded.execution_options(preserve_rowcount=True)))


def recount_runs(session: Session, slots: Collection[datetime]) -> None:
    """Count the ended runs of these slots again, after rows were added to them."""
    ended = Run.state.in_((RunState.SUCCEEDED, RunState.PARTIAL, RunState.FAILED))
    query = select(Run.id, Run.schedule, Run.due_at, Run.ended_at).where(ended, Run.ended_at.is_not(None))
    for slot in slots:
        for run_id, name, due_at, ended_at in session.execute(query.where(Run.due_at == slot)).all():
            _settle_run(session, run_id, name, due_at, ended_at or due_at)


def _settle_run(session: Session, run_id: int, name: str, due_at: datetime, now: datetime) -> RunState:
    # A process whose lease expired may store rows of slots that another one has recorded as missed meanwhile.
    obsolete = delete(Missed).where(Missed.due_at == due_at, has_row(Missed.location_id, Missed.due_at))
    session.execute(obsolete.execution_options(synchronize_session=False))
    stored = _count(session, WeatherData, name, due_at) + _count_sealed(session, name, due_at)
    failed = _count(session, Missed, name, due_at)
    return close_run(session, run_id, stored, failed, now)


def close_run(session: Session, run_id: int, stored: int, failed: int, now: datetime) -> RunState:
    """Write how a run has ended; gives its final state."""
    state = RunState.SUCCEEDED if not failed else RunState.PARTIAL if stored else RunState.FAILED
    values = {"state": state, "stored": stored, "failed": failed, "due": stored + failed, "ended_at": now, "reason": None}
    closed = update(Run).where(Run.id == run_id).values(**values, holder=None, lease_expires_at=None, token=Run.token + 1)
    session.execute(closed.execution_options(synchronize_session=False))
    return state


def delete_shards(session: Session, run_id: int) -> None:
    """Delete the shards of a run."""
    session.execute(delete(Shard).where(Shard.run_id == run_id).execution_options(synchronize_session=False))


def _count(session: Session, model: type[WeatherData | Missed], name: str, due_at: datetime) -> int:
    rows = select(func.count()).select_from(model).join(Location, Location.id == model.location_id)
    return session.scalar(rows.where(model.due_at == due_at, follows_schedule(name))) or 0


def _count_sealed(session: Session, name: str, due_at: datetime) -> int:
    rows = select(func.count()).select_from(Location)
    return session.scalar(rows.where(follows_schedule(name), is_sealed(Location.id, due_at))) or 0


def count_reasons(due_at: datetime) -> Counter[str]:
    """How often each reason is recorded for a slot."""
    query = select(Missed.reason, func.count()).where(Missed.due_at == due_at).group_by(Missed.reason)
    with get_db_session(read_only=True) as session:
        return Counter(dict(session.execute(query).all()))
