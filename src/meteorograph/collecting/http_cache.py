"""Reuse answers as their provider allows: until ``Expires``, and after that with ``If-Modified-Since``.

RFC 9111, as far as providers whose answers may be cached (``Provider.caches``) need it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from ..model import clock
from ..model.values import Payload, Request

#: Answers that are kept at most; the oldest are dropped.
MAX_ANSWERS: Final = 2000

#: Bytes of the answers that are kept at most.
MAX_BYTES: Final = 32 * 1024 * 1024

#: An answer is not used longer than this without asking the provider, whatever ``Expires`` says.
MAX_AGE: Final = timedelta(hours=2)

_Key = tuple[str, tuple[tuple[str, str], ...]]


class HttpCache:
    """The newest answers of this process, in memory; safe across threads."""

    def __init__(self) -> None:
        self._answers: OrderedDict[_Key, Payload] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def fresh_answer(self, request: Request) -> Payload | None:
        """The cached answer, dated now; None when the provider must be called."""
        cached = self._answers.get(_key(request))
        if cached is None or (expires := _parse_http_date(cached.expires)) is None:
            return None
        now = clock.now()
        if not cached.fetched_at <= now < min(expires, cached.fetched_at + MAX_AGE):
            return None
        return msgspec.structs.replace(cached, fetched_at=now)

    def conditional_request(self, request: Request) -> Request:
        """The request, for an answer only if it has changed since the cached one."""
        cached = self._answers.get(_key(request))
        if cached is None or cached.last_modified is None:
            return request
        return msgspec.structs.replace(request, headers={**request.headers, "If-Modified-Since": cached.last_modified})

    def updated_answer(self, request: Request, payload: Payload) -> Payload:
        """The payload to parse: the new one, or, after 304 (not modified), the cached one, dated now."""
        cached = self._answers.get(_key(request))
        if payload.status == 304 and cached is not None:
            expires = payload.expires or cached.expires
            return msgspec.structs.replace(cached, fetched_at=payload.fetched_at, expires=expires)
        return payload

    def keep(self, payload: Payload) -> None:
        """Keep an answer that has been parsed. One that cannot be parsed must not be used again."""
        if payload.status not in (200, 203) or not (payload.expires or payload.last_modified):
            return
        key = _key(payload.request)
        with self._lock:
            known = self._answers.get(key)
            if known is not None and known.body is payload.body and known.expires == payload.expires:
                return  # the cached answer itself, which does not become younger by its use
            self._drop(key)
            self._answers[key] = payload
            self._bytes += len(payload.body)
            while len(self._answers) > MAX_ANSWERS or self._bytes > MAX_BYTES:
                self._drop(next(iter(self._answers)))

    def _drop(self, key: _Key) -> None:
        if (dropped := self._answers.pop(key, None)) is not None:
            self._bytes -= len(dropped.body)


def _key(request: Request) -> _Key:
    return request.url, tuple(request.params.items())


def _parse_http_date(text: str | None) -> datetime | None:
    """The instant of an HTTP date (aware UTC); None for a text that is no date."""
    try:
        return parsedate_to_datetime(text).astimezone(UTC) if text else None
    except (ValueError, OverflowError):
        return None
