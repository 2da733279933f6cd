"""The way to one provider within one run: every attempt is charged before it is made, and a closed provider stays closed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Final

from aiolimiter import AsyncLimiter

from ..accounts import account_state, quota
from ..errors import (
    AccountError,
    FetchError,
    PayloadError,
    PermanentFetchError,
    ProviderClosedError,
    QuotaExceededError,
    RetryableFetchError,
)
from ..failover import call, charges
from ..model import clock
from ..model.states import KeyState
from .adaptive_concurrency import ConcurrencyLimit

#: Calls charged at once: a process that is killed loses what is left of them.
LARGEST_BLOCK: Final = 1000

#: Blocks that the smallest window of an account has at least.
BLOCKS_PER_WINDOW: Final = 20

#: A provider that asks to be left alone for longer than this is closed at once [s].
PATIENCE_SECONDS: Final = 10.0

#: Failures in a row, with nothing else in between, that mean the provider is down and not the place unlucky.
OUTAGE_FAILURES: Final = 8

#: The schedule's calls are spread over a minute: this part of it may come at once, the others at an even pace.
BURST: Final = 1 / 6

#: More calls a minute than any process makes are not spread: it would cost something for nothing.
SPREAD_MOST: Final = 600_000


class CallGate:
    """Calls to one provider's account: take a place, spend before each call, report after it.

    Args:
        provider: Name of the provider.
        key: The account's key.
        limits: Window → calls that the account holds.
        wanted: Calls that are about to be made, so that no more are charged in advance.
        on_demand: Whether somebody waits for the answer: the reserve may be spent, and nothing is spread out.
        zone: Where the provider's days and months begin.
        leave: Window → calls that are left to others (``quota.spend``).
        concurrency: Attempts under way at once at most.
    """

    def __init__(
        self,
        provider: str,
        key: str,
        limits: Mapping[str, int],
        *,
        wanted: int,
        on_demand: bool = False,
        zone: str = "UTC",
        leave: Mapping[str, int] | None = None,
        concurrency: int = 64,
    ) -> None:
        self.provider = provider
        #: Calls charged for what was asked.
        self.calls = 0
        #: Calls that one request may cost at most; with more it would wait for ever.
        self.largest = min((limit - quota.reserve_of(limit) for limit in limits.values()), default=None)
        #: Why no further call is made in this run.
        self.closed: ProviderClosedError | None = None
        self._key = key
        self._wanted = wanted
        #: Of a small quota a block is a small part too: what a killed process had charged is lost.
        self._most = (
            max(1, min(LARGEST_BLOCK, *(limit // BLOCKS_PER_WINDOW for limit in limits.values()))) if limits else LARGEST_BLOCK
        )
        self._grant = partial(quota.spend, provider, limits, on_demand=on_demand, leave=leave, zone=zone)
        self._places = ConcurrencyLimit(provider, concurrency)
        self._pace = None if on_demand else _pace(limits)
        self._block = 0
        self._granted = quota.Grant(0)
        self._ends_at: datetime | None = None
        #: Whether one call is to tell that the provider is well, before others are made.
        self.is_probing = False
        self._known_well = False
        self._was_down = False
        self._failures = 0
        self._lock = asyncio.Lock()
        self._turn = asyncio.Lock()

    def expect(self, calls: int) -> None:
        """More calls are about to be made."""
        self._wanted += calls

    async def open(self) -> None:
        """Ask whether the provider may be called at all.

        Raises:
            ProviderClosedError: It may not.
        """
        try:
            account = await asyncio.to_thread(
                call.call_with_fallback, account_state.check_open, self.provider, self._key, clock.now()
            )
        except ProviderClosedError as error:
            self.closed = error
            raise
        self._was_down = account.closed_until is not None
        self._known_well = account.key_state == KeyState.ACTIVE and not self._was_down
        self.is_probing = not self._known_well

    def place(self) -> ConcurrencyLimit:
        """A place for one attempt, to be held (``async with``) while it is under way."""
        return self._places

    async def spend(self, calls: float = 1) -> None:
        """Charge one request, which costs so many calls; a part of a call counts as a whole one.

        Raises:
            ProviderClosedError: No call may be made now.
        """
        if self.closed is not None:
            raise self.closed
        cost = 1 if calls == 1 else math.ceil(calls)
        if self._pace is not None:
            await self._keep_pace(self._pace, cost)
        while self._must_charge(cost):
            async with self._lock:
                if self._must_charge(cost):
                    await self._charge(cost)
        self._block -= cost
        self.calls += cost

    async def _keep_pace(self, pace: AsyncLimiter, cost: int) -> None:
        async with self._turn:  # one waits for the pace, the others for it: when the provider closes, all know at once
            while cost > 0 and self.closed is None:
                at_once = min(cost, pace.max_rate)
                await pace.acquire(at_once)
                cost -= math.ceil(at_once)
        if self.closed is not None:
            raise self.closed

    def _must_charge(self, cost: int) -> bool:
        """Whether there is not enough left, or only what was charged to a minute that is over."""
        return self._block < cost or self._is_over()

    def _is_over(self) -> bool:
        return self._ends_at is not None and clock.now() >= self._ends_at

    async def _charge(self, cost: int) -> None:
        """Charge a block that, with what is left of the last one, is enough for one request."""
        if self.closed is not None:
            raise self.closed
        if self._is_over():
            await self._give_back()
        missing = cost - self._block
        size = max(missing, min(self._most, self._wanted - self.calls - self._block))
        grant = await asyncio.to_thread(
            charges.charge_with_fallback, self.provider, self._grant, size, clock.now(), least=missing
        )
        if grant.retry_at is not None:
            reason = f"the quota is used up until {grant.retry_at:%Y-%m-%d %H:%M:%S} UTC"
            self.closed = QuotaExceededError(self.provider, reason, retry_at=grant.retry_at)
            raise self.closed
        if grant.periods != self._granted.periods:
            await self._give_back()
        self._granted, self._ends_at = grant, grant.ends_at
        self._block += grant.calls

    async def report(self, error: FetchError | PayloadError | None) -> None:
        """What became of a call."""
        answered = isinstance(error, FetchError) and error.status is not None
        if error is None or (answered and isinstance(error, PermanentFetchError) and not isinstance(error, AccountError)):
            self._failures = 0
            if not self._known_well:
                self._known_well, self.is_probing, self._was_down = True, False, False
                await asyncio.to_thread(
                    call.call_with_fallback, account_state.record_success, self.provider, self._key, clock.now()
                )
            return
        if isinstance(error, RetryableFetchError | PayloadError) or not answered:
            self._failures += 1
            asked_for = error.wait.total_seconds() if isinstance(error, RetryableFetchError) and error.wait else 0.0
            if self._failures < (1 if self._was_down else OUTAGE_FAILURES) and asked_for <= PATIENCE_SECONDS:
                return
        if self.closed is None:
            self.closed = ProviderClosedError(self.provider, str(error), retry_at=clock.now())  # nobody else calls meanwhile
            until = await asyncio.to_thread(
                call.call_with_fallback, account_state.record_failure, self.provider, self._key, error, clock.now()
            )
            kind = QuotaExceededError if isinstance(error, QuotaExceededError) else ProviderClosedError
            self.closed = kind(self.provider, str(error).removeprefix(f"{self.provider}: "), retry_at=until)

    async def close(self) -> None:
        """Give back what was charged and not used."""
        await self._give_back()

    async def _give_back(self) -> None:
        block, self._block = self._block, 0
        if block:
            await asyncio.to_thread(call.call_with_fallback, quota.give_back, self.provider, self._granted, block)


def _pace(limits: Mapping[str, int]) -> AsyncLimiter | None:
    """What spreads calls over a minute, so that its end is no moment at which two minutes' worth come at once.

    Not where the clock is driven: it does not go on while one waits.
    """
    limit = limits.get("minute", SPREAD_MOST)
    if limit >= SPREAD_MOST or clock.is_driven():
        return None
    return AsyncLimiter(max(1.0, limit * BURST), 60 * max(1.0 / limit, BURST))
