"""Collect many locations at once: workers that request them in batches, and one writer that stores the results.

The buffer between workers and writer is bounded, so that memory does not grow with the number of locations.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from ..accounts.account_state import Closed
from ..errors import PayloadError, ProviderClosedError, QuotaExceededError, RetryableFetchError, StoreError
from ..log_output import get_logger
from ..log_repeats import error_once
from ..model.states import MissedReason
from ..model.values import DueLocation, Observation
from ..storage.observations import Row, resolved_place, to_row
from .http import Fetcher
from .lease_keeper import StopSignal
from .location_queue import Batch, BatchQueue, LocationQueue
from .observation import calls_next, is_waited_for, observe_from
from .request import Outcome
from .result_buffer import ResultBuffer
from .run_context import RunContext

log = get_logger(__name__)

#: Rows of one transaction at most: a longer transaction would keep other processes waiting.
ROWS_PER_TRANSACTION: Final = 1000

#: How long the writer gathers rows before it stores them [s]: a transaction for each answer would cost more than the answer.
GATHER_SECONDS: Final = 0.1

#: How long the event loop gives up the interpreter after a round of answers [s]. The thread of the HTTP client needs the
#: interpreter to hand over each answer, and sends no request while it waits for it: against a busy loop it would get one turn a
#: round, and every call would take as long as all others together.
YIELD_SECONDS: Final = 0.002

#: How long workers that were told to stop may wait for the answers in progress.
STOP_TIMEOUT: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class FailedLocation:
    """A location that cannot be collected in this slot."""

    location_id: int
    reason: MissedReason
    detail: str


@dataclass(frozen=True, slots=True)
class CollectedRow:
    """The row of a location, and the place that the provider answers for, where that has changed."""

    row: Row
    resolved: Row | None


#: Stores results; called in a thread, one call after the other.
StoreResults = Callable[[list[CollectedRow], list[FailedLocation]], None]


class WorkerPool:
    """Collects the locations of a queue.

    Args:
        context: The providers of the run.
        store: Stores results.
        stop: Set from outside to end early.
    """

    def __init__(self, context: RunContext, store: StoreResults, stop: StopSignal) -> None:
        self.context = context
        #: Failures that may heal while the slot lasts.
        self.retryable_failures: list[FailedLocation] = []
        self._store = store
        self._stop = stop
        self._yields_soon = False
        self._results: ResultBuffer[CollectedRow | FailedLocation] = ResultBuffer(ROWS_PER_TRANSACTION, GATHER_SECONDS)

    def closed(self) -> Closed | None:
        """Why no location can be collected now: every provider is closed, or one whose quota is waited for."""
        closed = [state for access in self.context.observation if (state := access.gate.closed) is not None]
        if not closed:
            return None
        for state in closed:
            if is_waited_for(self.context, state):
                return state
        return min(closed, key=lambda state: state.retry_at) if len(closed) == len(self.context.observation) else None

    async def collect(
        self, locations: LocationQueue, fetcher: Fetcher, workers: int, companion: Coroutine[Any, Any, None]
    ) -> bool:
        """Try every location; False when stopped, or closed out, before the last one.

        Args:
            locations: The locations.
            fetcher: The HTTP client.
            workers: Batches in progress at most.
            companion: Runs beside the workers; when it ends first, the workers are stopped.

        Raises:
            StoreError: Results could not be stored; those that were not stored yet are lost to this call.
        """
        batches = BatchQueue(locations, self.context.observation, self._must_end)
        writing = asyncio.create_task(self._write_results())
        guarding = asyncio.create_task(companion)
        working = asyncio.create_task(self._work_all(fetcher, batches, workers))
        try:
            await asyncio.wait({working, guarding, writing}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done() and not writing.done() and self._stop.is_set():
                await asyncio.wait({working}, timeout=STOP_TIMEOUT.total_seconds())
            tried_all = working.done() and self.closed() is None and batches.is_exhausted
        finally:
            guarding.cancel()
            working.cancel()
            await asyncio.wait({working})
            self._results.end()
            await writing
        if guarding.done() and not guarding.cancelled() and (error := guarding.exception()):
            log.error("The task that renews the lease failed; the run ends early", exc_info=error)
        if not working.cancelled():
            await working  # raises the error of the workers, if there was one
        return tried_all

    async def _work_all(self, fetcher: Fetcher, batches: BatchQueue, count: int) -> None:
        if self.closed() is not None:
            return
        available = await batches.available()
        count = count if batches.has_more_pages else min(count, available)
        workers = [asyncio.create_task(self._work(fetcher, batches)) for _ in range(count)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            if workers:
                await asyncio.wait(workers)  # they use the HTTP client and the gates, which are closed after this

    async def _work(self, fetcher: Fetcher, batches: BatchQueue) -> None:
        while (batch := await batches.take()) is not None:
            failed: list[DueLocation] = []
            try:
                outcomes = await self._observe(fetcher, batch)
                for location, outcome in zip(batch.locations, outcomes, strict=True):
                    if not isinstance(outcome, FailedLocation) and calls_next(self.context, batch.rank, location, outcome):
                        failed.append(location)
                    elif (result := self._decide(location, outcome)) is not None:
                        self._results.add(result)
            finally:
                batches.done(batch, failed)
            if self._results.is_full:
                await self._results.wait_for_room()
            if not self._yields_soon:
                self._yields_soon = True
                asyncio.get_running_loop().call_soon(self._yield_interpreter)

    def _must_end(self) -> bool:
        return self._stop.is_set() or self.closed() is not None

    def _yield_interpreter(self) -> None:
        self._yields_soon = False
        time.sleep(YIELD_SECONDS)

    async def _observe(self, fetcher: Fetcher, batch: Batch) -> Sequence[Outcome | FailedLocation]:
        try:
            return await observe_from(fetcher, self.context, batch.rank, batch.locations)
        except StoreError:
            raise  # without its database the run ends here, and is resumed with all that it has not stored
        except Exception as error:  # a fault of our own costs one batch and not the run
            first = batch.locations[0]
            fields = {"location": first.name, "others": len(batch.locations) - 1, "exc_info": error}
            error_once(log, "collection of a location failed", (type(error).__name__,), **fields)
            detail = f"unexpected {type(error).__name__}"
            return [FailedLocation(location.id, MissedReason.INTERNAL, detail) for location in batch.locations]

    def _decide(self, location: DueLocation, outcome: Outcome | FailedLocation) -> CollectedRow | FailedLocation | None:
        """The result for a location; None where it may still be collected in this slot."""
        if isinstance(outcome, FailedLocation):
            return outcome
        if isinstance(outcome, Observation):
            return self._collected(location, outcome)
        if isinstance(outcome, PayloadError):
            return FailedLocation(location.id, MissedReason.PAYLOAD_ERROR, str(outcome))
        if self.closed() is not None:  # this outcome may have closed it
            return None
        reason = MissedReason.QUOTA if isinstance(outcome, QuotaExceededError) else MissedReason.PROVIDER_ERROR
        failed = FailedLocation(location.id, reason, str(outcome))
        if isinstance(outcome, RetryableFetchError | ProviderClosedError):  # a closed one may be open when it is tried again
            self.retryable_failures.append(failed)
            return None
        return failed

    def _collected(self, location: DueLocation, observation: Observation) -> CollectedRow | FailedLocation:
        try:
            return CollectedRow(to_row(location.id, self.context.due_at, observation), resolved_place(location, observation))
        except Exception as error:  # a fault of our own costs one location and not the run
            kind = (type(error).__name__,)
            error_once(log, "the row of a location could not be made", kind, location=location.name, exc_info=error)
            return FailedLocation(location.id, MissedReason.INTERNAL, f"unexpected {type(error).__name__}")

    async def _write_results(self) -> None:
        """Store results in batches, until the workers have ended."""
        while results := await self._results.take():
            rows = [one for one in results if isinstance(one, CollectedRow)]
            failed = [one for one in results if isinstance(one, FailedLocation)]
            await asyncio.to_thread(self._store, rows, failed)
