"""``meteorograph backfill``: fills slots round by round, until every one was asked for or nothing more can be had."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence

from . import heal_book
from .backfill_plan import LONG, Wanted, work
from .config.settings import Settings
from .errors import MeteorographError
from .heal import LEASE, MOST, fill
from .heal_fill import Healed
from .heal_sources import Planner, Work, pasts
from .ingest import run_async
from .model import clock
from .storage import leases
from .storage.engine import get_db_session


def run(settings: Settings, wanted: Wanted, stop: threading.Event, told: Callable[[int, int], None]) -> Healed:
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


async def _run(settings: Settings, wanted: Wanted, stop: threading.Event, told: Callable[[int, int], None]) -> Healed:
    whole = Healed()
    for some in work(settings, wanted):
        await _fill(some, settings, stop, told, whole)
    return whole


async def _fill(some: Work, settings: Settings, stop: threading.Event, told: Callable[[int, int], None], whole: Healed) -> None:
    """Rounds until every slot was asked for, or nothing more can be; their outcome is added to the whole."""
    left = list(some)
    while left:
        planner = await asyncio.to_thread(_planner, settings, [location.id for location, _ in left])
        jobs = planner.jobs(left, MOST)
        if stop.is_set() or (not jobs and not await _more_calls(planner, left, stop)):
            whole.waiting += sum(len(slots) for _, slots in left)
            return

        def tell(now: Healed) -> None:
            told(whole.filled + now.filled, whole.missing + now.missing)

        await asyncio.to_thread(_take_lease, stop)
        try:
            filler = await fill(planner, jobs, settings, stop, tell)
        finally:
            await asyncio.to_thread(leases.release_lease, LEASE)
        whole.add(filler.healed)
        rest = [(location, [slot for slot in slots if not filler.has_asked(location.id, slot)]) for location, slots in left]
        left = [(location, slots) for location, slots in rest if slots]


def _planner(settings: Settings, ids: Sequence[int]) -> Planner:
    now = clock.now()
    with get_db_session(read_only=True) as session:
        return Planner(pasts(session, settings, now), now, heal_book.stations(session, ids))


async def _more_calls(planner: Planner, left: Work, stop: threading.Event) -> bool:
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
