"""Missed slots, filled from the histories of providers: in rounds of a bounded number of requests, newest slots first.

One process at a time heals; the others find its lease in the database. A slot that could not be had goes to the back: it
waits, longer each time, and the next ones are asked for.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from ..collecting.event_loop import run_async
from ..collecting.http import make_fetcher
from ..config.settings import Settings
from ..errors import StoreError
from ..journal.writer import open_journal
from ..log_output import get_logger
from ..model import clock
from ..storage import leases
from ..storage.engine import get_db_session
from . import missed_slots
from .filler import Filler, HealingResult
from .planner import REQUESTS_AT_ONCE, MissedByLocation, PlannedRequest, Planner, history_providers, history_sources

log = get_logger(__name__)

#: Name of the lease of the process that heals.
LEASE: Final = "healing"

#: Requests of a round at most, and when no further one is begun [s].
REQUESTS_PER_ROUND: Final = 200
ROUND_SECONDS: Final = 20.0


def heal_once(settings: Settings, stop: threading.Event) -> HealingResult | None:
    """A round, if there is anything to heal and no other process does; None otherwise.

    Raises:
        StoreError: The database went away.
    """
    now = clock.now()
    since = now - timedelta(days=settings.healing_days)
    with get_db_session(read_only=True) as session:
        if not history_providers(settings) or not missed_slots.has_open(session, since, now):
            return None
    if not leases.take_lease(LEASE, now):
        return None
    try:
        return run_async(_round(settings, since, now, stop))
    finally:
        leases.release_lease(LEASE)


async def _round(settings: Settings, since: datetime, now: datetime, stop: threading.Event) -> HealingResult | None:
    planner, work = await asyncio.to_thread(_work, settings, since, now)
    jobs = planner.jobs(work, REQUESTS_PER_ROUND)
    if not jobs:
        return None
    healed = (await fill_slots(planner, jobs, settings, stop)).healed
    log.info("healed", filled=healed.filled, empty=healed.empty, failed=healed.failed, calls=healed.calls)
    return healed


def _work(settings: Settings, since: datetime, now: datetime) -> tuple[Planner, MissedByLocation]:
    """The histories that may be asked, and slots that one of them may know, of the locations with the newest."""
    with get_db_session(read_only=True) as session:
        asked = history_sources(session, settings, now)
    reaches = [past.history.reach for past in asked]
    if all(reach is not None for reach in reaches):
        missed_slots.close_out_of_reach(max(reach for reach in reaches if reach is not None), now)
    usable = [past.history for past in asked if past.budget.is_open]
    if not usable:
        return Planner(asked, now, {}), []
    far = [now - history.reach for history in usable if history.reach is not None]
    oldest = max(since, min(far)) if len(far) == len(usable) else since
    newest = now - min(history.delay for history in usable)
    with get_db_session(read_only=True) as session:
        slots = missed_slots.open_slots(session, oldest, newest, now, REQUESTS_PER_ROUND)
        known = missed_slots.locations_by_id(session, slots)
        return Planner(asked, now, missed_slots.stations_by_location(session, slots)), [(known[id_], slots[id_]) for id_ in known]


async def fill_slots(
    planner: Planner,
    jobs: Sequence[PlannedRequest],
    settings: Settings,
    stop: threading.Event,
    told: Callable[[HealingResult], None] | None = None,
) -> Filler:
    """Make planned requests, and those that follow from them, under the lease; ``told`` hears how far it has come.

    Raises:
        StoreError: The database went away; what was stored by then stays.
    """
    gates = {past.budget.name: past.budget.gate for past in planner.asked}
    async with make_fetcher(settings, REQUESTS_AT_ONCE) as fetcher:
        filler = Filler(planner, fetcher, open_journal(settings.journal_dir) if settings.journal_days else None, told)
        try:
            await _through(filler, jobs, stop)
        finally:
            for gate in gates.values():
                await gate.close()
            filler.healed.calls = {name: gate.calls for name, gate in gates.items() if gate.calls}
    return filler


async def _through(filler: Filler, jobs: Sequence[PlannedRequest], stop: threading.Event) -> None:
    """All jobs, the first one alone: it tells whether the provider is well."""
    lost = asyncio.Event()
    deadline = time.monotonic() + ROUND_SECONDS
    left = iter(jobs)

    async def work() -> None:
        while not (stop.is_set() or lost.is_set() or time.monotonic() > deadline):
            job = next(left, None)
            if job is None:
                return
            await filler.do(job)

    keeping = asyncio.create_task(_keep_lease(lost))
    working: list[asyncio.Task[None]] = []
    try:
        for job in itertools.islice(left, 1):
            await filler.do(job)
        working = [asyncio.create_task(work()) for _ in range(min(REQUESTS_AT_ONCE, len(jobs)))]
        await asyncio.gather(*working)
    finally:
        for task in (keeping, *working):
            task.cancel()


async def _keep_lease(lost: asyncio.Event) -> None:
    while not lost.is_set():  # this is who sets it
        await asyncio.sleep(leases.LEASE_LENGTH.total_seconds() / 4)
        try:
            if not await asyncio.to_thread(leases.renew_lease, LEASE, clock.now()):
                log.warning("another process has taken over healing")
                lost.set()
        except StoreError as error:
            log.warning("the lease could not be renewed", reason=str(error))
