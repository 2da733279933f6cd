"""Two days of what 25 stations really measured, through a storm, collected by the running service and compared value by value."""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from acceptance.books import add_locations, books
from acceptance.processes import until
from meteorograph import WeatherData, create_app, get_db_session, scheduler
from meteorograph.model import clock
from meteorograph.model.clock import DrivenClock
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Location
from support import KEY, RAIN_KEY

SERIES = Path(os.environ.get("METEOROGRAPH_SERIES_DIR") or Path(__file__).parents[3] / "shared" / "series")
HOURLY = SERIES / "ireland_25stations_2017_hourly.csv.gz"
STATIONS = SERIES / "ireland_25stations_stations.csv"

pytestmark = [
    pytest.mark.skipif(not HOURLY.is_file(), reason=f"the recorded series is not in {SERIES}: set METEOROGRAPH_SERIES_DIR"),
    pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True),
]

#: Storm Ophelia; nothing is missing but the wind of two stations that do not measure it.
FIRST = datetime(2017, 10, 15, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
KNOT = 0.514444  # [m/s]

Recorded = dict[tuple[str, datetime], dict[str, str]]


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    """The rows of the file as they stand there, by station and hour, for the days of the test."""
    with gzip.open(HOURLY, "rt", encoding="utf-8") as file:
        hours = {(row["station"], datetime.fromisoformat(row["time_utc"])): row for row in csv.DictReader(file)}
    return {key: row for key, row in hours.items() if FIRST <= key[1] < FIRST + 48 * HOUR}


@pytest.fixture
def time_of_day() -> Iterator[DrivenClock]:
    """A clock that stands a minute after the first hour."""
    source = DrivenClock(FIRST + timedelta(minutes=1))
    with clock.driven_by(source):
        yield source


@pytest.fixture
def stations(
    empty_database: str, time_of_day: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Simulator, list[str]]]:
    """The simulator that replays the series, and the names of the stations, which are on schedule."""
    with STATIONS.open(encoding="utf-8") as file:
        places = [(row["station"], float(row["lat"]), float(row["lon"])) for row in csv.DictReader(file)]
    add_locations(places)
    monkeypatch.setenv("OWM_API_KEY", KEY)
    monkeypatch.setenv("METEOROGRAPH_INTERVAL", "1h")
    with Simulator(keys=(KEY, RAIN_KEY), replay=HOURLY) as simulator:
        monkeypatch.setenv("METEOROGRAPH_OWM_BASE_URL", simulator.url)
        monkeypatch.setenv("METEOROGRAPH_WEATHERSTACK_BASE_URL", simulator.url)
        yield simulator, [name for name, _, _ in places]


def _collect_hours(number: int, time_of_day: DrivenClock) -> None:
    """Let the service run: it is only told that another hour has come."""
    create_app()
    for index in range(number):
        if index:
            time_of_day.advance(HOUR)
        scheduler.scheduler.modify_job("scheduled_ingest", next_run_time=datetime.now(UTC))
        until(lambda index=index: len(books().ended()) > index, f"the run of hour {index}")  # type: ignore[misc]  # a lambda
    scheduler.stop()


def _stored() -> dict[tuple[str, datetime], WeatherData]:
    rows = select(Location.name, WeatherData).join(Location, Location.id == WeatherData.location_id)
    with get_db_session(read_only=True) as session:
        return {(name, row.due_at): row for name, row in session.execute(rows)}


def _check_measured(stored: dict[tuple[str, datetime], WeatherData], recorded: Recorded) -> None:
    for key, row in stored.items():
        measured = recorded[key]

        def number(column: str, measured: dict[str, str] = measured) -> float | None:
            return float(measured[column]) if measured[column] else None

        wind = number("wind_kt")
        assert row.observed_at == row.due_at
        assert (row.temperature, row.humidity, row.pressure, row.wind_direction) == (
            number("temp_c"),
            number("rh_pct"),
            number("pressure_msl_hpa"),
            None if wind == 0 else number("wind_dir_deg"),
        ), key
        assert row.wind_speed == (None if wind is None else pytest.approx(wind * KNOT, abs=1e-3)), key
        assert (row.wind_gust, row.cloud_cover, row.visibility) == (None, None, None)


#: Quantities whose flags say that a value is implied or derived, and not that it is doubted.
EXPLAINED = {"precipitation", "snowfall_water_equivalent", "dew_point"}


def test_48_hours_of_25_stations_are_stored_as_they_were_measured(
    stations: tuple[Simulator, list[str]], recorded: Recorded, time_of_day: DrivenClock
) -> None:
    simulator, names = stations
    _collect_hours(48, time_of_day)
    stored = _stored()
    assert stored.keys() == recorded.keys() == {(name, FIRST + hour * HOUR) for name in names for hour in range(48)}
    assert len(stored) == simulator.count() == 25 * 48
    assert [(run.state, run.stored) for run in books().runs] == [("succeeded", 25)] * 48
    _check_measured(stored, recorded)
    for key, row in stored.items():
        rain = float(recorded[key]["rain_1h_mm"])
        assert (row.precipitation, row.precipitation_period, row.providers) == (rain, 3600, None), key
        assert (row.flags or {}).get("precipitation") == (None if rain else ["implied_zero"]), key
    doubted = [(key, row.flags) for key, row in stored.items() if row.flags and row.flags.keys() - EXPLAINED]
    assert len(doubted) <= 3, "the storm moves the pressure faster than most weather does, but hardly anywhere too fast"
    winds = [row.wind_speed for row in stored.values()]
    assert winds.count(None) == 2 * 48
    assert max(wind for wind in winds if wind is not None) > 25
    assert sum((row.precipitation or 0) > 0 for row in stored.values()) > 100


def test_with_a_weatherstack_key_the_rain_is_weatherstacks(
    stations: tuple[Simulator, list[str]], recorded: Recorded, time_of_day: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator, _ = stations
    monkeypatch.setenv("WEATHERSTACK_API_KEY", RAIN_KEY)
    _collect_hours(24, time_of_day)
    stored = _stored()
    assert len(stored) == simulator.count("openweathermap", KEY) == simulator.count("weatherstack", RAIN_KEY) == 25 * 24
    _check_measured(stored, recorded)
    for key, row in stored.items():
        rain = float(recorded[key]["rain_1h_mm"])
        assert (row.precipitation, row.precipitation_period) == (rain, None), key
        assert (row.provider, row.providers) == ("openweathermap", {"precipitation": "weatherstack"})
        assert "precipitation" not in (row.flags or {}), key
    assert sum((row.precipitation or 0) > 0 for row in stored.values()) > 50
