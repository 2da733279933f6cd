"""Totals of a day with 1 mm of rain in each hour, on both databases, from the rows and from their rollup."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meteorograph import get_db_session
from meteorograph.model.flags import Flag
from meteorograph.reading import aggregates, rollups
from meteorograph.storage.models import Location, Run, WeatherData
from meteorograph.storage.upsert import table_of
from rows import insert_rows

pytestmark = pytest.mark.usefixtures("database")

HOUR = timedelta(hours=1)
MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
EMPTY_ROW = dict.fromkeys(column.name for column in table_of(WeatherData).columns)


@pytest.fixture(autouse=True)
def location(database: str) -> int:
    """Halden, with a run in every hour of three days."""
    with get_db_session() as session:
        halden = Location(name="Halden", latitude=59.1, longitude=11.4, state="active", created_at=MIDNIGHT)
        session.add(halden)
        session.add_all(Run(schedule="default", due_at=MIDNIGHT + n * HOUR, state="succeeded") for n in range(-24, 49))
        session.flush()
        return halden.id


def hourly(location: int, number: int, **values: Any) -> dict[str, Any]:
    """The row of a slot, the ``number``-th hour after midnight, with 1 mm in the hour before."""
    due_at = MIDNIGHT + number * HOUR
    rain = {"observed_at": due_at, "precipitation": 1.0, "precipitation_period": 3600}
    head = {"location_id": location, "due_at": due_at, "fetched_at": due_at, "provider": "openweathermap", "origin": "live"}
    return EMPTY_ROW | head | rain | values


def totals(rows: Sequence[dict[str, Any]], bucket: str = "day") -> list[tuple[Any, ...]]:
    """Sum, covered seconds, unknown count and estimate of each bucket of the day; those of the day also from its rollup."""
    insert_rows(rows)
    found = _read(bucket)
    assert rollups.roll_up(MIDNIGHT + 72 * HOUR)
    while rollups.roll_up(MIDNIGHT + 72 * HOUR):
        pass
    assert _read(bucket) == found
    return found


def _read(bucket: str) -> list[tuple[Any, ...]]:
    with get_db_session(read_only=True) as session:
        buckets = aggregates.read_buckets(session, location="Halden", start=MIDNIGHT, end=MIDNIGHT + 24 * HOUR, bucket=bucket)
    parts = ("sum", "covered_seconds", "unknown_count", "sum_estimated")
    return [tuple(one.values["precipitation"][part] for part in parts) for one in buckets]


@pytest.mark.parametrize("jitter", [12, 15, 20, 30, 60])
def test_a_time_of_observation_that_jitters(location: int, jitter: int) -> None:
    rng = random.Random(jitter)
    late = [n * 3600 + rng.randint(0, jitter * 60) for n in range(-24, 49)]
    rows = [hourly(location, n, observed_at=MIDNIGHT + timedelta(seconds=at)) for n, at in zip(range(-24, 49), late, strict=True)]
    covered = sum(any(end - 3600 < second <= end for end in late[22:53]) for second in range(1, 86401))
    [(amount, seconds, unknown, estimate)] = totals(rows)
    assert (seconds, unknown) == (covered, 0)
    assert amount == pytest.approx(covered / 3600)
    assert estimate == pytest.approx(24)


def test_reports_of_thirteen_minutes_before_each_slot(location: int) -> None:
    rows = [hourly(location, n, observed_at=MIDNIGHT + n * HOUR - timedelta(minutes=13)) for n in range(-23, 48)]
    assert totals(rows, "hour") == [(1.0, 3600, 0, 1.0)] * 24
    assert _read("day") == [(24.0, 86400, 0, 24.0)]


def test_data_that_are_renewed_every_two_hours(location: int) -> None:
    rows = [hourly(location, n, observed_at=MIDNIGHT + (n - n % 2) * HOUR) for n in range(-23, 48)]
    assert totals(rows) == [(12.0, 43200, 0, None)]
    with get_db_session(read_only=True) as session:
        [day] = aggregates.read_buckets(session, location="Halden", start=MIDNIGHT, end=MIDNIGHT + HOUR, bucket="day")
        assert (day.due, day.stored, day.observations, day.values["precipitation"]["count"]) == (24, 24, 12, 12)
        hours = aggregates.read_buckets(session, location="Halden", start=MIDNIGHT, end=MIDNIGHT + 4 * HOUR, bucket="hour")
        assert [(hour.stored, hour.observations) for hour in hours] == [(1, 1), (1, 0), (1, 1), (1, 0)]


def test_amounts_without_a_period(location: int) -> None:
    rows = [hourly(location, n, precipitation_period=None if n % 8 == 0 else 3600) for n in range(-23, 48)]
    assert totals(rows) == [(21.0, 75600, 3, 24.0)]


def test_rejected_amounts(location: int) -> None:
    rejected = {"flags": {"precipitation": [Flag.REJECTED]}}
    rows = [hourly(location, n, **(rejected if n in range(1, 7) else {})) for n in range(-23, 48)]
    assert totals(rows) == [(18.0, 64800, 0, 24.0)]


def test_three_hourly_amounts_across_midnight(location: int) -> None:
    rows = [hourly(location, n, precipitation=3.0, precipitation_period=10800) for n in range(-23, 48, 3)]
    assert rows[0]["due_at"].hour % 3 == 1
    assert totals(rows) == [(24.0, 86400, 0, 24.0)]


def test_one_known_hour(location: int) -> None:
    assert totals([hourly(location, 5)]) == [(1.0, 3600, 0, None)]


def test_quarters_of_an_hour(location: int) -> None:
    rows = [hourly(location, n, precipitation=0.25, precipitation_period=900) for n in range(-23, 48)]
    assert totals(rows) == [(6.0, 21600, 0, None)]


def test_values_belong_to_the_day_in_which_they_were_observed(location: int) -> None:
    at = MIDNIGHT - timedelta(minutes=59)
    insert_rows([hourly(location, 0, observed_at=at, temperature=20.0, precipitation=5.0)])
    for _ in range(2):
        with get_db_session(read_only=True) as session:
            before, day = aggregates.read_buckets(
                session, location="Halden", start=MIDNIGHT - 24 * HOUR, end=MIDNIGHT + HOUR, bucket="day"
            )
        assert (before.values["temperature"]["max"], before.values["precipitation"]["sum"], before.stored) == (20, 5, 0)
        assert (day.values["temperature"]["max"], day.values["precipitation"]["sum"], day.stored) == (None, None, 1)
        assert (before.observations, day.observations) == (1, 0)
        rollups.roll_up(MIDNIGHT + 72 * HOUR)


def test_a_row_of_the_next_day_deletes_the_rollup_of_the_day_in_which_it_was_observed(location: int) -> None:
    insert_rows([hourly(location, n) for n in range(1, 30)])
    while rollups.roll_up(MIDNIGHT + 72 * HOUR):
        pass
    late = hourly(location, 30, observed_at=MIDNIGHT + 23.5 * HOUR, temperature=30.0, precipitation=None)
    insert_rows([late])
    with get_db_session(read_only=True) as session:
        [day] = aggregates.read_buckets(session, location="Halden", start=MIDNIGHT, end=MIDNIGHT + HOUR, bucket="day")
    assert day.values["temperature"]["max"] == 30


def test_the_amount_of_another_provider_counts_if_only_that_has_a_period(location: int) -> None:
    said = {"values": {"precipitation": 0.5}, "observed_at": None, "precipitation_period": 3600, "flags": {}}

    def row(n: int) -> dict[str, Any]:
        shown = {"precipitation": 7.0, "precipitation_period": None, "providers": {"precipitation": "weatherstack"}}
        at = MIDNIGHT + n * HOUR
        return hourly(location, n, **shown, other_values={"openweathermap": said | {"observed_at": at.isoformat()}})

    rows = [row(n) if n % 2 else hourly(location, n, provider="metar") for n in range(-23, 48)]
    assert totals(rows) == [(12 * 0.5 + 12, 86400, 0, 18.0)]
    with get_db_session(read_only=True) as session:
        day, *_ = aggregates.read_buckets(session, location="Halden", start=MIDNIGHT, end=MIDNIGHT + HOUR, bucket="day")
    assert day.values["precipitation"]["providers"] == ["metar", "openweathermap"]
