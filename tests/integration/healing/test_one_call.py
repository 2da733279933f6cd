"""OpenWeatherMap's One Call over a real socket: pages and single hours, its own quota, and a key without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from integration.asking import assert_true, fetch
from meteorograph.errors import AccountError, PermanentFetchError, QuotaExceededError
from meteorograph.model.clock import DrivenClock, driven_by
from meteorograph.model.values import Observation, RequestPoint
from meteorograph.providers.base import History, Page
from meteorograph.providers.registry import PROVIDERS
from meteorograph.simulator import Simulator
from support import KEY, RAIN_KEY

NOW = datetime(2026, 3, 1, 12, 7, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
TIMELINE, TIMEMACHINE = PROVIDERS["openweathermap"].history
CORK = RequestPoint(51.9, -8.47)
each = pytest.mark.parametrize("history", [TIMELINE, TIMEMACHINE], ids=["timeline", "timemachine"])


@pytest.fixture(autouse=True)
def clock() -> Iterator[DrivenClock]:
    driven = DrivenClock(NOW)
    with driven_by(driven):
        yield driven


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(keys=(KEY, RAIN_KEY), one_call_keys=(KEY,)) as simulator:
        yield simulator


def page(sim: Simulator, history: History, start: datetime, end: datetime, point: RequestPoint = CORK, key: str = KEY) -> Page:
    return history.parse(fetch(history.request(sim.url, point, start, end, key)))


def all_pages(sim: Simulator, history: History, start: datetime, end: datetime) -> list[Observation]:
    """The observations from ``start`` to ``end``, page by page as long as there is a next one."""
    found: list[Observation] = []
    at: datetime | None = start
    while at is not None and at <= end:
        one = page(sim, history, at, end)
        found += [observation for observation in one.observations if observation.observed_at and observation.observed_at <= end]
        at = one.next_start
    return found


@each
def test_past_hours_are_those_of_the_weather_then(sim: Simulator, history: History) -> None:
    for start in (datetime(2026, 2, 28, 5, tzinfo=UTC), datetime(1979, 1, 1, tzinfo=UTC), datetime(2024, 2, 29, 23, tzinfo=UTC)):
        end, before = start + 24 * HOUR, sim.count("openweathermap-onecall")
        found = all_pages(sim, history, start, end)
        assert [one.observed_at for one in found] == [start + index * HOUR for index in range(25)]
        for one in found:
            assert one.precipitation_period == 3600
            assert_true(sim, one, CORK)
        assert sim.count("openweathermap-onecall") - before == history.cost(start, end)
    assert sim.count("openweathermap") == 0


@each
def test_a_stretch_of_its_span_ends(sim: Simulator, history: History) -> None:
    start = NOW.replace(minute=0, second=0) - history.span
    found = all_pages(sim, history, start, NOW)
    assert len(found) == history.span // HOUR + 1
    assert found[-1].observed_at == NOW.replace(minute=0, second=0)
    assert page(sim, history, NOW.replace(minute=0, second=0), NOW).next_start is None  # what comes then is a forecast


def test_a_page_keeps_nothing_of_the_links_that_carry_the_key(sim: Simulator) -> None:
    start = NOW - timedelta(days=3)
    payload = fetch(TIMELINE.request(sim.url, CORK, start, NOW, KEY))
    assert f"appid={KEY}" in json.loads(payload.body)["next"]
    found = TIMELINE.parse(payload)
    assert len(found.observations) == 20
    assert found.next_start == datetime(2026, 2, 27, 9, tzinfo=UTC)
    assert KEY not in repr(found)
    assert KEY not in str(payload.request)


@each
def test_a_key_without_the_subscription_is_told_which_product_it_lacks(sim: Simulator, history: History) -> None:
    product = "One Call 4.0" if history is TIMELINE else "One Call 3.0"
    with pytest.raises(AccountError, match=f"{product}: 401: .*separate subscription to the One Call by Call plan") as caught:
        page(sim, history, NOW - 5 * HOUR, NOW, key=RAIN_KEY)
    assert caught.value.key_state == "plan_missing"
    with pytest.raises(AccountError, match=f"{product}: 401: Invalid API key") as caught:
        page(sim, history, NOW - 5 * HOUR, NOW, key="0123456789")
    assert caught.value.key_state == "invalid"


@each
def test_its_quota_is_its_own_and_by_the_day(clock: DrivenClock, history: History) -> None:
    with Simulator(keys=(KEY,), one_call_calls_per_day=1) as sim:
        page(sim, history, NOW - 5 * HOUR, NOW)
        with pytest.raises(QuotaExceededError, match="One Call"):
            page(sim, history, NOW - 5 * HOUR, NOW)
        current = PROVIDERS["openweathermap"]
        assert current.parse(fetch(current.request(sim.url, [CORK], KEY))) != [None]
        clock.advance(timedelta(hours=12))
        page(sim, history, NOW - 5 * HOUR, NOW)


@each
def test_what_it_does_not_take_is_named(sim: Simulator, history: History) -> None:
    with pytest.raises(PermanentFetchError, match="400: wrong latitude - lat"):
        page(sim, history, NOW - HOUR, NOW, point=RequestPoint(91, 0))
    with pytest.raises(PermanentFetchError, match="out of allowed range"):
        page(sim, history, datetime(1978, 12, 31, 23, tzinfo=UTC), NOW)


@each
def test_an_amount_that_is_left_out_is_a_zero_that_is_said_to_be_implied(sim: Simulator, history: History) -> None:
    noon = NOW.replace(minute=0, second=0)
    wet = next(back for back in range(1, 5000) if sim.truth(CORK.latitude, CORK.longitude, noon - back * HOUR)["precipitation"])
    found = all_pages(sim, history, noon - (wet + 10) * HOUR, noon - (wet - 10) * HOUR)
    dry = [one for one in found if "precipitation" in one.flags]
    assert 0 < len(dry) < len(found)
    assert all(one.precipitation == 0 and one.flags["precipitation"] == ["implied_zero"] for one in dry)
    assert all(one.precipitation for one in found if "precipitation" not in one.flags)
