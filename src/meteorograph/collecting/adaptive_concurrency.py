"""How many attempts at one provider may be under way at once: more while it answers, half as many when it chokes.

Additive increase, multiplicative decrease, as TCP does it. What a provider bore last is known to the whole process, so that a
run that begins after a 429 begins with less.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Final

from ..errors import FetchError, FetchTimeoutError

#: Statuses that say "too much".
TOO_MUCH: Final = (429, 503)

#: Timeouts and 503 count for something when they are more than one in ten answers, and no fewer than this many.
TROUBLE_LIMIT: Final = 4
FORGIVEN: Final = 0.1

#: Provider → attempts that it bears, in this process; not there: as many as the settings allow.
_tolerated: dict[str, float] = {}


class ConcurrencyLimit:
    """Attempts under way at one provider within one run: ``async with`` it around each.

    Args:
        provider: Name of the provider.
        most: Places there are at most, as the settings say.
    """

    def __init__(self, provider: str, most: int) -> None:
        self._provider = provider
        self._most = most
        self._limit = max(1.0, min(_tolerated.get(provider, most), most))
        self._busy = 0
        self._trouble = 0.0
        #: Failures that say nothing new: of attempts that were under way when the places were halved.
        self._known = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """How many there are at present."""
        return int(self._limit)

    async def __aenter__(self) -> None:
        while self._busy >= self.limit:
            await self._wait()
        self._busy += 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._busy -= 1
        if error is not None:
            self._failed(error)
        elif self._limit < self._most or self._trouble:
            self._answered()
        if self._waiting:
            self._wake()

    def _failed(self, error: BaseException) -> None:
        status = error.status if isinstance(error, FetchError) else None
        if not isinstance(error, FetchTimeoutError) and status not in TOO_MUCH:
            if status is not None:
                self._answered()
            return
        if self._known:
            self._known -= 1
            return
        self._trouble += TROUBLE_LIMIT if status == 429 else 1
        if self._trouble >= TROUBLE_LIMIT:
            self._trouble, self._known = 0.0, self._busy
            self._set(self._limit / 2)

    def _answered(self) -> None:
        self._trouble = max(0.0, self._trouble - FORGIVEN)
        self._known = max(0, self._known - 1)
        self._set(self._limit + 1 / self._limit)  # one more for each time round

    def _set(self, limit: float) -> None:
        self._limit = _tolerated[self._provider] = max(1.0, min(limit, self._most))

    async def _wait(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._wake()  # its turn goes to another one
            raise

    def _wake(self) -> None:
        free = self.limit - self._busy
        while free > 0 and self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                free -= 1
