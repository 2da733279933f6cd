"""Charge the calls of one run to an account, in blocks, before they are made."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Final

from ..accounts import quota
from ..failover.call import call_with_fallback
from ..failover.charges import charge_with_fallback
from ..model import clock
from ..model.account import Account
from .clock_check import ClockCheck

#: Calls charged at once; a killed process loses the unused rest of them.
LARGEST_BLOCK: Final = 1000

#: Blocks that the smallest window of an account has at least: of a small quota, a killed process loses a small part.
BLOCKS_PER_WINDOW: Final = 20


class QuotaMeter:
    """Charges calls to an account.

    Args:
        account: The account to charge.
        expected: Calls that are about to be made; no more than these are charged in advance.
        on_demand: Whether the reserve may be spent too.
        leave: Window → calls that are left to others (``quota.spend``).
        clock_check: What is known of the clock; None to trust it.
    """

    def __init__(
        self,
        account: Account,
        *,
        expected: int,
        on_demand: bool,
        leave: Mapping[str, int] | None = None,
        clock_check: ClockCheck | None = None,
    ) -> None:
        self._account = account
        self._expected = expected
        limits = account.limits
        self._block_size = max(1, min([LARGEST_BLOCK, *(limit // BLOCKS_PER_WINDOW for limit in limits.values())]))
        self._leave, self._on_demand, self._clock_check = leave, on_demand, clock_check
        #: What was charged last.
        self.grant = quota.Grant(0)
        self._unused = 0
        self._ends_at: datetime | None = None
        self._refused_until: datetime | None = None
        self._charging = asyncio.Lock()
        #: Calls that were made.
        self.calls = 0
        #: Calls that one request may cost at most; a larger request would wait for ever. None without quotas.
        self.largest = min((limit - quota.reserve_of(limit) for limit in limits.values()), default=None)

    def expect(self, calls: int) -> None:
        """Expect more calls."""
        self._expected += calls

    def use(self, cost: int) -> bool:
        """Use calls that are charged already for one request; False if they do not suffice."""
        if self._must_charge(cost):
            return False
        self._unused -= cost
        self.calls += cost
        return True

    async def spend(self, cost: int) -> datetime | None:
        """Charge one request that costs ``cost`` calls.

        Returns:
            None when it is charged; otherwise when the quota allows it again (aware UTC).
        """
        while not self.use(cost):
            async with self._charging:
                if self._must_charge(cost) and (retry_at := await self._charge_block(cost)) is not None:
                    return retry_at
        return None

    async def take_back(self, cost: int, grant: quota.Grant) -> None:
        """Take back calls that were used and then not made.

        Args:
            cost: The calls.
            grant: The grant at their use. If others follow it, the calls belong to its periods, as far as these still run.
        """
        self.calls -= cost
        if grant.periods == self.grant.periods:
            self._unused += cost
        else:
            await asyncio.to_thread(call_with_fallback, quota.give_back, self._account, grant, cost)

    async def give_back(self) -> None:
        """Give back what was charged and not used."""
        unused, self._unused = self._unused, 0
        if unused:
            await asyncio.to_thread(call_with_fallback, quota.give_back, self._account, self.grant, unused)

    def _spend(self) -> partial[quota.Grant]:
        """The function that charges calls by what is known of the clock now."""
        is_trusted = self._clock_check is None or self._clock_check.is_trusted
        return partial(quota.spend, self._account, on_demand=self._on_demand, leave=self._leave, is_clock_trusted=is_trusted)

    def _must_charge(self, cost: int) -> bool:
        """Whether too few charged calls remain, or all of them belong to a period that has ended."""
        return self._unused < cost or self._has_expired()

    def _has_expired(self) -> bool:
        return self._ends_at is not None and clock.now() >= self._ends_at

    async def _charge_block(self, cost: int) -> datetime | None:
        """Charge a block that, with the unused rest of the last one, covers one request; gives when to retry if refused."""
        if self._refused_until is not None:  # by an earlier request of this run: the database need not be asked again
            return self._refused_until
        if self._has_expired():
            await self.give_back()
        missing = cost - self._unused
        size = max(missing, min(self._block_size, self._expected - self.calls - self._unused))
        charging = asyncio.ensure_future(
            asyncio.to_thread(charge_with_fallback, self._account.name, self._spend(), size, clock.now(), least=missing)
        )
        try:
            grant = await asyncio.shield(charging)
        except asyncio.CancelledError:
            await self._add(await charging)  # its thread cannot be cancelled, and what it charged must be given back
            raise
        await self._add(grant)
        return grant.retry_at

    async def _add(self, grant: quota.Grant) -> None:
        """Add a grant to the unused calls, or remember that the quota refused it."""
        if grant.retry_at is not None:
            self._refused_until = grant.retry_at
            return
        if grant.periods != self.grant.periods:
            await self.give_back()
        self.grant, self._ends_at = grant, grant.ends_at
        self._unused += grant.calls
