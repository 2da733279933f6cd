"""Run the jobs of this process: collection, heartbeat, healing, rollups and the journal's retention.

APScheduler only rings the bell; the ledger says what is due. Any number of processes may tick at once: the database elects one
for each slot.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from apscheduler.jobstores.base import JobLookupError

from . import tick, upkeep
from .alerts.service import ALERTS
from .background.dispatch import look_for_tasks
from .background.runner import TASKS
from .collecting.process_memory import PROCESS_MEMORY
from .collecting.run_context import require_key
from .config.loading import get_settings
from .config.settings import Settings
from .errors import FallbackDatabaseError, MeteorographError, MissingAPIKeyError, StoreError
from .failover import snapshot
from .healing import planner, rounds
from .integrations.sender import SENDER
from .jobs.runner import RUNNER
from .ledger import heartbeat
from .log_output import get_logger
from .log_repeats import REPEATS
from .model import clock, schedule
from .resilient_scheduler import SERVICE_EXECUTOR, ResilientScheduler
from .service_state import SERVICE_STATE
from .storage.counters import COUNTERS
from .storage.database_errors import error_text
from .storage.engine import get_db_session, get_engine, init_db
from .storage.queues import require_queues, uses_queues

if TYPE_CHECKING:
    from .shard_worker import ShardWorker

log = get_logger(__name__)

#: A heartbeat older than this means that the scheduler is dead or stuck [s].
STALE_HEARTBEAT_SECONDS: Final = 90
_HEARTBEAT_SECONDS: Final = 15

#: How often to roll up the days that have ended, and to look whether it is time to tidy [s].
_ROLL_UP_SECONDS: Final = 300
_TIDY_LOOK_SECONDS: Final = 60

#: Ticks of one process in progress at most: a long run must not delay the slots of other schedules.
RUNS_AT_ONCE: Final = 4

#: Jobs of this module: each needs a thread of the pool, and collection up to ``RUNS_AT_ONCE``.
_OTHER_JOBS: Final = 5

#: How often to look for missed slots that can be healed [s].
HEALING_SECONDS: Final = 60

#: Time for a server to fork its workers before anything is collected in the parent process.
FIRST_TICK_AFTER: Final = timedelta(seconds=1)


scheduler: Final = ResilientScheduler(
    RUNS_AT_ONCE + _OTHER_JOBS,
    timezone=UTC,
    job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
)


@dataclass(slots=True)
class _ProcessState:
    """The scheduler's state in this process."""

    #: Set while running jobs must end early.
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    #: Process that has registered ``stop`` to be called at its exit.
    registered_in: int | None = None
    #: Takes the jobs of Procrastinate, where that is the engine.
    shard_worker: ShardWorker | None = None
    #: Monotonic time of the last heartbeat.
    last_heartbeat: float | None = None
    #: Whether the parent process has left its scheduler to the children that it forks.
    is_handed_over: bool = False
    #: Whether this process was forked from such a parent. It hands over nothing: what it forks is not a worker of a server.
    is_worker: bool = False
    #: Whether the fork in progress makes a worker.
    forks_worker: bool = False

    def reset_after_fork(self) -> None:
        """Replace what another thread of the parent may have held."""
        self.stop, self.lock = threading.Event(), threading.Lock()
        upkeep.reset()
        if self.shard_worker is not None:
            self.shard_worker.reset()


_process: Final = _ProcessState()


def scheduled_ingest() -> None:
    """Collect every due location of the current slots that no other process collects; logs the result and never raises."""
    if _process.stop.is_set():
        return
    try:
        settings = get_settings()
        require_key(settings)  # without a key nothing is claimed
        tick.collect_due(settings, _process.stop)
        SERVICE_STATE.tick_failure = None
    except MeteorographError as error:
        SERVICE_STATE.tick_failure = None if isinstance(error, MissingAPIKeyError | StoreError) else str(error)
        tick.TICK_MEMORY.log_failure(str(error))
    except Exception as error:
        SERVICE_STATE.tick_failure = f"unexpected {type(error).__name__}"
        log.exception("scheduled collection failed")
    finally:
        SERVICE_STATE.has_ticked = True


