"""Totals from windows that overlap, are missing, exceed their range, or have an unknown length."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meteorograph.model.precipitation_totals import Total, Window, estimate_total, rate_stretches, total_ranges

HOUR = 3600
MIDNIGHT = 1_772_323_200  # 2026-03-01


def amount(end: float, hours: float | None, millimetres: float) -> Window:
    """What fell in so many hours up to ``end`` [h after midnight]."""
    return Window(MIDNIGHT + round(end * HOUR), None if hours is None else round(hours * HOUR), millimetres)


def total(amounts: list[Window], start: float, end: float) -> Total:
    return total_ranges(amounts, [MIDNIGHT + start * HOUR, MIDNIGHT + end * HOUR])[0]


def measured(one: Total) -> tuple[float | None, float]:
    return one.amount, one.covered_seconds / HOUR


def test_windows_that_tile_add_up() -> None:
    assert measured(total([amount(n, 1, 0.5) for n in range(1, 25)], 0, 24)) == (12.0, 24)


def test_missing_hours_show_in_the_coverage() -> None:
    found = total([amount(1, 1, 0.5), amount(4, 1, 0.7)], 0, 4)
    assert measured(found) == (1.2, 2)
    assert found.coverage == 0.5


def test_nothing_known_is_none_and_not_zero() -> None:
    assert measured(total([], 0, 1)) == (None, 0)
    assert measured(total([amount(1, 1, 0.0)], 0, 1)) == (0.0, 1)


def test_overlapping_windows_are_counted_once() -> None:
    three_hourly_every_hour = [amount(n, 3, 3.0) for n in range(3, 25)]
    assert measured(total(three_hourly_every_hour, 0, 24)) == (24.0, 24)


def test_of_equally_long_windows_that_overlap_the_earliest_speaks() -> None:
    found = [amount(1, 1, 2.0), amount(1.5, 1, 4.0)]
    assert measured(total(found, 0, 1)) == (2.0, 1)  # as before the second amount came
    assert measured(total(found, 0, 2)) == (2.0 + 2.0, 1.5)


def test_the_newest_amount_of_the_same_window_counts() -> None:
    assert measured(total([amount(1, 1, 2.0), amount(1, 1, 3.0)], 0, 1)) == (3.0, 1)
    assert measured(total([amount(1, 1, 3.0), amount(1, 1, 2.0)], 0, 1)) == (2.0, 1)


def test_a_longer_window_gives_what_the_shorter_ones_inside_leave() -> None:
    found = [amount(3, 3, 6.0), amount(2, 1, 2.5)]
    assert measured(total(found, 0, 3)) == (6.0, 3)
    assert measured(total(found, 1, 2)) == (2.5, 1)
    assert measured(total(found, 0, 1)) == (1.75, 1)  # the rest, spread evenly over the first and the last hour
    assert measured(total([*found, amount(1, 1, 3.0)], 2, 3)) == (0.5, 1)


def test_a_longer_window_that_a_shorter_one_overlaps_in_part_counts_pro_rata() -> None:
    found = [amount(3, 3, 6.0), amount(3.5, 1, 2.5)]
    assert measured(total(found, 0, 4)) == (5.0 + 2.5, 3.5)


def test_a_rest_below_zero_is_zero() -> None:
    assert measured(total([amount(3, 3, 6.0), amount(2, 1, 6.1)], 0, 3)) == (6.1, 3)


def test_an_amount_whose_time_is_covered_adds_nothing() -> None:
    hourly = [amount(n, 1, 1.0) for n in (1, 2, 3)]
    assert measured(total([*hourly, amount(3, 3, 9.0)], 0, 3)) == (3.0, 3)
    assert measured(total([*hourly, *hourly], 0, 3)) == (3.0, 3)


def test_a_window_across_an_edge_is_split_there() -> None:
    found = [amount(4, 3, 6.0)]
    assert measured(total(found, 0, 3)) == (4.0, 2)
    assert measured(total(found, 3, 6)) == (2.0, 1)
    assert measured(total(found, 0, 6)) == (6.0, 3)


def test_three_hourly_windows_across_midnight_fill_the_day() -> None:
    found = [amount(1 + 3 * n, 3, 3.0) for n in range(9)]
    assert measured(total(found, 0, 24)) == (24.0, 24)


def test_an_unknown_period_is_counted_and_never_added() -> None:
    found = total([amount(1, 1, 0.5), amount(1, None, 7.0), amount(0.5, None, 7.0), amount(2, None, 7.0)], 0, 1)
    assert (found.amount, found.coverage, found.unknown) == (0.5, 1, 2)


@pytest.mark.parametrize("jitter", [0, 12, 15, 20, 30, 60])
def test_hours_whose_time_jitters_give_the_rain_of_the_covered_time(jitter: int) -> None:
    rng = random.Random(7)
    ends = [n * HOUR + rng.randint(0, jitter * 60) for n in range(-24, 49)]
    covered = sum(any(end - HOUR < second <= end for end in ends[22:52]) for second in range(1, 24 * HOUR + 1))
    found = total([Window(MIDNIGHT + end, HOUR, 1.0) for end in ends], 0, 24)
    assert found.covered_seconds == covered
    assert found.amount == pytest.approx(covered / HOUR)
    assert found.estimate == pytest.approx(24)


def test_reports_of_thirteen_minutes_before_the_hour_fill_every_hour() -> None:
    early = [amount(n - 13 / 60, 1, 1.0) for n in range(-24, 49)]
    hours = total_ranges(early, [MIDNIGHT + n * HOUR for n in range(25)])
    assert [measured(one) for one in hours] == [(1.0, 1)] * 24


def test_a_total_is_estimated_if_three_quarters_are_covered() -> None:
    assert estimate_total(9.0, 0.75 * HOUR, HOUR) == 12.0
    assert estimate_total(9.0, 0.74 * HOUR, HOUR) is None
    assert estimate_total(None, HOUR, HOUR) is None


#: What fell in each ten minutes of a day [mm].
rain = st.lists(st.sampled_from([0.0, 0.0, 0.1, 0.25, 2.0]), min_size=144, max_size=144)
#: End and length of windows, in tens of minutes.
windows = st.lists(st.tuples(st.integers(1, 144), st.sampled_from([1, 3, 6, 18, 36, 72])), max_size=60)


def sampled(truth: list[float], spans: list[tuple[int, int]]) -> list[Window]:
    """What gauges that tell the truth give for these windows."""
    inside = [(end, min(length, end)) for end, length in spans]
    return [amount(end / 6, length / 6, sum(truth[end - length : end])) for end, length in inside]


@given(windows, st.integers(0, 143), st.integers(1, 144))
def test_even_rain_is_measured_exactly_with_any_windows(spans: list[tuple[int, int]], start: int, length: int) -> None:
    end = min(144, start + length)
    covered = {ten for last, span in spans for ten in range(max(0, last - span), last)} & set(range(start, end))
    found = total(sampled([0.5] * 144, spans), start / 6, end / 6)
    assert found.covered_seconds == pytest.approx(600 * len(covered))
    assert (found.amount or 0) == pytest.approx(0.5 * len(covered), abs=1e-5)


@given(rain, windows)
def test_totals_of_hours_add_up_to_that_of_the_day(truth: list[float], spans: list[tuple[int, int]]) -> None:
    amounts = sampled(truth, spans)
    hours = total_ranges(amounts, [MIDNIGHT + n * HOUR for n in range(25)])
    day = total(amounts, 0, 24)
    assert sum(hour.amount or 0 for hour in hours) == pytest.approx(day.amount or 0, abs=1e-4)
    assert sum(hour.covered_seconds for hour in hours) == pytest.approx(day.covered_seconds)


@given(rain, windows)
def test_stretches_do_not_overlap_and_no_rate_is_negative(truth: list[float], spans: list[tuple[int, int]]) -> None:
    stretches = rate_stretches(sampled(truth, spans))
    assert all(before.end <= after.start for before, after in pairwise(stretches))
    assert all(stretch.start < stretch.end and stretch.rate >= 0 for stretch in stretches)


@given(rain, windows)
def test_with_windows_that_tile_the_total_is_what_fell_whatever_overlaps_them(
    truth: list[float], spans: list[tuple[int, int]]
) -> None:
    tiles = [(end, 6) for end in range(6, 145, 6)]
    longer = [(end, length) for end, length in spans if length > 6]
    found = total(sampled(truth, [*longer, *tiles]), 0, 24)
    assert found.amount == pytest.approx(sum(truth), abs=1e-6)
    assert found.coverage == 1


@given(rain, windows, st.permutations(range(60)))
def test_the_order_of_different_windows_does_not_matter(
    truth: list[float], spans: list[tuple[int, int]], order: list[int]
) -> None:
    amounts = sampled(truth, spans)
    shuffled = [amounts[n] for n in order if n < len(amounts)]
    assert rate_stretches(amounts) == rate_stretches(shuffled)
