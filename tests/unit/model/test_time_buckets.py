"""Buckets, tallies and amounts: what ranges are cut into, and what values come to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from meteorograph.model.precipitation_totals import Total
from meteorograph.model.statistics import PARTS, STATISTICS, Summary, compute_statistics, merge_summaries, summarise
from meteorograph.model.time_buckets import bucket_edges, parse_bucket, zone_or_utc

HOUR = timedelta(hours=1)
ATHENS = ZoneInfo("Europe/Athens")
SPRING, AUTUMN = datetime(2026, 3, 29, tzinfo=ATHENS), datetime(2026, 10, 25, tzinfo=ATHENS)


def _hours(marks: list[datetime]) -> list[float]:
    return [(after - before) / HOUR for before, after in pairwise(marks)]


@pytest.mark.parametrize(
    ("text", "length"),
    [("hour", HOUR), ("day", 24 * HOUR), ("month", None), ("15m", HOUR / 4), ("6h", 6 * HOUR), ("1D", 24 * HOUR)],
)
def test_a_bucket_is_a_word_or_a_length(text: str, length: timedelta | None) -> None:
    assert parse_bucket(text) == length


@pytest.mark.parametrize("text", ["", "week", "7h", "0m", "30s", "90s", "2d", "-1h", "1.5h", "25h", "h", "7m"])
def test_what_is_no_bucket_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be hour, day, month"):
        parse_bucket(text)


@pytest.mark.parametrize(("day", "length"), [(SPRING, 23), (AUTUMN, 25), (SPRING + timedelta(days=1), 24)])
def test_local_days_are_as_long_as_they_are(day: datetime, length: int) -> None:
    marks = bucket_edges(day, day + HOUR, 24 * HOUR, ATHENS)
    assert _hours(marks) == [length]
    assert marks[0] == day
    assert marks[0].tzinfo is UTC
    assert _hours(bucket_edges(marks[0], marks[1], HOUR, ATHENS)) == [1] * length
    assert sum(_hours(bucket_edges(marks[0], marks[1], 6 * HOUR, ATHENS))) == length


def test_the_last_bucket_of_a_day_on_which_the_clocks_change_is_shorter() -> None:
    assert _hours(bucket_edges(SPRING.astimezone(UTC), SPRING.astimezone(UTC) + 23 * HOUR, 6 * HOUR, ATHENS)) == [6, 6, 6, 5]
    assert _hours(bucket_edges(AUTUMN.astimezone(UTC), AUTUMN.astimezone(UTC) + 25 * HOUR, 6 * HOUR, ATHENS)) == [6, 6, 6, 6, 1]


def test_months_begin_at_local_midnight() -> None:
    marks = bucket_edges(datetime(2025, 12, 31, 23, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC), None, ATHENS)
    local = [datetime(2026, month, 1, tzinfo=ATHENS) for month in (1, 2, 3, 4)]
    assert marks == local


def test_buckets_are_whole_and_have_their_start_but_not_their_end() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert bucket_edges(noon, noon + HOUR, HOUR, zone_or_utc(None)) == [noon, noon + HOUR]
    assert bucket_edges(noon + HOUR / 2, noon + HOUR * 1.1, HOUR, zone_or_utc(None)) == [noon, noon + HOUR, noon + 2 * HOUR]
    assert bucket_edges(noon, noon, HOUR, zone_or_utc(None)) == []


@pytest.mark.parametrize(
    "zone", ["America/Sao_Paulo", "Asia/Beirut", "America/Havana", "Atlantic/Azores", "Africa/Cairo", "Asia/Tehran"]
)
def test_where_the_clocks_change_at_midnight_no_hour_is_lost_or_doubled(zone: str) -> None:
    start = datetime(2015, 1, 1, 12, tzinfo=UTC)
    marks = bucket_edges(start, start + timedelta(days=1500), 24 * HOUR, ZoneInfo(zone))
    assert set(_hours(marks)) <= {23, 24, 25}
    assert len({mark.astimezone(ZoneInfo(zone)).date() for mark in marks}) == len(marks)


def test_half_an_hour_off_utc_hours_are_local_ones() -> None:
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert bucket_edges(start, start + HOUR, HOUR, ZoneInfo("Asia/Kolkata"))[0] == start - HOUR / 2


@pytest.mark.parametrize(
    ("start", "days", "length", "reason"),
    [
        (
            datetime(2026, 1, 1, tzinfo=UTC),
            366,
            timedelta(minutes=1),
            "would give 527,040 buckets, and at most 50,000 ",
        ),
        (datetime(1, 1, 1, tzinfo=UTC), 365 * 400, 24 * HOUR, "would give"),
        (datetime(9999, 1, 1, tzinfo=UTC), 364, 24 * HOUR, "years 2 to 9998"),
    ],
)
def test_too_many_and_impossible_buckets_are_refused(start: datetime, days: int, length: timedelta, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        bucket_edges(start, start + timedelta(days=days), length, ZoneInfo("Pacific/Honolulu"))


def test_a_zone_that_nobody_knows_is_utc() -> None:
    assert {zone_or_utc(name).key for name in (None, "", "Mars/Olympus", "../etc/passwd")} == {"UTC"}


def _statistics(name: str, *summaries: Summary) -> dict[str, Any]:
    """The statistics of two hours."""
    [row] = zip(*compute_statistics(name, list(zip(*summaries, strict=True)), [7200.0]), strict=True)
    return dict(zip(STATISTICS[name], row, strict=True))


def _total(amount: float | None) -> Total:
    return Total(amount, 7200.0 if amount else 0.0, 7200.0, 1)


def test_wind_directions_are_averaged_as_vectors() -> None:
    def mean(*values: float) -> Any:
        found = _statistics("wind_direction", summarise("wind_direction", values))
        assert (found["min"], found["max"], found["sum"], found["count"]) == (None, None, None, len(values))
        return found["mean"]

    assert mean(350, 10) == 0
    assert mean(350, 20) == 5
    assert mean(90) == 90
    assert mean(0, 180) is None
    assert mean() is None


@pytest.mark.parametrize("name", list(PARTS))
def test_summaries_of_parts_merge_to_that_of_the_whole(name: str) -> None:
    values = [3.5, 0.25, 300.0, 12.125, 7.0, 7.0]
    parts = [summarise(name, part, _total(sum(part)), "b" if part else "") for part in (values[:2], [], values[2:5], values[5:])]
    whole = summarise(name, values, Total(sum(values), 3 * 7200.0, 7200.0, 4), "b")
    merged = _statistics(name, merge_summaries(name, list(zip(*parts, strict=True))))
    assert list(merged.values()) == [
        wanted if isinstance(wanted, list) else pytest.approx(wanted) for wanted in _statistics(name, whole).values()
    ]
    nothing = _statistics(name, summarise(name, []))
    zeros = {"count": 0, "covered_seconds": 0.0, "unknown_count": 0, "providers": []}
    assert nothing == {part: zeros.get(part) for part in STATISTICS[name]}
    assert _statistics(name, merge_summaries(name, list(zip(summarise(name, []), strict=True)))) == nothing


def test_only_amounts_have_a_sum() -> None:
    found = _statistics("temperature", summarise("temperature", [1.0, 3.0]))
    assert found == {"min": 1, "max": 3, "mean": 2, "sum": None, "count": 2}


def test_a_sum_says_how_much_of_its_time_is_covered() -> None:
    found = _statistics("precipitation", summarise("precipitation", [1.0, 3.0], Total(3.0, 5400.0, 7200.0, 2), {"b", "a"}))
    assert found == {
        "min": 1,
        "max": 3,
        "mean": 2,
        "sum": 3.0,
        "count": 2,
        "sum_estimated": 4.0,
        "covered_seconds": 5400.0,
        "unknown_count": 2,
        "providers": ["a", "b"],
    }
    partial = _statistics("precipitation", summarise("precipitation", [1.0], Total(3.0, 5399.0, 7200.0, 0), ["a"]))
    assert partial["sum_estimated"] is None


def test_the_most_buckets_are_allowed() -> None:
    quarter = timedelta(minutes=15)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert len(bucket_edges(start, start + 50_000 * quarter, quarter, ZoneInfo("UTC"))) == 50_001
    with pytest.raises(ValueError, match="would give 50,001 buckets"):
        bucket_edges(start, start + 50_001 * quarter, quarter, ZoneInfo("UTC"))


def test_the_first_month_is_the_local_one() -> None:
    start = datetime(2026, 3, 1, 2, tzinfo=UTC)  # still February in New York
    edges = bucket_edges(start, start + HOUR, None, ZoneInfo("America/New_York"))
    assert edges == [datetime(2026, 2, 1, 5, tzinfo=UTC), datetime(2026, 3, 1, 5, tzinfo=UTC)]