def scheduled_healing() -> None:
    """Fill missed slots from histories, unless another process does, or let the engine do it; never raises, but logs."""
    try:
        settings = get_settings()
        if _process.stop.is_set() or not PROCESS_MEMORY.clock_check.is_trusted:
            return  # what seems to be missed may lie in the future
        if settings.healing and planner.history_providers(settings):
            init_db()
            if uses_queues():
                _defer_healing(settings)
            elif rounds.heal_once(settings, _process.stop) is not None:
                tick.TICK_MEMORY.has_collected = True
    except MeteorographError as error:
        log.warning("healing interrupted", reason=str(error))
    except Exception:
        log.exception("healing failed")


def _defer_healing(settings: Settings) -> None:
    from .storage.deferral import defer_healing  # needs an optional package

    if rounds.can_heal(settings):
        with get_db_session() as session:
            defer_healing(session)


def _record_heartbeat() -> None:
    REPEATS.flush()
    SERVICE_STATE.heartbeat_since = _process.last_heartbeat = time.monotonic()
    try:
        init_db()
        settings = get_settings()
        heartbeat.record_heartbeat(clock.now(), settings.journal_dir)
        COUNTERS.record()
        with suppress(FallbackDatabaseError):  # the next run makes a new one
            snapshot.follow_sites(settings)
        SERVICE_STATE.heartbeat_failure = None
    except Exception as error:
        SERVICE_STATE.heartbeat_failure = error_text(error)
        log.warning("the heartbeat could not be stored", reason=error_text(error))
    finally:
        SERVICE_STATE.heartbeat_since = None


def _beat() -> None:
    """Give a sign of life, at the latest with the next one where it waits for the database, and look for background tasks."""
    lock = SERVICE_STATE.heartbeat_lock
    if not lock.acquire(blocking=False):
        _process.last_heartbeat = time.monotonic()
        return
    try:
        _record_heartbeat()
    finally:
        lock.release()
    look_for_tasks(_process.stop)


def _record_stop() -> None:
    try:
        heartbeat.record_stop(clock.now())
        COUNTERS.record()
    except Exception as error:
        log.warning("the stop could not be stored", reason=error_text(error))


def _roll_up_days() -> None:
    upkeep.roll_up_days(_process.stop)


def _tidy() -> None:
    upkeep.tidy(tick.TICK_MEMORY.explain, _process.stop)
    upkeep.copy_journals(_process.stop)


def start(settings: Settings) -> None:
    """Start ticking in this process; where it ticks already, only the interval of the settings is applied."""
    with _process.lock:
        if not scheduler.is_alive():
            SERVICE_STATE.reset()
            SERVICE_STATE.started_at = _process.last_heartbeat = time.monotonic()
            scheduler.begin()
            _stop_at_exit()
        first = datetime.now(UTC) + FIRST_TICK_AFTER
        for name, job, seconds in (
            ("heartbeat", _beat, _HEARTBEAT_SECONDS),
            ("scheduled_ingest", scheduled_ingest, schedule.tick_seconds(settings.interval)),
            ("roll_up", _roll_up_days, _ROLL_UP_SECONDS),
            ("journal_retention", _tidy, _TIDY_LOOK_SECONDS),
        ):
            _add_job(name, job, seconds, first)
        RUNNER.start()
        ALERTS.start()
        SENDER.start(settings)
        _start_engine(settings)
        scheduler.add_job(
            scheduled_healing,
            "interval",
            seconds=HEALING_SECONDS,
            id="healing",
            executor=SERVICE_EXECUTOR,
            replace_existing=True,
        )


def _start_engine(settings: Settings) -> None:
    """Take the jobs of Procrastinate, where that is the engine; a process without a worker only ticks."""
    if settings.engine == "procrastinate" and settings.workers != 0:
        require_queues(get_engine())
        from .shard_worker import SHARD_WORKER  # needs an optional package

        _process.shard_worker = SHARD_WORKER
        SHARD_WORKER.start(_process.stop)


