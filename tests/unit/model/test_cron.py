"""Cron expressions around the changes of the clocks of all zones, compared with a walk through every minute of UTC."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from meteorograph.model.clock_changes import first_change
from meteorograph.model.cron import Cron

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MINUTES = ["0", "1", "29", "30", "45", "59", "7,37", "0-20", "*", "*/7", "*/20", "*/30"]
HOURS = ["*", "*/2", "*/3", "0", "1", "2", "3", "23", "0,12", "1-3", "0-23", "22-23"]
DAYS = ["* * *", "1-15 * *", "* 3,4,9,10,11 *", "* * 0", "30 * *"]


def _numbers(field: str, most: int) -> set[int]:
    """The numbers of a field of a cron expression."""
    numbers: set[int] = set()
    for term in field.split(","):
        span, _, step = term.partition("/")
        low, _, high = (f"0-{most}" if span == "*" else span).partition("-")
        numbers.update(range(int(low), int(high or low) + 1, int(step or 1)))
    return numbers


class _Walk:
    """The slots of an expression, found by a look at what the clocks show in each minute."""

    def __init__(self, expression: str, zone: str, start: datetime, end: datetime) -> None:
        minute, hour, day, month, weekday = expression.split()
        self._minutes, self._hours, self._days = _numbers(minute, 59), _numbers(hour, 23), _numbers(day, 31)
        self._months, self._weekdays = _numbers(month, 12), _numbers(weekday, 6)
        self._is_fixed = not (minute.startswith("*") or hour.startswith("*"))
        self._is_hourly = len(self._hours) == 24 and not self._is_fixed
        instants = [start + index * MINUTE for index in range((end - start) // MINUTE)]
        self._faces = [(at, at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)) for at in instants]
        self.slots = sorted(set(self._find()))

    def _matches(self, face: datetime) -> bool:
        return (
            face.minute in self._minutes
            and face.hour in self._hours
            and face.day in self._days
            and face.month in self._months
            and face.isoweekday() % 7 in self._weekdays
        )

    def _find(self) -> Iterator[datetime]:
        shown: set[datetime] = set()
        for at, face in self._faces:
            if self._matches(face) and not (self._is_fixed and face in shown):
                yield at
            shown.add(face)
        for (_, before), (at, after) in pairwise(self._faces):
            skipped = [before + index * MINUTE for index in range(1, max(1, (after - before) // MINUTE))]
            if any(map(self._matches, skipped)) and (self._is_fixed or self._needs_slot(at, len(skipped))):
                yield at

    def _needs_slot(self, jump: datetime, minutes: int) -> bool:
        """Whether a jump by a part of an hour leaves an hour of an hourly schedule without a slot."""
        if minutes % 60 == 0 or not self._is_hourly:
            return False
        matches = [at for at, face in self._faces if self._matches(face)]
        last, following = (
            max((at for at in matches if at < jump), default=None),
            min((at for at in matches if at >= jump), default=None),
        )
        return last is None or following is None or following - last > HOUR


def _check(zone: str, change: datetime, expression: str) -> None:
    when = Cron(expression, zone)
    start, end = change - 2 * DAY, change + 2 * DAY  # nothing is repeated or skipped for longer than a day
    slots = [slot for slot in _Walk(expression, zone, start - DAY, end + DAY).slots if start <= slot < end]
    assert list(when.slots_between(start - MINUTE / 60, end)) == slots
    for earlier, later in pairwise(slots):
        assert when.next_after(earlier) == when.next_after(later - MINUTE / 60) == later
        assert when.slot_at(earlier) == when.slot_at(later - MINUTE / 60) == earlier
    for at in (change + index * 7 * MINUTE for index in range(-20, 20)):
        following = when.next_after(at)
        assert following is not None
        assert following > at
        assert when.slot_at(following) == following
        assert following < start or following >= end or following in slots
        assert next(when.slots_between(at, following + MINUTE)) == following


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(available_timezones())),
    st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # hypothesis adds UTC
    st.builds("{} {} {}".format, st.sampled_from(MINUTES), st.sampled_from(HOURS), st.sampled_from(DAYS)),
)
@example("Australia/Lord_Howe", datetime(2026, 4, 1, tzinfo=UTC), "0 * * * *")
@example("Australia/Lord_Howe", datetime(2026, 10, 1, tzinfo=UTC), "0 * * * *")
@example("Australia/Lord_Howe", datetime(2026, 10, 1, tzinfo=UTC), "*/20 * * * *")
@example("America/St_Johns", datetime(2010, 3, 1, tzinfo=UTC), "0 * * * *")
@example("America/Havana", datetime(2026, 3, 1, tzinfo=UTC), "0 */2 * * 0")
@example("America/Caracas", datetime(2016, 4, 1, tzinfo=UTC), "45 * * * *")
@example("Pacific/Apia", datetime(2011, 12, 1, tzinfo=UTC), "30 12 30 * *")
@example("Antarctica/Troll", datetime(2026, 3, 1, tzinfo=UTC), "30 1-3 * * *")
def test_slots_are_those_of_a_walk_through_every_minute(zone: str, at: datetime, expression: str) -> None:
    change = first_change(zone, at, at + 366 * DAY)
    _check(zone, change.at if change else at.replace(second=0, microsecond=0), expression)


@pytest.mark.parametrize(
    ("expression", "zone", "now", "last", "following"),
    [
        ("15 3 * * *", "Europe/Athens", "2026-10-25T01:20", "2026-10-25T00:15", "2026-10-26T01:15"),
        ("15 1 * * *", "America/New_York", "2026-11-01T06:20", "2026-11-01T05:15", "2026-11-02T06:15"),
        ("50 1 * * *", "Australia/Lord_Howe", "2026-04-04T15:05", "2026-04-04T14:50", "2026-04-05T15:20"),
        ("15 23 * * *", "Africa/Cairo", "2026-10-29T21:20", "2026-10-29T20:15", "2026-10-30T21:15"),
        ("15 2 * * *", "Africa/Casablanca", "2026-02-15T02:20", "2026-02-15T01:15", "2026-02-16T02:15"),
    ],
)
def test_in_the_second_of_two_equal_hours_a_fixed_time_was_due_in_the_first(
    expression: str, zone: str, now: str, last: str, following: str
) -> None:
    when, at = Cron(expression, zone), datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert when.slot_at(at) == datetime.fromisoformat(last).replace(tzinfo=UTC)
    assert when.next_after(at) == datetime.fromisoformat(following).replace(tzinfo=UTC)


def test_a_half_hour_jump_over_the_full_hour_leaves_no_hour_without_a_slot() -> None:
    noon = datetime(2026, 10, 3, 12, tzinfo=UTC)
    slots = list(Cron("0 * * * *", "Australia/Lord_Howe").slots_between(noon, noon + 6 * HOUR))
    assert [f"{slot:%H:%M}" for slot in slots] == ["12:30", "13:30", "14:30", "15:30", "16:00", "17:00"]


def test_an_expression_that_matched_last_before_the_clocks_changed_many_times() -> None:
    leap_day = datetime(2024, 2, 29, tzinfo=UTC) - 2 * HOUR
    assert Cron("0 0 29 2 *", "Europe/Athens").slot_at(datetime(2027, 12, 1, tzinfo=UTC)) == leap_day
    assert Cron("0 0 29 2 *", "Europe/Athens").next_after(leap_day) == datetime(2028, 2, 28, 22, tzinfo=UTC)
