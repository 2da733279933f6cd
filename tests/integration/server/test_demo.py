"""The demonstration's own database, its cities, and what it leaves to the user."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from meteorograph import WeatherData, get_db_session, ingest_data
from meteorograph.cli import main
from meteorograph.config.loading import load_settings, pin_settings
from meteorograph.model.clock import DrivenClock
from meteorograph.scheduler import scheduled_healing, scheduled_ingest
from meteorograph.server.demo import CITIES, DATABASE, INTERVAL, demonstration
from meteorograph.simulator import Simulator
from meteorograph.storage.engine import ENGINES
from meteorograph.storage.models import Location, Missed
from support import NOON


def _locations() -> dict[str, str]:
    with get_db_session(read_only=True) as session:
        return {location.name: location.state for location in session.scalars(select(Location))}


def _forget_connections() -> None:
    ENGINES.reset()


def test_twelve_cities_in_a_database_of_their_own(tmp_path: Path) -> None:
    with demonstration(load_settings()) as settings:
        assert settings.demo
        assert settings.interval == INTERVAL
        assert _locations() == {city[0]: "active" for city in CITIES}
        assert len(CITIES) == 12
        assert ingest_data(51.5074, -0.1278)["location"] == "London"
    assert (tmp_path / DATABASE).exists()
    assert not (tmp_path / "data" / "meteorograph.db").exists()


def test_a_new_one_begins_anew() -> None:
    with demonstration(load_settings()), get_db_session() as session:
        session.add(Location(name="Extra", latitude=1, longitude=2, state="active", created_at=NOON))
    _forget_connections()
    with demonstration(load_settings()):
        assert set(_locations()) == {city[0] for city in CITIES}


@pytest.mark.usefixtures("database")
def test_simulated_weather_never_goes_into_the_users_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("METEOROGRAPH_INTERVAL", "5m")
    with get_db_session() as session:
        session.add(Location(name="Athens", latitude=1, longitude=2, state="paused", created_at=NOON))
    with demonstration(load_settings()) as settings:
        assert settings.interval == timedelta(minutes=5)
        assert len(_locations()) == 12
        ingest_data()
        assert (tmp_path / DATABASE).exists()
    pin_settings(None)
    assert _locations() == {"Athens": "paused"}
    with get_db_session(read_only=True) as session:
        assert session.query(WeatherData).count() == 0


def test_it_needs_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_ENGINE", "procrastinate")
    with demonstration(load_settings()) as settings:
        assert settings.engine == "local"


def test_keys_that_are_set_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWM_API_KEY", "a-key-of-the-users")
    monkeypatch.setenv("METEOROGRAPH_OWM_BASE_URL", "http://127.0.0.1:1")
    with demonstration(load_settings()) as settings:
        assert settings.key("openweathermap") != "a-key-of-the-users"
        assert ingest_data()["provider"] == "openweathermap"


@pytest.mark.parametrize(
    ("chosen", "provider", "account"),
    [(None, "openweathermap", "openweathermap-onecall"), ("open-meteo", "open-meteo", "open-meteo")],
)
def test_what_it_missed_is_healed_from_the_simulators_histories(
    driven: DrivenClock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    chosen: str | None,
    provider: str,
    account: str,
) -> None:
    if chosen:
        monkeypatch.setenv("METEOROGRAPH_BACKFILL_PROVIDERS", chosen)
    monkeypatch.setattr(sys, "argv", ["meteorograph", "backfill", "--dry-run"])
    with demonstration(load_settings()):
        scheduled_ingest()
        driven.advance(4 * INTERVAL)
        scheduled_ingest()
        with pytest.raises(SystemExit) as ended:
            main.main()
        first, second = capsys.readouterr().out.splitlines()
        assert (ended.value.code, first) == (0, "36 slots of 12 locations to fill, 2026-03-01 12:00 to 2026-03-01 12:00")
        assert second.startswith(f"{account}  12 calls; ")
        scheduled_healing()
        with get_db_session(read_only=True) as session:
            assert session.scalars(select(Missed)).all() == []
            rows = session.scalars(select(WeatherData).where(WeatherData.origin == "backfill")).all()
            places = {location.id: location for location in session.scalars(select(Location))}
    assert {(one.provider, one.observed_at) for one in rows} == {(provider, NOON)}
    assert len(rows) == 36
    weather = Simulator()
    for one in rows:
        place = places[one.location_id]
        assert one.temperature == weather.truth(place.latitude, place.longitude, NOON)["temperature"]
