"""The way to a provider: answers that nobody understands close it, and a run's calls are spread over the minute."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest

from meteorograph.accounts import account_state
from meteorograph.accounts.account_state import Closed
from meteorograph.collecting.call_gate import CallGate
from meteorograph.collecting.circuit_breaker import OUTAGE_FAILURES
from meteorograph.collecting.event_loop import run_async
from meteorograph.collecting.http import Fetcher
from meteorograph.errors import MeteorographError, PayloadError, ProviderClosedError, RetryableFetchError
from meteorograph.model import clock
from meteorograph.model.account import Account
from meteorograph.model.clock import DrivenClock
from meteorograph.model.values import RequestPoint
from meteorograph.providers.registry import PROVIDERS
from meteorograph.simulator import Simulator
from support import KEY, NOON

pytestmark = pytest.mark.usefixtures("database")

NAME = "openweathermap"
HTML = PayloadError(NAME, "HTTP 200 with a page of HTML or XML, 99 bytes", b"<html>")


def _reported(gate: CallGate, *outcomes: MeteorographError | None) -> CallGate:
    async def report() -> None:
        for outcome in outcomes:
            assert outcome is None or isinstance(outcome, PayloadError | RetryableFetchError)
            await gate.report(outcome)

    run_async(report())
    return gate


def test_answers_that_cannot_be_read_in_a_row_close_the_provider(driven: DrivenClock) -> None:
    gate = _reported(CallGate(Account(NAME, {}, "UTC"), KEY, expected=100), *[HTML] * (OUTAGE_FAILURES - 1))
    assert gate.closed is None
    _reported(gate, HTML)
    assert gate.closed is not None
    assert gate.closed.retry_at == NOON + account_state.FIRST_OUTAGE_PAUSE
    account = account_state.open_account(NAME, KEY, NOON)
    assert isinstance(account, Closed)
    assert "a page of HTML" in account.reason


def test_one_good_answer_in_between_does_not_let_them_close_it(driven: DrivenClock) -> None:
    outcomes: list[MeteorographError | None] = [*[HTML] * (OUTAGE_FAILURES - 1), None]
    assert _reported(CallGate(Account(NAME, {}, "UTC"), KEY, expected=100), *outcomes * 3).closed is None


def test_they_count_with_other_failures(driven: DrivenClock) -> None:
    outcomes = [RetryableFetchError(NAME, "HTTP 503 without a message", status=503), HTML]
    assert _reported(CallGate(Account(NAME, {}, "UTC"), KEY, expected=100), *outcomes * (OUTAGE_FAILURES // 2)).closed is not None


def _seconds(gate: CallGate, calls: int) -> float:
    """How long it takes to be let through so many times, by ten workers."""

    async def work(left: list[int]) -> None:
        while left:
            left.pop()
            await gate.spend()

    async def all_of_them() -> float:
        begun = time.monotonic()
        left = list(range(calls))
        await asyncio.gather(*(work(left) for _ in range(10)))
        await gate.close()
        return time.monotonic() - begun

    return run_async(all_of_them())


def test_a_run_that_is_larger_than_a_sixth_of_a_minute_is_spread_over_it() -> None:
    limits = {"minute": 600, "month": 100_000}
    assert _seconds(CallGate(Account(NAME, limits, "UTC"), KEY, expected=100), 100) < 5, "a small run comes at once"
    assert _seconds(CallGate(Account(NAME, limits, "UTC"), KEY, expected=115), 115) >= 1.3


def test_a_request_that_costs_more_than_may_come_at_once_is_let_through() -> None:
    async def spend() -> None:
        gate = CallGate(Account(NAME, {"minute": 60_000}, "UTC"), KEY, expected=10_500)
        await gate.spend(10_500)
        await gate.close()

    begun = time.monotonic()
    run_async(spend())
    assert time.monotonic() - begun >= 0.4


@pytest.mark.parametrize("how", ["on demand", "driven"])
def test_neither_collection_on_demand_nor_a_driven_clock_is_slowed(how: str) -> None:
    limits = {"minute": 120, "month": 100_000}
    if how == "driven":
        with clock.driven_by(DrivenClock(NOON)):
            took = _seconds(CallGate(Account(NAME, limits, "UTC"), KEY, expected=110), 110)
    else:
        took = _seconds(CallGate(Account(NAME, limits, "UTC"), KEY, expected=110, on_demand=True), 110)
    assert took < 20, "spread out it takes 45 s"


def test_when_the_provider_closes_nobody_waits_for_the_pace() -> None:
    gate = CallGate(Account(NAME, {"minute": 60}, "UTC"), KEY, expected=57)

    async def scene() -> list[BaseException | None]:
        calls = [asyncio.create_task(gate.spend()) for _ in range(50)]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        for _ in range(OUTAGE_FAILURES):
            await gate.report(HTML)
        begun = time.monotonic()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert time.monotonic() - begun < 10, "at the pace of the minute it would be 40 s"
        await gate.close()
        return outcomes

    assert any(isinstance(outcome, ProviderClosedError) for outcome in run_async(scene()))


def _attempts(simulator: Simulator, gate: CallGate, count: int) -> None:
    """Make so many, each in a place, and let them fail."""
    provider = PROVIDERS[NAME]

    async def one(fetcher: Fetcher, number: int) -> None:
        async with gate.place():
            provider.parse(await fetcher.fetch(provider.request(simulator.url, [RequestPoint(number, 10)], KEY)))

    async def many() -> None:
        async with Fetcher(timeout=timedelta(seconds=0.5), user_agent="test", connections=64) as fetcher:
            await asyncio.gather(*(one(fetcher, number) for number in range(count)), return_exceptions=True)

    run_async(many())


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_the_simulator_does_not_bear_is_not_sent_to_it(collecting: Simulator, driven: DrivenClock) -> None:
    tolerated: dict[str, float] = {}
    gate = CallGate(Account(NAME, {}, "UTC"), KEY, expected=100, concurrency=32, tolerated=tolerated)
    collecting.set_faults("kind=status code=429 count=1")
    _attempts(collecting, gate, 32)
    assert 16 <= gate.place().limit < 24
    later = CallGate(Account(NAME, {}, "UTC"), KEY, expected=100, concurrency=32, tolerated=tolerated)
    assert later.place().limit == gate.place().limit
    collecting.set_faults("kind=timeout count=40")
    _attempts(collecting, later, 40)
    assert 1 <= later.place().limit < 12
    collecting.set_faults("")
    before = tolerated[NAME]
    _attempts(collecting, later, 60)
    assert tolerated[NAME] > before