def _stop_at_exit() -> None:
    """Stop the scheduler when the process exits, once for each process."""
    if _process.registered_in != os.getpid():
        # Python joins the threads of the pool before ordinary atexit functions run, and starts no thread after that. This hook
        # runs before both. It is private, but unchanged since Python 3.9.
        getattr(threading, "_register_atexit", atexit.register)(stop)
        _process.registered_in = os.getpid()


def _add_job(name: str, job: Callable[[], None], seconds: int, first: datetime) -> None:
    """Run a job at ``first``, and then on its grid. A job of its own makes the first run: it would shift the interval."""
    grid = schedule.Interval(timedelta(seconds=seconds)).next_after(first)
    common: dict[str, Any] = {"executor": SERVICE_EXECUTOR, "replace_existing": True}
    scheduler.add_job(job, "interval", seconds=seconds, start_date=grid, id=name, max_instances=RUNS_AT_ONCE, **common)
    scheduler.add_job(job, "date", run_date=first, id=f"first {name}", **common)


def heal_soon() -> None:
    """Let this process look for missed slots at once, if it ticks; another process looks within a minute."""
    with suppress(JobLookupError):
        if scheduler.is_alive():
            scheduler.modify_job("healing", next_run_time=datetime.now(UTC))


def stop() -> None:
    """Stop ticking: a run in progress waits for its open requests, stores their answers and releases the rest."""
    with _process.lock:
        _process.stop.set()  # collection ends while jobs of the user are waited for
        if _process.shard_worker is not None:
            _process.shard_worker.stop()
        TASKS.stop()
        RUNNER.stop()
        ALERTS.stop()
        SENDER.stop()
        if scheduler.is_alive():
            scheduler.shutdown(wait=True)
            _record_stop()
            upkeep.copy_journals_at_stop()
            REPEATS.flush(everything=True)
        _process.stop.clear()


def request_stop() -> None:
    """Let running jobs end soon and no further one begin; ``stop`` follows. Does not wait, so that a signal may call it."""
    _process.stop.set()


def is_stopping() -> bool:
    """Whether jobs must end."""
    return _process.stop.is_set()


def is_running() -> bool:
    """Whether the scheduler thread of this process is alive and its heartbeat is fresh."""
    last = _process.last_heartbeat
    is_fresh = last is not None and time.monotonic() - last < STALE_HEARTBEAT_SECONDS
    return scheduler.is_alive() and is_fresh


def clock_error() -> timedelta | None:
    """How far the clock of this machine is ahead (negative: behind) by the answers of providers; None if it is right."""
    return PROCESS_MEMORY.clock_check.wrong_by


def _hand_over() -> None:
    """Before a fork: a process that has not collected yet leaves its scheduler to the children.

    This is the parent of workers under ``gunicorn --preload``, which forks in its main thread. It must not collect itself: once
    the HTTP client has been used in a process, it cannot be used in the processes forked from it. A job that forks a process for
    its work is another case: the scheduler goes on, and the child has none.
    """
    is_server = not _process.is_worker and threading.current_thread() is threading.main_thread()
    if is_server and not tick.TICK_MEMORY.has_collected and (scheduler.is_alive() or _process.is_handed_over):
        _process.is_handed_over = True
        stop()
    _process.forks_worker = is_server and _process.is_handed_over


def _start_after_fork() -> None:
    """In the child of a fork: threads do not survive it, so reset, and start where the parent has handed over."""
    _process.reset_after_fork()
    SERVICE_STATE.reset()
    tick.TICK_MEMORY.accounting = threading.Lock()  # a thread of the parent may have held it
    scheduler.reset()
    RUNNER.reset()
    TASKS.reset()
    ALERTS.reset()
    SENDER.reset()
    if _process.forks_worker:
        _process.is_handed_over, _process.forks_worker, _process.is_worker = False, False, True
        start(get_settings())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hand_over, after_in_child=_start_after_fork)
