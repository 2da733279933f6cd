"""The gate through which every call to one account passes within a run: concurrency, pace, quota and circuit breaker."""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping
from typing import NamedTuple

from ..accounts.account_state import Closed
from ..accounts.quota import Grant
from ..errors import FetchError, PayloadError, QuotaExceededError, RetryableFetchError
from ..model.account import Account
from ..model.values import Payload, Request
from ..storage.counters import COUNTERS, Count
from .adaptive_concurrency import ConcurrencyLimit
from .circuit_breaker import CircuitBreaker
from .clock_check import ClockCheck
from .http import Fetcher
from .pacing import Pacer
from .quota_meter import QuotaMeter


class Charge(NamedTuple):
    """What was charged for a request."""

    calls: int
    #: Where it was charged.
    grant: Grant = Grant(0)


class CallGate:
    """Calls to one account: hold a place, spend before each call, report after it.

    Args:
        account: The account.
        key: Its key.
        expected: Calls that are about to be made, so that no more are charged in advance.
        on_demand: Whether somebody waits for the answer: then the reserve may be spent, and calls are not paced.
        leave: Window → calls that are left to others (``quota.spend``).
        concurrency: Attempts in progress at most.
        tolerated: Account → attempts that it last tolerated, shared by the runs of a process.
        clock_check: What is known of the clock; None to trust it.
    """

    def __init__(
        self,
        account: Account,
        key: str,
        *,
        expected: int,
        on_demand: bool = False,
        leave: Mapping[str, int] | None = None,
        concurrency: int = 64,
        tolerated: MutableMapping[str, float] | None = None,
        clock_check: ClockCheck | None = None,
    ) -> None:
        self._name = account.name
        self._meter = QuotaMeter(account, expected=expected, on_demand=on_demand, leave=leave, clock_check=clock_check)
        self._breaker = CircuitBreaker(account.name, key)
        self._pacer = Pacer({} if on_demand else account.limits)
        self._concurrency = ConcurrencyLimit(account.name, concurrency, {} if tolerated is None else tolerated)

    @property
    def calls(self) -> int:
        """Calls that were charged and made, also those in progress."""
        return self._meter.calls

    @property
    def largest(self) -> int | None:
        """Calls that one request may cost at most; None without quotas."""
        return self._meter.largest

    @property
    def closed(self) -> Closed | None:
        """Why no further call is made in this run; None while calls may be made."""
        return self._breaker.closed

    @property
    def is_probing(self) -> bool:
        """Whether one call must show that the provider answers before others are made."""
        return self._breaker.is_probing

    def expect(self, calls: int) -> None:
        """Expect more calls."""
        self._meter.expect(calls)

    async def open(self) -> Closed | None:
        """Look up whether the account may be called; gives why not."""
        return await self._breaker.open()

    def reopen(self) -> None:
        """Allow calls although the account is closed."""
        self._breaker.reopen()

    def place(self) -> ConcurrencyLimit:
        """A place for one attempt, to be held (``async with``) while the attempt is in progress."""
        return self._concurrency

    async def spend(self, calls: float = 1) -> Charge:
        """Charge one request that costs so many calls, for ``fetch``; a part of a call counts as a whole one.

        Raises:
            ProviderClosedError: No call may be made now.
        """
        self._raise_if_closed()
        cost = 1 if calls == 1 else math.ceil(calls)
        if self._pacer.is_active:
            await self._pacer.wait(cost, lambda: self.closed is not None)
            self._raise_if_closed()
        if self._meter.use(cost):
            return Charge(cost, self._meter.grant)
        retry_at = await self._meter.spend(cost)
        if retry_at is not None:
            if self.closed is None:
                reason = f"the quota is used up until {retry_at:%Y-%m-%d %H:%M:%S} UTC"
                self._breaker.close(Closed(self._name, reason, retry_at, by_quota=True))
            self._raise_if_closed()
        return Charge(cost, self._meter.grant)

    async def fetch(self, fetcher: Fetcher, request: Request, charge: Charge) -> Payload:
        """Make a call that was charged; one that never left this machine is not charged.

        Raises:
            FetchError: As ``Fetcher.fetch``.
        """
        was_sent = True
        try:
            return await fetcher.fetch(request)
        except FetchError as error:
            was_sent = error.was_sent
            raise
        finally:
            if was_sent:
                COUNTERS.add(Count.CALLS, self._name, by=charge.calls)
            else:
                await self._meter.take_back(charge.calls, charge.grant)

    async def report(self, error: FetchError | PayloadError | None) -> None:
        """Take note of the result of a call: an error, or None for an answer that was understood."""
        if error is not None:
            COUNTERS.add(Count.ERRORS, self._name, _kind(error))
        if error is not None or not self._breaker.note_answer():
            await self._breaker.report(error)

    async def close(self) -> None:
        """Give back what was charged and not used."""
        await self._meter.give_back()

    def _raise_if_closed(self) -> None:
        if self.closed is not None:
            raise self.closed.error()


def _kind(error: FetchError | PayloadError) -> str:
    match error:
        case PayloadError():
            return "payload"
        case QuotaExceededError():
            return "quota"
        case RetryableFetchError():
            return "retryable"
    return "permanent"
