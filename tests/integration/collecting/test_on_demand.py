"""``ingest_data``: every decision on the way from two providers to one row, over real HTTP, on both databases."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from meteorograph import WeatherData, get_db_session, ingest_data
from meteorograph.errors import (
    FetchError,
    FetchTimeoutError,
    MissingAPIKeyError,
    PayloadError,
    PermanentFetchError,
    QuotaExceededError,
    RetryableFetchError,
)
from meteorograph.model.clock import DrivenClock
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Location
from support import KEY, NOON, RAIN_KEY

pytestmark = pytest.mark.usefixtures("database", "driven")


def _rows() -> Sequence[WeatherData]:
    with get_db_session(read_only=True) as session:
        return session.scalars(select(WeatherData).order_by(WeatherData.due_at)).all()


def _locations() -> Sequence[Location]:
    with get_db_session(read_only=True) as session:
        return session.scalars(select(Location)).all()


def test_both_providers(collecting: Simulator) -> None:
    data = ingest_data(53.35, -6.26)
    truth = collecting.truth(53.35, -6.26, NOON)
    assert data["temperature"] == pytest.approx(truth["temperature"], abs=0.01)
    assert data["humidity"] == pytest.approx(truth["humidity"], abs=0.5)
    assert (data["provider"], data["providers"]) == ("openweathermap", {"precipitation": "weatherstack"})
    assert data["precipitation"] == pytest.approx(truth["precipitation"], abs=0.05)
    assert data["precipitation_period"] is None
    assert data["timestamp"] == "2026-03-01T12:00:00+00:00"
    [row] = _rows()
    assert (row.temperature, row.humidity, row.precipitation) == (data["temperature"], data["humidity"], data["precipitation"])
    assert (row.due_at, row.fetched_at) == (NOON, NOON)
    assert [(call.provider, call.key) for call in collecting.calls()] == [("openweathermap", KEY), ("weatherstack", RAIN_KEY)]


def test_a_new_point_becomes_an_unscheduled_location_once(collecting: Simulator, driven: DrivenClock) -> None:
    ingest_data(53.35, -6.26)
    driven.advance(timedelta(minutes=1))
    ingest_data(53.35, -6.26)
    [location] = _locations()
    assert (location.name, location.state) == ("53.35,-6.26", "unscheduled")
    assert len(_rows()) == 2
    assert collecting.count() == 4


def test_a_point_that_is_a_location_belongs_to_it(collecting: Simulator) -> None:
    with get_db_session() as session:
        session.add(Location(name="Dublin", latitude=53.35, longitude=-6.26, state="active", created_at=NOON))
    assert ingest_data(53.35, -6.26)["location"] == "Dublin"
    assert len(_locations()) == 1
    assert collecting.count() == 2


@pytest.mark.usefixtures("collecting")
def test_without_coordinates_it_is_the_default_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_DEFAULT_LATITUDE", "60.17")
    monkeypatch.setenv("METEOROGRAPH_DEFAULT_LONGITUDE", "24.94")
    data = ingest_data()
    assert (data["latitude"], data["longitude"]) == (60.17, 24.94)


def test_without_a_key_it_is_a_value_error_that_says_how_to_set_one(
    collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OWM_API_KEY")
    with pytest.raises(ValueError, match="OWM_API_KEY") as caught:
        ingest_data(53.35, -6.26)
    assert isinstance(caught.value, MissingAPIKeyError)
    assert collecting.count() == 0
    assert list(_rows()) == []
    assert list(_locations()) == []


@pytest.mark.parametrize(
    ("lat", "lon", "said"),
    [
        (91, 0, "lat=91: it must be a number from -90 to 90"),
        (0, -180.5, "lon=-180.5: it must be a number from -180 to 180"),
        (float("nan"), 0, "lat=nan"),
        (0, float("inf"), "lon=inf"),
        ("51", 0, "lat='51'"),
        (True, 0, "lat=True"),
        (1.0, None, "lon is missing"),
        (None, 1.0, "lat is missing"),
    ],
)
def test_wrong_coordinates_cost_no_call(collecting: Simulator, lat: Any, lon: Any, said: str) -> None:
    with pytest.raises(ValueError, match=r"lat|lon") as caught:
        ingest_data(lat, lon)
    assert said in str(caught.value)
    assert collecting.count() == 0


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("kind=status code=401", PermanentFetchError, "Invalid API key"),
        ("kind=status code=429", QuotaExceededError, "temporary blocked"),
        ("kind=status code=500", RetryableFetchError, "500"),
        ("kind=status code=503", RetryableFetchError, "503"),
        ("kind=reset", RetryableFetchError, "127.0.0.1"),
        ("kind=timeout", FetchTimeoutError, "in time"),
        ("kind=slow ms=60000", FetchTimeoutError, "in time"),
        ("kind=truncated", PayloadError, "unexpected body"),
        ("kind=types", PayloadError, "unexpected body"),
        ("kind=html", PayloadError, "HTML"),
        ("kind=html code=502", RetryableFetchError, "502"),
        ("kind=encoding", PayloadError, "unexpected body"),
        ("kind=empty", PayloadError, "empty"),
        ("kind=huge mb=10", RetryableFetchError, "longer than"),
    ],
)
def test_a_failure_of_openweathermap_is_logged_raised_and_stores_nothing(
    collecting: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: str,
    error: type[Exception],
    said: str,
) -> None:
    if "timeout" in fault or "slow" in fault:
        monkeypatch.setenv("METEOROGRAPH_HTTP_TIMEOUT_SECONDS", "0.3")
    collecting.set_faults(f"{fault} provider=openweathermap")
    with pytest.raises(error, match=said), caplog.at_level(logging.ERROR):
        ingest_data(53.35, -6.26)
    assert "openweathermap" in caplog.text
    assert _rows() == []
    assert collecting.count("weatherstack") == 0
    assert collecting.count("openweathermap") == (3 if issubclass(error, RetryableFetchError) else 1)


@pytest.mark.parametrize(
    "fault",
    [
        "kind=status code=401",
        "kind=status code=429",
        "kind=status code=500",
        "kind=reset",
        "kind=timeout",
        "kind=truncated",
        "kind=types",
        "kind=html",
        "kind=encoding",
        "kind=empty",
        "kind=huge mb=2",
        "kind=null",
    ],
)
def test_a_failure_of_weatherstack_falls_back_on_openweathermap_with_a_warning(
    collecting: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    if "timeout" in fault:
        monkeypatch.setenv("METEOROGRAPH_HTTP_TIMEOUT_SECONDS", "0.3")
    collecting.set_faults(f"{fault} provider=weatherstack")
    with caplog.at_level(logging.WARNING):
        data = ingest_data(*_wet(collecting))
    assert data["precipitation"] > 0
    assert (data["providers"], data["precipitation_period"]) == (None, 3600)
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert "weatherstack" in caplog.text
    assert len(_rows()) == 1


def test_numbers_that_are_given_as_text_are_stored(collecting: Simulator) -> None:
    truth = collecting.truth(53.35, -6.26, NOON)
    collecting.set_faults("kind=text provider=openweathermap")
    ingest_data(53.35, -6.26)
    [row] = _rows()
    names = ("temperature", "humidity", "pressure", "wind_speed", "cloud_cover", "visibility")
    assert {name: getattr(row, name) for name in names} == {name: truth[name] for name in names}


def test_a_wrong_weatherstack_key_falls_back(collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEATHERSTACK_API_KEY", "not-a-key-at-all")
    assert ingest_data(53.35, -6.26)["providers"] is None
    assert collecting.count("weatherstack") == 1


def test_without_a_weatherstack_key_it_is_not_called(collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    data = ingest_data(*_wet(collecting))
    assert data["precipitation"] > 0
    assert data["providers"] is None
    assert collecting.count("weatherstack") == 0


def test_no_rain_in_the_answer_is_an_implied_zero(collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    data = ingest_data(*_dry(collecting))
    assert (data["precipitation"], data["precipitation_period"]) == (0, 3600)
    assert data["flags"]["precipitation"] == ["implied_zero"]


def test_snow_counts(collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    point = next(
        (lat, lon)
        for lat in range(50, 80, 3)
        for lon in range(-170, 180, 7)
        if (weather := collecting.truth(lat, lon, NOON))["precipitation"] and weather["temperature"] < -5  # type: ignore[operator]
    )
    assert ingest_data(*point)["precipitation"] == pytest.approx(collecting.truth(*point, NOON)["precipitation"], abs=0.01)


def test_the_fallback_can_be_switched_off(collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_PRECIPITATION_PROVIDERS", "weatherstack")
    collecting.set_faults("kind=status code=500 provider=weatherstack")
    data = ingest_data(*_wet(collecting))
    assert (data["precipitation"], data["precipitation_period"], data["providers"]) == (None, None, None)


def test_a_second_provider_stands_in_for_the_first(collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "openweathermap,weatherstack")
    collecting.set_faults("kind=status code=500 provider=openweathermap")
    data = ingest_data(53.35, -6.26)
    assert data["provider"] == "weatherstack"
    assert data["temperature"] == pytest.approx(collecting.truth(53.35, -6.26, NOON)["temperature"], abs=0.51)


def test_a_quota_error_says_when_to_come_back(collecting: Simulator) -> None:
    collecting.set_faults("kind=status code=429 provider=openweathermap retry_after=120")
    with pytest.raises(QuotaExceededError) as caught:
        ingest_data(53.35, -6.26)
    assert caught.value.retry_at == NOON + timedelta(seconds=120)


def test_it_works_where_a_loop_runs_already(collecting: Simulator) -> None:
    async def in_a_notebook() -> dict[str, Any]:
        return ingest_data(53.35, -6.26)

    assert asyncio.run(in_a_notebook())["provider"] == "openweathermap"
    collecting.set_faults("kind=reset")

    async def failing() -> None:
        ingest_data(53.35, -6.26)

    with pytest.raises(FetchError):
        asyncio.run(failing())


def _wet(simulator: Simulator) -> tuple[float, float]:
    return next(
        (float(lat), float(lon))
        for lat in range(30, 60, 3)
        for lon in range(-20, 60, 3)
        if (weather := simulator.truth(lat, lon, NOON))["precipitation"] and weather["temperature"] > 8  # type: ignore[operator]
    )


def _dry(simulator: Simulator) -> tuple[float, float]:
    return next(
        (float(lat), float(lon))
        for lat in range(30, 60, 3)
        for lon in range(-20, 60, 3)
        if not simulator.truth(lat, lon, NOON)["precipitation"]
    )
