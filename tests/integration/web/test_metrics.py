"""``/metrics``: what it tells, how it is written, and that it answers while the database does not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from meteorograph import create_app, get_db_session
from meteorograph.config.loading import load_settings
from meteorograph.ledger import heartbeat
from meteorograph.storage.models import Location, Missed, Quota, Run
from meteorograph.web import metrics
from pages import add
from support import KEY, NOON

Labels = frozenset[tuple[str, str]]


@pytest.fixture
def client() -> FlaskClient:
    return create_app(load_settings(scheduler_enabled=False)).test_client()


def _told(client: FlaskClient) -> dict[tuple[str, Labels], float]:
    response = client.get("/metrics")
    assert response.status_code == 200
    families = text_string_to_metric_families(response.text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def _labels(**labels: str) -> Labels:
    return frozenset(labels.items())


@pytest.mark.usefixtures("database", "driven")
def test_state_quota_and_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWM_API_KEY", KEY)
    client = create_app(load_settings(scheduler_enabled=False)).test_client()
    heartbeat.record_heartbeat(NOON)
    odd = 'quote " backslash \\ line\nend'
    add(
        odd,
        {"temperature": -3.5, "humidity": 80.0, "flags": {"humidity": ["persistence"]}, "providers": {"humidity": "metar"}},
        created_at=NOON - timedelta(days=1),
    )
    add("old", {"temperature": 9.0, "due_at": NOON - timedelta(hours=9)}, created_at=NOON - timedelta(days=1))
    add("paused", {"temperature": 9.0}, state="paused")
    with get_db_session() as session:
        id_ = session.query(Location.id).filter_by(name="old").scalar()
        session.add(Run(schedule="default", due_at=NOON, state="partial", due=2, stored=1, failed=1))
        session.add(Missed(location_id=id_, due_at=NOON, reason="provider_error"))
        session.add(Quota(provider="openweathermap", window="minute", period_start=NOON, used=7))
    told = _told(client)
    expected = {
        ("meteorograph_healthy", _labels()): 0,
        ("meteorograph_scheduler_running", _labels()): 1,
        ("meteorograph_database_up", _labels()): 1,
        ("meteorograph_locations", _labels(state="active")): 2,
        ("meteorograph_locations", _labels(state="paused")): 1,
        ("meteorograph_locations_stale", _labels()): 1,
        ("meteorograph_location_age_seconds", _labels(location="old")): 9 * 3600,
        ("meteorograph_last_run_due_timestamp_seconds", _labels()): NOON.timestamp(),
        ("meteorograph_last_run_locations", _labels(outcome="stored")): 1,
        ("meteorograph_slots_due_last_day", _labels()): 3,
        ("meteorograph_slots_last_day", _labels(outcome="missed")): 1,
        ("meteorograph_calls_total", _labels(provider="openweathermap")): 0,
        ("meteorograph_missed_last_day", _labels(reason="provider_error")): 1,
        ("meteorograph_missed_last_day", _labels(reason="down")): 0,
        ("meteorograph_quota_used_calls", _labels(provider="openweathermap", window="minute")): 7,
        ("meteorograph_quota_limit_calls", _labels(provider="openweathermap", window="minute")): 60,
        ("meteorograph_provider_open", _labels(provider="openweathermap")): 1,
        ("meteorograph_provider_key", _labels(provider="openweathermap", state="untested")): 1,
        ("meteorograph_temperature_celsius", _labels(location=odd)): -3.5,
        ("meteorograph_newest_values", _labels(quantity="temperature", provider="openweathermap")): 1,
        ("meteorograph_newest_values", _labels(quantity="humidity", provider="metar")): 1,
    }
    assert {key: told.get(key) for key in expected} == expected
    shown = {dict(labels).get("location") for name, labels in told if name == "meteorograph_temperature_celsius"}
    assert shown == {odd}, "what is stale or paused has no current value"
    assert not [name for name, _ in told if name == "meteorograph_humidity_ratio"], "nor has what is not to be trusted"


@pytest.mark.usefixtures("driven")
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_both_formats(database: str, client: FlaskClient) -> None:
    assert client.get("/metrics").content_type.startswith("text/plain")
    opened = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert opened.content_type.startswith("application/openmetrics-text")
    assert opened.text.endswith("# EOF\n")


def test_it_answers_while_the_database_does_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "not a database.db").write_text("text", encoding="utf-8")
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/not a database.db")
    told = _told(create_app(load_settings(scheduler_enabled=False)).test_client())
    assert told[("meteorograph_database_up", _labels())] == 0
    assert told[("meteorograph_healthy", _labels())] == 0


@pytest.mark.usefixtures("database", "driven")
@pytest.mark.parametrize(
    ("setting", "most", "is_shown"), [("auto", 1, True), ("auto", 0, False), ("true", 0, True), ("false", 1, False)]
)
def test_series_of_single_locations_can_be_left_out(
    monkeypatch: pytest.MonkeyPatch, setting: str, most: int, is_shown: bool
) -> None:
    monkeypatch.setenv("METEOROGRAPH_METRICS_LOCATIONS", setting)
    monkeypatch.setattr(metrics, "MAX_LOCATIONS", most)
    add("here", {"temperature": 9.0}, created_at=NOON - timedelta(days=1))
    told = _told(create_app(load_settings(scheduler_enabled=False)).test_client())
    assert told[("meteorograph_locations_shown", _labels())] == is_shown
    assert (("meteorograph_temperature_celsius", _labels(location="here")) in told) is is_shown
    assert (("meteorograph_location_age_seconds", _labels(location="here")) in told) is is_shown
    assert told[("meteorograph_locations", _labels(state="active"))] == 1
