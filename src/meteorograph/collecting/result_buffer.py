"""Results of locations between the workers that collect them and the writer that stores them, bounded in number."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class ResultBuffer(Generic[T]):
    """Results in the order of their arrival, for one reader.

    Args:
        at_once: Results that the reader takes at most. Twice as many are kept before ``wait_for_room`` waits.
        gather_seconds: How long the reader waits for that many [s].
    """

    def __init__(self, at_once: int, gather_seconds: float) -> None:
        self._at_once = at_once
        self._gather_seconds = gather_seconds
        self._results: list[T] = []
        self._is_ended = False
        self._can_read = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()

    def add(self, result: T) -> None:
        """Add a result."""
        self._results.append(result)
        if len(self._results) >= self._at_once:
            self._can_read.set()
            if len(self._results) >= 2 * self._at_once:
                self._has_room.clear()

    @property
    def is_full(self) -> bool:
        """Whether further results must wait."""
        return not self._has_room.is_set()

    async def wait_for_room(self) -> None:
        """Wait until the reader has taken enough."""
        await self._has_room.wait()

    def end(self) -> None:
        """Say that no further result comes: the reader need not wait."""
        self._is_ended = True
        self._can_read.set()

    async def take(self) -> Sequence[T]:
        """The next results; none after ``end``, when all have been taken."""
        while not self._can_read.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._can_read.wait(), self._gather_seconds)
            if self._results:
                break
        taken, self._results = self._results[: self._at_once], self._results[self._at_once :]
        if len(self._results) < self._at_once and not self._is_ended:
            self._can_read.clear()
        self._has_room.set()
        return taken
