"""Collect one run: every due location of one slot, while the lease on the run is renewed.

Work that must wait, because a quota is used up or a provider is down, waits in the ledger: the run is released until then, and
any process may claim it again, as long as its slot lasts.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from ..accounts.monthly_spread import Slot, allot_locations
from ..config.loading import get_settings
from ..config.settings import Settings
from ..errors import LostLeaseError, StoreError
from ..failover.call import call_with_fallback
from ..failover.sync_back import sync_back
from ..ledger import claims, closing
from ..ledger.call_counts import CallRecorder
from ..ledger.conditions import Claim
from ..ledger.shards import Wait
from ..log_output import get_logger
from ..log_repeats import REPEATS, error_once
from ..model import clock
from ..model.states import MissedReason, RunState
from ..storage.engine import database_name
from ..storage.fences import Fence, fenced
from ..storage.observations import store, store_resolved_places
from .garbage import collect_garbage_seldom
from .http import Fetcher, make_fetcher
from .lease_keeper import LeaseKeeper, StopSignal, kept_lease
from .location_queue import LocationQueue, queue_of
from .run_context import RunContext, make_context
from .run_holds import RunHold, hold_of
from .worker_pool import CollectedRow, FailedLocation, WorkerPool

log = get_logger(__name__)

#: The first pause before failed locations are tried again.
FIRST_RETRY_PAUSE: Final = timedelta(seconds=30)

#: Makes the coroutine that runs beside the workers; called when they exist, since only then it is awaited.
MakeCompanion = Callable[[], Coroutine[Any, Any, None]]


async def collect(claim: Claim, settings: Settings, stop: threading.Event, fetcher: Fetcher | None = None) -> RunState:
    """Collect the locations of a run that have no row yet.

    Args:
        claim: The run, or a shard of it.
        settings: The settings in force.
        stop: Set from outside to end early.
        fetcher: An open HTTP client of this event loop; by default one is opened for this call.

    Returns:
        The final state of the run, ``pending`` when it was released unfinished, or ``running`` where other processes go on.

    Raises:
        MissingAPIKeyError: No usable key is configured.
        StoreError: The database went away; the lease expires, and the process that claims the run then continues it.
    """
    collect_garbage_seldom()
    context = make_context(settings, claim.due_at, expected=0, on_demand=False, waits_until=claim.ends_at)
    calls = CallRecorder(claim, context.calls)
    hold = hold_of(claim, settings, context.expect)
    with kept_lease(claim, calls, stop, hold) as lease:
        try:
            return await _collect_and_close(hold, settings, context, calls, lease, fetcher)
        except BaseException:
            with suppress(StoreError):  # the next tick records them
                await asyncio.to_thread(calls.record)
            raise


async def _collect_and_close(
    hold: RunHold,
    settings: Settings,
    context: RunContext,
    calls: CallRecorder,
    lease: LeaseKeeper,
    fetcher: Fetcher | None,
) -> RunState:
    claim, queue = hold.claim, hold.queue()
    pool = WorkerPool(context, partial(store_results, hold), lease)
    tried_all = True
    if await queue.available():
        pool.context = replace(context, turns=await _turns(context, claim, settings), replayed=hold.replayed)
        try:
            tried_all = await _work(pool, queue, settings, lambda: _until(lease), fetcher)
        finally:
            await queue.end()
    await asyncio.to_thread(calls.record)
    # When the slot ends before failed locations could be tried again.
    if tried_all and _next_retry(claim) >= claim.ends_at and not lease.is_lost:
        await asyncio.to_thread(record_missed, pool.retryable_failures, claim.due_at)
        pool.retryable_failures.clear()
    if tried_all and not pool.retryable_failures and not hold.has_later:
        await asyncio.to_thread(_sync_fallback, settings)
        lease.expect_close()
        return await asyncio.to_thread(hold.finish)
    wait = _waits_for(pool, claim, lease)
    lease.expect_close()
    state = await asyncio.to_thread(hold.release, wait)
    if wait.until is not None and _has_new_key(pool.context):  # looked at last: it may change while the run is released
        await asyncio.to_thread(closing.reopen_waiting_runs)
    return state


async def collect_now(settings: Settings, stop: threading.Event, progress: Callable[[int, int, int], None]) -> dict[str, str]:
    """Collect every active location at once, outside of its schedule.

    Args:
        settings: The settings in force.
        stop: Set from outside to end early.
        progress: Called with the number of locations, of stored ones and of failed ones, as they change.

    Returns:
        Name of each location that failed → why.

    Raises:
        MissingAPIKeyError: No usable key is configured.
        ProviderClosedError: A provider closed before the last location.
        StoreError: The database went away.
    """
    due_at = clock.now().replace(microsecond=0)
    due = await asyncio.to_thread(claims.active_locations)
    context = make_context(settings, due_at, expected=len(due), on_demand=False)
    # Providers of single quantities have few calls: those are reserved for the turns of the schedule.
    context = replace(context, turns=dict.fromkeys(context.single_quantity_providers(), frozenset[int]()))
    results = CountingStore(len(due), progress)
    pool = WorkerPool(context, results.store, stop)
    results.show()
    await _work(pool, queue_of(due), settings, lambda: _until(stop))
    REPEATS.flush(everything=True)
    results.failures.extend(pool.retryable_failures)
    results.show()
    if (closed := pool.closed()) is not None:
        raise closed.error()
    names = {location.id: location.name for location in due}
    return {names[failure.location_id]: failure.detail for failure in results.failures}


class CountingStore:
    """Stores the rows of a collection on demand, counts them and shows the progress.

    Args:
        total: Locations that are collected.
        progress: Called with the numbers of locations, of stored ones and of failed ones.
    """

    def __init__(self, total: int, progress: Callable[[int, int, int], None]) -> None:
        self._total = total
        self._progress = progress
        self.stored = 0
        self.failures: list[FailedLocation] = []

    def store(self, rows: list[CollectedRow], failed: list[FailedLocation]) -> None:
        """Store rows and count them; no slot is missed by a collection on demand, so no reason is recorded."""
        refused = store_rows(rows)
        self.stored += len(rows) - len(refused)
        self.failures += [*failed, *refused]
        self.show()

    def show(self) -> None:
        """Show the progress."""
        self._progress(self._total, self.stored, len(self.failures))


async def _turns(context: RunContext, claim: Claim, settings: Settings) -> dict[str, frozenset[int]]:
    """The turns of small quotas: provider → the locations that may call it."""
    names = context.single_quantity_providers()
    slot = Slot(claim.schedule, claim.due_at, claim.length)
    return await asyncio.to_thread(allot_locations, [settings.account(name) for name in names], slot, clock.now())


async def _work(
    pool: WorkerPool, queue: LocationQueue, settings: Settings, companion: MakeCompanion, fetcher: Fetcher | None = None
) -> bool:
    """Let the workers collect a queue, with the gates open; False when they ended before the last location."""
    try:
        await pool.context.open_gates()
        async with make_fetcher(settings, settings.concurrency) if fetcher is None else nullcontext(fetcher) as client:
            return await pool.collect(queue, client, settings.concurrency, companion())
    finally:
        await pool.context.close_gates()


def _waits_for(pool: WorkerPool, claim: Claim, stop: StopSignal) -> Wait:
    """Until when a released run must wait, and for what."""
    closed = pool.closed()
    if closed is not None:
        reason = MissedReason.QUOTA if closed.by_quota else MissedReason.PROVIDER_ERROR
        return Wait(closed.retry_at, reason, is_for_all=True)
    if pool.retryable_failures and not stop.is_set():
        return Wait(_next_retry(claim), MissedReason.PROVIDER_ERROR)
    return Wait(None, None if stop.is_set() else MissedReason.LATE)


def _has_new_key(context: RunContext) -> bool:
    """Whether the settings were read again meanwhile and a provider has another key, with which it can be called at once."""
    settings = get_settings()
    return any(settings.key(access.provider.name) != access.key for access in context.observation)


def _next_retry(claim: Claim) -> datetime:
    """When to try failed locations again: after a pause as long as the slot is old, so that the pauses double."""
    now = clock.now()
    return now + max(FIRST_RETRY_PAUSE, now - claim.due_at)


def store_results(hold: RunHold, rows: list[CollectedRow], failed: list[FailedLocation]) -> None:
    """Store rows and record why locations failed; in the fallback database while the database is away.

    What belongs to a run or a shard that another process has taken is not stored.
    """
    fences = hold.fences([*(one.row["location_id"] for one in rows), *(one.location_id for one in failed)])
    try:
        _store_fenced(hold, fences, rows, failed)
    except LostLeaseError:
        hold.note_lost()
        if len(fences) > 1:  # other shards are not lost
            for fence, ids in fences.items():
                rows_of_shard = [one for one in rows if one.row["location_id"] in ids]
                with suppress(LostLeaseError):
                    _store_fenced(hold, {fence: ids}, rows_of_shard, [one for one in failed if one.location_id in ids])


def _store_fenced(
    hold: RunHold, fences: Mapping[Fence, Collection[int]], rows: list[CollectedRow], failed: list[FailedLocation]
) -> None:
    with fenced(hold.database, fences):
        refused, rows_are_in = call_with_fallback(_store_rows_somewhere, rows)
        reasons_are_in = call_with_fallback(_record_missed_somewhere, [*failed, *refused], hold.claim.due_at)
    if rows_are_in == reasons_are_in == hold.database:  # else they are moved there before the run ends
        hold.note_stored(fences)


def _store_rows_somewhere(rows: list[CollectedRow]) -> tuple[list[FailedLocation], str]:
    return store_rows(rows), database_name()


def _record_missed_somewhere(failed: Sequence[FailedLocation], due_at: datetime) -> str:
    record_missed(failed, due_at)
    return database_name()


def store_rows(rows: list[CollectedRow]) -> list[FailedLocation]:
    """Store rows; gives the locations whose row the database refused."""
    refused = store([one.row for one in rows])
    store_resolved_places([one.resolved for one in rows if one.resolved is not None])
    for row, reason in refused:
        error_once(log, "the database refused a row", (), location_id=row["location_id"], reason=reason)
    return [FailedLocation(row["location_id"], MissedReason.STORE_ERROR, reason) for row, reason in refused]


def record_missed(failed: Sequence[FailedLocation], due_at: datetime) -> None:
    """Record why locations have no row of a slot."""
    closing.record_missed(
        [{"location_id": one.location_id, "due_at": due_at, "reason": one.reason, "detail": one.detail[:500]} for one in failed]
    )


def _sync_fallback(settings: Settings) -> None:
    """Move rows that went to the fallback database, while the database was away for a moment, before they are counted.

    Raises:
        StoreError: The database is away; the run stays claimed until its lease expires.
    """
    try:
        sync_back(settings)
    except StoreError:
        raise
    except Exception:  # a damaged fallback database must not stop the run: what it holds is not counted as stored
        log.exception("rows of the fallback database could not be moved")


async def _until(stop: StopSignal) -> None:
    while not stop.is_set():  # noqa: ASYNC110  # it is set by another thread, or a signal
        await asyncio.sleep(0.2)
