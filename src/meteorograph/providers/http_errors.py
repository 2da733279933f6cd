"""Errors for HTTP statuses, for providers that use the statuses as the standards define them."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from ..errors import AccountError, FetchError, PermanentFetchError, QuotaExceededError, RetryableFetchError
from ..model.states import KeyState
from ..model.values import Payload
from .base import quoted
from .lenient import LenientDecoder

#: Wait after a 429 without ``Retry-After``.
THROTTLED_FOR: Final = timedelta(minutes=1)


class _ErrorBody(msgspec.Struct, gc=False):
    detail: str | None = None
    title: str | None = None
    message: str | None = None
    error: str | None = None


_error_body = LenientDecoder(_ErrorBody)


def error_for_status(provider: str, payload: Payload, *, wait: timedelta = THROTTLED_FOR) -> FetchError:
    """The error for an answer without success, with the provider's own words if the body has some.

    403 is an error of the account, because it refuses the caller, whatever the request is.
    """
    status, body = payload.status, _error_body.decode_or_none(payload) or _ErrorBody()
    message = quoted(payload, body.detail or body.title or body.message or body.error)
    reason = f"{status}: {message}" if message else f"HTTP {status} without a message"
    if status == 429:
        return QuotaExceededError(provider, reason, retry_at=payload.retry_at(wait), status=status)
    if status == 403:
        return AccountError(provider, reason, key_state=KeyState.BLOCKED, status=status)
    if status >= 500 or status == 408:
        return RetryableFetchError(provider, reason, status=status, wait=payload.wait)
    return PermanentFetchError(provider, reason, status=status)
