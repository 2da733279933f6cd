"""APScheduler's ``BackgroundScheduler``, with the faults mended that would stop the service."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.job import Job
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import STATE_STOPPED
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from .log_output import get_logger

log = get_logger(__name__)

#: A larger difference between two looks at the clock than this is a step of the clock [s].
_CLOCK_STEP_SECONDS: Final = 2.0

#: Executor of the service's own jobs. Those of the user run in APScheduler's ``default``, so that they never delay the service.
SERVICE_EXECUTOR: Final = "service"

#: Threads for the jobs of the user in one process, as APScheduler has by default.
_USER_THREADS: Final = 10


class _KeptJobStore(MemoryJobStore):  # type: ignore[misc]  # APScheduler 3 is not typed
    """Remembers the jobs that it had when it was shut down."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Job] = []

    def shutdown(self) -> None:
        self.kept = [job for job in self.get_all_jobs() if job.executor != SERVICE_EXECUTOR]
        super().shutdown()


class ResilientScheduler(BackgroundScheduler):  # type: ignore[misc]  # APScheduler 3 is not typed
    """Keeps APScheduler alive and on time.

    Its thread dies on an internal error while ``.running`` stays True. It waits for the times of its jobs by the clock of the
    machine: after a step back it would wait as long as the step, and after a step ahead it lists every run in between. It
    forgets all jobs when it stops.

    Args:
        threads: Threads of the pool for the service's own jobs.
        options: As for ``BackgroundScheduler``.
    """

    def __init__(self, threads: int, **options: Any) -> None:
        super().__init__(**options)
        self._threads = threads
        self._store = _KeptJobStore()
        self.add_jobstore(self._store, "default")
        #: Ids of the jobs of the user that were logged.
        self._logged_jobs: set[str] = set()
        #: Difference between the clock of the machine and the monotonic clock at the last look [s].
        self._offset: float | None = None

    def _real_add_job(self, job: Job, jobstore_alias: str, replace_existing: bool) -> None:
        super()._real_add_job(job, jobstore_alias, replace_existing)
        if job.executor != SERVICE_EXECUTOR and job.id not in self._logged_jobs:
            self._logged_jobs.add(job.id)
            log.warning(
                "this job runs in every process of the service; meteorograph.job runs a job once over all processes", job=job.name
            )

    def _process_jobs(self) -> float | None:
        try:
            self._follow_clock()
            wait: float | None = super()._process_jobs()
        except Exception:
            log.exception("internal error of the scheduler, trying again")
            return 1.0
        return wait

    def _follow_clock(self) -> None:
        """After a step of the clock, also from a suspended machine, plan the next run of each job again."""
        offset = time.time() - time.monotonic()
        before, self._offset = self._offset, offset
        if before is None or abs(offset - before) < _CLOCK_STEP_SECONDS:
            return
        now = datetime.now(UTC)
        log.warning("the clock of the machine was changed", seconds=round(offset - before), now=now.isoformat())
        for job in self.get_jobs():
            if job.next_run_time is not None and not isinstance(job.trigger, DateTrigger):
                is_overdue = job.next_run_time < now
                self.modify_job(job.id, next_run_time=now if is_overdue else _next_fire_time(job.trigger, now))

    def is_alive(self) -> bool:
        """Whether its thread is alive; ``.running`` does not say so."""
        return self.running and self._thread is not None and self._thread.is_alive()

    def begin(self) -> None:
        """Start with new pools, also after an end, and after a fork, which threads do not survive."""
        self.reset()
        self.add_executor(ThreadPoolExecutor(self._threads), SERVICE_EXECUTOR)
        self.add_executor(ThreadPoolExecutor(_USER_THREADS), "default")
        self.start()

    def shutdown(self, wait: bool = True) -> None:
        """Stop. The jobs of the user are added again at the next start, also in a forked process."""
        super().shutdown(wait)
        self._executors.clear()  # their pools cannot be used again
        self._pending_jobs += [(job, "default", True) for job in self._store.kept]

    def reset(self) -> None:
        """Reset all state, including locks that another thread may hold at a fork."""
        self.state = STATE_STOPPED
        self._executors_lock, self._jobstores_lock = self._create_lock(), self._create_lock()
        self._executors.clear()
        self._event = None
        self._offset = None


def _next_fire_time(trigger: BaseTrigger, now: datetime) -> datetime | None:
    """The next time of a trigger. An interval has times before its start too: the start may lie ahead by a wrong clock."""
    if isinstance(trigger, IntervalTrigger):
        start: datetime = trigger.start_date
        interval: timedelta = trigger.interval
        return start - (start - now) // interval * interval
    following: datetime | None = trigger.get_next_fire_time(None, now)
    return following
