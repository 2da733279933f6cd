"""Claim the runs of jobs: constraints and conditional updates elect one process for a slot, and one run of a job at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import CursorResult, and_, exists, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..model.states import JobState
from ..storage.engine import get_db_session
from ..storage.models import JobRun, RegisteredJob
from ..storage.process import process_name
from ..storage.upsert import insert_or_ignore
from .registry import Job

#: How long a run is held unless its lease is renewed.
LEASE_LENGTH: Final = timedelta(seconds=30)

#: How far the clock of another process may be ahead. What is due later comes from a clock that was wrong.
_CLOCKS_APART: Final = timedelta(seconds=30)

#: A run of an idempotent job is not started again when so many attempts ended with the death of their process.
_MAX_DEATHS: Final = 3

#: An absence is counted up to so many slots: two months of a job that is due every minute.
_MAX_COUNTED: Final = 100_000


@dataclass(frozen=True, slots=True)
class JobClaim:
    """A run that this process holds."""

    run_id: int
    job: Job
    due_at: datetime
    #: Until when the run may be tried again.
    ends_at: datetime
    attempts: int


def record_jobs(jobs: Iterable[Job], now: datetime) -> None:
    """Record which jobs this process has."""
    with get_db_session() as session:
        for job in jobs:
            insert_or_ignore(session, RegisteredJob, [{"name": job.name, "schedule": job.schedule, "seen_at": now}])
            mine = update(RegisteredJob).where(RegisteredJob.name == job.name)
            session.execute(mine.values(schedule=job.schedule, seen_at=now), execution_options={"synchronize_session": False})


def claim(job: Job, now: datetime, *, closes_dead: bool) -> JobClaim | None:
    """Claim the newest slot of a job, after ending what is left of earlier ones.

    Args:
        job: The job.
        now: The time.
        closes_dead: Whether a run with an expired lease counts as dead. Not while the database has just come back: its process
            could not renew the lease.

    Returns:
        None where there is nothing to do, or another process does it.
    """
    slot = job.when.slot_at(now)
    if slot is None:
        return None
    with get_db_session(read_only=True) as session:
        if not _has_work(session, job, slot, now):
            return None
    try:
        with get_db_session() as session:
            if closes_dead:
                _close_dead(session, job, slot, now)
            _close_waiting(session, job, slot, now)
            _record_skipped(session, job, slot, now)
            return _take(session, job, slot, now)
    except IntegrityError:  # another process has just claimed another slot of the job
        return None


def _has_work(session: Session, job: Job, slot: datetime, now: datetime) -> bool:
    newest = _newest(session, job, now)
    if (newest is None and now < job.ends_at(slot)) or (newest is not None and newest.due_at < slot):
        return True
    waits = and_(JobRun.state == JobState.PENDING, or_(JobRun.due_at < slot, JobRun.retry_at.is_(None), JobRun.retry_at <= now))
    is_dead = and_(JobRun.state == JobState.RUNNING, JobRun.lease_expires_at <= now)
    return session.scalar(select(JobRun.id).where(JobRun.job == job.name, or_(waits, is_dead)).limit(1)) is not None


def _newest(session: Session, job: Job, now: datetime) -> JobRun | None:
    mine = select(JobRun).where(JobRun.job == job.name, JobRun.due_at <= now + _CLOCKS_APART)
    return session.scalars(mine.order_by(JobRun.due_at.desc()).limit(1)).first()


def _is_busy(job: Job, now: datetime) -> Any:
    """Whether a process works on a run of the job; also on one that has timed out."""
    return exists().where(JobRun.job == job.name, JobRun.holder.is_not(None), JobRun.lease_expires_at > now)


def _close_dead(session: Session, job: Job, slot: datetime, now: datetime) -> None:
    """End the run whose process died, or give it back if it may run again."""
    is_dead = (JobRun.job == job.name, JobRun.state == JobState.RUNNING, JobRun.lease_expires_at <= now)
    for run in session.scalars(select(JobRun).where(*is_dead)):
        held = update(JobRun).where(JobRun.id == run.id, *is_dead)
        reason = f"its process died: {run.holder}"
        runs_again = job.is_idempotent and run.due_at == slot and now < job.ends_at(slot) and run.attempts < _MAX_DEATHS
        if runs_again:
            values = {"state": JobState.PENDING, "holder": None, "lease_expires_at": None, "retry_at": None, "error": reason}
            _update(session, held, **values)
        elif _update(session, held, **_ended(JobState.FAILED, now, reason)):
            count(session, job.name, failed=1)


def _close_waiting(session: Session, job: Job, slot: datetime, now: datetime) -> None:
    """End the runs that wait, where a later slot is due or their grace is over."""
    for run in session.scalars(select(JobRun).where(JobRun.job == job.name, JobRun.state == JobState.PENDING)):
        if run.due_at >= slot and now < job.ends_at(run.due_at):
            continue
        state = JobState.FAILED if run.attempts else JobState.SKIPPED
        waiting = update(JobRun).where(JobRun.id == run.id, JobRun.state == JobState.PENDING)
        if _update(session, waiting, **_ended(state, now, run.error)):
            count(session, job.name, **{state.value: 1})


def _record_skipped(session: Session, job: Job, slot: datetime, now: datetime) -> None:
    """Record the slots since the last run that nothing runs any more: one row for all of them in a row."""
    newest = _newest(session, job, now)
    if newest is None or newest.due_at >= slot:
        return
    is_past = now >= job.ends_at(slot)
    slots, last = int(is_past), slot
    for between in job.when.slots_between(newest.due_at, slot):
        slots, last = slots + 1, slot if is_past else between
        if slots >= _MAX_COUNTED:
            break
    if not slots:
        return
    is_busy = session.scalar(select(_is_busy(job, now)))
    error = "an earlier run was still running" if is_busy else "no process with this job was running"
    if newest.state == JobState.SKIPPED:
        row = update(JobRun).where(JobRun.id == newest.id, JobRun.due_at == newest.due_at)
        is_new = _update(session, row, due_at=last, slots=newest.slots + slots, ended_at=now, error=error)
    else:
        values = {"job": job.name, "due_at": last, "state": JobState.SKIPPED, "slots": slots, "ended_at": now, "error": error}
        is_new = insert_or_ignore(session, JobRun, [values]) > 0
    if is_new:
        count(session, job.name, skipped=slots)


def _take(session: Session, job: Job, slot: datetime, now: datetime) -> JobClaim | None:
    newest = _newest(session, job, now)
    if now >= job.ends_at(slot) or (newest is not None and newest.due_at > slot) or session.scalar(select(_is_busy(job, now))):
        return None
    insert_or_ignore(session, JobRun, [{"job": job.name, "due_at": slot, "state": JobState.PENDING}])
    mine = (JobRun.job == job.name, JobRun.due_at == slot)
    is_free = and_(JobRun.state == JobState.PENDING, or_(JobRun.retry_at.is_(None), JobRun.retry_at <= now))
    values = {
        "state": JobState.RUNNING,
        "holder": process_name(),
        "lease_expires_at": now + LEASE_LENGTH,
        "attempts": JobRun.attempts + 1,
        "retry_at": None,
        "started_at": now,
    }
    if not _update(session, update(JobRun).where(*mine, is_free), **values):
        return None
    run_id, attempts = session.execute(select(JobRun.id, JobRun.attempts).where(*mine)).one()
    return JobClaim(run_id, job, slot, job.ends_at(slot), attempts)


def renew(held: JobClaim, now: datetime) -> bool:
    """Extend the lease on a run; False when another process has ended it."""
    with get_db_session() as session:
        return _update(session, _held_by_me(held), lease_expires_at=now + LEASE_LENGTH)


def finish(held: JobClaim, now: datetime, error: str | None, retry_at: datetime | None = None) -> None:
    """End a run of this process: it succeeded, or failed with ``error``, or is tried again at ``retry_at``."""
    with get_db_session() as session:
        running = _held_by_me(held).where(JobRun.state == JobState.RUNNING)
        if retry_at is not None:
            _update(session, running, **{**_ended(JobState.PENDING, None, error), "retry_at": retry_at})
        elif error is not None:
            if _update(session, running, **_ended(JobState.FAILED, now, error)):
                count(session, held.job.name, failed=1)
        elif _update(session, running, **_ended(JobState.SUCCEEDED, now, None)):
            count(session, held.job.name, succeeded=1)
            mine = update(RegisteredJob).where(RegisteredJob.name == held.job.name)
            _update(session, mine, last_success_at=now)


def time_out(held: JobClaim, now: datetime, error: str) -> None:
    """Record that a run has failed while its thread goes on; this process keeps it, so that no other run starts."""
    with get_db_session() as session:
        running = _held_by_me(held).where(JobRun.state == JobState.RUNNING)
        if _update(session, running, state=JobState.FAILED, ended_at=now, error=error):
            count(session, held.job.name, failed=1)


def let_go(held: JobClaim) -> None:
    """Let go of a run that had timed out and whose thread has ended."""
    with get_db_session() as session:
        _update(session, _held_by_me(held), holder=None, lease_expires_at=None)


def count(session: Session, name: str, **slots: int) -> None:
    """Add slots to the totals of a job."""
    values = {state: getattr(RegisteredJob, state) + number for state, number in slots.items()}
    _update(session, update(RegisteredJob).where(RegisteredJob.name == name), **values)


def _held_by_me(held: JobClaim) -> Any:
    return update(JobRun).where(JobRun.id == held.run_id, JobRun.holder == process_name())


def _ended(state: JobState, now: datetime | None, error: str | None) -> dict[str, Any]:
    return {"state": state, "holder": None, "lease_expires_at": None, "retry_at": None, "ended_at": now, "error": error}


def _update(session: Session, statement: Any, **values: Any) -> bool:
    result = session.execute(statement.values(**values), execution_options={"synchronize_session": False})
    assert isinstance(result, CursorResult)
    return result.rowcount > 0
