"""The meteogram: scales, times, lines, bars and marks, and what it says of what is missing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from meteorograph.ledger.gaps import Gap
from meteorograph.reading.aggregates import Bucket
from meteorograph.reading.rows import WeatherRow
from meteorograph.web.page.display import Display
from meteorograph.web.page.meteogram import NARROW, WIDE, meteogram
from meteorograph.web.page.meteogram_data import (
    Bar,
    Lines,
    MeteogramData,
    Span,
    bars_of_buckets,
    lines_of_rows,
    missed_spans,
)
from meteorograph.web.page.meteogram_scale import TimeScale, line_path, split_at, value_scale
from meteorograph.web.page.meteogram_time import day_ticks, hour_ticks, midnights, nights
from meteorograph.web.page.preferences import Preferences
from meteorograph.web.page.wind_barb import barb
from support import NOON

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def _row(hours: float, **values: Any) -> WeatherRow:
    at = NOON + hours * HOUR
    head: dict[str, Any] = {"location": "Athens", "due_at": at, "observed_at": at, "fetched_at": at, "provider": "openweathermap"}
    rest = {"origin": "live", "precipitation_period": None, "condition": None, "providers": None, "flags": None}
    return WeatherRow(**{**head, **rest, "other_values": None, **values})


def _data(lines: Lines, bars: tuple[Bar, ...] = (), missed: tuple[Span, ...] = (), length: timedelta = DAY) -> MeteogramData:
    return MeteogramData(NOON, NOON + length, lines, bars, missed)


def _draw(data: MeteogramData, *, zone: str = "UTC", latitude: float = 38.0, units: Any = "metric", width: int = WIDE) -> str:
    display = Display(Preferences(units, zone))
    return str(meteogram(data, display, place=(latitude, 23.7), now=data.end - HOUR, title="A & <b>", width=width))


def _line(svg: str, name: str) -> str:
    return "".join(re.findall(rf'<path class="m-line {name}" d="([^"]*)"', svg))


def test_a_line_breaks_where_rows_are_missing() -> None:
    lines = lines_of_rows([_row(hour, temperature=5.0 + hour) for hour in (0, 1, 2, 6, 7)])
    assert _line(_draw(_data(lines)), "m-warm").count("M") == 2
    assert lines.steps[0] == HOUR


def test_a_line_goes_on_where_the_schedule_has_changed() -> None:
    hourly = [_row(hour, temperature=5.0) for hour in range(10)]
    every_minute = [_row(9 + minute / 60, temperature=6.0) for minute in range(1, 30)]
    assert _line(_draw(_data(lines_of_rows([*hourly, *every_minute]))), "m-warm").count("M") == 1
    broken = [row for row in [*hourly, *every_minute] if row.due_at not in (NOON + 3 * HOUR, every_minute[20].due_at)]
    assert _line(_draw(_data(lines_of_rows(broken))), "m-warm").count("M") == 3


def test_a_suspect_spike_keeps_its_cross_and_leaves_line_and_scale() -> None:
    rows = [_row(hour, temperature=10.0 + hour) for hour in range(5)]
    spike = _row(5, temperature=99.0, flags={"temperature": ["step"]})
    calm, spiked = _draw(_data(lines_of_rows(rows))), _draw(_data(lines_of_rows([*rows, spike])))
    assert _line(calm, "m-warm") == _line(spiked, "m-warm")
    assert ">99<" not in spiked
    [cross] = re.findall(r'class="m-suspect" d="M([\d.]+) ([\d.]+)l6 6', spiked.split("m-pressure")[0])
    assert float(cross[1]) == 103 - 3, "at the upper edge of its panel"
    assert "m-flagged" in spiked
    assert ">suspect</text>" in spiked
    assert "m-flagged" not in calm


def test_frost_is_another_colour_and_the_line_is_cut_at_zero() -> None:
    svg = _draw(_data(lines_of_rows([_row(0, temperature=-4.0), _row(1, temperature=4.0)])))
    warm, cold = _line(svg, "m-warm"), _line(svg, "m-cold")
    assert cold.rsplit("L", 1)[1] == re.findall(r"M([\d.]+ [\d.]+)h0", warm)[0], "they meet at zero"
    assert _line(_draw(_data(lines_of_rows([_row(0, temperature=3.0)]))), "m-cold") == ""


def test_missed_and_backfilled_times_are_on_the_strip() -> None:
    gap = Gap(1, "Athens", "down", NOON + 2 * HOUR, NOON + 4 * HOUR, 3, None, is_unrecoverable=False, is_start_known=True)
    missed = tuple(missed_spans([gap], HOUR))
    assert missed == (Span(NOON + 1.5 * HOUR, NOON + 4.5 * HOUR),)
    lines = lines_of_rows([_row(hour, temperature=1.0, origin="backfill" if 6 <= hour < 9 else "live") for hour in range(5, 12)])
    assert lines.backfilled == [Span(NOON + 5.5 * HOUR, NOON + 8.5 * HOUR)]
    svg = _draw(_data(lines, missed=missed))
    assert ">missed</text>" in svg
    assert ">backfilled</text>" in svg


def _bucket(hour: int, amount: float | None, seconds: float) -> Bucket:
    part = {"sum": amount, "covered_seconds": seconds}
    return Bucket(NOON + hour * HOUR, NOON + (hour + 1) * HOUR, values={"precipitation": part})


def test_rain_has_its_period_a_part_is_marked_and_what_is_unknown_is_not_zero() -> None:
    buckets = [_bucket(0, 2.0, 3600), _bucket(1, 1.0, 1800), _bucket(2, None, 0), _bucket(3, 0.0, 3600), _bucket(4, 0.4, 1800)]
    bars = bars_of_buckets(buckets, NOON + 4.5 * HOUR)
    assert [(bar.amount, bar.coverage) for bar in bars] == [(2.0, 1.0), (1.0, 0.5), (None, 0.0), (0.0, 1.0), (0.4, 1.0)]
    svg = _draw(_data(lines_of_rows([_row(1, temperature=1.0)]), tuple(bars)))
    assert "Precipitation in 1 h, mm" in svg
    assert re.findall(r'm-rain" d="([^"]*)"', svg)[0].count("M") == 2
    assert re.findall(r'm-partial" d="([^"]*)"', svg)[0].count("M") == 1
    assert re.findall(r'm-measured" d="([^"]*)"', svg)[0].count("M") == 4, "no ground line where nothing is measured"
    assert "partly measured" in svg


def test_every_text_of_others_is_escaped_and_nothing_runs() -> None:
    svg = _draw(_data(lines_of_rows([_row(1, temperature=1.0)])))
    assert "A &amp; &lt;b&gt;" in svg
    assert not re.search(r"<script|style=|\son\w+=|<b>", svg)


@pytest.mark.parametrize("length", [DAY, 7 * DAY], ids=["a day of 5 minutes", "a week of hours"])
def test_it_is_small(length: timedelta) -> None:
    step = timedelta(minutes=5) if length == DAY else HOUR
    count = int(length / step)
    values = {"dew_point": 3.21, "pressure": 1013.2, "wind_speed": 4.56, "wind_gust": 9.1, "wind_direction": 310.0}
    rows = [
        _row(number * (step / HOUR), temperature=5 + number % 97 / 7, cloud_cover=float(number * 7 % 101), **values)
        for number in range(count)
    ]
    bars = tuple(Bar(NOON + hour * HOUR, NOON + (hour + 1) * HOUR, 1.5, 1.0) for hour in range(int(length / HOUR)))
    data = _data(lines_of_rows(rows), bars, length=length)
    assert max(len(_draw(data)), len(_draw(data, width=NARROW))) < 50_000


def test_units_are_those_of_the_reader() -> None:
    svg = _draw(_data(lines_of_rows([_row(hour, temperature=20.0, wind_speed=10.0) for hour in range(9)])), units="imperial")
    assert "Temperature, °F" in svg
    assert "Wind, mph" in svg
    assert ">68<" in svg or ">70<" in svg


def test_hours_on_the_days_of_clock_changes() -> None:
    athens = ZoneInfo("Europe/Athens")
    spring = datetime(2026, 3, 28, 22, tzinfo=UTC)  # midnight; at 3 the clocks go to 4
    texts = [tick.text for tick in hour_ticks(spring, spring + 6 * HOUR, athens, 900)]
    assert texts == ["00", "01", "02", "04", "05", "06", "07"]
    autumn = datetime(2026, 10, 24, 21, tzinfo=UTC)
    texts = [tick.text for tick in hour_ticks(autumn, autumn + 6 * HOUR, athens, 900)]
    assert texts == ["00", "01", "02", "03", "03", "04", "05"]
    assert list(midnights(autumn, autumn + 25 * HOUR, athens)) == [autumn, autumn + 25 * HOUR], "that day has 25 hours"


def test_hours_of_zones_between_the_hours_and_days_with_room() -> None:
    nepal = ZoneInfo("Asia/Kathmandu")
    ticks = hour_ticks(NOON, NOON + 3 * HOUR, nepal, 900)
    assert (ticks[0].at - NOON, ticks[0].text) == (timedelta(minutes=15), "18")
    texts = [tick.text for tick in day_ticks(NOON, NOON + DAY, ZoneInfo("UTC"), 900)]
    assert texts == ["Sunday 1 March", "Monday 2 March"]
    assert [tick.text for tick in day_ticks(NOON, NOON + 7 * DAY, ZoneInfo("UTC"), 800)][1:3] == ["Mon 2 Mar", "Tue 3 Mar"]
    assert [tick.text for tick in day_ticks(NOON, NOON + 365 * DAY, ZoneInfo("UTC"), 900)][-3:] == ["Dec 2026", "Jan 2027", "Feb"]


def test_nights_follow_the_sun_of_the_place() -> None:
    [before, after] = nights(NOON - 12 * HOUR, NOON + 12 * HOUR, 51.5, 0.0)
    assert abs(before.end - datetime(2026, 3, 1, 6, 46, tzinfo=UTC)) < timedelta(minutes=4)  # sunrise in London
    assert abs(after.start - datetime(2026, 3, 1, 17, 40, tzinfo=UTC)) < timedelta(minutes=4)
    midsummer = datetime(2026, 6, 21, tzinfo=UTC)
    assert nights(midsummer, midsummer + DAY, 71.0, 25.8) == [], "the sun does not set"
    assert nights(midsummer, midsummer + DAY, -77.8, 166.7) == [Span(midsummer, midsummer + DAY)]


def test_a_scale_has_round_ticks_and_a_least_span() -> None:
    scale = value_scale([1013.2, 1013.3, None], 0.0, 50.0, least=6.0)
    assert (
        scale.ticks == (1010.0, 1015.0, 1020.0) or scale.ticks == (1010.0, 1012.0, 1014.0, 1016.0, 1018.0) or len(scale.ticks) < 5
    )
    assert scale.low <= 1010.25
    assert (scale.y(9999.0), scale.y(-9999.0)) == (0.0, 50.0)
    assert value_scale([], 0.0, 50.0, least=1.0, zero=True).low == 0.0
    assert line_path([(1.0, 2.0), (2.0, None), (3.04, 4.0)]) == "M1 2h0M3 4h0"
    assert split_at([(0.0, 0.0), (10.0, 20.0)], 10.0)[0] == [(0.0, 0.0), (5.0, 10.0), (10.0, None)]
    time = TimeScale(NOON, NOON + HOUR, 40.0, 140.0)
    assert [time.x(NOON + part * HOUR) for part in (-1, 0, 0.5, 9)] == [40.0, 40.0, 90.0, 140.0]


@pytest.mark.parametrize(
    ("knots", "pennants", "feathers", "halves"), [(5, 0, 0, 1), (10, 0, 1, 0), (35, 0, 3, 1), (65, 1, 1, 1), (0, 0, 0, 0)]
)
def test_barbs_count_the_knots(knots: int, pennants: int, feathers: int, halves: int) -> None:
    drawn = barb(100.0, 50.0, knots * 1852 / 3600, 310.0)
    assert ("m-calm" in drawn) == (knots == 0)
    assert drawn.count("z") == pennants
    assert (drawn.count("l7 -2.6"), drawn.count("l3.5 -1.3")) == (feathers, halves)
    if knots:
        assert "rotate(310)" in drawn
        south = barb(100.0, 50.0, knots * 1852 / 3600, 310.0, is_south=True)
        assert south.count("l-7 -2.6") == feathers
