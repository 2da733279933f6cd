"""Totals from windows that overlap, are missing, or of an unknown length."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meteorograph.model.precipitation_totals import PlacedWindow, Total, Window, place_windows, total_range, total_ranges

HOUR = 3600
MIDNIGHT = 1_772_323_200  # 2026-03-01


def amount(end: float, hours: float | None, millimetres: float) -> Window:
    """What fell in so many hours up to ``end`` [h after midnight]."""
    return Window(MIDNIGHT + round(end * HOUR), None if hours is None else round(hours * HOUR), millimetres)


def total(amounts: list[Window], start: float, end: float, slack: float = 0) -> Total:
    return total_ranges(amounts, [MIDNIGHT + start * HOUR, MIDNIGHT + end * HOUR], slack)[0]


def told(one: Total) -> tuple[float | None, float]:
    return one.amount, one.covered_seconds / HOUR


def test_windows_that_tile_add_up() -> None:
    assert told(total([amount(n, 1, 0.5) for n in range(1, 25)], 0, 24)) == (12.0, 24)


def test_hours_that_are_missing_show_in_the_coverage() -> None:
    found = total([amount(1, 1, 0.5), amount(4, 1, 0.7)], 0, 4)
    assert told(found) == (1.2, 2)
    assert found.coverage == 0.5


def test_nothing_known_is_none_and_not_zero() -> None:
    assert told(total([], 0, 1)) == (None, 0)
    assert told(total([amount(1, 1, 0.0)], 0, 1)) == (0.0, 1)


def test_windows_that_overlap_are_counted_once() -> None:
    three_hourly_every_hour = [amount(n, 3, 3.0) for n in range(3, 25)]
    assert told(total(three_hourly_every_hour, 0, 24)) == (24.0, 24)


def test_a_longer_window_gives_what_the_shorter_ones_in_it_leave() -> None:
    found = [amount(3, 3, 6.0), amount(2, 1, 2.5)]
    assert told(total(found, 0, 3)) == (6.0, 3)
    assert told(total(found, 1, 2)) == (2.5, 1)
    assert told(total(found, 0, 1)) == (None, 0)  # of the first and the last hour only the sum is known
    assert told(total([*found, amount(1, 1, 3.0)], 2, 3)) == (0.5, 1)


def test_a_longer_window_that_a_shorter_one_reaches_into_is_left_out() -> None:
    found = [amount(3, 3, 6.0), amount(3.5, 1, 2.5)]
    assert told(total(found, 0, 4)) == (2.5, 1)


def test_a_rest_below_zero_is_zero() -> None:
    assert told(total([amount(3, 3, 6.0), amount(2, 1, 6.1)], 0, 3)) == (6.1, 3)


def test_an_amount_that_is_covered_already_adds_nothing() -> None:
    hourly = [amount(n, 1, 1.0) for n in (1, 2, 3)]
    assert told(total([*hourly, amount(3, 3, 9.0)], 0, 3)) == (3.0, 3)
    assert told(total([*hourly, *hourly], 0, 3)) == (3.0, 3)


def test_a_window_across_the_bound_belongs_to_neither_side() -> None:
    found = [amount(4, 3, 6.0)]
    assert told(total(found, 0, 3)) == (None, 0)
    assert told(total(found, 3, 6)) == (None, 0)
    assert told(total(found, 0, 6)) == (6.0, 3)


def test_an_unknown_period_is_told_and_never_added() -> None:
    found = total([amount(1, 1, 0.5), amount(1, None, 7.0), amount(0.5, None, 7.0), amount(2, None, 7.0)], 0, 1)
    assert (found.amount, found.coverage, found.unknown) == (0.5, 1, 2)


def test_times_that_jitter_still_tile() -> None:
    late = [0, 190, 20, 540, 75]  # [s]
    found = [amount(n + seconds / HOUR, 1, 1.0) for n, seconds in enumerate(late, start=1)]
    each = total_ranges(found, [MIDNIGHT + n * HOUR for n in range(6)])
    assert [one.amount for one in each] == [1.0] * 5
    assert all(0.8 < one.coverage <= 1 for one in each)
    assert total(found, 0, 5, slack=600).amount == 5.0
    early = [amount(n - 7 / 60, 1, 1.0) for n in range(1, 6)]  # reports of seven minutes before the hour
    assert [one.amount for one in total_ranges(early, [MIDNIGHT + n * HOUR for n in range(6)])] == [1.0] * 5


def test_slack_is_a_sixth_of_a_short_window_at_most() -> None:
    ten_minutes = 1 / 6
    late = [amount(ten_minutes, ten_minutes, 1.0), amount(ten_minutes * 1.9, ten_minutes, 1.0)]
    assert total(late, 0, 1, slack=600).amount == 2.0
    over = [amount(ten_minutes, ten_minutes, 1.0), amount(ten_minutes * 1.5, ten_minutes, 1.0)]
    assert total(over, 0, 1, slack=600).amount == 1.0


#: What fell in each ten minutes of a day [mm].
rain = st.lists(st.sampled_from([0.0, 0.0, 0.1, 0.25, 2.0]), min_size=144, max_size=144)
#: End and length of windows, in tens of minutes.
windows = st.lists(st.tuples(st.integers(1, 144), st.sampled_from([1, 3, 6, 18, 36, 72])), max_size=60)


def sampled(truth: list[float], asked: list[tuple[int, int]]) -> list[Window]:
    """What gauges that tell the truth give for these windows."""
    inside = [(end, min(length, end)) for end, length in asked]
    return [amount(end / 6, length / 6, sum(truth[end - length : end])) for end, length in inside]


@given(rain, windows, st.integers(0, 143), st.integers(1, 144))
def test_a_total_is_never_more_than_fell(truth: list[float], asked: list[tuple[int, int]], start: int, length: int) -> None:
    end = min(144, start + length)
    found = total(sampled(truth, asked), start / 6, end / 6)
    assert (found.amount or 0) <= sum(truth[start:end]) + 1e-6
    assert 0 <= found.coverage <= 1


@given(rain, windows)
def test_pieces_do_not_touch_and_each_is_the_truth(truth: list[float], asked: list[tuple[int, int]]) -> None:
    pieces = place_windows(sampled(truth, asked), slack=0)
    tens = [[(begin - MIDNIGHT) / 600, (end - MIDNIGHT) / 600] for piece in pieces for begin, end in piece.stretches]
    assert all(before[1] <= after[0] for before, after in pairwise(sorted(tens)))
    for piece in pieces:
        stretches = [(round((begin - MIDNIGHT) / 600), round((end - MIDNIGHT) / 600)) for begin, end in piece.stretches]
        assert piece.amount == pytest.approx(sum(sum(truth[begin:end]) for begin, end in stretches))


@given(rain, windows)
def test_with_windows_that_tile_the_total_is_what_fell_whatever_overlaps_them(
    truth: list[float], asked: list[tuple[int, int]]
) -> None:
    tiles = [(end, 6) for end in range(6, 145, 6)]
    longer = [(end, length) for end, length in asked if length > 6]
    found = total(sampled(truth, [*longer, *tiles]), 0, 24)
    assert found.amount == pytest.approx(sum(truth), abs=1e-6)
    assert found.coverage == 1


@given(rain, windows, st.permutations(range(60)))
def test_the_order_of_the_amounts_does_not_matter(truth: list[float], asked: list[tuple[int, int]], order: list[int]) -> None:
    amounts = sampled(truth, asked)
    shuffled = [amounts[n] for n in order if n < len(amounts)]
    assert place_windows(amounts, slack=0) == place_windows(shuffled, slack=0)


LONG = Window(10_800, 10_800, 5.0)


@pytest.mark.parametrize(
    ("window", "amount", "covered"),
    [
        (Window(1199, 1800, 1.0), 5.0, 10_800),  # starts 601 s before the range: has no influence
        (Window(1200, 1800, 1.0), 1.0, 1200),  # starts 600 s before: counts, and LONG overlaps it
        (Window(11_401, 1800, 1.0), 5.0, 10_800),  # ends 601 s after the range
        (Window(11_400, 1800, 1.0), 1.0, 1200),
        (Window(600, 1200, 1.0), 5.0, 10_800),  # its middle is the start of the range, which is excluded
        (Window(11_400, 1200, 1.0), 6.0, 10_800),  # its middle is the end, which is included: LONG is trimmed
        (Window(3600, None, 1.0), 5.0, 10_800),
    ],
)
def test_a_window_counts_in_a_range_up_to_the_slack(window: Window, amount: float, covered: float) -> None:
    total = total_range([LONG, window], 0, 10_800)
    assert total == Total(amount, covered, 10_800, int(window.seconds is None))
    assert total_range([window, LONG], 0, 10_800) == total


@pytest.mark.parametrize(
    ("windows", "slack", "amount", "covered"),
    [
        ([Window(3600, 3600, 1.0), Window(7140, 3600, 2.0)], 600, 3.0, 7140),
        ([Window(3600, 3600, 1.0), Window(7140, 3600, 2.0)], 0, 1.0, 3600),
        ([Window(3600, 3600, 1.0), Window(6600, 3600, 2.0)], 600, 3.0, 6600),  # overlap of the slack, at the start
        ([Window(3600, 3600, 1.0), Window(6599, 3600, 2.0)], 600, 1.0, 3600),
        ([Window(3600, 3600, 1.0), Window(6000, 3000, 2.0)], 600, 3.0, 6000),  # overlap of the slack, at the end
        ([Window(3601, 3600, 1.0), Window(6000, 3000, 2.0)], 600, 2.0, 3000),
        ([Window(3600, 3600, 5.0), Window(300, 300, 1.0)], 600, 5.0, 3600),  # same start: contained, not trimmed
        ([Window(3600, 3600, 5.0), Window(3600, 300, 1.0)], 600, 5.0, 3600),  # same end
        ([Window(7200, 7200, 0.1234567)], 600, 0.123457, 7200),
    ],
)
def test_two_ways_to_the_same_total(windows: list[Window], slack: float, amount: float, covered: float) -> None:
    expected = Total(amount, covered, 7200, 0)
    assert total_range(windows, 0, 7200, slack) == total_ranges(windows, (0, 7200), slack)[0] == expected


def test_a_stretch_in_the_slack_after_the_range_covers_nothing_of_the_range() -> None:
    total = total_range([Window(11_100, 11_100, 5.0), Window(10_900, 600, 1.0)], 0, 10_800)
    assert total == Total(5.0, 10_800, 10_800, 0)


def test_a_window_is_trimmed_at_both_ends_around_a_window_inside() -> None:
    before, inside, after = Window(300, 1800, 1.0), Window(4800, 1800, 2.0), Window(12_300, 1800, 3.0)
    assert place_windows([Window(10_800, 10_800, 9.0), after, inside, before]) == [
        PlacedWindow(((-1500, 300),), 1.0),
        PlacedWindow(((300, 3000), (4800, 10_500)), 7.0),
        PlacedWindow(((3000, 4800),), 2.0),
        PlacedWindow(((10_500, 12_300),), 3.0),
    ]
    assert place_windows([Window(10_800, 10_800, 9.0), inside, before])[1] == PlacedWindow(((300, 3000), (4800, 10_800)), 7.0)
    assert place_windows([Window(10_800, 10_800, 9.0), after, inside])[0] == PlacedWindow(((0, 3000), (4800, 10_500)), 7.0)
