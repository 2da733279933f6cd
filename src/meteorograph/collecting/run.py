"""A run: every due location of one slot, with the ledger's claim on it kept alive.

What cannot be done now, because a quota is used up or a provider is down, waits in the ledger: the run is given back until
then, and any process takes it up again, as long as its slot lasts.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from ..accounts.monthly_spread import allotted_locations
from ..config.settings import Settings
from ..errors import ProviderClosedError, QuotaExceededError, StoreError
from ..failover import call
from ..journal import reader
from ..ledger import claims, closing
from ..ledger.conditions import Claim
from ..log_output import get_logger
from ..model import clock
from ..model.states import MissedReason, RunState
from ..model.values import DueLocation, Payload
from ..storage.engine import uses_other_database
from ..storage.observations import store, store_resolved_places
from .http import make_fetcher
from .run_context import ProviderAccess, RequestKey, RunContext, make_context
from .worker_pool import FailedLocation, LocationQueue, StoredRow, WorkerPool, queue_of

log = get_logger(__name__)

#: Begins what runs beside the workers; only once they are there, or nobody would wait for it.
Guard = Callable[[], Coroutine[Any, Any, None]]

#: The first wait before what failed is tried again.
AGAIN: Final = timedelta(seconds=30)


async def collect(claimed: Claim, settings: Settings, stop: threading.Event) -> RunState:
    """Collect what the run has yet to collect; gives the run's final state, or ``pending`` when it was given back.

    Raises:
        MissingAPIKeyError: No usable key is configured.
        StoreError: The database went away; the lease runs out and whoever comes next goes on.
    """
    spread = timedelta(seconds=settings.spread_seconds)
    now, more, all_ = clock.now(), False, list[ProviderAccess]()

    def read(after: int, limit: int) -> Sequence[DueLocation]:
        nonlocal more
        due, more = claims.due_locations(claimed, now, spread, after=after, limit=limit)
        for source in all_:
            source.gate.expect(math.ceil(len(due) * source.provider.cost))
        return due

    line = LocationQueue(read)
    waiting = await line.waiting()
    known = await asyncio.to_thread(_known, settings, claimed) if claimed.taken_over or uses_other_database() else {}
    asked = make_context(settings, claimed.due_at, wanted=waiting, on_demand=False, waits_until=claimed.ends_at, known=known)
    all_.extend(asked.all())
    zones = {source.provider.name: source.provider.quota_zone for source in all_}
    whose = await asyncio.to_thread(allotted_locations, _rain_limits(asked, settings), claimed, clock.now(), zones)
    engine = WorkerPool(replace(asked, turns=whose), _keeper(claimed.due_at), stop)
    tried_all = not waiting or await _through(engine, line, settings, lambda: _keep_lease(claimed, stop))
    if tried_all and _again_at(claimed) >= claimed.ends_at:  # no time to try what failed once more
        await asyncio.to_thread(_record, engine.undecided, claimed.due_at)
        engine.undecided.clear()
    calls = sum(source.gate.calls for source in all_)
    if tried_all and not engine.undecided and not more:
        return await asyncio.to_thread(closing.finish_run, claimed, calls, clock.now())
    until, reason = _waits_for(engine, claimed, stop)
    await asyncio.to_thread(closing.release_run, claimed, calls, until=until, reason=reason)
    return RunState.PENDING


async def collect_now(settings: Settings, stop: threading.Event, told: Callable[[int, int, int], None]) -> dict[str, str]:
    """Collect every active location at once, outside its schedule; gives what failed: the location's name, and why.

    Args:
        settings: The settings in force.
        stop: Set from outside to end early.
        told: Is told how many locations there are, how many of them are stored, and how many failed, as it goes.

    Raises:
        MissingAPIKeyError: No usable key is configured.
        ProviderClosedError: A provider closed before the last location.
        StoreError: The database went away.
    """
    due_at = clock.now().replace(microsecond=0)
    due = await asyncio.to_thread(claims.active_locations)
    asked = make_context(settings, due_at, wanted=len(due), on_demand=False)
    count, failures = 0, list[FailedLocation]()

    def keep(stored: list[StoredRow], failed: list[FailedLocation]) -> None:
        nonlocal count
        refused = _store(stored)
        count += len(stored) - len(refused)
        failures.extend((*failed, *refused))
        told(len(due), count, len(failures))

    # Of the few calls of a provider that is asked for precipitation only, none is spent outside the schedule's turns.
    nobodys = dict.fromkeys(_rain_limits(asked, settings), frozenset[int]())
    engine = WorkerPool(replace(asked, turns=nobodys), keep, stop)
    told(len(due), 0, 0)
    await _through(engine, queue_of(due), settings, lambda: _until(stop))
    failures.extend(engine.undecided)
    told(len(due), count, len(failures))
    if (closed := engine.closed()) is not None:
        raise closed
    names = {location.id: location.name for location in due}
    return {names[one.location_id]: one.detail for one in failures}


async def _through(engine: WorkerPool, line: LocationQueue, settings: Settings, guard: Guard) -> bool:
    try:
        for gate in engine.asked.gates():
            with suppress(ProviderClosedError):
                await gate.open()
        async with make_fetcher(settings, settings.concurrency) as fetcher:
            return await engine.through(line, fetcher, settings.concurrency, guard())
    finally:
        for gate in engine.asked.gates():
            await gate.close()


def _known(settings: Settings, claimed: Claim) -> dict[RequestKey, Payload]:
    """What the journal has of a run that was begun before: there is no need to ask for it again."""
    slot = claimed.due_at
    entries = reader.read_slots(settings.journal_dir, slot, slot + timedelta(microseconds=1)) if settings.journal_days else ()
    return {(one.url, tuple(one.params.items())): one.payload() for one in entries if one.status == 200}


def _rain_limits(asked: RunContext, settings: Settings) -> dict[str, dict[str, int]]:
    """The quotas of providers that are asked for single quantities only."""
    names = {source.provider.name for source in asked.all()} - {source.provider.name for source in asked.observation}
    return {name: settings.limits(name) for name in names}


def _waits_for(engine: WorkerPool, claimed: Claim, stop: threading.Event) -> tuple[datetime | None, MissedReason | None]:
    """Until when a run that is given back is to be left alone, and why, in the ledger's words."""
    closed = engine.closed()
    if closed is not None:
        return closed.retry_at, MissedReason.QUOTA if isinstance(closed, QuotaExceededError) else MissedReason.PROVIDER_ERROR
    if engine.undecided and not stop.is_set():
        return _again_at(claimed), MissedReason.PROVIDER_ERROR
    return None, None if stop.is_set() else MissedReason.LATE


