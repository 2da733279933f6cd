"""A run: every due location of one slot through the walk, many at once, stored in batches as the answers come."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from . import clock, ledger, schedule
from .errors import FetchError, PayloadError, QuotaExceededError, StoreError
from .fetch import Fetcher
from .ingest import make_fetcher, run_async
from .ledger import Claim, Due
from .logs import get_logger
from .observe import Sources, observe, sources
from .settings import Settings
from .store import Row, row, store

log = get_logger(__name__)

#: Rows per transaction at most: short enough that nobody waits for it.
BATCH: Final = 1000

#: How long the writer gathers rows before it stores them [s]: a transaction for each answer would cost more than the answer.
GATHER_SECONDS: Final = 0.1

#: How long a run that is told to stop waits for the answers under way.
PATIENCE: Final = timedelta(seconds=5)

_Failure = dict[str, Any]


def collect(claimed: Claim, settings: Settings, stop: threading.Event) -> str:
    """Collect what the run has yet to collect; gives the run's final state, or ``pending`` when it was given back.

    Raises:
        MissingAPIKeyError: No usable key is configured.
        StoreError: The database went away; the lease runs out and whoever comes next goes on.
    """
    asked = sources(settings)
    due = ledger.due_locations(claimed.due_at)
    complete = run_async(_Run(claimed, settings, asked, stop).through(due)) if due else True
    if not complete:
        ledger.release(claimed.run_id)
        return "pending"
    return ledger.finish(claimed, clock.now())


class _Run:
    """The moving parts of one run: workers that fetch, one writer that stores, one keeper of the lease."""

    def __init__(self, claimed: Claim, settings: Settings, asked: Sources, stop: threading.Event) -> None:
        self.claimed = claimed
        self.settings = settings
        self.asked = asked
        self.stop = stop
        self.done: asyncio.Queue[Row | _Failure | None] = asyncio.Queue(maxsize=2 * BATCH)

    async def through(self, due: list[Due]) -> bool:
        """Take every location through; False when stopped or overtaken before the last one."""
        left = iter(due)
        async with make_fetcher(self.settings, self.settings.concurrency) as fetcher:
            writer = asyncio.create_task(self._write())
            count = min(self.settings.concurrency, len(due))
            workers = asyncio.gather(*(self._work(fetcher, left) for _ in range(count)))
            keeper = asyncio.create_task(self._keep())
            try:
                under_way: set[asyncio.Future[Any]] = {workers, keeper, writer}
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                if not workers.done() and not writer.done() and self.stop.is_set():
                    await asyncio.wait({workers}, timeout=PATIENCE.total_seconds())
                finished = workers.done() and next(left, None) is None
            finally:
                keeper.cancel()
                workers.cancel()
                with suppress(asyncio.CancelledError):
                    await workers
                if not writer.done():
                    await self.done.put(None)
                await writer
        return finished

    async def _work(self, fetcher: Fetcher, left: Iterator[Due]) -> None:
        for location in left:
            await self.done.put(await self._collect_one(fetcher, location))
            if self.stop.is_set():
                return

    async def _collect_one(self, fetcher: Fetcher, location: Due) -> Row | _Failure:
        try:
            observation = await observe(fetcher, self.asked, location.coordinates)
        except QuotaExceededError as error:
            return self._missed(location.id, "quota", str(error))
        except FetchError as error:
            return self._missed(location.id, "provider_error", str(error))
        except PayloadError as error:
            return self._missed(location.id, "payload_error", str(error))
        except Exception as error:  # a fault of ours must cost one location and not the run
            log.exception("collection of a location failed", location=location.name)
            return self._missed(location.id, "provider_error", f"unexpected {type(error).__name__}")
        return row(location.id, self.claimed.due_at, observation)

    def _missed(self, location_id: int, reason: str, detail: str) -> _Failure:
        return {"location_id": location_id, "due_at": self.claimed.due_at, "reason": reason, "detail": detail[:500]}

    async def _write(self) -> None:
        """Store what has come, a batch at a time, until None comes."""
        ended = False
        while not ended:
            batch = [await self.done.get()]
            if batch[0] is not None and self.done.qsize() < BATCH:
                await asyncio.sleep(GATHER_SECONDS)
            while len(batch) < BATCH and not self.done.empty():
                batch.append(self.done.get_nowait())
            ended = batch[-1] is None
            rows = [one for one in batch if one is not None and "reason" not in one]
            failures = [one for one in batch if one is not None and "reason" in one]
            await asyncio.to_thread(self._store, rows, failures)

    def _store(self, rows: list[Row], failures: list[_Failure]) -> None:
        for refused, reason in store(rows):
            log.error("the database refused a row", location_id=refused["location_id"], reason=reason)
            failures.append(self._missed(refused["location_id"], "store_error", reason))
        ledger.record_missed(failures)

    async def _keep(self) -> None:
        """Renew the lease; returns when the run is to stop or another process has taken it."""
        length = schedule.lease(self.settings.interval)
        renewed = clock.now()
        while not self.stop.is_set():
            await asyncio.sleep(min(0.2, length.total_seconds() / 3))
            if _elapsed(renewed) < length / 3:
                continue
            renewed = clock.now()
            try:
                mine = await asyncio.to_thread(ledger.renew, self.claimed.run_id, renewed + length)
            except StoreError as error:
                log.warning("the lease could not be renewed", reason=str(error))
                continue
            if not mine:
                log.warning("another process has taken the run", run_id=self.claimed.run_id)
                return


def _elapsed(since: datetime) -> timedelta:
    return abs(clock.now() - since)
