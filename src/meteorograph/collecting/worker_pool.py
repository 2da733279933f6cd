"""The locations that a run has yet to ask for, read a page at a time: memory does not grow with their number."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from ..errors import PayloadError, ProviderClosedError, RetryableFetchError, StoreError
from ..log_output import get_logger
from ..model.states import MissedReason
from ..model.values import DueLocation, Observation
from ..storage.observations import Row, resolved_place, to_row
from .http import Fetcher
from .observation import is_waited_for, observe
from .request import Outcome
from .run_context import RunContext

#: Locations that are read at once.
PAGE_SIZE: Final = 10_000

#: Takes the id that the page follows and how many locations it may have; called in a thread.
ReadPage = Callable[[int, int], Sequence[DueLocation]]


class LocationQueue:
    """Locations in the order of their ids, each given to one worker.

    Args:
        read: Reads a page; one that is not full is the last.
    """

    def __init__(self, read: ReadPage) -> None:
        self._read = read
        self._page: Sequence[DueLocation] = ()
        self._next = 0
        self._is_last = False
        self._reading = asyncio.Lock()

    @property
    def is_over(self) -> bool:
        """Whether every location has been taken."""
        return self._is_last and self._next >= len(self._page)

    async def waiting(self) -> int:
        """How many locations are at hand; a page is read if there is none."""
        async with self._reading:
            if self._next >= len(self._page) and not self._is_last:
                after = self._page[-1].id if self._page else 0
                page = await asyncio.to_thread(self._read, after, PAGE_SIZE)
                self._page, self._next, self._is_last = page, 0, len(page) < PAGE_SIZE
        return len(self._page) - self._next

    async def take(self, most: int) -> Sequence[DueLocation]:
        """The next locations, ``most`` of them or what is at hand; none when the line is over."""
        while self._next >= len(self._page) and not self._is_last:
            await self.waiting()
        taken = self._page[self._next : self._next + most]
        self._next += len(taken)
        return taken


def queue_of(due: Sequence[DueLocation]) -> LocationQueue:
    """A line of locations that have all been read."""
    return LocationQueue(lambda after, _: [] if after else due)


log = get_logger(__name__)

#: Rows per transaction at most: short enough that nobody waits for it.
BATCH_SIZE: Final = 1000

#: How long the writer gathers rows before it stores them [s]: a transaction for each answer would cost more than the answer.
GATHER_SECONDS: Final = 0.1

#: For how long the loop gives up the interpreter after a round of answers [s]. The client's thread has to have it for each answer
#: that it hands over, and sends nothing while it waits for it: against a busy loop it would get its turn once a round, and every
#: call would take as long as all others together.
HANDOVER_SECONDS: Final = 0.002

#: How long workers that are told to stop may wait for the answers under way.
STOP_PATIENCE: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class FailedLocation:
    """A location of which nothing can be stored in this slot."""

    location_id: int
    reason: MissedReason
    detail: str


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A location's row, and where the provider says it is for, if that is news."""

    row: Row
    resolved: Row | None


#: Takes a batch to the database; called in a thread of its own, one batch after the other.
Keep = Callable[[list[StoredRow], list[FailedLocation]], None]


