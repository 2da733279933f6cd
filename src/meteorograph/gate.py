"""The way to one provider within one run: every attempt is charged before it is made, and a closed provider stays closed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime
from typing import Final

from . import accounts, clock, quota
from .errors import (
    AccountError,
    FetchError,
    PayloadError,
    PermanentFetchError,
    ProviderClosedError,
    QuotaExceededError,
    RetryableFetchError,
)

#: Calls charged at once: a process that is killed loses what is left of them.
BLOCK: Final = 200

#: Blocks that the smallest window of an account has at least.
PARTS: Final = 20

#: A provider that asks to be left alone for longer than this is closed at once [s].
PATIENCE_SECONDS: Final = 10.0

#: Failures in a row, with nothing else in between, that mean the provider is down and not the place unlucky.
OUTAGE: Final = 8


class Gate:
    """Calls to one provider's account: spend before each, report after each."""

    def __init__(self, provider: str, key: str, limits: Mapping[str, int], *, wanted: int, on_demand: bool = False) -> None:
        self.provider = provider
        self.calls = 0
        #: Why no further call is made in this run.
        self.closed: ProviderClosedError | None = None
        self._key = key
        self._limits = limits
        self._wanted = wanted
        #: Of a small quota a block is a small part too: what a killed process had charged is lost.
        self._most = max(1, min(BLOCK, *(limit // PARTS for limit in limits.values()))) if limits else BLOCK
        self._on_demand = on_demand
        self._block = 0
        self._granted = quota.Grant(0)
        self._ends_at: datetime | None = None
        #: Whether one call is to tell that the provider is well, before others are made.
        self.is_probing = False
        self._known_well = False
        self._was_down = False
        self._failures = 0
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        """Ask whether the provider may be called at all.

        Raises:
            ProviderClosedError: It may not.
        """
        try:
            account = await asyncio.to_thread(accounts.check_open, self.provider, self._key, clock.now())
        except ProviderClosedError as error:
            self.closed = error
            raise
        self._was_down = account.closed_until is not None
        self._known_well = account.key_state == "active" and not self._was_down
        self.is_probing = not self._known_well

    def place(self) -> AbstractAsyncContextManager[None]:
        """A place among the calls under way."""
        return nullcontext()

    async def spend(self, calls: float = 1) -> None:
        """Charge calls.

        Raises:
            ProviderClosedError: No call may be made now.
        """
        if self.closed is not None:
            raise self.closed
        for _ in range(math.ceil(calls)):
            while self._must_charge():
                async with self._lock:
                    if self._must_charge():
                        await self._give_back()
                        await self._charge_block()
            self._block -= 1
        self.calls += 1

    def _must_charge(self) -> bool:
        """Whether there is nothing left, or only what was charged to a minute that is over."""
        return self._block == 0 or (self._ends_at is not None and clock.now() >= self._ends_at)

    async def _charge_block(self) -> None:
        if self.closed is not None:
            raise self.closed
        now, size = clock.now(), max(1, min(self._most, self._wanted - self.calls))
        grant = await asyncio.to_thread(quota.spend, self.provider, self._limits, size, now, on_demand=self._on_demand)
        if grant.retry_at is not None:
            reason = f"the quota is used up until {grant.retry_at:%Y-%m-%d %H:%M:%S} UTC"
            self.closed = QuotaExceededError(self.provider, reason, retry_at=grant.retry_at)
            raise self.closed
        self._granted, self._ends_at, self._block = grant, grant.ends_at, grant.calls

    async def report(self, error: FetchError | PayloadError | None) -> None:
        """What became of a call."""
        if isinstance(error, PayloadError):
            return
        answered = error is not None and error.status is not None
        if error is None or (answered and isinstance(error, PermanentFetchError) and not isinstance(error, AccountError)):
            self._failures = 0
            if not self._known_well:
                self._known_well, self.is_probing, self._was_down = True, False, False
                await asyncio.to_thread(accounts.well, self.provider, self._key, clock.now())
            return
        if isinstance(error, RetryableFetchError) or not answered:
            self._failures += 1
            asked_for = error.wait.total_seconds() if isinstance(error, RetryableFetchError) and error.wait else 0.0
            if self._failures < (1 if self._was_down else OUTAGE) and asked_for <= PATIENCE_SECONDS:
                return
        if self.closed is None:
            self.closed = ProviderClosedError(self.provider, str(error), retry_at=clock.now())  # nobody else calls meanwhile
            until = await asyncio.to_thread(accounts.refused, self.provider, self._key, error, clock.now())
            kind = QuotaExceededError if isinstance(error, QuotaExceededError) else ProviderClosedError
            self.closed = kind(self.provider, str(error).removeprefix(f"{self.provider}: "), retry_at=until)

    async def close(self) -> None:
        """Give back what was charged and not used."""
        await self._give_back()

    async def _give_back(self) -> None:
        block, self._block = self._block, 0
        if block:
            await asyncio.to_thread(quota.give_back, self.provider, self._granted, block)
