"""One look at the ledger: claim the slots that are due and collect them. The scheduler calls this at every tick.

Any number of processes may tick at once: the database elects one of them for each slot.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Self

from structlog.contextvars import bind_contextvars

from .alerts.ping import ping_after_run
from .alerts.service import ALERTS
from .collecting.event_loop import run_async
from .collecting.http import Fetcher
from .collecting.process_memory import PROCESS_MEMORY
from .collecting.run import collect
from .config.settings import Settings
from .errors import MeteorographError, StoreError
from .failover import database_file, older_files, snapshot, sync_back
from .failover.state import get_state
from .ledger import claims, closing, past_slots
from .ledger.call_counts import UNRECORDED_CALLS
from .ledger.claims import HeldRun
from .ledger.conditions import Claim
from .locations import repository
from .log_output import get_logger
from .model import clock
from .model.schedule import Interval, Schedule
from .model.states import MissedReason, RunState
from .reparsing.reparse import reparse
from .storage.engine import database_url, get_db_session, init_db, uses_other_database

log = get_logger(__name__)

#: How often the same failure is logged again [s].
REPEAT_LOG_SECONDS: Final = 600

#: Ticks without a claim that are remembered: an outage of a week, at a tick every 15 s.
MAX_TICKS: Final = 40_320

#: How long a tick may take until it has claimed what is due, without being remembered as one that waited [s].
_PROMPT_SECONDS: Final = 1.0

#: Longest pause between two steps of accounting for the past, in which others may use the database [s].
_MAX_PAUSE_SECONDS: Final = 0.05


class TickStart(NamedTuple):
    """When a tick began, by the clock and by the monotonic one."""

    at: datetime
    monotonic: float

    @classmethod
    def now(cls) -> Self:
        """A tick that begins now."""
        return cls(clock.now(), time.monotonic())

    @property
    def has_waited(self) -> bool:
        """Whether it has taken longer than a tick does that waits for nothing."""
        return time.monotonic() - self.monotonic > _PROMPT_SECONDS


@dataclass(slots=True)
class TickMemory:
    """What ticks remember, for the life of the process."""

    #: Whether this process has used the HTTP client, which does not survive a fork.
    has_collected: bool = False
    #: Database and point of each default place that is known to exist.
    ensured_defaults: set[tuple[str, object]] = field(default_factory=set)
    #: The failure that was logged last, and when (monotonic time).
    logged_failure: tuple[str, float] = ("", 0.0)

    #: Ticks that failed or waited: from when to when, and why no slot was collected meanwhile.
    vain_ticks: deque[tuple[datetime, datetime, MissedReason]] = field(default_factory=lambda: deque(maxlen=MAX_TICKS))

    #: Held by the tick that accounts for the past, so that the others do not do the same.
    accounting: threading.Lock = field(default_factory=threading.Lock)

    def reset(self) -> None:
        """Forget everything."""
        self.accounting = threading.Lock()
        self.has_collected, self.logged_failure = False, ("", 0.0)
        self.ensured_defaults.clear()
        self.vain_ticks.clear()

    def explain(self, slot: datetime, following: datetime) -> MissedReason | None:
        """Why this process collected nothing in a slot although it ticked; None if it did not tick."""
        reasons = [reason for since, until, reason in self.vain_ticks if since < following and slot <= until]
        return reasons[0] if reasons else None

    def note_vain(self, began: TickStart, reason: MissedReason) -> None:
        """Remember that a tick has claimed nothing until now; a step of the clock meanwhile does not count."""
        now = clock.now()
        since = max(began.at, now - timedelta(seconds=time.monotonic() - began.monotonic))
        self.vain_ticks.append((since, now, reason))

    def log_failure(self, reason: str, event: str = "scheduled collection failed") -> None:
        """Log a failure once, and again every ten minutes, not at every tick."""
        last, logged_at = self.logged_failure
        if reason != last or time.monotonic() - logged_at > REPEAT_LOG_SECONDS:
            self.logged_failure = (reason, time.monotonic())
            log.error(event, reason=reason)


#: The memory of this process.
TICK_MEMORY: Final = TickMemory()


def collect_due(settings: Settings, stop: threading.Event) -> None:
    """Collect the due slots that no other process collects; in the fallback database while the database is away.

    Raises:
        MeteorographError: Nothing can be collected at all.
    """
    began = TickStart.now()
    _adopt_older_files(settings)
    try:
        try:
            _collect_with_database(settings, stop, began)
        except StoreError as error:
            if not error.is_disconnect:
                raise
            # The server may have ended the transaction of a suspended process: that is no outage.
            log.info("the database is asked again", reason=str(error))
            _collect_with_database(settings, stop, began)
    except StoreError as error:
        get_state().away_reason = str(error)
        if began.has_waited:  # slots that were due while it waited for the database
            TICK_MEMORY.note_vain(began, MissedReason.DATABASE)
        try:
            with database_file.use_fallback(settings):
                get_state().uses_fallback = True
                TICK_MEMORY.log_failure(f"the database is away, collecting without it: {error}")
                _tick(settings, stop, TickStart.now())
        except MeteorographError:
            TICK_MEMORY.note_vain(TickStart.now(), MissedReason.DATABASE)
            raise
    except Exception:
        TICK_MEMORY.note_vain(TickStart.now(), MissedReason.INTERNAL)
        raise


def _collect_with_database(settings: Settings, stop: threading.Event, began: TickStart) -> None:
    init_db()
    _sync_back(settings)
    get_state().note_back()
    has_collected = _tick(settings, stop, began)
    if has_collected or _is_dispatched(settings):  # jobs may be collected here at any time
        _take_snapshot(settings)


def _is_dispatched(settings: Settings) -> bool:
    """Whether the engine dispatches the shards of runs; in the fallback database this process collects them."""
    return settings.engine == "procrastinate" and not uses_other_database()


def _adopt_older_files(settings: Settings) -> None:
    try:
        older_files.adopt_older_files(settings)
    except Exception:  # a damaged file of an earlier version must not stop new collection
        log.exception("a fallback database of an earlier version could not be used")


def _sync_back(settings: Settings) -> None:
    try:
        sync_back.sync_back(settings)
    except StoreError:
        raise
    except Exception:  # a damaged fallback database must not stop new collection
        log.exception("rows of the fallback database could not be moved to the database")


def _take_snapshot(settings: Settings) -> None:
    try:
        snapshot.take_snapshot(settings)
        get_state().snapshot_failure = None
    except MeteorographError as error:  # the run has ended, and the next one need not fail
        get_state().snapshot_failure = str(error)
        TICK_MEMORY.log_failure(str(error), "the fallback database could not be updated")


def _tick(settings: Settings, stop: threading.Event, began: TickStart) -> bool:
    """Claim what is due and collect it; False when nothing was due."""
    now = clock.now()
    _ensure_default_location(settings, now)
    schedules = claims.due_schedules(Interval(settings.interval))
    closing.close_orphans(now, [name for name, _ in schedules])
    _store_journalled_answers(settings, now, schedules)
    if not uses_other_database():
        UNRECORDED_CALLS.record()
    held: list[HeldRun] = []
    try:
        is_trusted = PROCESS_MEMORY.clock_check.is_trusted
        for name, when in schedules:
            one = claims.hold_run(
                now,
                name,
                when,
                is_clock_trusted=is_trusted,
                shard_size=settings.shard_size,
                is_dispatched=_is_dispatched(settings),
            )
            held += [one] if one is not None else []
        if began.has_waited:
            TICK_MEMORY.note_vain(began, MissedReason.LATE)
        if held:
            TICK_MEMORY.has_collected = True
            run_async(_collect_all(held, settings, stop))
    finally:
        for one in held:
            one.slot.release()
    _account_for_past(schedules, stop)
    return bool(held)


def _account_for_past(schedules: Sequence[tuple[str, Schedule]], stop: threading.Event) -> None:
    """Account for the slots that have passed without a run; not in the fallback database, which knows only some of the runs.

    While the clock is wrong or in doubt nothing is written off: what it takes for the past may be the future.
    """
    if uses_other_database() or not PROCESS_MEMORY.clock_check.is_trusted:
        return
    lock = TICK_MEMORY.accounting
    if not lock.acquire(blocking=False):
        return
    try:
        for name, when in schedules:
            began = time.monotonic()
            while past_slots.account_for_past(clock.now(), name, when, TICK_MEMORY.explain):
                if stop.wait(min(_MAX_PAUSE_SECONDS, time.monotonic() - began)):  # others may use the database
                    return
                if not PROCESS_MEMORY.clock_check.is_trusted:  # the clock was changed meanwhile
                    return
                began = time.monotonic()
    finally:
        lock.release()


def _store_journalled_answers(settings: Settings, now: datetime, schedules: list[tuple[str, Schedule]]) -> None:
    """Store the journalled answers of interrupted runs that are about to be closed: nothing would request them again."""
    if not settings.journal_days:
        return
    for due_at in closing.unfinished_slots(now, schedules):
        try:
            result = reparse(settings, due_at, due_at + timedelta(microseconds=1), apply=True, only_missing=True)
        except StoreError:
            raise
        except Exception:  # a damaged journal must not stop new collection
            log.exception("the journal of an interrupted run could not be read", due_at=due_at.isoformat())
        else:
            if result.rows:
                log.info("stored the journalled answers of an interrupted run", due_at=due_at.isoformat(), rows=result.rows)


async def _collect_all(runs: Sequence[HeldRun], settings: Settings, stop: threading.Event) -> None:
    await asyncio.gather(*(asyncio.create_task(_collect_held(one, settings, stop)) for one in runs))


async def _collect_held(held: HeldRun, settings: Settings, stop: threading.Event) -> None:
    try:
        await collect_claim(held.claim, settings, stop)
    finally:
        held.slot.release()


async def collect_claim(claim: Claim, settings: Settings, stop: threading.Event, fetcher: Fetcher | None = None) -> None:
    """Collect what a claim is for, with an HTTP client of its own unless one is given, and log how it ended."""
    bind_contextvars(run_id=claim.run_id)  # each task has its own context
    fields = {"schedule": claim.schedule, "due_at": claim.due_at.isoformat()}
    log.info("run started", **fields, taken_over=claim.taken_over)
    try:
        state = await collect(claim, settings, stop, fetcher)
    except StoreError as error:
        log.warning("run interrupted, it is resumed when the database is back", **fields, reason=str(error))
        return
    except Exception:
        log.exception("run interrupted", **fields)
        return
    if state == RunState.PENDING:
        log.info("run released", **fields)
    elif state == RunState.RUNNING:
        log.info("run left to other processes", **fields)
    else:
        missed = await asyncio.to_thread(closing.count_reasons, claim.due_at)
        log.info("run ended", **fields, state=state, missed=dict(missed))
        ALERTS.look_soon()
        if state == RunState.SUCCEEDED and not uses_other_database():
            ping_after_run(settings)


def _ensure_default_location(settings: Settings, now: datetime) -> None:
    place = (database_url().render_as_string(hide_password=False), settings.default_coordinates)
    if place not in TICK_MEMORY.ensured_defaults:
        with get_db_session() as session:
            repository.ensure_default(session, settings, now)
        TICK_MEMORY.ensured_defaults.add(place)
