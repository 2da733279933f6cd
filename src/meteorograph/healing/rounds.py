"""Fills missed slots in rounds of a limited number of requests, newest slots first.

One process at a time heals: it holds a lease in the database. A slot that cannot be filled waits, longer each time, so that other
slots are requested next.
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
from .planner import (
    MAX_CONCURRENT_REQUESTS,
    PlannedRequest,
    Planner,
    SlotsByLocation,
    history_providers,
    load_history_sources,
)

log = get_logger(__name__)

#: Name of the lease of the process that heals.
LEASE_NAME: Final = "healing"

#: Maximum number of requests of a round, and the time after which a round starts no further request [s].
MAX_ROUND_REQUESTS: Final = 200
ROUND_SECONDS: Final = 20.0


def can_heal(settings: Settings) -> bool:
    """Whether there are missed slots that a history may have."""
    now = clock.now()
    if not settings.healing or not history_providers(settings):
        return False
    with get_db_session(read_only=True) as session:
        return missed_slots.has_open_slots(session, now - timedelta(days=settings.healing_days), now)


def heal_once(settings: Settings, stop: threading.Event) -> HealingResult | None:
    """Do one round and return its result; None if there is nothing to heal or another process heals.

    Raises:
        StoreError: The database is away.
    """
    now = clock.now()
    since = now - timedelta(days=settings.healing_days)
    with get_db_session(read_only=True) as session:
        if not history_providers(settings) or not missed_slots.has_open_slots(session, since, now):
            return None
    if not leases.take_lease(LEASE_NAME, now):
        return None
    try:
        return run_async(_run_round(settings, since, now, stop))
    finally:
        leases.release_lease(LEASE_NAME)


async def _run_round(settings: Settings, since: datetime, now: datetime, stop: threading.Event) -> HealingResult | None:
    planner, work = await asyncio.to_thread(_plan_round, settings, since, now)
    requests = planner.plan_requests(work, MAX_ROUND_REQUESTS)
    if not requests:
        return None
    result = (await fill_slots(planner, requests, settings, stop)).result
    log.info("healed", filled=result.filled, empty=result.empty, failed=result.failed, calls=result.calls)
    return result


def _plan_round(settings: Settings, since: datetime, now: datetime) -> tuple[Planner, SlotsByLocation]:
    """Close the slots out of reach, and read slots that a usable history may have, of the locations with the newest ones."""
    with get_db_session(read_only=True) as session:
        sources = load_history_sources(session, settings, now)
    reaches = [source.history.reach for source in sources]
    if all(reach is not None for reach in reaches):
        missed_slots.close_out_of_reach(max(reach for reach in reaches if reach is not None), now)
    usable = [source.history for source in sources if source.budget.is_open]
    if not usable:
        return Planner(sources, now, {}), []
    limits = [now - history.reach for history in usable if history.reach is not None]
    oldest = max(since, min(limits)) if len(limits) == len(usable) else since
    newest = now - min(history.delay for history in usable)
    with get_db_session(read_only=True) as session:
        slots = missed_slots.read_open_slots(session, oldest, newest, now, MAX_ROUND_REQUESTS)
        locations = missed_slots.read_locations(session, slots)
        planner = Planner(sources, now, missed_slots.read_stations(session, slots))
    return planner, [(location, slots[id_]) for id_, location in locations.items()]


async def fill_slots(
    planner: Planner,
    requests: Sequence[PlannedRequest],
    settings: Settings,
    stop: threading.Event,
    report: Callable[[HealingResult], None] | None = None,
) -> Filler:
    """Make planned requests, and those that follow from them, and renew the lease meanwhile.

    Args:
        planner: Plans further requests for slots that a history does not have.
        requests: The planned requests.
        settings: Settings of the HTTP client and the journal.
        stop: Set to start no further request.
        report: Called with the result so far after each planned request.

    Raises:
        StoreError: The database is away. Rows that are stored already stay.
    """
    gates = {source.budget.name: source.budget.gate for source in planner.sources}
    async with make_fetcher(settings, MAX_CONCURRENT_REQUESTS) as fetcher:
        filler = Filler(planner, fetcher, open_journal(settings.journal_dir) if settings.journal_days else None, report)
        try:
            await _fill_all(filler, requests, stop)
        finally:
            for gate in gates.values():
                await gate.close()
            filler.result.calls = {name: gate.calls for name, gate in gates.items() if gate.calls}
    return filler


async def _fill_all(filler: Filler, requests: Sequence[PlannedRequest], stop: threading.Event) -> None:
    """Make all requests; the first one alone, because it shows whether the provider answers."""
    lease_lost = asyncio.Event()
    deadline = time.monotonic() + ROUND_SECONDS
    queue = iter(requests)

    async def work() -> None:
        while not (stop.is_set() or lease_lost.is_set() or time.monotonic() > deadline):
            request = next(queue, None)
            if request is None:
                return
            await filler.fill(request)

    renewal = asyncio.create_task(_renew_lease(lease_lost))
    workers: list[asyncio.Task[None]] = []
    try:
        for request in itertools.islice(queue, 1):
            await filler.fill(request)
        workers = [asyncio.create_task(work()) for _ in range(min(MAX_CONCURRENT_REQUESTS, len(requests)))]
        await asyncio.gather(*workers)
    finally:
        for task in (renewal, *workers):
            task.cancel()


async def _renew_lease(lost: asyncio.Event) -> None:
    """Renew the lease until the task is cancelled or another process holds the lease; then set ``lost``."""
    while not lost.is_set():
        await asyncio.sleep(leases.LEASE_LENGTH.total_seconds() / 4)
        try:
            if not await asyncio.to_thread(leases.renew_lease, LEASE_NAME, clock.now()):
                log.warning("another process has taken over healing")
                lost.set()
        except StoreError as error:
            log.warning("the lease could not be renewed", reason=str(error))
