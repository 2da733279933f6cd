"""What an HTTP status means, for providers that keep to the usual meanings."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from ..errors import AccountError, FetchError, PermanentFetchError, QuotaExceededError, RetryableFetchError
from ..model.states import KeyState
from ..model.values import Payload
from .base import UNREADABLE, quoted

#: How long to leave a provider alone that says 429 and not for how long.
THROTTLED_FOR: Final = timedelta(minutes=1)


class _Words(msgspec.Struct, gc=False):
    detail: str | None = None
    title: str | None = None
    message: str | None = None
    error: str | None = None


_words = msgspec.json.Decoder(_Words)


def error_for_status(provider: str, payload: Payload, *, wait: timedelta = THROTTLED_FOR) -> FetchError:
    """The error for an answer of any status but success, with the provider's own words where the body has some.

    403 is the account's, since it means that the caller is not welcome, whatever is asked.
    """
    status, said = payload.status, ""
    try:
        words = _words.decode(payload.body)
        said = quoted(payload, words.detail or words.title or words.message or words.error)
    except UNREADABLE:
        pass
    reason = f"{status}: {said}" if said else f"HTTP {status} without a message"
    if status == 429:
        return QuotaExceededError(provider, reason, retry_at=payload.retry_at(wait), status=status)
    if status == 403:
        return AccountError(provider, reason, key_state=KeyState.BLOCKED, status=status)
    if status >= 500 or status == 408:
        return RetryableFetchError(provider, reason, status=status, wait=payload.wait)
    return PermanentFetchError(provider, reason, status=status)
