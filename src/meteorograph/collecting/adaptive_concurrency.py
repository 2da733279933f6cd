"""Adapt the number of attempts in progress at one provider: one more while it answers, half as many when it is overloaded.

Additive increase, multiplicative decrease, as TCP does it. The last tolerated number is kept for the process, so that a run
that starts after a 429 starts with fewer attempts.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import MutableMapping
from types import TracebackType
from typing import Final

from ..errors import FetchError, FetchTimeoutError

#: Statuses of an overloaded provider.
OVERLOAD_STATUSES: Final = (429, 503)

#: Timeouts and 503 halve the limit when they are more than one in ten answers, and at least this many. One 429 is enough.
TROUBLE_LIMIT: Final = 4
FORGIVEN_PER_ANSWER: Final = 0.1


class ConcurrencyLimit:
    """Attempts in progress at one provider within one run: hold it with ``async with`` during each attempt.

    Args:
        provider: Name of the provider.
        most: Attempts in progress at most.
        tolerated: Provider → attempts that it last tolerated; shared by the runs of a process and updated here.
    """

    def __init__(self, provider: str, most: int, tolerated: MutableMapping[str, float]) -> None:
        self._provider = provider
        self._most = most
        self._tolerated = tolerated
        self._limit = max(1.0, min(tolerated.get(provider, most), most))
        self._in_progress = 0
        self._trouble = 0.0
        #: Failures to ignore: of attempts that were in progress when the limit was last halved.
        self._ignored_failures = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """Attempts that may be in progress now."""
        return int(self._limit)

    async def __aenter__(self) -> None:
        while self._in_progress >= self.limit:
            await self._wait()
        self._in_progress += 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._in_progress -= 1
        if error is not None:
            self._note_failure(error)
        elif self._limit < self._most or self._trouble:
            self._note_answer()
        if self._waiting:
            self._wake_waiting()

    def _note_failure(self, error: BaseException) -> None:
        status = error.status if isinstance(error, FetchError) else None
        if not isinstance(error, FetchTimeoutError) and status not in OVERLOAD_STATUSES:
            if status is not None:
                self._note_answer()
            return
        if self._ignored_failures:
            self._ignored_failures -= 1
            return
        self._trouble += TROUBLE_LIMIT if status == 429 else 1
        if self._trouble >= TROUBLE_LIMIT:
            self._trouble, self._ignored_failures = 0.0, self._in_progress
            self._set_limit(self._limit / 2)

    def _note_answer(self) -> None:
        self._trouble = max(0.0, self._trouble - FORGIVEN_PER_ANSWER)
        self._ignored_failures = max(0, self._ignored_failures - 1)
        self._set_limit(self._limit + 1 / self._limit)  # one more once all attempts in progress have been answered

    def _set_limit(self, limit: float) -> None:
        self._limit = self._tolerated[self._provider] = max(1.0, min(limit, self._most))

    async def _wait(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._wake_waiting()  # pass the place on
            raise

    def _wake_waiting(self) -> None:
        free = self.limit - self._in_progress
        while free > 0 and self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                free -= 1
