"""A run: every due location of one slot through the walk, many at once, stored in batches as the answers come.

What cannot be done now, because a quota is used up or a provider is down, waits in the ledger: the run is given back until
then, and any process takes it up again, as long as its slot lasts.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from . import clock, ledger
from .errors import FetchError, PayloadError, ProviderClosedError, QuotaExceededError, RetryableFetchError, StoreError
from .fetch import Fetcher
from .ingest import make_fetcher
from .ledger import Claim
from .logs import get_logger
from .observe import Sources, observe, sources
from .pace import left_out
from .settings import Settings
from .store import Row, resolved, row, store, store_resolved
from .values import Due

log = get_logger(__name__)

#: Rows per transaction at most: short enough that nobody waits for it.
BATCH: Final = 1000

#: How long the writer gathers rows before it stores them [s]: a transaction for each answer would cost more than the answer.
GATHER_SECONDS: Final = 0.1

#: The first wait before what failed is tried again.
AGAIN: Final = timedelta(seconds=30)

#: How long a run that is told to stop waits for the answers under way.
PATIENCE: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class _Failed:
    """A location of which nothing can be stored in this slot."""

    location_id: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class _Stored:
    """A location's row, and where the provider says it is for, if that is news."""

    row: Row
    resolved: Row | None


async def collect(claimed: Claim, settings: Settings, stop: threading.Event) -> str:
    """Collect what the run has yet to collect; gives the run's final state, or ``pending`` when it was given back.

    Raises:
        MissingAPIKeyError: No usable key is configured.
        StoreError: The database went away; the lease runs out and whoever comes next goes on.
    """
    spread = timedelta(seconds=settings.spread_seconds)
    due, more = await asyncio.to_thread(ledger.due_locations, claimed, clock.now(), spread)
    asked = sources(settings, wanted=len(due), on_demand=False)
    run = _Run(claimed, settings, asked, stop)
    try:
        for gate in asked.gates():
            with suppress(ProviderClosedError):
                await gate.open()
        complete = await run.through(due) if due else True
    finally:
        for gate in asked.gates():
            await gate.close()
    calls = sum(gate.calls for gate in asked.gates())
    if complete and not more:
        return await asyncio.to_thread(ledger.finish, claimed, calls, clock.now())
    until, reason = run.waits_for()
    await asyncio.to_thread(ledger.release, claimed, calls, until=until, reason=reason)
    return "pending"


