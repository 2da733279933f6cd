"""Limits on what one caller may do in a minute, in the memory of this process, with the library limits."""

from __future__ import annotations

import time
from functools import cached_property
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from werkzeug.exceptions import TooManyRequests

#: Failed authentications of one caller in a minute.
MAX_FAILURES: Final = 20

_FAILURES: Final = RateLimitItemPerMinute(MAX_FAILURES, namespace="failures")


class CallerLimits:
    """What the callers of one application have done in the last minute."""

    def __init__(self, requests_per_minute: int | None) -> None:
        self._requests = RateLimitItemPerMinute(requests_per_minute, namespace="requests") if requests_per_minute else None

    @cached_property
    def _limiter(self) -> MovingWindowRateLimiter:
        """Made when it is needed: its storage starts a thread, and an application must start without one."""
        return MovingWindowRateLimiter(MemoryStorage())

    def count_request(self, address: str | None) -> None:
        """Count a request.

        Raises:
            TooManyRequests: The caller has made too many in the last minute.
        """
        if self._requests is not None and not self._limiter.hit(self._requests, caller(address)):
            raise self._refusal(self._requests, address, "Too many requests in a minute.")

    def check_failures(self, address: str | None) -> None:
        """Refuse a caller that has failed to authenticate too often.

        Raises:
            TooManyRequests: It has sent too many wrong tokens in the last minute.
        """
        if not self._limiter.test(_FAILURES, caller(address)):
            raise self._refusal(_FAILURES, address, "Too many wrong tokens in a minute.")

    def count_failure(self, address: str | None) -> None:
        """Count a failed authentication."""
        self._limiter.hit(_FAILURES, caller(address))

    def _refusal(self, item: RateLimitItemPerMinute, address: str | None, detail: str) -> TooManyRequests:
        reset = self._limiter.get_window_stats(item, caller(address)).reset_time
        return TooManyRequests(detail, retry_after=max(1, round(reset - time.time())))


def caller(address: str | None) -> str:
    """The caller with an address: of IPv6 its network of 64 bits, within which one caller can choose any address."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return address or ""
    return str(ip_network(f"{parsed}/64", strict=False)) if isinstance(parsed, IPv6Address) else str(parsed)
