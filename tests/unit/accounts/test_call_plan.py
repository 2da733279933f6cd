"""The plan: what is needed, whether it holds, and that what is said to fit is the most that fits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meteorograph.accounts import quota
from meteorograph.accounts.call_plan import LADDER, CallPlan, ProviderPlan, ScheduleGroup, count_slots, interval_text, make_plan
from meteorograph.config.loading import load_settings
from meteorograph.config.settings import Settings
from meteorograph.model.schedule import DEFAULT_SCHEDULE, Interval, parse_schedule
from support import KEY, NOON, RAIN_KEY

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def _settings(**more: Any) -> Settings:
    return load_settings(**{"owm_api_key": KEY, "weatherstack_api_key": RAIN_KEY, **more})


def _plan(locations: int, length: timedelta = HOUR, **more: Any) -> CallPlan:
    return make_plan([ScheduleGroup(DEFAULT_SCHEDULE, Interval(length), locations)], _settings(**more), NOON)


def _needs(one: ProviderPlan) -> dict[str, int]:
    return {need.window: need.calls for need in one.needs}


def test_1344_hourly_locations_are_the_most_that_the_free_plan_holds() -> None:
    made = _plan(1344)
    main = made.providers[0]
    assert made.holds
    assert _needs(main) == {"minute": 23, "hour": 1344, "day": 32256, "month": 999_936}
    assert (main.most_locations, main.slot_minutes) == (1344, 24)
    assert main.sentence == (
        "The quota of OpenWeatherMap is large enough. A slot takes 24 minutes. Up to 1,344 locations at this schedule would fit."
    )
    more = _plan(1345)
    assert not more.holds
    assert more.providers[0].sentence == (
        "The quota of OpenWeatherMap is too small: 1,000,680 calls a month are needed, 999,950 may be made. "
        "What would fit: 1,344 locations at this schedule, or these 1,345 every 2 h."
    )


def test_what_the_plan_lets_through_is_what_the_quota_lets_through() -> None:
    main = _plan(1).providers[0]
    limits = _settings().account("openweathermap").limits
    assert {need.window: need.usable for need in main.needs if need.limit} == {
        window: limit - quota.reserve_of(limit) for window, limit in limits.items()
    }


def test_a_slot_must_be_collected_while_it_may_still_be() -> None:
    """Of the day until the next slot only the first half counts: a later value is not the slot's."""
    assert _plan(57 * 720, timedelta(days=1), owm_calls_per_month=10_000_000).holds
    made = _plan(57 * 720 + 1, timedelta(days=1), owm_calls_per_month=10_000_000)
    assert not made.holds
    assert "58 calls a minute are needed, 57 may be made" in made.providers[0].sentence
    assert made.providers[0].most_locations == 57 * 720


def test_minutes_below_the_interval() -> None:
    assert _plan(22, MINUTE).holds
    made = _plan(58, MINUTE)
    assert "58 calls a minute are needed, 57 may be made; 2,589,120 calls a month" in made.providers[0].sentence
    assert made.providers[0].shortest == 3 * MINUTE
    assert not _plan(29, timedelta(seconds=30), owm_calls_per_month=10**9).holds
    assert _plan(28, timedelta(seconds=30), owm_calls_per_month=10**9).holds


def test_schedules_add_up() -> None:
    groups = [
        ScheduleGroup(DEFAULT_SCHEDULE, Interval(HOUR), 10),
        ScheduleGroup("15m", Interval(15 * MINUTE), 3),
        ScheduleGroup("0 6,18 * * *", parse_schedule("0 6,18 * * *"), 100),
    ]
    main = make_plan(groups, _settings(), NOON).providers[0]
    assert _needs(main)["month"] == 10 * 744 + 3 * 4 * 744 + 100 * 62
    assert _needs(main)["day"] == 240 + 288 + 200
    assert _needs(main)["hour"] == 10 + 12 + 100
    assert _needs(main)["minute"] == 3  # 10/60 + 3/15 + 100/60
    assert main.interval is None


@pytest.mark.parametrize(
    ("text", "now", "hour", "day", "month", "time"),
    [
        ("0 * * * *", "2026-03-01", 1, 24, 744, HOUR),
        ("0 * * * * Europe/Athens", "2026-10-10", 1, 24, 744, HOUR),
        ("*/30 2-3 * * * Europe/Berlin", "2026-10-10", 2, 6, 126, 30 * MINUTE),
        ("0 0 1 * *", "2026-03-15", 1, 1, 1, HOUR),
        ("0 0 29 2 *", "2026-03-15", 0, 0, 0, HOUR),
        ("0,5 12 * * 1", "2026-03-01", 2, 2, 10, 5 * MINUTE),
    ],
)
def test_cron_schedules_are_counted(text: str, now: str, hour: int, day: int, month: int, time: timedelta) -> None:
    slots = count_slots(parse_schedule(text), datetime.fromisoformat(now).replace(tzinfo=UTC), "UTC")
    assert slots.most["hour"] == hour
    assert slots.most["day"] == day
    assert slots.most["month"] == month
    assert slots.time == time


