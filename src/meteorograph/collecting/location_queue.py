"""The locations that a run has yet to collect, read a page at a time, and those that wait for the next provider."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from ..model.values import DueLocation
from .run_context import ProviderAccess

#: Locations of a page: memory does not grow with their number.
PAGE_SIZE: Final = 10_000

#: Reads a page: takes the id after which the page begins, and its size; called in a thread.
ReadPage = Callable[[int, int], Sequence[DueLocation]]


class LocationQueue:
    """Locations in the order of their ids, each handed to one worker.

    Args:
        read: Reads a page; a page that is not full is the last.
        ahead: Where pages are small: read the next one as soon as so few locations are left; only an empty page is the last.
    """

    def __init__(self, read: ReadPage, *, ahead: int | None = None) -> None:
        self._read = read
        self._ahead = ahead
        self._coming: asyncio.Future[Sequence[DueLocation]] | None = None
        self._page: Sequence[DueLocation] = ()
        self._next = 0
        self._is_last = False
        self._reading = asyncio.Lock()

    @property
    def is_exhausted(self) -> bool:
        """Whether every location has been taken."""
        return self._is_last and self._next >= len(self._page)

    @property
    def has_more_pages(self) -> bool:
        """Whether the locations at hand may not be the last."""
        return not self._is_last

    @property
    def needs_page(self) -> bool:
        """Whether the locations at hand have been taken, and a page is left to read."""
        return self._next >= len(self._page) and not self._is_last

    async def available(self) -> int:
        """Locations of the current page that have not been taken; reads the next page where there is none."""
        async with self._reading:
            if self.needs_page:
                coming, self._coming = self._coming or self._start_reading(), None
                page = await coming
                self._page, self._next = page, 0
                self._is_last = len(page) < PAGE_SIZE if self._ahead is None else not page
        return len(self._page) - self._next

    def _start_reading(self) -> asyncio.Future[Sequence[DueLocation]]:
        after = self._page[-1].id if self._page else 0
        return asyncio.ensure_future(asyncio.to_thread(self._read, after, PAGE_SIZE))

    async def end(self) -> None:
        """Wait for a page that is being read; nobody will take its locations."""
        if self._coming is not None:
            await asyncio.wait({self._coming})
            self._coming.exception()  # whoever closes the run meets the same error

    def take(self, most: int) -> Sequence[DueLocation]:
        """The next ``most`` locations of the current page, or as many as are left of it."""
        taken = self._page[self._next : self._next + most]
        self._next += len(taken)
        if self._ahead is not None and self._coming is None and not self._is_last:
            if len(self._page) - self._next <= self._ahead:
                self._coming = self._start_reading()
        return taken


def queue_of(locations: Sequence[DueLocation]) -> LocationQueue:
    """A queue of locations that are all in memory."""
    return LocationQueue(lambda after, _: [] if after else locations)


class Batch(NamedTuple):
    """Locations to request together from one provider of the observation."""

    #: Position of the provider in its list.
    rank: int
    locations: Sequence[DueLocation]


class BatchQueue:
    """Batches for each provider of the observation, in the batch size of that provider.

    The first provider gets the locations of the queue; each following one those that failed at the provider before. They are
    gathered until they fill a batch, or until no further location can fail there. A closed provider is passed over. As long
    as it is not known whether a provider answers, it gets one batch alone.

    Args:
        locations: The locations.
        accesses: The providers in their order.
        must_end: Whether no further batch may be taken.
    """

    def __init__(
        self, locations: LocationQueue, accesses: Sequence[ProviderAccess], must_end: Callable[[], bool] = lambda: False
    ) -> None:
        self._locations = locations
        self._accesses = accesses
        self._sizes = [access.batch_size for access in accesses]
        self._must_end = must_end
        self._failed: list[list[DueLocation]] = [[] for _ in accesses]
        self._in_progress = [0] * len(accesses)
        self._is_probed = [False] * len(accesses)
        self._changed = asyncio.Event()

    @property
    def is_exhausted(self) -> bool:
        """Whether every location has been taken, from the queue and from those that wait for the next provider."""
        return self._locations.is_exhausted and not any(self._failed)

    @property
    def has_more_pages(self) -> bool:
        """Whether the locations at hand may not be the last."""
        return self._locations.has_more_pages

    async def available(self) -> int:
        """Batches of the locations at hand, at the open provider with the smallest ones: any location may fail before it."""
        sizes = [size for size, access in zip(self._sizes, self._accesses, strict=True) if access.gate.closed is None]
        return -(-(await self._locations.available() + sum(map(len, self._failed))) // min(sizes, default=1))

    async def take(self) -> Batch | None:
        """The next batch; None when there will be no further one, or the workers must end. Call ``done`` after each."""
        while not self._must_end():
            batch = self._take_failed() or self._take_from_queue()
            if batch is not None:
                self._in_progress[batch.rank] += 1
                return batch
            if self._locations.needs_page and self._may_call(self._first_open()):
                await self._locations.available()
                continue
            if not any(self._in_progress):
                return None
            self._changed.clear()
            await self._changed.wait()
        return None

    def done(self, batch: Batch, failed: Sequence[DueLocation]) -> None:
        """End a batch; its ``failed`` locations wait for the next provider."""
        if failed:
            self._failed[batch.rank + 1].extend(failed)
        self._is_probed[batch.rank] = True
        self._in_progress[batch.rank] -= 1
        may_take = not self._locations.is_exhausted or any(self._failed)
        if may_take or not any(self._in_progress):  # else each of the last batches would wake all idle workers for nothing
            self._changed.set()

    def _take_from_queue(self) -> Batch | None:
        """Locations at hand for the first open provider, with those that failed at a provider that has closed since."""
        rank = self._first_open()
        if not self._may_call(rank):
            return None
        locations = self._locations.take(self._sizes[rank] - len(self._failed[rank]))
        if not locations:
            return None
        if self._failed[rank]:
            locations = [*self._failed[rank], *locations]
            self._failed[rank] = []
        return Batch(rank, locations)

    def _take_failed(self) -> Batch | None:
        """Locations that failed at the provider before: a full batch, or the last ones, when no further ones can join them."""
        for rank in range(len(self._accesses) - 1, 0, -1):
            waiting, size = self._failed[rank], self._sizes[rank]
            if not waiting:
                continue
            may_grow = not self._locations.is_exhausted or any(self._in_progress[:rank]) or any(self._failed[1:rank])
            if (len(waiting) >= size or not may_grow) and self._may_call(rank):
                self._failed[rank] = waiting[size:]
                return Batch(rank, waiting[:size])
        return None

    def _first_open(self) -> int:
        """Position of the first provider that is not closed; the first one where all are."""
        for rank, access in enumerate(self._accesses):
            if access.gate.closed is None:
                return rank
        return 0

    def _may_call(self, rank: int) -> bool:
        return not (self._in_progress[rank] and self._accesses[rank].gate.is_probing and not self._is_probed[rank])
