"""The demonstration's own database, its cities, and what it leaves to the user."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from meteorograph import WeatherData, get_db_session, ingest_data
from meteorograph.accounts.quota import usage as usage_of
from meteorograph.alerts.service import evaluate_rules
from meteorograph.cli import main
from meteorograph.config.loading import load_settings, pin_settings
from meteorograph.ledger.audit import audit
from meteorograph.model.clock import DrivenClock
from meteorograph.model.schedule import Interval
from meteorograph.scheduler import scheduled_healing, scheduled_ingest
from meteorograph.server.demo import CITIES, DATABASE, INTERVAL, demonstration
from meteorograph.simulator import Simulator
from meteorograph.storage.engine import ENGINES
from meteorograph.storage.models import Incident, Location, Missed, Run
from meteorograph.web.page.quota_gauges import gauge
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
            backfilled = select(WeatherData).where(WeatherData.origin == "backfill", WeatherData.due_at >= NOON)
            rows = session.scalars(backfilled).all()
            places = {location.id: location for location in session.scalars(select(Location))}
    assert {(one.provider, one.observed_at) for one in rows} == {(provider, NOON)}
    assert len(rows) == 36
    weather = Simulator()
    for one in rows:
        place = places[one.location_id]
        assert one.temperature == weather.truth(place.latitude, place.longitude, NOON)["temperature"]


def test_the_past_that_serve_shows_is_accounted_for_and_tells_of_troubles(driven: DrivenClock) -> None:
    with demonstration(load_settings(), has_troubles=True) as settings:
        scheduled_ingest()
        evaluate_rules(settings, NOON)
        assert audit(NOON, [("default", Interval(settings.interval)), ("1h", Interval(timedelta(hours=1)))], repair=False) == []
        with get_db_session(read_only=True) as session:
            missed = session.scalar(select(func.count()).select_from(Missed))
            rows = session.scalar(select(func.count()).select_from(WeatherData).where(WeatherData.due_at < NOON))
            late = session.scalar(select(func.count()).select_from(WeatherData).where(WeatherData.origin == "backfill"))
            flags = [row for row in session.scalars(select(WeatherData.flags).where(WeatherData.flags.is_not(None))) if row]
            [incident] = session.scalars(select(Incident)).all()
            stored, failed = session.execute(
                select(func.sum(Run.stored), func.sum(Run.failed)).where(Run.schedule == "1h", Run.due_at < NOON)
            ).one()
            [usage] = usage_of(session, settings.account("weatherstack"), NOON)
        assert missed == 12 * 5 + 21 + 5 + 1, "the first run has missed one more"
        assert (stored, failed) == (rows, missed - 1) == (12 * 40 * 24 - missed + 1, missed - 1)
        assert late == 12 * 5
        assert any("step" in words for row in flags for words in row.values())
        assert (incident.state, incident.subjects) == ("open", ["Ushuaia"])
        assert "city not found" in incident.cause
        assert gauge(usage, 0, NOON).exhausted_at is None
        scheduled_healing()
        with get_db_session(read_only=True) as session:
            assert session.scalar(select(func.count()).select_from(Missed)) == missed, "its provider does not know the place"
