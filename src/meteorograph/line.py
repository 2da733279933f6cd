"""The locations that a run has yet to ask for, read a page at a time: memory does not grow with their number."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from .model.values import DueLocation

#: Locations that are read at once.
PAGE: Final = 10_000

#: Takes the id that the page follows and how many locations it may have; called in a thread.
Read = Callable[[int, int], Sequence[DueLocation]]


class Line:
    """Locations in the order of their ids, each given to one worker.

    Args:
        read: Reads a page; one that is not full is the last.
    """

    def __init__(self, read: Read) -> None:
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
                page = await asyncio.to_thread(self._read, after, PAGE)
                self._page, self._next, self._is_last = page, 0, len(page) < PAGE
        return len(self._page) - self._next

    async def take(self, most: int) -> Sequence[DueLocation]:
        """The next locations, ``most`` of them or what is at hand; none when the line is over."""
        while self._next >= len(self._page) and not self._is_last:
            await self.waiting()
        taken = self._page[self._next : self._next + most]
        self._next += len(taken)
        return taken


def line_of(due: Sequence[DueLocation]) -> Line:
    """A line of locations that have all been read."""
    return Line(lambda after, _: [] if after else due)
