"""The pure parts of the dashboard: courses, sparklines, gauges and summaries."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from meteorograph.accounts import quota
from meteorograph.ledger import queries
from meteorograph.reading.aggregates import Bucket
from meteorograph.reading.overview import MAX_POINTS, SeriesPoint, insert_breaks, thin_out, usual_step
from meteorograph.web.page.chart_series import series_of_buckets
from meteorograph.web.page.plotly_figure import figure
from meteorograph.web.page.quota_gauges import gauge
from meteorograph.web.page.sparkline import HEIGHT, WIDTH, sparkline
from meteorograph.web.page.summary import summary
from meteorograph.web.page.words import REASONS
from support import NOON

HOUR = timedelta(hours=1)


def _course(*hours: int) -> list[SeriesPoint]:
    return [(NOON + hour * HOUR, float(hour)) for hour in hours]


def test_a_course_breaks_where_points_are_missing_and_nowhere_else() -> None:
    assert insert_breaks(_course(0, 1, 2, 5, 6)) == [*_course(0, 1, 2), (NOON + 3 * HOUR, None), *_course(5, 6)]
    assert insert_breaks(_course(0, 1, 2)) == _course(0, 1, 2)
    assert insert_breaks(_course(7)) == _course(7)
    assert insert_breaks([]) == []


def test_a_slot_that_came_a_little_late_is_no_break() -> None:
    course = [(NOON, 1.0), (NOON + HOUR, 2.0), (NOON + HOUR * 2.4, 3.0), (NOON + HOUR * 3, 4.0)]
    assert None not in [value for _, value in insert_breaks(course)]


def test_the_usual_step_is_not_that_of_a_gap() -> None:
    assert usual_step(at for at, _ in _course(0, 1, 2, 90)) == HOUR
    assert usual_step([NOON]) is None


def test_a_long_course_is_thinned_and_keeps_its_newest_point() -> None:
    long = _course(*range(1000))
    short = thin_out(long)
    assert len(short) <= MAX_POINTS
    assert short[-1] == long[-1]
    assert thin_out(long[:50]) == long[:50]


def test_a_sparkline_stays_in_its_box() -> None:
    line = sparkline(insert_breaks(_course(0, 1, 2, 5, 6)), NOON, NOON + 6 * HOUR)
    assert line is not None
    assert (line.lowest, line.highest) == (0.0, 6.0)
    numbers = [float(part) for part in line.path.replace("M", " ").replace("L", " ").replace("h0", "").split()]
    assert all(0 <= x <= WIDTH for x in numbers[::2])
    assert all(0 <= y <= HEIGHT for y in numbers[1::2])
    assert numbers[1] > numbers[-1], "it goes up"
    assert line.path.count("M") == 2


def test_a_temperature_that_hardly_moves_is_a_line_in_the_middle() -> None:
    line = sparkline([(NOON, 5.0), (NOON + HOUR, 5.02)], NOON, NOON + HOUR)
    assert line is not None
    assert abs(line.end[1] - HEIGHT / 2) < 1
    assert sparkline([(NOON, None)], NOON, NOON + HOUR) is None


MONTH = datetime(2026, 3, 1, tzinfo=NOON.tzinfo)


@pytest.mark.parametrize(
    ("used", "planned", "level", "exhausted_at"),
    [
        (0, 0, "good", None),
        (310, 500, "good", None),
        (400, 0, "near", MONTH + timedelta(days=25)),
        (100, 1550, "near", MONTH + timedelta(days=28)),
        (960, 0, "out", MONTH + timedelta(days=10, hours=10)),
    ],
)
def test_a_gauge_tells_when_a_month_is_used_up(used: int, planned: int, level: str, exhausted_at: datetime | None) -> None:
    now = MONTH + timedelta(days=10)
    usage = quota.Usage("month", 1000, used, MONTH, quota.period_end("month", MONTH, "UTC"))
    found = gauge(usage, planned, now)
    assert (found.level, found.exhausted_at, found.share) == (level, exhausted_at, used / 1000)


def test_a_month_that_has_only_begun_is_no_alarm_and_a_minute_has_no_forecast() -> None:
    usage = quota.Usage("month", 1000, 12, MONTH, quota.period_end("month", MONTH, "UTC"))
    assert gauge(usage, 0, MONTH + timedelta(seconds=2)).exhausted_at is None
    minute = quota.Usage("minute", 60, 50, MONTH, MONTH + timedelta(minutes=1))
    assert gauge(minute, 60, MONTH + timedelta(seconds=1)).exhausted_at is None


def test_a_summary_has_the_quantities_with_values() -> None:
    values = {"min": -4.0, "max": 9.0, "mean": 4.0, "sum": None, "count": 3}
    none = {"min": None, "max": None, "mean": None, "sum": None, "count": 0}
    [said] = summary({"temperature": values, "pressure": none}, 3 * 3600)
    assert (said.name, said.lowest, said.mean, said.highest, said.count) == ("temperature", -4, 4, 9, 3)


def _rain(amount: float | None, seconds: float, unknown: int = 2) -> dict[str, Any]:
    part: dict[str, Any] = {"min": amount, "max": amount, "mean": amount, "sum": amount, "count": int(amount is not None)}
    return part | {"sum_estimated": None, "covered_seconds": seconds, "unknown_count": unknown, "providers": []}


def test_a_total_says_how_much_of_the_time_is_measured() -> None:
    [whole] = summary({"precipitation": _rain(1.0, 3600)}, 3600)
    assert (whole.total, whole.coverage, whole.unknown_count, whole.is_partial) == (1.0, 1.0, 2, False)
    [part] = summary({"precipitation": _rain(1.5, 4500)}, 2.5 * 3600)
    assert (part.total, part.coverage, part.is_partial) == (1.5, 0.5, True)
    parts = [_rain(1.0, 3600), _rain(0.5, 900), _rain(None, 0)]
    buckets = [Bucket(NOON + n * HOUR, NOON + (n + 1) * HOUR, values={"precipitation": one}) for n, one in enumerate(parts)]
    series = series_of_buckets(buckets)
    assert series.partial["precipitation"] == [1]
    assert series.notes["precipitation"] == ["", "in the 25 % of the time that is measured"]
    [mark] = [trace for trace in figure(series, [], NOON, NOON + 3 * HOUR)["data"] if trace["name"] == "partial"]
    assert mark["y"] == [0.5]


def _bucket(hour: int, **values: float) -> Bucket:
    part = {
        "min": values.get("low"),
        "max": values.get("high"),
        "mean": values.get("mean"),
        "sum": None,
        "count": values["count"],
    }
    return Bucket(NOON + hour * HOUR, NOON + (hour + 1) * HOUR, values={"temperature": part})


def test_buckets_without_values_break_the_line_and_those_at_the_ends_are_left_out() -> None:
    full = {"low": 1.0, "high": 3.0, "mean": 2.0, "count": 1}
    course = series_of_buckets(
        [_bucket(0, count=0), _bucket(1, **full), _bucket(2, count=0), _bucket(3, **full), _bucket(4, count=0)]
    )
    assert course.values["temperature"] == [2.0, None, 2.0]
    assert course.lowest == [1.0, None, 1.0]
    assert series_of_buckets([_bucket(0, count=0)]).times == []


def test_a_value_without_neighbours_is_a_dot() -> None:
    full = {"low": 1.0, "high": 3.0, "mean": 2.0, "count": 1}
    course = series_of_buckets([_bucket(1, **full), _bucket(2, count=0), _bucket(3, **full), _bucket(4, **full)])
    made = figure(course, [], NOON, NOON + 9 * HOUR)
    [temperature] = [trace for trace in made["data"] if trace["name"] == "Temperature"]
    assert temperature["marker"]["size"] == [5, 0, 0, 0]
    assert figure(series_of_buckets([]), [], NOON, NOON + HOUR) == {}


def test_every_reason_for_a_gap_has_words() -> None:
    assert set(REASONS) == set(queries.MISSED_REASONS)
