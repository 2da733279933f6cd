"""Jobs and their runs, as the web, the command line and the metrics show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import delete, func, literal, select, tuple_
from sqlalchemy.orm import Session

from ..model.schedule import parse_schedule
from ..model.states import JobState
from ..storage.models import JobRun, RegisteredJob

JOB_STATES: Final = tuple(state.value for state in JobState)

#: A job that no process has recorded for so long is not registered any more.
_GONE_AFTER: Final = timedelta(minutes=5)

#: Older runs are deleted, but for the newest of each job and state.
KEPT: Final = timedelta(days=90)


class JobCursor(NamedTuple):
    """Position of a run in a list that is ordered by time, newest first, and then by id."""

    at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class JobView:
    """A job, its totals and its newest run."""

    name: str
    schedule: str
    #: Whether a process has registered it.
    is_registered: bool
    #: The next slot; None if no process has registered it.
    next_due_at: datetime | None
    last_success_at: datetime | None
    #: Slots by outcome.
    totals: dict[JobState, int]
    #: The newest run, also one in progress; None before the first.
    newest: JobRun | None
    #: The newest run that ended, without skipped slots.
    last_ended: JobRun | None

    @property
    def has_failed(self) -> bool:
        """Whether its last run failed."""
        return self.last_ended is not None and self.last_ended.state == JobState.FAILED


def list_jobs(session: Session, now: datetime) -> list[JobView]:
    """All jobs, by name."""
    jobs = session.scalars(select(RegisteredJob).order_by(RegisteredJob.name)).all()
    return [_view(session, job, now) for job in jobs]


def _view(session: Session, job: RegisteredJob, now: datetime) -> JobView:
    is_registered = job.seen_at > now - _GONE_AFTER
    runs = select(JobRun).where(JobRun.job == job.name).order_by(JobRun.due_at.desc()).limit(1)
    return JobView(
        name=job.name,
        schedule=job.schedule,
        is_registered=is_registered,
        next_due_at=parse_schedule(job.schedule).next_after(now) if is_registered else None,
        last_success_at=job.last_success_at,
        totals={JobState.SUCCEEDED: job.succeeded, JobState.FAILED: job.failed, JobState.SKIPPED: job.skipped},
        newest=session.scalars(runs).first(),
        last_ended=session.scalars(runs.where(JobRun.state.in_((JobState.SUCCEEDED, JobState.FAILED)))).first(),
    )


def failed_jobs(session: Session, now: datetime) -> list[str]:
    """The registered jobs whose last run failed, by name."""
    return [job.name for job in list_jobs(session, now) if job.is_registered and job.has_failed]


def list_job_runs(
    session: Session,
    start: datetime,
    end: datetime,
    *,
    limit: int,
    job: str | None = None,
    state: str | None = None,
    after: JobCursor | None = None,
) -> tuple[Sequence[JobRun], JobCursor | None]:
    """Runs due from ``start`` until before ``end``, newest first, with the cursor of the next page."""
    query = select(JobRun).where(JobRun.due_at >= start, JobRun.due_at < end)
    if job is not None:
        query = query.where(JobRun.job == job)
    if state is not None:
        query = query.where(JobRun.state == state)
    if after is not None:
        query = query.where(tuple_(JobRun.due_at, JobRun.id) < tuple_(literal(after.at, JobRun.due_at.type), after.id))
    runs = session.scalars(query.order_by(JobRun.due_at.desc(), JobRun.id.desc()).limit(limit + 1)).all()
    page = runs[:limit]
    return page, JobCursor(page[-1].due_at, page[-1].id) if len(runs) > limit else None


def delete_old_runs(session: Session, now: datetime) -> None:
    """Delete old runs, but for the newest of each job and state; and jobs that were not registered for as long."""
    gone = select(RegisteredJob.name).where(RegisteredJob.seen_at < now - KEPT)
    newest = select(func.max(JobRun.id)).group_by(JobRun.job, JobRun.state)
    unsynchronised = {"synchronize_session": False}
    session.execute(delete(JobRun).where(JobRun.due_at < now - KEPT, JobRun.id.not_in(newest)), execution_options=unsynchronised)
    session.execute(delete(JobRun).where(JobRun.job.in_(gone)), execution_options=unsynchronised)
    session.execute(delete(RegisteredJob).where(RegisteredJob.seen_at < now - KEPT), execution_options=unsynchronised)
