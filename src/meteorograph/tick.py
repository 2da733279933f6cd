"""One look at the ledger: claim the slots that are due, and collect them; what the scheduler rings the bell for."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import datetime, timedelta

from structlog.contextvars import bind_contextvars

from .collecting.event_loop import run_async
from .collecting.run import collect
from .config.settings import Settings
from .errors import MeteorographError, StoreError
from .failover import database_file, snapshot, sync_back
from .ledger import claims, closing, conditions
from .locations import repository
from .log_output import get_logger
from .model import clock, schedule
from .model.schedule import Schedule
from .model.states import RunState
from .reparsing.reparse import reparse
from .storage.engine import get_db_session, init_db

log = get_logger(__name__)

#: Whether this process has used the HTTP client, which does not outlive a fork.
has_collected = False


def collect_due(settings: Settings, stop: threading.Event) -> None:
    """Collect what is due now and nobody else collects; in the stand-in while the database is away.

    Raises:
        MeteorographError: Nothing can be collected at all.
    """
    try:
        init_db()
        _bring_back(settings)
        if _tick(settings, stop):
            _remember(settings)
    except StoreError as error:
        with database_file.use_fallback(settings):
            log_complaint(f"the database is away, collecting without it: {error}")
            _tick(settings, stop)


def _bring_back(settings: Settings) -> None:
    try:
        sync_back.sync_back(settings)
    except StoreError:
        raise
    except Exception:  # what waits there must not keep anything new from being collected
        log.exception("what was collected while the database was away could not be brought back")


def _remember(settings: Settings) -> None:
    try:
        snapshot.take_snapshot(settings)
    except MeteorographError as error:  # the run is over, and the next one need not fail
        log_complaint(str(error), "nothing could stand in for the database now")


def _tick(settings: Settings, stop: threading.Event) -> bool:
    """Claim what is due, and collect it; whether there was something."""
    now = clock.now()
    _ensure_default(settings, now)
    schedules = claims.due_schedules(schedule.Interval(settings.interval))
    closing.close_orphans(now, [name for name, _ in schedules])
    _restore(settings, now, schedules)
    claimed = [claim for name, when in schedules if (claim := claims.claim_run(now, name, when))]
    if claimed:
        run_async(_run_all(claimed, settings, stop))
    return bool(claimed)


def _restore(settings: Settings, now: datetime, schedules: list[tuple[str, Schedule]]) -> None:
    """Store what the journal has of runs that broke off and are about to be closed; nobody would ask for it again."""
    if not settings.journal_days:
        return
    for due_at in closing.unfinished_slots(now, schedules):
        try:
            done = reparse(settings, due_at, due_at + timedelta(microseconds=1), apply=True, only_missing=True)
        except StoreError:
            raise
        except Exception:  # what is there must not keep anything new from being collected
            log.exception("the journal could not be read for a run that broke off", due_at=due_at.isoformat())
        else:
            log.info("stored what a run that broke off had been answered", due_at=due_at.isoformat(), rows=done.rows)


async def _run_all(claimed_runs: list[conditions.Claim], settings: Settings, stop: threading.Event) -> None:
    global has_collected
    has_collected = True
    await asyncio.gather(*(asyncio.create_task(_run(claimed, settings, stop)) for claimed in claimed_runs))


async def _run(claimed: conditions.Claim, settings: Settings, stop: threading.Event) -> None:
    bind_contextvars(run_id=claimed.run_id)  # a task has a context of its own
    told = {"schedule": claimed.schedule, "due_at": claimed.due_at.isoformat()}
    log.info("run started", **told, taken_over=claimed.taken_over)
    try:
        state = await collect(claimed, settings, stop)
    except StoreError as error:
        log.warning("run broke off, and is taken up when the database is back", **told, reason=str(error))
        return
    except Exception:
        log.exception("run broke off", **told)
        return
    if state == RunState.PENDING:
        log.info("run given back", **told)
    else:
        missed = await asyncio.to_thread(closing.count_reasons, claimed.due_at)
        log.info("run ended", **told, state=state, missed=dict(missed))


_complaint: tuple[str, float] = ("", 0.0)


def log_complaint(reason: str, what: str = "scheduled collection failed") -> None:
    """Say what stands in the way, and say it again every ten minutes, not at every tick."""
    global _complaint
    if reason != _complaint[0] or time.monotonic() - _complaint[1] > 600:
        _complaint = (reason, time.monotonic())
        log.error(what, reason=reason)


_defaults_ensured: set[tuple[str, object]] = set()


def _ensure_default(settings: Settings, now: datetime) -> None:
    known = (settings.database_url.get_secret_value(), settings.default_coordinates)
    if known not in _defaults_ensured:
        with get_db_session() as session:
            repository.ensure_default(session, settings, now)
        _defaults_ensured.add(known)
