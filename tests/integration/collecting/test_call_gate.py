"""The way to a provider: answers that nobody understands close it, and a run's calls are spread over the minute."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest

from integration.upstream import Upstream, answers, response
from meteorograph import get_db_session
from meteorograph.accounts import account_state, quota
from meteorograph.accounts.account_state import Closed
from meteorograph.collecting import quota_meter
from meteorograph.collecting.call_gate import CallGate
from meteorograph.collecting.circuit_breaker import OUTAGE_FAILURES
from meteorograph.collecting.event_loop import run_async
from meteorograph.collecting.http import Fetcher
from meteorograph.errors import (
    FetchError,
    MeteorographError,
    PayloadError,
    ProviderClosedError,
    QuotaExceededError,
    RetryableFetchError,
)
from meteorograph.failover.charges import charge_with_fallback
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


def test_failures_of_a_process_that_stood_still_say_nothing_of_the_provider(driven: DrivenClock) -> None:
    late = RetryableFetchError(NAME, "no complete answer in time")
    late.stood_still = True
    gate = _reported(CallGate(Account(NAME, {}, "UTC"), KEY, expected=100), *[late] * (OUTAGE_FAILURES + 1))
    assert gate.closed is None
    assert not isinstance(account_state.open_account(NAME, KEY, NOON), Closed)


def test_only_scheduled_calls_are_paced() -> None:
    account = Account(NAME, {"minute": 60, "month": 100_000}, "UTC")
    assert CallGate(account, KEY, expected=10)._pacer.is_active
    assert not CallGate(account, KEY, expected=10, on_demand=True)._pacer.is_active


def test_calls_that_wait_for_the_pace_end_when_the_provider_closes() -> None:
    gate = CallGate(Account(NAME, {"minute": 60}, "UTC"), KEY, expected=57)

    async def scene() -> list[object]:
        calls = [asyncio.create_task(gate.spend()) for _ in range(50)]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        for _ in range(OUTAGE_FAILURES):
            await gate.report(HTML)
        outcomes: list[object] = list(await asyncio.gather(*calls, return_exceptions=True))
        await gate.close()
        return outcomes

    assert any(isinstance(outcome, ProviderClosedError) for outcome in run_async(scene()))


def test_a_quota_that_is_used_up_says_so_while_the_database_is_asked(driven: DrivenClock) -> None:
    """The next provider must not be called meanwhile, where the quota is waited for."""
    gate = CallGate(Account(NAME, {}, "UTC"), KEY, expected=1)
    until = NOON + timedelta(minutes=1)

    async def scene() -> Closed | None:
        reporting = asyncio.create_task(gate.report(QuotaExceededError(NAME, "429", retry_at=until, status=429)))
        await asyncio.sleep(0)
        closed = gate.closed
        assert not reporting.done()
        await reporting
        return closed

    closed = run_async(scene())
    assert closed is not None
    assert (closed.by_quota, closed.retry_at) == (True, until)
    assert gate.closed == closed


def test_calls_that_are_charged_while_their_worker_is_cancelled_are_given_back(
    driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account(NAME, {"minute": 600}, "UTC")
    is_charging, may_charge = threading.Event(), threading.Event()

    def charge_slowly(*args: Any, **kwargs: Any) -> quota.Grant:
        is_charging.set()
        assert may_charge.wait(10)
        return charge_with_fallback(*args, **kwargs)

    monkeypatch.setattr(quota_meter, "charge_with_fallback", charge_slowly)
    gate = CallGate(account, KEY, expected=20)

    async def scene() -> None:
        call = asyncio.create_task(gate.spend())
        await asyncio.to_thread(is_charging.wait, 10)
        call.cancel()
        asyncio.get_running_loop().call_later(0.1, may_charge.set)
        await asyncio.wait({call})
        assert call.cancelled()
        await gate.close()

    run_async(scene())
    with get_db_session(read_only=True) as session:
        assert [window.used for window in quota.usage(session, account, NOON)] == [0]


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


@pytest.mark.parametrize("later", [timedelta(0), timedelta(minutes=1)])
def test_a_call_that_was_not_sent_is_taken_back_where_it_was_charged(
    driven: DrivenClock, simulator: Simulator, later: timedelta
) -> None:
    """Also if a new minute has begun meanwhile: then it is none of the new minute's calls."""
    account = Account(NAME, {"minute": 60, "month": 1000}, "UTC")
    request = PROVIDERS[NAME].request(simulator.url, [RequestPoint(53.3, -6.4)], KEY)

    async def scene() -> int:
        gate = CallGate(account, KEY, expected=1, on_demand=True)
        async with Fetcher(timeout=timedelta(seconds=5), user_agent="test") as fetcher:
            await gate.fetch(fetcher, request, await gate.spend())
            charge = await gate.spend()
            simulator.stop()
            driven.advance(later)
            if later:
                await gate.spend()
            with pytest.raises(RetryableFetchError, match="connection refused"):
                await gate.fetch(fetcher, request, charge)
        await gate.close()
        return gate.calls

    made = 2 if later else 1
    assert run_async(scene()) == made
    with get_db_session(read_only=True) as session:
        used = {one.window: one.used for one in quota.usage(session, account, driven())}
    assert used == {"minute": 1, "month": made}
    assert simulator.count(NAME) == 1


def test_a_redirect_counts_even_if_it_leads_nowhere(driven: DrivenClock) -> None:
    """The provider has seen the first request."""
    with Upstream(answers(response(302, b"", Location="https://127.0.0.1:1/"))) as upstream:
        request = PROVIDERS[NAME].request(upstream.url, [RequestPoint(53.3, -6.4)], KEY)

        async def scene() -> FetchError:
            async with Fetcher(timeout=timedelta(seconds=5), user_agent="test") as fetcher:
                with pytest.raises(FetchError) as caught:
                    await fetcher.fetch(request)
            return caught.value

        error = run_async(scene())
    assert ("connection refused" in str(error), error.was_sent) == (True, True)
