"""Refusals of Weatherstack. Their bodies have several forms, and mostly the HTTP status 200."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from ...errors import AccountError, FetchError, PermanentFetchError, QuotaExceededError, RetryableFetchError
from ...model.states import KeyState
from ...model.values import Payload
from ..base import error_code, quoted

NAME: Final = "weatherstack"

#: Wait after a 429 without ``Retry-After``. All APILayer services throttle per second.
THROTTLED_FOR: Final = timedelta(minutes=1)

_ACCOUNT_CODES: Final = {
    101: KeyState.INVALID,
    401: KeyState.INVALID,
    102: KeyState.BLOCKED,
    105: KeyState.PLAN_MISSING,
    403: KeyState.PLAN_MISSING,
}
#: Types of errors, for bodies that give the type instead of a number.
_CODES: Final = {
    "missing_access_key": 101,
    "invalid_access_key": 101,
    "unauthorized": 101,
    "inactive_user": 102,
    "invalid_api_function": 103,
    "usage_limit_reached": 104,
    "https_access_restricted": 105,
    "function_access_restricted": 105,
    "forbidden": 105,
    "rate_limit_reached": 106,
    "too_many_requests": 429,
    "request_failed": 615,
}
_RETRYABLE_CODES: Final = {408, 615}  # 615 request_failed: "please try again", but also the code for an unknown place


class Failure(msgspec.Struct, gc=False):
    """The error of a body: a number and a type, or the type instead of the number; and words under either name."""

    code: int | str | None = None
    type: str | None = None
    info: str | None = None
    message: str | None = None


def refusal(payload: Payload, error: Failure | str | None, message: str | None) -> FetchError:
    """The error for a refusal, from the member ``error`` and the member ``message`` of its body."""
    if isinstance(error, str):
        error = Failure(code=error) if error in _CODES else Failure(info=error)
    failure = error or Failure()
    type_ = failure.type or (failure.code if isinstance(failure.code, str) and error_code(failure.code) is None else None)
    code = error_code(failure.code) or _CODES.get(type_ or "") or payload.status
    words = quoted(payload, type_, failure.info or failure.message or message)
    reason = f"{code}: {words}" if words else f"HTTP {payload.status} without a message"
    if code == 104 or type_ == "usage_limit_reached":
        return QuotaExceededError(NAME, reason, retry_at=_next_month(payload.fetched_at), status=payload.status)
    if payload.status == 429 or code in (429, 106):
        retry_at = payload.retry_at(THROTTLED_FOR)
        return QuotaExceededError(NAME, reason, retry_at=retry_at, status=payload.status)
    if code in _ACCOUNT_CODES:
        return AccountError(NAME, reason, key_state=_ACCOUNT_CODES[code], status=payload.status)
    if code in _RETRYABLE_CODES or payload.status >= 500:
        return RetryableFetchError(NAME, reason, status=payload.status, wait=payload.wait)
    return PermanentFetchError(NAME, reason, status=payload.status)


def _next_month(now: datetime) -> datetime:
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)
