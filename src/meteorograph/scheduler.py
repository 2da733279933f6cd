"""The clock on one machine. APScheduler only rings the bell; what is due is read from the ledger.

Any number of processes may tick at once: the database elects one for each slot.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import STATE_STOPPED

from . import tick
from .collecting.run_context import require_key
from .config.loading import get_settings
from .config.settings import Settings
from .errors import MeteorographError
from .healing import planner, rounds
from .journal import retention
from .ledger import heartbeat
from .log_output import get_logger
from .model import clock, schedule
from .reading import rollups
from .storage.engine import init_db

log = get_logger(__name__)

#: A heartbeat older than this means that the scheduler is dead or stuck [s].
STALE_HEARTBEAT_SECONDS: Final = 90
_BEAT_SECONDS: Final = 15
#: How often to look for days that are over, and how long to leave the database to others between two steps of rolling them up.
_FOLD_SECONDS: Final = 300
_FOLD_PAUSE_SECONDS: Final = 0.05

#: How often to look for journal files to drop.
_TIDY_SECONDS: Final = 3600

#: Ticks of one process at work at the same time: a long run must not keep the slots of other schedules waiting.
RUNS_AT_ONCE: Final = 4

#: How often to look for missed slots that can be healed [s].
HEALING_SECONDS: Final = 60

#: Time for a server that forks its workers to do so before anything is collected in its parent process.
FIRST_TICK_AFTER: Final = timedelta(seconds=1)


class _UnendingScheduler(BackgroundScheduler):  # type: ignore[misc]  # APScheduler 3 is not typed
    """APScheduler whose thread outlives an error in its own bookkeeping; as it comes, it ends and ``.running`` stays true."""

    def _process_jobs(self) -> float | None:
        try:
            wait: float | None = super()._process_jobs()
        except Exception:
            log.exception("the scheduler's own bookkeeping failed, trying again")
            return 1.0
        return wait

    def is_alive(self) -> bool:
        """Whether the thread is there, which ``.running`` does not say."""
        return self.running and self._thread is not None and self._thread.is_alive()

    def begin(self) -> None:
        """Start with a new pool, also after an end, and after a fork that left the thread behind."""
        self.forget()
        self.add_executor(ThreadPoolExecutor(RUNS_AT_ONCE + 5), "default")
        self.start()

    def forget(self) -> None:
        """Become as new. The locks too: at a fork another thread may have held them."""
        self.state = STATE_STOPPED
        self._executors_lock, self._jobstores_lock = self._create_lock(), self._create_lock()
        self._executors.clear()
        self._event = None


scheduler: Final = _UnendingScheduler(
    timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
)

_stop = threading.Event()
_lock = threading.Lock()
_owner: int | None = None
_last_beat: float | None = None
_handed_over = False


def scheduled_ingest() -> None:
    """Collect every due location of the current slots that no other process collects; logs the outcome and never raises."""
    try:
        settings = get_settings()
        require_key(settings)  # without a key nothing is claimed
        tick.collect_due(settings, _stop)
    except MeteorographError as error:
        tick.log_complaint(str(error))
    except Exception:
        log.exception("scheduled collection failed")


def scheduled_healing() -> None:
    """Fill missed slots from histories, unless another process does; logs the outcome and never raises."""
    try:
        settings = get_settings()
        if settings.healing and planner.history_providers(settings):
            init_db()
            tick.has_collected = rounds.heal_once(settings, _stop) is not None or tick.has_collected
    except MeteorographError as error:
        log.warning("healing broke off", reason=str(error))
    except Exception:
        log.exception("healing failed")


def _heartbeat() -> None:
    global _last_beat
    _last_beat = time.monotonic()
    try:
        init_db()
        heartbeat.record_heartbeat(clock.now())
    except Exception as error:
        log.warning("no heartbeat could be written", reason=str(error))


def _fold() -> None:
    """Roll up the days that are over."""
    try:
        init_db()
        while rollups.roll_up(clock.now()) and not _stop.wait(_FOLD_PAUSE_SECONDS):
            pass
    except Exception as error:
        log.warning("days could not be rolled up", reason=str(error))


def _tidy() -> None:
    """Drop what the journal has kept for long enough."""
    try:
        settings = get_settings()
        retention.delete_old_files(settings.journal_dir, clock.now(), settings.journal_days)
    except Exception as error:
        log.warning("the journal could not be tidied", reason=str(error))


def start(settings: Settings) -> None:
    """Start ticking in this process; if it ticks already, only take over the interval."""
    global _owner, _last_beat
    with _lock:
        if not scheduler.is_alive():
            _last_beat = time.monotonic()
            scheduler.begin()
            if _owner != os.getpid():
                # The pool's threads are joined at exit before ordinary atexit functions run, and no thread can be had
                # any more by then; this hook comes before both. It is private, but unchanged since Python 3.9.
                getattr(threading, "_register_atexit", atexit.register)(stop)
            _owner = os.getpid()
        first = datetime.now(UTC) + FIRST_TICK_AFTER
        ticks = schedule.tick_seconds(settings.interval)
        for job, seconds in (
            (_heartbeat, _BEAT_SECONDS),
            (scheduled_ingest, ticks),
            (_fold, _FOLD_SECONDS),
            (_tidy, _TIDY_SECONDS),
        ):
            # Off its grid an interval stays off it; so the first tick is a date of its own.
            length = timedelta(seconds=seconds)
            grid = schedule.Interval(length).next_after(first)
            name = job.__name__.strip("_")
            scheduler.add_job(
                job, "interval", seconds=seconds, start_date=grid, id=name, replace_existing=True, max_instances=RUNS_AT_ONCE
            )
            scheduler.add_job(job, "date", run_date=first, id=f"first {name}", replace_existing=True)
        scheduler.add_job(scheduled_healing, "interval", seconds=HEALING_SECONDS, id="healing", replace_existing=True)


def heal_soon() -> None:
    """Let this process look for missed slots at once, if it ticks; another one looks within a minute."""
    with suppress(JobLookupError):
        if scheduler.is_alive():
            scheduler.modify_job("healing", next_run_time=datetime.now(UTC))


def stop() -> None:
    """Stop ticking: a run under way finishes what it has asked for, stores it and gives the rest back."""
    with _lock:
        if scheduler.is_alive():
            _stop.set()
            scheduler.shutdown(wait=True)
            _stop.clear()


def is_running() -> bool:
    """Whether this process's scheduler thread lives and its heartbeat is fresh."""
    fresh = _last_beat is not None and time.monotonic() - _last_beat < STALE_HEARTBEAT_SECONDS
    return scheduler.is_alive() and fresh


def _hand_over() -> None:
    """Before a fork: a process that has not collected yet hands its scheduler to the children it forks.

    That is the parent of workers under ``gunicorn --preload``. It must not collect itself: once the HTTP client has been
    used in a process, it cannot be used in those forked from it.
    """
    global _handed_over
    if not tick.has_collected and (scheduler.is_alive() or _handed_over):
        _handed_over = True
        stop()


def _begin_after_fork() -> None:
    """In the child of a fork: threads do not survive it, so start anew, or be ready to."""
    global _lock, _stop
    _lock, _stop = threading.Lock(), threading.Event()
    scheduler.forget()
    if _handed_over:
        start(get_settings())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hand_over, after_in_child=_begin_after_fork)
