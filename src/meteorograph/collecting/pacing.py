"""Spread the schedule's calls to a provider over each minute."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Final

from aiolimiter import AsyncLimiter

from ..model import clock

#: Part of a minute's calls that may be made at once; the others follow at an even pace.
BURST: Final = 1 / 6

#: Limits above this [calls/min] are not paced: no process reaches them.
FASTEST_PACED: Final = 600_000


class Pacer:
    """Delays calls, so that the calls of two minutes are never made at once around the end of a minute.

    Calls are not delayed while the clock is driven, because it stands still while they wait.
    """

    def __init__(self, limits: Mapping[str, int]) -> None:
        limit = limits.get("minute", FASTEST_PACED)
        self._limiter: AsyncLimiter | None = None
        if limit < FASTEST_PACED and not clock.is_driven():
            self._limiter = AsyncLimiter(max(1.0, limit * BURST), 60 * max(1.0 / limit, BURST))
        self._turn = asyncio.Lock()

    @property
    def is_active(self) -> bool:
        """Whether calls are delayed at all."""
        return self._limiter is not None

    async def wait(self, cost: int, is_closed: Callable[[], bool]) -> None:
        """Wait until ``cost`` calls may be made; return early when the provider closes meanwhile.

        One caller waits for the limiter and the others for that caller, so that all notice a closed provider at once.
        """
        if self._limiter is None:
            return
        async with self._turn:
            while cost > 0 and not is_closed():
                at_once = min(cost, self._limiter.max_rate)
                await self._limiter.acquire(at_once)
                cost -= math.ceil(at_once)
