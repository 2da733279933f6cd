"""Answers that a provider allows to reuse: for how long, how many, and never one that could not be parsed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from meteorograph.collecting import http_cache
from meteorograph.collecting.http_cache import HttpCache
from meteorograph.model.clock import DrivenClock
from meteorograph.model.values import Payload, Request
from support import NOON

FAR = "Sun, 01 Mar 2037 12:00:00 GMT"


def _request(number: int = 0) -> Request:
    return Request("met-norway", "https://a.example", {"lat": str(number)})


def _payload(number: int = 0, body: bytes = b"{}", expires: str | None = FAR, **more: object) -> Payload:
    return Payload(_request(number), 200, body, NOON, expires=expires, **more)  # type: ignore[arg-type]


def test_an_answer_is_used_for_two_hours_at_most(driven: DrivenClock) -> None:
    cache = HttpCache()
    cache.keep(_payload())
    driven.advance(http_cache.MAX_AGE - timedelta(seconds=1))
    fresh = cache.fresh_answer(_request())
    assert fresh is not None
    cache.keep(fresh)  # its use makes it no younger
    driven.advance(timedelta(seconds=1))
    assert cache.fresh_answer(_request()) is None


def test_an_answer_is_used_until_it_expires(driven: DrivenClock) -> None:
    cache = HttpCache()
    cache.keep(_payload(expires="Sun, 01 Mar 2026 12:10:00 GMT"))
    driven.advance(timedelta(minutes=9))
    assert cache.fresh_answer(_request()) is not None
    driven.advance(timedelta(minutes=1))
    assert cache.fresh_answer(_request()) is None


def test_an_answer_of_a_clock_that_was_ahead_is_not_used(driven: DrivenClock) -> None:
    cache = HttpCache()
    cache.keep(_payload())
    driven.advance(-timedelta(days=1))
    assert cache.fresh_answer(_request()) is None


def test_an_answer_that_has_not_changed_is_fresh_again(driven: DrivenClock) -> None:
    cache = HttpCache()
    cache.keep(_payload(expires="Sun, 01 Mar 2026 12:10:00 GMT", last_modified="Sun, 01 Mar 2026 11:00:00 GMT"))
    now = driven.advance(timedelta(minutes=30))
    assert cache.conditional_request(_request()).headers == {"If-Modified-Since": "Sun, 01 Mar 2026 11:00:00 GMT"}
    unchanged = Payload(_request(), 304, b"", now, expires="Sun, 01 Mar 2026 12:50:00 GMT")
    answer = cache.updated_answer(_request(), unchanged)
    assert (answer.status, answer.body, answer.fetched_at) == (200, b"{}", now)
    cache.keep(answer)
    driven.advance(timedelta(minutes=15))
    assert cache.fresh_answer(_request()) is not None


def test_what_was_not_parsed_is_not_kept(driven: DrivenClock) -> None:
    cache = HttpCache()
    assert cache.updated_answer(_request(), _payload(body=b"<html>")).body == b"<html>"
    assert cache.fresh_answer(_request()) is None


@pytest.mark.parametrize(("size", "kept"), [(100, 10), (300, 3), (1000, 1), (1001, 0)])
def test_the_bytes_are_bounded(driven: DrivenClock, monkeypatch: pytest.MonkeyPatch, size: int, kept: int) -> None:
    monkeypatch.setattr(http_cache, "MAX_BYTES", 1000)
    cache = HttpCache()
    for number in range(10):
        for _ in range(2):  # the second one takes the place of the first
            cache.keep(_payload(number, bytes(size)))
    found = [number for number in range(10) if cache.fresh_answer(_request(number)) is not None]
    assert found == list(range(10))[10 - kept :]
