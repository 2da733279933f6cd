"""``meteorograph backfill``: fills slots round by round, until every one was asked for or nothing more can be had."""

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
from .backfill_plan import LONG, BackfillRequest, missing_slots
from .filler import HealingResult
from .planner import MissedByLocation, Planner, history_sources
from .rounds import LEASE, REQUESTS_PER_ROUND, fill_slots


def run_backfill(
    settings: Settings, wanted: BackfillRequest, stop: threading.Event, told: Callable[[int, int], None]
) -> HealingResult:
    """Fill what can be filled; ``told`` hears how many slots are filled, and how many could not be.

    Waits for the next minute or hour of an account where its quota says so, not for the next day.

    Raises:
        LocationNotFoundError: No location has that name.
        MeteorographError: Another process heals all the time.
        StoreError: The database went away.
    """
    return run_async(_run(settings, wanted, stop, told))


def _take_lease(stop: threading.Event) -> None:
    deadline = time.monotonic() + 2 * leases.LEASE_LENGTH.total_seconds()
    while not leases.take_lease(LEASE, clock.now()):
        if stop.wait(0.2) or time.monotonic() > deadline:
            raise MeteorographError("another process is healing: try again, or set METEOROGRAPH_HEALING=false there")


async def _run(
    settings: Settings, wanted: BackfillRequest, stop: threading.Event, told: Callable[[int, int], None]
) -> HealingResult:
    whole = HealingResult()
    for some in missing_slots(settings, wanted):
        await _fill(some, settings, stop, told, whole)
    return whole


async def _fill(
    some: MissedByLocation, settings: Settings, stop: threading.Event, told: Callable[[int, int], None], whole: HealingResult
) -> None:
    """Rounds until every slot was asked for, or nothing more can be; their outcome is added to the whole."""
    left = list(some)
    while left:
        planner = await asyncio.to_thread(_planner, settings, [location.id for location, _ in left])
        jobs = planner.jobs(left, REQUESTS_PER_ROUND)
        if stop.is_set() or (not jobs and not await _more_calls(planner, left, stop)):
            whole.waiting += sum(len(slots) for _, slots in left)
            return

        def tell(now: HealingResult) -> None:
            told(whole.filled + now.filled, whole.missing + now.missing)

        await asyncio.to_thread(_take_lease, stop)
        try:
            filler = await fill_slots(planner, jobs, settings, stop, tell)
        finally:
            await asyncio.to_thread(leases.release_lease, LEASE)
        whole.add(filler.healed)
        rest = [(location, [slot for slot in slots if not filler.has_asked(location.id, slot)]) for location, slots in left]
        left = [(location, slots) for location, slots in rest if slots]


def _planner(settings: Settings, ids: Sequence[int]) -> Planner:
    now = clock.now()
    with get_db_session(read_only=True) as session:
        return Planner(history_sources(session, settings, now), now, missed_slots.stations_by_location(session, ids))


async def _more_calls(planner: Planner, left: MissedByLocation, stop: threading.Event) -> bool:
    """Wait for the next minute or hour of an account that could go on then; False when there is none."""
    resets = [
        min(one.resets_at for one in past.budget.windows if not one.calls)
        for past in planner.asked
        if past.budget.is_open
        and not past.is_refused(planner.now)
        and any(not one.calls for one in past.budget.windows)
        and all(one.calls or one.window not in LONG for one in past.budget.windows)
        and any(planner.may_know(past, location, slot) for location, slots in left for slot in slots)
    ]
    if not resets:
        return False
    wait = (min(resets) - planner.now).total_seconds()
    return not await asyncio.to_thread(stop.wait, max(0.0, wait))
