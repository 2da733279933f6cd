"""Defer jobs to Procrastinate in the caller's transaction. Imported only where that engine is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from procrastinate import SyncPsycopgConnector, exceptions
from procrastinate.jobs import Job
from procrastinate.manager import JobManager
from sqlalchemy import text
from sqlalchemy.orm import Session

from ..errors import StoreError
from .queues import BACKGROUND_TASK, HEALING_TASK, PRIORITIES, SHARD_TASK, Queue

#: Never opened: jobs are deferred on the connection of the caller.
_MANAGER: Final = JobManager(SyncPsycopgConnector())

_WAITING: Final = text("SELECT queueing_lock FROM procrastinate_jobs WHERE status = 'todo' AND queueing_lock = ANY(:locks)")


def defer_shards(session: Session, run_id: int, lost: Mapping[int, bool]) -> int:
    """Defer a job for each of these shards of a run, unless one waits already; gives the number of new jobs.

    The caller holds the lock of the run, so that no other process defers jobs for it.

    Args:
        session: Session of the transaction.
        run_id: The run.
        lost: Number of a shard → whether a process has lost it: such a one is taken before those that no process has begun.

    Raises:
        StoreError: The database does not take the jobs.
    """
    locks = {number: f"shard {run_id}/{number}" for number in lost}
    waiting = set(session.scalars(_WAITING, {"locks": list(locks.values())}))
    jobs = [_job(lock, run_id, number, lost[number]) for number, lock in locks.items() if lock not in waiting]
    if not jobs:
        return 0
    # A stalled job may be put back meanwhile; then the others are deferred at the next look.
    return len(jobs) if _defer(session, jobs) else 0


def defer_healing(session: Session) -> bool:
    """Defer a job that fills missed slots, unless one waits already; gives whether it is new.

    Raises:
        StoreError: The database does not take the job.
    """
    return _defer(session, [_long_job(HEALING_TASK, "healing")])


def defer_background(session: Session) -> bool:
    """Defer a job that works on background tasks, unless one waits already; gives whether it is new.

    Raises:
        StoreError: The database does not take the job.
    """
    return _defer(session, [_long_job(BACKGROUND_TASK, "background")])


def _defer(session: Session, jobs: list[Job]) -> bool:
    """Defer jobs; False if one of them waits already, and none is new."""
    try:
        with session.begin_nested():
            _MANAGER.batch_defer_jobs(jobs, connection=session.connection().connection.driver_connection)
    except exceptions.AlreadyEnqueued:
        return False
    except exceptions.ConnectorException as error:
        raise StoreError(f"jobs cannot be deferred: {error.__cause__ or error}") from error
    return True


def _long_job(name: str, lock: str) -> Job:
    return Job(
        id=None,
        queue=Queue.BACKFILL.value,
        priority=PRIORITIES[Queue.BACKFILL],
        lock=None,
        queueing_lock=lock,
        task_name=name,
        task_kwargs={},
    )


def _job(lock: str, run_id: int, number: int, is_lost: bool) -> Job:
    return Job(
        id=None,
        queue=Queue.LIVE.value,
        priority=PRIORITIES[Queue.LIVE] + is_lost,
        lock=None,
        queueing_lock=lock,
        task_name=SHARD_TASK,
        task_kwargs={"run_id": run_id, "shard": number},
    )
