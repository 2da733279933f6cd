"""Who may spend what of a quota, on both databases: requests that cost several calls, priorities, months of a zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from meteorograph import get_db_session
from meteorograph.accounts import quota
from meteorograph.collecting.call_gate import CallGate
from meteorograph.collecting.event_loop import run_async
from meteorograph.errors import QuotaExceededError
from meteorograph.model.account import Account
from meteorograph.model.clock import DrivenClock
from support import KEY, NOON

pytestmark = pytest.mark.usefixtures("database")

NAME = "openweathermap"
LOS_ANGELES = "America/Los_Angeles"
MINUTE = timedelta(minutes=1)


def _used(limits: dict[str, int], now: datetime, zone: str = "UTC") -> dict[str, int]:
    with get_db_session(read_only=True) as session:
        return {one.window: one.used for one in quota.usage(session, Account(NAME, limits, zone), now)}


def test_a_month_ends_in_the_providers_own_zone() -> None:
    limits = {"month": 10}
    end = datetime(2026, 11, 1, 7, tzinfo=UTC)
    first = quota.spend(Account(NAME, limits, LOS_ANGELES), 99, end - 8 * timedelta(hours=1))
    assert (first.calls, first.ends_at) == (10, end)
    refused = quota.spend(Account(NAME, limits, LOS_ANGELES), 1, end - timedelta(seconds=1))
    assert (refused.calls, refused.retry_at) == (0, end), "it is November in UTC, but not there"
    with get_db_session(read_only=True) as session:
        [told] = quota.usage(session, Account(NAME, limits, LOS_ANGELES), end - timedelta(seconds=1))
    assert (told.used, told.resets_at) == (10, end)
    assert quota.spend(Account(NAME, limits, LOS_ANGELES), 99, end).calls == 10


def test_fewer_calls_than_a_request_costs_are_not_charged() -> None:
    limits = {"minute": 10, "day": 100}
    assert quota.spend(Account(NAME, limits, "UTC"), 8, NOON, least=8).calls == 8
    refused = quota.spend(Account(NAME, limits, "UTC"), 8, NOON, least=3)
    assert (refused.calls, refused.retry_at) == (0, NOON + MINUTE)
    assert quota.spend(Account(NAME, limits, "UTC"), 8, NOON, least=2).calls == 2
    assert _used(limits, NOON) == {"minute": 10, "day": 10}


def test_on_demand_before_the_schedule_before_filling_gaps() -> None:
    limits = {"month": 100}
    leave = quota.live_needs({"month": 60}, datetime(2026, 3, 1, tzinfo=UTC), "UTC")
    assert quota.spend(Account(NAME, limits, "UTC"), 999, NOON, leave=leave).calls == 35, (
        "what neither the reserve nor the schedule needs"
    )
    assert quota.spend(Account(NAME, limits, "UTC"), 1, NOON, leave=leave).retry_at == datetime(2026, 4, 1, tzinfo=UTC)
    assert quota.spend(Account(NAME, limits, "UTC"), 999, NOON).calls == 60
    assert quota.spend(Account(NAME, limits, "UTC"), 999, NOON, on_demand=True).calls == 5


def test_gaps_are_filled_from_what_the_schedule_does_not_come_to_need() -> None:
    limits, first = {"day": 1000}, datetime(2026, 3, 1, tzinfo=UTC)
    filled = 0
    for hour in range(24):
        now = first + timedelta(hours=hour)
        assert quota.spend(Account(NAME, limits, "UTC"), 30, now).calls == 30, "the schedule gets its calls in every hour"
        leave = quota.live_needs({"day": 720}, now, "UTC")
        filled += quota.spend(Account(NAME, limits, "UTC"), 50, now, leave=leave).calls
    assert 230 - 30 <= filled <= 230


async def _spend(gate: CallGate, *costs: float) -> None:
    for cost in costs:
        await gate.spend(cost)


def test_a_request_that_costs_several_calls_charges_them_and_a_part_is_a_whole_one(driven: DrivenClock) -> None:
    limits = {"minute": 1000, "month": 10_000}
    gate = CallGate(Account(NAME, limits, "UTC"), KEY, expected=200)
    run_async(_spend(gate, 50, 1.2, 0.1, 1))
    assert gate.calls == 50 + 2 + 1 + 1
    run_async(_spend(gate, 49, 49))
    run_async(gate.close())
    assert _used(limits, driven()) == {"minute": 152, "month": 152}


def test_what_is_left_of_a_block_is_used_up_by_the_next_request(driven: DrivenClock) -> None:
    limits = {"minute": 1000}
    gate = CallGate(Account(NAME, limits, "UTC"), KEY, expected=1000)
    run_async(_spend(gate, 30, 30))
    assert _used(limits, driven()) == {"minute": 100}, "two blocks of 50"
    driven.advance(MINUTE)
    run_async(_spend(gate, 30))
    assert _used(limits, driven()) == {"minute": 50}, "nothing is carried into the next minute"


def test_a_request_that_does_not_fit_waits_for_the_window_that_has_room(driven: DrivenClock) -> None:
    limits = {"minute": 60}
    gate = CallGate(Account(NAME, limits, "UTC"), KEY, expected=100)
    assert gate.largest == 57
    run_async(_spend(gate, 30))
    with pytest.raises(QuotaExceededError) as refused:
        run_async(_spend(gate, 30))
    assert refused.value.retry_at == driven() + MINUTE
    run_async(gate.close())
    assert _used(limits, driven()) == {"minute": 30}


def test_a_gate_leaves_what_it_is_told_to_leave(driven: DrivenClock) -> None:
    gate = CallGate(Account(NAME, {"day": 100}, "UTC"), KEY, expected=100, leave={"day": 90})
    run_async(_spend(gate, 1, 1, 1, 1, 1))
    with pytest.raises(QuotaExceededError):
        run_async(_spend(gate, 1))
    run_async(CallGate(Account(NAME, {"day": 100}, "UTC"), KEY, expected=1).spend())
