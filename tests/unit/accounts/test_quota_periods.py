"""Where the periods of a quota begin and end, in the provider's own zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from meteorograph.accounts import monthly_spread, quota
from meteorograph.model.account import Account

LOS_ANGELES = "America/Los_Angeles"


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


PERIODS = [
    ("month", LOS_ANGELES, "2026-11-01T06:59:59", "2026-10-01T07:00", "2026-11-01T07:00"),
    ("month", LOS_ANGELES, "2026-11-01T07:00:00", "2026-11-01T07:00", "2026-12-01T08:00"),  # the clocks go back in it
    ("month", LOS_ANGELES, "2027-01-01T07:59:59", "2026-12-01T08:00", "2027-01-01T08:00"),
    ("month", LOS_ANGELES, "2028-02-29T23:00:00", "2028-02-01T08:00", "2028-03-01T08:00"),
    ("day", LOS_ANGELES, "2026-11-01T12:00:00", "2026-11-01T07:00", "2026-11-02T08:00"),  # 25 hours
    ("day", LOS_ANGELES, "2026-03-08T12:00:00", "2026-03-08T08:00", "2026-03-09T07:00"),  # 23 hours
    ("day", "America/Havana", "2026-03-08T12:00:00", "2026-03-08T05:00", "2026-03-09T04:00"),  # a day without a midnight
    ("day", "Pacific/Kiritimati", "2026-03-08T09:59:59", "2026-03-07T10:00", "2026-03-08T10:00"),
    ("day", "Asia/Kolkata", "2026-03-08T18:30:00", "2026-03-08T18:30", "2026-03-09T18:30"),
    ("hour", "Asia/Kolkata", "2026-03-08T18:29:59", "2026-03-08T18:00", "2026-03-08T19:00"),
    ("minute", "Asia/Kolkata", "2026-03-08T18:29:59", "2026-03-08T18:29", "2026-03-08T18:30"),
]


@pytest.mark.parametrize(("window", "zone", "now", "start", "end"), PERIODS)
def test_a_period_is_one_of_the_zone(window: str, zone: str, now: str, start: str, end: str) -> None:
    assert quota.period_start(window, _at(now), zone) == _at(start)
    assert quota.period_end(window, _at(now), zone) == _at(end)


@pytest.mark.parametrize("window", ["day", "month"])
@pytest.mark.parametrize("zone", ["UTC", LOS_ANGELES, "Europe/Athens", "America/Havana", "Australia/Lord_Howe"])
def test_periods_follow_each_other_without_a_hole(window: str, zone: str) -> None:
    starts = [quota.period_start(window, _at("2026-01-15"), zone)]
    while starts[-1] < _at("2028-04-01"):
        starts.append(quota.period_end(window, starts[-1], zone))
    for start, end in pairwise(starts):
        assert quota.period_start(window, end - timedelta(microseconds=1), zone) == start < end


def test_a_small_month_is_spread_over_the_month_of_the_zone() -> None:
    first, hour = _at("2026-11-01T07:00"), timedelta(hours=1)
    assert monthly_spread.allowance(Account("x", {"month": 100}, LOS_ANGELES), 95, first - hour, hour) == 0
    assert monthly_spread.allowance(Account("x", {"month": 100}, LOS_ANGELES), 0, first, hour) == 1
    assert monthly_spread.allowance(Account("x", {"month": 100}, LOS_ANGELES), 1, first, hour) == 0


def test_what_live_collection_is_going_to_need_shrinks_towards_the_end_of_the_window() -> None:
    needs = {"minute": 50, "hour": 1000, "day": 2400, "month": 72_000}
    assert quota.live_needs(needs, _at("2026-11-01"), "UTC") == needs
    assert quota.live_needs(needs, _at("2026-11-16T12:00"), "UTC") == {"minute": 50, "hour": 1000, "day": 1200, "month": 34_800}
    last = quota.live_needs(needs, _at("2026-12-01") - timedelta(microseconds=1), "UTC")
    assert (last["day"], last["month"]) == (1, 1)
    assert quota.live_needs({"month": 720}, _at("2026-11-01T06:59"), LOS_ANGELES) == {"month": 1}


def test_a_minute_and_an_hour_count_in_full_until_their_end() -> None:
    needs = {"minute": 50, "hour": 1000, "day": 2400}
    assert quota.live_needs(needs, _at("2026-11-01T06:30:45"), "UTC") == {"minute": 50, "hour": 1000, "day": 1749}