def _again_at(claimed: Claim) -> datetime:
    """When to try again what failed: after as long again as the slot is old, so that the waits double."""
    now = clock.now()
    return now + max(AGAIN, now - claimed.due_at)


def _keeper(due_at: datetime) -> Callable[[list[StoredRow], list[FailedLocation]], None]:
    def keep(stored: list[StoredRow], failed: list[FailedLocation]) -> None:
        refused = call.call_with_fallback(_store, stored)
        call.call_with_fallback(_record, [*failed, *refused], due_at)

    return keep


def _store(stored: list[StoredRow]) -> list[FailedLocation]:
    """Store the rows; gives those that the database refused."""
    refused = store([one.row for one in stored])
    store_resolved_places([one.resolved for one in stored if one.resolved is not None])
    for row, reason in refused:
        log.error("the database refused a row", location_id=row["location_id"], reason=reason)
    return [FailedLocation(row["location_id"], MissedReason.STORE_ERROR, reason) for row, reason in refused]


def _record(failed: list[FailedLocation], due_at: datetime) -> None:
    columns = [{"location_id": one.location_id, "reason": one.reason, "detail": one.detail[:500]} for one in failed]
    closing.record_missed([{**one, "due_at": due_at} for one in columns])


async def _until(stop: threading.Event) -> None:
    while not stop.is_set():  # noqa: ASYNC110  # it is set by another thread, or a signal
        await asyncio.sleep(0.2)


async def _keep_lease(claimed: Claim, stop: threading.Event) -> None:
    """Renew the lease; returns when the run is to stop or another process has taken it."""
    renewed = clock.now()
    while not stop.is_set():
        await asyncio.sleep(min(0.2, claimed.lease.total_seconds() / 3))
        if abs(clock.now() - renewed) < claimed.lease / 3:
            continue
        renewed = clock.now()
        try:
            mine = await asyncio.to_thread(claims.renew_run, claimed.run_id, renewed + claimed.lease)
        except StoreError as error:
            log.warning("the lease could not be renewed", reason=str(error))
            continue
        if not mine:
            log.warning("another process has taken the run", run_id=claimed.run_id)
            return