class _Run:
    """The moving parts of one run: workers that fetch, one writer that stores, one keeper of the lease."""

    def __init__(self, claimed: Claim, settings: Settings, asked: Sources, stop: threading.Event) -> None:
        self.claimed = claimed
        self.settings = settings
        self.asked = asked
        self.stop = stop
        self.done: asyncio.Queue[_Stored | _Failed | None] = asyncio.Queue(maxsize=2 * BATCH)
        #: Failures that may heal while the slot lasts.
        self.undecided: list[_Failed] = []
        self.left_out: dict[int, frozenset[str]] = {}

    def closed(self) -> ProviderClosedError | None:
        """Why no observation can be had any more, if so: every provider of the list is closed."""
        reasons = [source.gate.closed for source in self.asked.observation]
        known = [reason for reason in reasons if reason is not None]
        return min(known, key=lambda reason: reason.retry_at) if len(known) == len(reasons) else None

    def waits_for(self) -> tuple[datetime | None, str | None]:
        """Until when a run that is given back is to be left alone, and why, in the ledger's words."""
        closed = self.closed()
        if closed is not None:
            return closed.retry_at, "quota" if isinstance(closed, QuotaExceededError) else "provider_error"
        if self.undecided:
            return self._again_at(), "provider_error"
        return None, None if self.stop.is_set() else "late"

    def _again_at(self) -> datetime:
        """When to try again what failed: after as long again as the slot is old, so that the waits double."""
        now = clock.now()
        return now + max(AGAIN, now - self.claimed.due_at)

    async def through(self, due: Sequence[Due]) -> bool:
        """Take every location through; False when some are still to be had: stopped, overtaken, shut out or failed for now."""
        self.left_out = await asyncio.to_thread(left_out, self._rain_limits(), self.claimed, due, clock.now())
        left = iter(due)
        async with make_fetcher(self.settings, self.settings.concurrency) as fetcher:
            writer = asyncio.create_task(self._write())
            keeper = asyncio.create_task(self._keep())
            workers = asyncio.create_task(self._work_all(fetcher, left, min(self.settings.concurrency, len(due))))
            try:
                under_way: set[asyncio.Future[Any]] = {workers, keeper, writer}
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                if not workers.done() and not writer.done() and self.stop.is_set():
                    await asyncio.wait({workers}, timeout=PATIENCE.total_seconds())
                tried_all = workers.done() and self.closed() is None and next(left, None) is None
            finally:
                keeper.cancel()
                workers.cancel()
                with suppress(asyncio.CancelledError):
                    await workers
                await self._end(writer)
        return tried_all and not self.undecided

    def _rain_limits(self) -> dict[str, dict[str, int]]:
        """The quotas of providers that are asked for precipitation only."""
        main = {source.provider.name for source in self.asked.observation}
        names = {source.provider.name for source in self.asked.precipitation} - main
        return {name: self.settings.limits(name) for name in names}

    async def _end(self, writer: asyncio.Task[None]) -> None:
        """Give up what cannot be tried again before the next slot, and let the writer finish."""
        if self.closed() is None and self._again_at() >= self.claimed.ends_at:
            for failed in self.undecided:
                if not writer.done():
                    await self.done.put(failed)
            self.undecided.clear()
        if not writer.done():
            await self.done.put(None)
        await writer

    async def _work_all(self, fetcher: Fetcher, left: Iterator[Due], count: int) -> None:
        if any(source.gate.is_probing for source in self.asked.observation):
            await self._work(fetcher, left, once=True)  # one call tells whether the provider is well again
        if self.closed() is None:
            await asyncio.gather(*(self._work(fetcher, left) for _ in range(count)))

    async def _work(self, fetcher: Fetcher, left: Iterator[Due], *, once: bool = False) -> None:
        for location in left:
            outcome = await self._collect_one(fetcher, location)
            if outcome is not None:
                await self.done.put(outcome)
            if once or self.stop.is_set() or self.closed() is not None:
                return

    async def _collect_one(self, fetcher: Fetcher, location: Due) -> _Stored | _Failed | None:
        """The outcome for one location; None when it is still to be had in this slot."""
        try:
            left_out = self.left_out.get(location.id, frozenset())
            observation = await observe(fetcher, self.asked, location.coordinates, passed_over=left_out)
        except ProviderClosedError:
            return None
        except FetchError as error:
            if self.closed() is not None:  # by this very answer
                return None
            failed = _Failed(location.id, "provider_error", str(error))
            if not isinstance(error, RetryableFetchError):
                return failed
            self.undecided.append(failed)
            return None
        except PayloadError as error:
            return _Failed(location.id, "payload_error", str(error))
        except Exception as error:  # a fault of ours must cost one location and not the run
            log.exception("collection of a location failed", location=location.name)
            return _Failed(location.id, "provider_error", f"unexpected {type(error).__name__}")
        return _Stored(row(location.id, self.claimed.due_at, observation), resolved(location, observation))

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
            stored = [one for one in batch if isinstance(one, _Stored)]
            failed = [one for one in batch if isinstance(one, _Failed)]
            await asyncio.to_thread(self._store, stored, failed)

    def _store(self, stored: list[_Stored], failed: list[_Failed]) -> None:
        for refused, reason in store([one.row for one in stored]):
            log.error("the database refused a row", location_id=refused["location_id"], reason=reason)
            failed.append(_Failed(refused["location_id"], "store_error", reason))
        store_resolved([one.resolved for one in stored if one.resolved is not None])
        ledger.record_missed(
            [
                {"location_id": one.location_id, "due_at": self.claimed.due_at, "reason": one.reason, "detail": one.detail[:500]}
                for one in failed
            ]
        )

    async def _keep(self) -> None:
        """Renew the lease; returns when the run is to stop or another process has taken it."""
        length = self.claimed.lease
        renewed = clock.now()
        while not self.stop.is_set():
            await asyncio.sleep(min(0.2, length.total_seconds() / 3))
            if abs(clock.now() - renewed) < length / 3:
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