@pytest.mark.parametrize(("length", "day", "month"), [("7h", 4, 107), ("24h", 1, 31), ("25m", 58, 1786), ("1m", 1440, 44640)])
def test_the_busiest_day_and_month_of_an_interval(length: str, day: int, month: int) -> None:
    slots = count_slots(parse_schedule(length), NOON, "UTC")
    assert (slots.most["day"], slots.most["month"]) == (day, month)


@given(
    locations=st.integers(1, 5000),
    length=st.sampled_from(LADDER),
    minute=st.integers(1, 5000),
    month=st.integers(1, 3_000_000),
)
def test_what_is_said_to_fit_fits_and_one_more_does_not(locations: int, length: timedelta, minute: int, month: int) -> None:
    quotas = {"owm_calls_per_minute": minute, "owm_calls_per_month": month}
    made = _plan(locations, length, **quotas)
    main = made.providers[0]
    assert made.holds == (locations <= main.most_locations)
    if main.most_locations:
        assert _plan(main.most_locations, length, **quotas).holds
    assert not _plan(main.most_locations + 1, length, **quotas).holds
    holding = [rung for rung in LADDER if _plan(locations, rung, **quotas).holds]
    assert main.shortest == (holding[0] if holding else None)


@pytest.mark.parametrize(
    ("locations", "limit", "sentence"),
    [
        (
            1,
            100,
            "Weatherstack gives the precipitation of 12 % of slots, spread evenly; the others get it from OpenWeatherMap.",
        ),
        (1, 5000, "Weatherstack gives the precipitation of every slot."),
        (
            50,
            100,
            (
                "Weatherstack gives the precipitation of less than 1 % of slots, spread evenly; "
                "the others get it from OpenWeatherMap."
            ),
        ),
    ],
)
def test_one_that_is_asked_for_rain_only_never_fails_the_plan(locations: int, limit: int, sentence: str) -> None:
    made = _plan(locations, weatherstack_calls_per_month=limit)
    assert made.holds
    assert made.providers[1].sentence == sentence
    assert made.providers[1].slot_minutes is None


def test_who_is_asked_follows_the_settings() -> None:
    def roles(**more: Any) -> dict[str, str]:
        return {one.provider: one.role for one in _plan(1, **more).providers}

    owm, rain = "openweathermap", "weatherstack"
    assert roles() == {owm: "observation", rain: "precipitation"}
    assert roles(weatherstack_api_key=None) == {owm: "observation"}
    assert roles(owm_api_key=None, weatherstack_api_key=None) == {owm: "observation"}
    assert roles(precipitation_providers=[owm, rain]) == {owm: "observation", rain: "fallback"}
    assert roles(precipitation_providers=[owm]) == {owm: "observation"}
    assert roles(providers=[owm, rain], precipitation_providers=[owm]) == {owm: "observation", rain: "fallback"}
    assert roles(providers=[rain, owm], owm_api_key=None) == {rain: "observation"}
    fallback = _plan(1, precipitation_providers=[owm, rain]).providers[1]
    assert fallback.sentence == "Weatherstack is called only when the providers before it fail."
    assert fallback.holds
    alone = _plan(1, precipitation_providers=[rain]).providers[1]
    assert alone.sentence.endswith("the others have none.")


def test_a_small_quota_for_everything_does_not_hold() -> None:
    made = _plan(41, providers=["weatherstack"])
    assert not made.holds
    assert made.providers[0].sentence == (
        "The quota of Weatherstack is too small: 30,504 calls a month are needed, 95 may be made. "
        "What would fit: not even one location at this schedule, or these 41 every 24 h."
    )
    assert _plan(3, timedelta(days=1), providers=["weatherstack"]).holds


def test_41_locations_every_3_hours() -> None:
    made = _plan(41, owm_calls_per_month=11_000)
    assert "What would fit: 14 locations at this schedule, or these 41 every 3 h." in made.providers[0].sentence


def test_with_no_location_nothing_is_asked() -> None:
    made = make_plan([], _settings(), NOON)
    assert made.holds
    assert {one.sentence for one in made.providers} == {
        "OpenWeatherMap is not called: no location is active.",
        "Weatherstack is not called: no location is active.",
    }


@pytest.mark.parametrize(("seconds", "text"), [(30, "30 s"), (60, "1 min"), (90, "90 s"), (5400, "90 min"), (86400, "24 h")])
def test_intervals_in_words(seconds: int, text: str) -> None:
    assert interval_text(timedelta(seconds=seconds)) == text
