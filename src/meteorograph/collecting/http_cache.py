"""Answers that their provider lets us use again: fresh until ``Expires``, then asked for with ``If-Modified-Since``.

RFC 9111, as far as providers whose answers are ``caches`` ask for it. In memory, the newest answers of this process.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from ..model import clock
from ..model.values import Payload, Request

#: Answers that are kept at most.
MAX_ANSWERS: Final = 2000

_Key = tuple[str, tuple[tuple[str, str], ...]]
_answers: OrderedDict[_Key, Payload] = OrderedDict()
_lock = threading.Lock()


def fresh_answer(request: Request) -> Payload | None:
    """The answer to use again, as of now; None when the provider is to be asked."""
    known = _answers.get(_key(request))
    if known is None or (expires := _instant(known.expires)) is None or clock.now() >= expires:
        return None
    return msgspec.structs.replace(known, fetched_at=clock.now())


def conditional_request(request: Request) -> Request:
    """The request, asking for an answer only if it has changed since the one that is here."""
    known = _answers.get(_key(request))
    if known is None or known.last_modified is None:
        return request
    return msgspec.structs.replace(request, headers={**request.headers, "If-Modified-Since": known.last_modified})


def updated_answer(request: Request, payload: Payload) -> Payload:
    """The payload to read: what came, or, where it says that nothing has changed (304), the one that is here, as of now."""
    key = _key(request)
    with _lock:
        known = _answers.get(key)
        if payload.status == 304 and known is not None:
            payload = msgspec.structs.replace(known, fetched_at=payload.fetched_at, expires=payload.expires or known.expires)
        if payload.status in (200, 203) and (payload.expires or payload.last_modified):
            _answers[key] = payload
            _answers.move_to_end(key)
            while len(_answers) > MAX_ANSWERS:
                _answers.popitem(last=False)
    return payload


def clear_cache() -> None:
    """Begin anew."""
    with _lock:
        _answers.clear()


def _key(request: Request) -> _Key:
    return request.url, tuple(request.params.items())


def _instant(told: str | None) -> datetime | None:
    """The instant of an HTTP date (aware UTC); None for what is none."""
    try:
        return parsedate_to_datetime(told).astimezone(UTC) if told else None
    except (ValueError, OverflowError):
        return None