class WorkerPool:
    """Takes locations through the walk.

    Args:
        asked: The providers, with their gates.
        keep: Stores a batch.
        stop: Set from outside when the work is to end early.
    """

    def __init__(self, asked: RunContext, keep: Keep, stop: threading.Event) -> None:
        self.asked = asked
        self.keep = keep
        self.stop = stop
        #: Failures that may heal while the slot lasts.
        self.undecided: list[FailedLocation] = []
        self._hands_over = False
        self._most = asked.observation[0].most
        self._all_done = asyncio.Event()
        self._done: asyncio.Queue[StoredRow | FailedLocation | None] = asyncio.Queue(maxsize=2 * BATCH_SIZE)

    def closed(self) -> ProviderClosedError | None:
        """Why no observation can be had now, if so: every provider of the list is closed, or one that is waited for."""
        reasons = [reason for source in self.asked.observation if (reason := source.gate.closed) is not None]
        if not reasons:
            return None
        for reason in reasons:
            if is_waited_for(self.asked, reason):
                return reason
        return min(reasons, key=lambda reason: reason.retry_at) if len(reasons) == len(self.asked.observation) else None

    async def through(self, line: LocationQueue, fetcher: Fetcher, workers: int, guard: Coroutine[Any, Any, None]) -> bool:
        """Try every location; False when stopped, or shut out, before the last one.

        ``guard`` runs beside the workers; when it ends first, they are stopped.

        Raises:
            StoreError: The writer could not store; what was fetched since is lost to this call.
        """
        writer = asyncio.create_task(self._write())
        guarding = asyncio.create_task(guard)
        working = asyncio.create_task(self._work_all(fetcher, line, workers))
        try:
            under_way: set[asyncio.Future[Any]] = {working, guarding, writer}
            await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            if not working.done() and not writer.done() and self.stop.is_set():
                await asyncio.wait({working}, timeout=STOP_PATIENCE.total_seconds())
            tried_all = working.done() and self.closed() is None and line.is_over
        finally:
            guarding.cancel()
            working.cancel()
            await asyncio.wait({working})
            self._all_done.set()
            await self._end(writer)
        if not working.cancelled():
            await working  # for its error, if it ended with one
        return tried_all

    async def _end(self, writer: asyncio.Task[None]) -> None:
        """Let the writer store what is left; should it fail meanwhile, nobody empties the queue any more."""
        last = asyncio.create_task(self._done.put(None))
        await asyncio.wait({last, writer}, return_when=asyncio.FIRST_COMPLETED)
        last.cancel()
        await writer

    async def _work_all(self, fetcher: Fetcher, line: LocationQueue, count: int) -> None:
        if any(source.gate.is_probing for source in self.asked.observation):
            await self._work(fetcher, line, once=True)  # one call tells whether the provider is well
        if self.closed() is None:
            needed = -(-await line.waiting() // self._most)
            workers = [asyncio.create_task(self._work(fetcher, line)) for _ in range(min(count, needed))]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()

    async def _work(self, fetcher: Fetcher, line: LocationQueue, *, once: bool = False) -> None:
        while points := await line.take(self._most):
            for outcome in await self._collect(fetcher, points):
                await self._done.put(outcome)
            if not self._hands_over:
                self._hands_over = True
                asyncio.get_running_loop().call_soon(self._hand_over)
            if once or self.stop.is_set() or self.closed() is not None:
                return

    def _hand_over(self) -> None:
        self._hands_over = False
        time.sleep(HANDOVER_SECONDS)

    async def _collect(self, fetcher: Fetcher, points: Sequence[DueLocation]) -> list[StoredRow | FailedLocation]:
        """What has been decided of some locations; the others may still be had in this slot."""
        try:
            outcomes = await observe(fetcher, self.asked, points)
        except StoreError:
            raise  # the database is away: the run breaks off, and is taken up again with all that it has not stored
        except Exception as error:  # a fault of ours must cost some locations and not the run
            log.exception("collection of a location failed", location=points[0].name, others=len(points) - 1)
            return [
                FailedLocation(point.id, MissedReason.PROVIDER_ERROR, f"unexpected {type(error).__name__}") for point in points
            ]
        return [one for one in map(self._decided, points, outcomes) if one is not None]

    def _decided(self, point: DueLocation, outcome: Outcome) -> StoredRow | FailedLocation | None:
        if isinstance(outcome, Observation):
            return StoredRow(to_row(point.id, self.asked.due_at, outcome), resolved_place(point, outcome))
        if isinstance(outcome, PayloadError):
            return FailedLocation(point.id, MissedReason.PAYLOAD_ERROR, str(outcome))
        if isinstance(outcome, ProviderClosedError) or self.closed() is not None:  # perhaps by this very answer
            return None
        failed = FailedLocation(point.id, MissedReason.PROVIDER_ERROR, str(outcome))
        if isinstance(outcome, RetryableFetchError):
            self.undecided.append(failed)
            return None
        return failed

    async def _write(self) -> None:
        """Store what has come, a batch at a time, until None comes."""
        ended = False
        while not ended:
            batch = [await self._done.get()]
            if batch[0] is not None and self._done.qsize() < BATCH_SIZE:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._all_done.wait(), GATHER_SECONDS)
            while len(batch) < BATCH_SIZE and not self._done.empty():
                batch.append(self._done.get_nowait())
            ended = batch[-1] is None
            stored = [one for one in batch if isinstance(one, StoredRow)]
            failed = [one for one in batch if isinstance(one, FailedLocation)]
            if stored or failed:
                await asyncio.to_thread(self.keep, stored, failed)
