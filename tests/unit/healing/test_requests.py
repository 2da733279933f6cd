"""Which hours one request asks for, which answer belongs to which slot, and how long a failure waits."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from meteorograph.healing.requests import (
    FAILED_FIRST,
    FAILED_LONGEST,
    hour_of,
    is_published,
    is_within_reach,
    make_requests,
    match_slots,
    wait_after_failure,
)
from meteorograph.model.values import Coordinates, DueLocation, Observation
from meteorograph.providers.base import History
from meteorograph.providers.registry import PROVIDERS
from support import NOON

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
CORK = DueLocation(1, "Cork", Coordinates(51.9, -8.47))
TIMELINE, TIMEMACHINE = PROVIDERS["openweathermap"].history
RECENT, ARCHIVE = PROVIDERS["open-meteo"].history


def _at(*hours: float) -> list[datetime]:
    return [NOON + hour * HOUR for hour in hours]


@pytest.mark.parametrize(
    ("minutes", "hour"),
    [(0, 0), (1, 0), (30, 0), (30.01, 1), (59, 1), (-1, 0), (-29, 0), (-30, -1), (-31, -1)],
)
def test_the_hour_of_a_slot_is_the_nearest_and_of_two_the_earlier(minutes: float, hour: int) -> None:
    assert hour_of(NOON + minutes * MINUTE) == NOON + hour * HOUR


def test_a_slot_is_there_once_its_hour_is_past_and_the_delay_over() -> None:
    assert is_published(RECENT, NOON, NOON)
    assert not is_published(RECENT, NOON + 31 * MINUTE, NOON + 59 * MINUTE)
    assert is_published(RECENT, NOON + 31 * MINUTE, NOON + HOUR)
    assert not is_published(ARCHIVE, NOON, NOON + ARCHIVE.delay - MINUTE)
    assert is_published(ARCHIVE, NOON, NOON + ARCHIVE.delay)


def test_a_slot_is_within_reach_as_long_as_its_hour_is() -> None:
    assert RECENT.reach is not None
    assert is_within_reach(RECENT, NOON + 10 * MINUTE, NOON + RECENT.reach)
    assert not is_within_reach(RECENT, NOON + 10 * MINUTE, NOON + RECENT.reach + MINUTE)
    assert is_within_reach(ARCHIVE, datetime.min.replace(year=1940, tzinfo=NOON.tzinfo), NOON)


def _found(slots: list[datetime], history: History) -> list[tuple[float, float, int]]:
    """The first and the last hour of each stretch, after noon, and its slots; each slot is in one, newest first."""
    made = list(make_requests(CORK, slots, history))
    assert [slot for one in made for slot in one.slots] == sorted(slots, reverse=True)
    return [((one.start - NOON) / HOUR, (one.end - NOON) / HOUR, len(one.slots)) for one in made]


def test_slots_in_a_row_are_one_stretch_as_long_as_one_request_takes_them() -> None:
    assert _found([], TIMELINE) == []
    assert _found(_at(5), TIMELINE) == [(5, 5, 1)]
    assert _found(_at(*range(20)), TIMELINE) == [(0, 19, 20)]
    assert _found(_at(*range(21)), TIMELINE) == [(1, 20, 20), (0, 0, 1)]
    assert _found(_at(*range(337)), RECENT) == [(0, 336, 337)]
    assert _found(_at(*range(338)), RECENT) == [(1, 337, 337), (0, 0, 1)]


def test_hours_that_nobody_misses_are_bridged_only_where_that_costs_nothing() -> None:
    holes = [0, 1, 5, 18]
    assert _found(_at(*holes), TIMELINE) == [(0, 18, 4)]
    assert _found(_at(*holes), TIMEMACHINE) == [(18, 18, 1), (5, 5, 1), (0, 1, 2)]
    dearer = replace(TIMELINE, span=100 * HOUR)
    assert _found(_at(0, 25), dearer) == [(0, 25, 2)], "two pages either way"
    assert _found(_at(0, 45), dearer) == [(45, 45, 1), (0, 0, 1)]


def test_slots_between_the_hours_share_the_request_of_their_hour() -> None:
    quarters = [NOON + number * 15 * MINUTE for number in range(9)]
    assert _found(quarters, TIMEMACHINE) == [(0, 2, 9)]
    (one,) = make_requests(CORK, _at(0.25, 0.5), TIMEMACHINE)
    assert (one.start, one.end) == (NOON, NOON)


def _observation(minutes: float | None, **values: Any) -> Observation:
    at = None if minutes is None else NOON + minutes * MINUTE
    return Observation(provider="p", fetched_at=NOON, observed_at=at, **(values or {"temperature": minutes or 0.0}))


@pytest.mark.parametrize(
    ("slot", "observed", "nearest"),
    [
        (0, [0], 0),
        (0, [-30], -30),
        (0, [30], 30),
        (0, [-31, 31], None),
        (0, [-20, 20], -20),
        (0, [-20, 19], 19),
        (0, [60, -60, 10, -15], 10),
        (0, [], None),
    ],
)
def test_a_slot_gets_the_nearest_observation_within_half_an_hour(
    slot: float, observed: list[float], nearest: float | None
) -> None:
    at = NOON + slot * MINUTE
    found = match_slots([at], [_observation(minutes) for minutes in observed])
    assert {at: one.temperature for at, one in found.items()} == ({} if nearest is None else {at: nearest})


def test_an_observation_that_says_nothing_is_none() -> None:
    silent = _observation(0, condition="clear", precipitation_period=3600)
    assert match_slots([NOON], [silent]) == {}
    assert match_slots([NOON], [silent, _observation(20)])[NOON].temperature == 20
    assert match_slots([NOON], [_observation(None)]) == {}
    assert match_slots([NOON], [_observation(0, precipitation=0.0)])[NOON].precipitation == 0


def test_waits_double_up_to_a_day_and_begin_anew_with_another_slot() -> None:
    assert wait_after_failure(None, None) == FAILED_FIRST
    wait, waits = timedelta(0), []
    for _ in range(10):
        wait = wait_after_failure(NOON, NOON + wait)
        waits.append(wait)
    assert waits[:3] == [FAILED_FIRST, 2 * FAILED_FIRST, 4 * FAILED_FIRST]
    assert waits[-1] == FAILED_LONGEST
    assert waits == sorted(waits)
