"""Precipitation at default settings: a provider without a key stores its own, since none of the default ones can be used."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from integration.collecting.test_keyless import Server, server
from meteorograph import WeatherData, get_db_session, ingest_data
from meteorograph.model.clock import DrivenClock
from meteorograph.reading.aggregates import read_buckets
from meteorograph.scheduler import scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Location
from support import KEY, NOON, RAIN_KEY

__all__ = ["server"]

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _no_keys(collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OWM_API_KEY")
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    monkeypatch.setenv("METEOROGRAPH_OPEN_METEO_BASE_URL", collecting.url)


def _row() -> Any:
    with get_db_session(read_only=True) as session:
        return session.scalars(select(WeatherData)).one()


@pytest.mark.usefixtures("database", "driven")
def test_open_meteo_stores_the_rain_of_its_answer(collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "open-meteo")
    with get_db_session() as session:
        session.add(Location(name="here", latitude=53.35, longitude=-6.26, created_at=NOON))
    scheduled_ingest()
    row = _row()
    truth = collecting.truth(53.35, -6.26, NOON)["precipitation"]
    assert isinstance(truth, float)
    assert row.precipitation == pytest.approx(truth, abs=1e-3)
    assert (row.precipitation_period, row.providers) == (3600, None)


@pytest.mark.parametrize(
    ("provider", "precipitation", "period"),
    [("met-norway", 0.75, 3600), ("nws", 0.75, 3600), ("metar", 0.254, 3600)],
)
def test_the_others_store_the_rain_of_their_bodies(
    server: Server,  # the fixture
    driven: DrivenClock,
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
    precipitation: float,
    period: int,
) -> None:
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", provider)
    values = ingest_data(40.0, 10.0)
    assert (values["precipitation"], values["precipitation_period"]) == (precipitation, period)


@pytest.mark.usefixtures("database", "driven")
def test_a_fallback_without_a_key_keeps_its_own_rain(collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWM_API_KEY", "0" * 32)
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "openweathermap,open-meteo")
    collecting.set_faults("kind=status code=401 provider=openweathermap")
    values = ingest_data(53.35, -6.26)
    assert values["provider"] == "open-meteo"
    assert values["precipitation"] is not None


@pytest.mark.usefixtures("database", "driven")
def test_providers_that_the_user_has_chosen_are_the_only_ones(collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWM_API_KEY", "0" * 32)
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "open-meteo")
    monkeypatch.setenv("METEOROGRAPH_PRECIPITATION_PROVIDERS", "openweathermap")
    collecting.set_faults("kind=status code=401 provider=openweathermap")
    assert ingest_data(53.35, -6.26)["precipitation"] is None


@pytest.mark.usefixtures("database", "driven")
def test_with_both_keys_the_hourly_amount_is_kept_and_makes_the_total(
    collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OWM_API_KEY", KEY)
    monkeypatch.setenv("WEATHERSTACK_API_KEY", RAIN_KEY)
    with get_db_session() as session:
        session.add(Location(name="here", latitude=53.35, longitude=-6.26, created_at=NOON))
    scheduled_ingest()
    row = _row()
    assert (row.provider, row.providers, row.precipitation_period) == (
        "openweathermap",
        {"precipitation": "weatherstack"},
        None,
    )
    truth = collecting.truth(53.35, -6.26, NOON)
    kept = row.other_values["openweathermap"]
    amounts = {"precipitation": pytest.approx(truth["precipitation"]), "snowfall_water_equivalent": 0.0}
    assert (kept["values"], kept["precipitation_period"]) == (amounts, 3600)
    assert row.snowfall_water_equivalent is None, "the period of the row is that of Weatherstack's amount"
    assert {"temperature", "humidity", "pressure"} <= row.other_values["weatherstack"]["values"].keys()
    assert "precipitation" not in row.other_values["weatherstack"]["values"]
    with get_db_session(read_only=True) as session:
        buckets = read_buckets(session, location="here", start=NOON - DAY, end=NOON + DAY, bucket="day")
    covered = [one.values["precipitation"] for one in buckets if one.values["precipitation"]["covered_seconds"]]
    assert sum(one["covered_seconds"] for one in covered) == 3600
    assert sum(one["sum"] for one in covered) == pytest.approx(truth["precipitation"])
    assert {name for one in covered for name in one["providers"]} == {"openweathermap"}
    assert sum(one.values["precipitation"]["unknown_count"] for one in buckets) == 0


@pytest.mark.usefixtures("database", "driven")
def test_an_amount_of_a_provider_that_was_not_chosen_is_in_no_total(
    collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OWM_API_KEY", KEY)
    monkeypatch.setenv("WEATHERSTACK_API_KEY", RAIN_KEY)
    monkeypatch.setenv("METEOROGRAPH_PRECIPITATION_PROVIDERS", "weatherstack")
    collecting.set_faults("kind=status code=500 provider=weatherstack")
    with get_db_session() as session:
        session.add(Location(name="here", latitude=53.35, longitude=-6.26, created_at=NOON))
    scheduled_ingest()
    row = _row()
    assert row.precipitation is None
    assert "precipitation" in row.other_values["openweathermap"]["values"]
    with get_db_session(read_only=True) as session:
        buckets = read_buckets(session, location="here", start=NOON - DAY, end=NOON + DAY, bucket="day")
    assert {one.values["precipitation"]["covered_seconds"] for one in buckets} == {0}
