"""Schedules: the UTC grid, cron expressions on the nights the clocks change, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meteorograph.model import schedule
from meteorograph.model.cron import Cron
from meteorograph.model.schedule import Interval, parse_schedule, tick_seconds

ATHENS = ZoneInfo("Europe/Athens")
HOUR = timedelta(hours=1)
INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # hypothesis adds UTC


def _day(year: int, month: int, day: int) -> tuple[datetime, datetime]:
    """A local day of Athens, from midnight to midnight."""
    begins = datetime(year, month, day, tzinfo=ATHENS)
    return begins.astimezone(UTC), datetime(year, month, day + 1, tzinfo=ATHENS).astimezone(UTC)


def _slots(when: schedule.Schedule, begins: datetime, ends: datetime) -> list[datetime]:
    return list(when.slots_between(begins - timedelta(microseconds=1), ends))


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 28), 24), ((2026, 3, 29), 23), ((2026, 10, 25), 25)])
@pytest.mark.parametrize("text", ["1h", "0 * * * * Europe/Athens"])
def test_every_real_hour_of_the_nights_the_clocks_change_has_its_slot(text: str, day: tuple[int, int, int], hours: int) -> None:
    slots = _slots(parse_schedule(text), *_day(*day))
    assert len(slots) == len(set(slots)) == hours
    assert {later - earlier for earlier, later in pairwise(slots)} == {HOUR}


@pytest.mark.parametrize(
    ("day", "at"),
    [
        ((2026, 3, 28), "2026-03-28T01:30:00+00:00"),
        ((2026, 3, 29), "2026-03-29T01:00:00+00:00"),  # 03:30 does not exist: right after the jump
        ((2026, 10, 25), "2026-10-25T00:30:00+00:00"),  # 03:30 comes twice: the first time
        ((2026, 10, 26), "2026-10-26T01:30:00+00:00"),
    ],
)
def test_a_fixed_time_comes_once_on_each_of_those_days(day: tuple[int, int, int], at: str) -> None:
    assert [slot.isoformat() for slot in _slots(Cron("30 3 * * *", "Europe/Athens"), *_day(*day))] == [at]


@pytest.mark.parametrize("expression", ["30 3 * * *", "0 * * * *", "*/30 * * * *", "15 0,3,4 * * *", "0 12 1 * *"])
def test_looking_back_finds_what_looking_ahead_promised(expression: str) -> None:
    when = Cron(expression, "Europe/Athens")
    for begins, ends in (_day(2026, 3, 29), _day(2026, 10, 25)):
        slots = _slots(when, begins - 40 * 24 * HOUR, ends + 40 * 24 * HOUR)
        for earlier, later in pairwise(slots):
            assert when.slot_at(earlier) == earlier
            assert when.slot_at(later - timedelta(seconds=1)) == earlier
            assert when.next_after(earlier) == later


@given(INSTANTS, st.integers(1, 86400))
def test_a_slot_of_an_interval_is_on_the_grid_and_not_older_than_the_interval(now: datetime, seconds: int) -> None:
    length = timedelta(seconds=seconds)
    slot = Interval(length).slot_at(now)
    assert timedelta(0) <= now - slot < length
    assert (slot - schedule.EPOCH) % length == timedelta(0)
    assert Interval(length).next_after(now) == slot + length


@given(st.integers(1, 86400))
def test_no_slot_falls_between_two_ticks(seconds: int) -> None:
    tick = tick_seconds(timedelta(seconds=seconds))
    assert 1 <= tick <= 15
    assert seconds % tick == 0


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("1m", Interval(timedelta(minutes=1))),
        (" 24H ", Interval(timedelta(days=1))),
        ("1d", Interval(timedelta(days=1))),
        ("0 6,18 * * *", Cron("0 6,18 * * *")),
        ("0  6 * * 1-5   Europe/Athens", Cron("0 6 * * 1-5", "Europe/Athens")),
    ],
)
def test_what_is_a_schedule(text: str, when: schedule.Schedule) -> None:
    assert parse_schedule(text) == when


@pytest.mark.parametrize(
    "text",
    ["", "x", "59s", "90s", "25h", "2d", "0m", "-1h", "60 * * * *", "0 0 31 2 *", "0 6 * * * Mars/Base", "* * * *", "@daily"],
)
def test_what_is_none_says_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="from 1m to 24h"):
        parse_schedule(text)


def test_a_schedule_that_never_was_due_has_no_slot() -> None:
    assert Cron("0 0 29 2 *").slot_at(datetime(2026, 3, 1, tzinfo=UTC)) == datetime(2024, 2, 29, tzinfo=UTC)


def test_a_lease_is_shorter_than_half_a_slot() -> None:
    assert schedule.lease_length(HOUR) == timedelta(seconds=30)
    assert schedule.lease_length(timedelta(seconds=10)) == timedelta(seconds=5)
