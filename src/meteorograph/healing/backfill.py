"""``meteorograph backfill``: fills slots in rounds until every slot was requested or no further request is possible."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence

from ..collecting.event_loop import run_async
from ..config.settings import Settings
from ..errors import MeteorographError
from ..model import clock
from ..storage import leases
from ..storage.engine import get_db_session
from . import missed_slots
from .backfill_plan import LONG_WINDOWS, BackfillRequest, find_missing_slots
from .filler import HealingResult
from .planner import Planner, SlotsByLocation, load_history_sources
from .rounds import LEASE_NAME, MAX_ROUND_REQUESTS, fill_slots


def run_backfill(
    settings: Settings, request: BackfillRequest, stop: threading.Event, report: Callable[[int, int], None]
) -> HealingResult:
    """Fill all slots of the request that can be filled.

    Waits for the next minute or hour of an account if its quota requires that, but not for the next day.

    Args:
        settings: Providers, keys and quotas.
        request: Which slots.
        stop: Set to start no further request.
        report: Called with the number of filled slots and of slots that could not be filled.

    Raises:
        LocationNotFoundError: No location has that name.
        MeteorographError: Another process heals all the time.
        StoreError: The database is away.
    """
    return run_async(_run(settings, request, stop, report))


def _take_lease(stop: threading.Event) -> None:
    deadline = time.monotonic() + 2 * leases.LEASE_LENGTH.total_seconds()
    while not leases.take_lease(LEASE_NAME, clock.now()):
        if stop.wait(0.2) or time.monotonic() > deadline:
            raise MeteorographError("another process is healing: try again, or set METEOROGRAPH_HEALING=false there")


async def _run(
    settings: Settings, request: BackfillRequest, stop: threading.Event, report: Callable[[int, int], None]
) -> HealingResult:
    total = HealingResult()
    for batch in find_missing_slots(settings, request):
        await _fill_batch(batch, settings, stop, report, total)
    return total


async def _fill_batch(
    batch: SlotsByLocation,
    settings: Settings,
    stop: threading.Event,
    report: Callable[[int, int], None],
    total: HealingResult,
) -> None:
    """Do rounds until every slot was requested or no further request is possible. Adds their results to the total."""
    remaining = list(batch)
    while remaining:
        planner = await asyncio.to_thread(_make_planner, settings, [location.id for location, _ in remaining])
        requests = planner.plan_requests(remaining, MAX_ROUND_REQUESTS)
        if stop.is_set() or (not requests and not await _wait_for_calls(planner, remaining, stop)):
            total.waiting += sum(len(slots) for _, slots in remaining)
            return

        def report_total(result: HealingResult) -> None:
            report(total.filled + result.filled, total.missing + result.missing)

        await asyncio.to_thread(_take_lease, stop)
        try:
            filler = await fill_slots(planner, requests, settings, stop, report_total)
        finally:
            await asyncio.to_thread(leases.release_lease, LEASE_NAME)
        total.add(filler.result)
        unrequested = [
            (location, [slot for slot in slots if not filler.was_requested(location.id, slot)]) for location, slots in remaining
        ]
        remaining = [(location, slots) for location, slots in unrequested if slots]


def _make_planner(settings: Settings, ids: Sequence[int]) -> Planner:
    now = clock.now()
    with get_db_session(read_only=True) as session:
        sources = load_history_sources(session, settings, now)
        return Planner(sources, now, missed_slots.read_stations(session, ids))


async def _wait_for_calls(planner: Planner, remaining: SlotsByLocation, stop: threading.Event) -> bool:
    """Wait for the next minute or hour of an account that can be called then. Returns False if there is none, or on a stop."""
    resets = [
        min(window.resets_at for window in source.budget.windows if not window.calls)
        for source in planner.sources
        if source.budget.is_open
        and not source.is_refused(planner.now)
        and any(not window.calls for window in source.budget.windows)
        and all(window.calls or window.window not in LONG_WINDOWS for window in source.budget.windows)
        and any(planner.may_have(source, location, slot) for location, slots in remaining for slot in slots)
    ]
    if not resets:
        return False
    wait = (min(resets) - planner.now).total_seconds()
    return not await asyncio.to_thread(stop.wait, max(0.0, wait))
