"""How many attempts are let through at once, as answers and failures come."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from meteorograph.collecting.adaptive_concurrency import ConcurrencyLimit
from meteorograph.errors import FetchError, FetchTimeoutError, QuotaExceededError, RetryableFetchError

NAME = "openweathermap"
TIMEOUT = FetchTimeoutError(NAME, "no complete answer in time")
BUSY = RetryableFetchError(NAME, "503", status=503)
BROKEN = RetryableFetchError(NAME, "500", status=500)
RESET = RetryableFetchError(NAME, "connection reset")
TOO_MANY = QuotaExceededError(NAME, "429", retry_at=datetime(2026, 1, 1, tzinfo=UTC), status=429)
OUR_OWN_COUNT = QuotaExceededError(NAME, "the quota is used up", retry_at=datetime(2026, 1, 1, tzinfo=UTC))


async def _attempt(places: ConcurrencyLimit, error: FetchError | None = None) -> None:
    with suppress(FetchError):
        async with places:
            if error:
                raise error


def _after(places: ConcurrencyLimit, *outcomes: FetchError | None) -> int:
    async def one_after_the_other() -> None:
        for outcome in outcomes:
            await _attempt(places, outcome)

    asyncio.run(one_after_the_other())
    return places.limit


def test_it_begins_with_what_the_settings_allow_and_goes_no_further() -> None:
    assert _after(ConcurrencyLimit(NAME, 8, {}), *[None] * 100) == 8


@pytest.mark.parametrize("failure", [TIMEOUT, BUSY])
def test_timeouts_and_503_in_a_row_halve_it(failure: FetchError) -> None:
    places = ConcurrencyLimit(NAME, 64, {})
    assert _after(places, failure, failure, failure) == 64
    assert _after(places, failure) == 32


def test_one_429_halves_it() -> None:
    assert _after(ConcurrencyLimit(NAME, 64, {}), TOO_MANY) == 32


@pytest.mark.parametrize("failure", [BROKEN, RESET, OUR_OWN_COUNT])
def test_other_failures_do_not(failure: FetchError) -> None:
    assert _after(ConcurrencyLimit(NAME, 64, {}), *[failure] * 50) == 64


def test_one_in_twenty_that_times_out_does_not() -> None:
    assert _after(ConcurrencyLimit(NAME, 64, {}), *([None] * 19 + [TIMEOUT]) * 50) == 64


def test_one_in_four_that_times_out_brings_it_down_but_never_below_one() -> None:
    places = ConcurrencyLimit(NAME, 8, {})
    assert 1 <= _after(places, *[None, None, None, TIMEOUT] * 50) < 8
    assert _after(places, *[TIMEOUT] * 50) == 1
    assert _after(places, None) == 2


def test_it_comes_back_one_by_one() -> None:
    places = ConcurrencyLimit(NAME, 64, {})
    assert _after(places, TOO_MANY) == 32
    assert _after(places, *[None] * 33) == 33
    assert _after(places, *[None] * 33 * 32) < 64
    assert _after(places, *[None] * 64 * 32) == 64


def test_those_under_way_together_halve_it_once() -> None:
    places = ConcurrencyLimit(NAME, 64, {})

    async def all_at_once() -> None:
        async def one() -> None:
            with suppress(FetchError):
                async with places:
                    await asyncio.sleep(0)
                    raise TOO_MANY

        await asyncio.gather(*(one() for _ in range(64)))

    asyncio.run(all_at_once())
    assert places.limit == 32


def test_what_was_learnt_holds_for_the_process_and_for_the_provider() -> None:
    tolerated: dict[str, float] = {}
    assert _after(ConcurrencyLimit(NAME, 64, tolerated), TOO_MANY) == 32
    assert ConcurrencyLimit(NAME, 64, tolerated).limit == 32
    assert ConcurrencyLimit(NAME, 10, tolerated).limit == 10
    assert ConcurrencyLimit("weatherstack", 64, tolerated).limit == 64
    assert _after(ConcurrencyLimit(NAME, 64, tolerated), TOO_MANY) == 16


def test_no_more_than_the_limit_are_under_way_and_all_get_their_turn() -> None:
    places = ConcurrencyLimit(NAME, 3, {})
    under_way, most, done = 0, 0, 0

    async def one(number: int) -> None:
        nonlocal under_way, most, done
        async with places:
            under_way += 1
            most = max(most, under_way)
            for _ in range(number % 4):
                await asyncio.sleep(0)
            under_way -= 1
            done += 1

    async def many() -> None:
        await asyncio.gather(*(one(number) for number in range(100)))

    asyncio.run(many())
    assert (most, done) == (3, 100)


def test_one_that_is_cancelled_while_it_waits_keeps_no_place() -> None:
    places = ConcurrencyLimit(NAME, 1, {})

    async def hold(until: asyncio.Event) -> None:
        async with places:
            await until.wait()

    async def scene() -> None:
        until = asyncio.Event()
        first = asyncio.create_task(hold(until))
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(_attempt(places)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        until.set()
        await first
        waiting[1].cancel()  # it has been woken, but has not gone on
        await asyncio.gather(*waiting, return_exceptions=True)
        assert waiting[2].done()
        assert not waiting[2].cancelled()
        await _attempt(places)

    asyncio.run(asyncio.wait_for(scene(), 30))
