"""Stop calling a provider that refuses the account or is down, and find out when it answers again."""

from __future__ import annotations

import asyncio
from typing import Final

from ..accounts import account_state
from ..accounts.account_state import Closed
from ..errors import (
    AccountError,
    FetchError,
    PayloadError,
    PermanentFetchError,
    QuotaExceededError,
    RetryableFetchError,
)
from ..failover.call import call_with_fallback
from ..model import clock
from ..model.states import KeyState

#: A provider that asks for a longer pause than this is closed at once [s].
LONGEST_PAUSE: Final = 10.0

#: Failures in a row that mean that the provider is down, and not one location unlucky.
OUTAGE_FAILURES: Final = 8


class CircuitBreaker:
    """The state of a provider within one run, kept in step with its account in the database.

    Args:
        account: Name of the account.
        key: The account's key.
    """

    def __init__(self, account: str, key: str) -> None:
        self._account = account
        self._key = key
        self._is_known_good = False
        self._was_down = False
        self._failures = 0
        #: Why no further call is made in this run; None while calls may be made.
        self.closed: Closed | None = None
        #: Whether one call must show that the provider answers before others are made.
        self.is_probing = False

    async def open(self) -> Closed | None:
        """Look up whether the provider may be called; gives why not."""
        account = await asyncio.to_thread(call_with_fallback, account_state.open_account, self._account, self._key, clock.now())
        if isinstance(account, Closed):
            self.closed = account
            return account
        self._was_down = account.closed_until is not None
        self._is_known_good = account.key_state == KeyState.ACTIVE and not self._was_down
        self.is_probing = not self._is_known_good
        return None

    def reopen(self) -> None:
        """Allow calls although the account is closed: whoever collects on demand may try it."""
        self.closed = None

    def close(self, closed: Closed) -> None:
        """Make no further call in this run."""
        self.closed = closed

    def note_answer(self) -> bool:
        """Take note of an answer that was understood; False if it is the first one, which the account must record."""
        self._failures = 0
        return self._is_known_good

    async def report(self, error: FetchError | PayloadError | None) -> None:
        """Take note of the result of a call: an error, or None for an answer that was understood."""
        if _is_answer(error):
            await self._record_answer()
        elif self._counts_as_outage(error) and self.closed is None:
            assert error is not None
            # Closed at once, so that no other call starts while the database is asked. By its quota at once too: where a quota
            # is waited for, the next provider must not be called meanwhile.
            now, by_quota = clock.now(), isinstance(error, QuotaExceededError)
            until = error.retry_at if isinstance(error, QuotaExceededError) else now
            self.closed = Closed(self._account, _reason(error), until, by_quota)
            retry_at = await asyncio.to_thread(
                call_with_fallback, account_state.record_failure, self._account, self._key, error, now
            )
            self.closed = Closed(self._account, _reason(error), retry_at, by_quota)

    async def _record_answer(self) -> None:
        if not self.note_answer():
            self._is_known_good, self.is_probing, self._was_down = True, False, False
            await asyncio.to_thread(call_with_fallback, account_state.record_success, self._account, self._key, clock.now())

    def _counts_as_outage(self, error: FetchError | PayloadError | None) -> bool:
        """Whether an error closes the provider: refusals do at once, failures when they are too many in a row."""
        if not isinstance(error, RetryableFetchError | PayloadError) and _has_status(error):
            return True
        if isinstance(error, RetryableFetchError) and error.stood_still:
            return False
        self._failures += 1
        pause = error.wait.total_seconds() if isinstance(error, RetryableFetchError) and error.wait else 0.0
        return self._failures >= (1 if self._was_down else OUTAGE_FAILURES) or pause > LONGEST_PAUSE


def _has_status(error: FetchError | PayloadError | None) -> bool:
    return isinstance(error, FetchError) and error.status is not None


def _is_answer(error: FetchError | PayloadError | None) -> bool:
    """Whether the provider has answered for the account: with data, or with a refusal of this one request."""
    if error is None:
        return True
    return _has_status(error) and isinstance(error, PermanentFetchError) and not isinstance(error, AccountError)


def _reason(error: FetchError | PayloadError) -> str:
    return str(error).removeprefix(f"{error.provider}: ")
