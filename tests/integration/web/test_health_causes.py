"""What ``/health`` says of a collector that is gone, of sources that stand still, and of clocks that were wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from health import add_location, health
from meteorograph import create_app, get_db_session
from meteorograph.accounts import account_state
from meteorograph.config.loading import get_settings
from meteorograph.errors import AccountError
from meteorograph.ledger import heartbeat
from meteorograph.model.clock import DrivenClock
from meteorograph.storage.models import Run
from meteorograph.web.background_look import Look
from meteorograph.web.database_look import DatabaseLook
from meteorograph.web.health_problems import find_problems
from support import KEY, NOON

pytestmark = pytest.mark.usefixtures("database", "driven")

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def watching(monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """A process without a scheduler of its own."""
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    return create_app().test_client()


def test_a_collector_that_is_gone_is_the_first_cause(watching: FlaskClient, driven: DrivenClock) -> None:
    """Fifteen minutes after the only process that collected, another process without a scheduler looks."""
    heartbeat.record_heartbeat(NOON)
    add_location("Athens", schedule="1m", newest=timedelta(0))
    add_location("Bergen", newest=timedelta(0))
    assert health(watching, 200)["status"] == "ok"
    driven.advance(15 * MINUTE)
    body = health(watching, 503)
    assert (body["status"], body["scheduler_running"]) == ("failing", False)
    assert body["problems"] == ["no process collects: the last heartbeat is 900 s old", "1 of 2 locations is stale"]


def test_a_collector_that_is_gone_fails_before_any_location_is_stale(watching: FlaskClient, driven: DrivenClock) -> None:
    heartbeat.record_heartbeat(NOON)
    add_location("Athens", newest=timedelta(0))
    driven.advance(15 * MINUTE)
    assert health(watching, 503)["problems"] == ["no process collects: the last heartbeat is 900 s old"]
    # A command that cron runs collects without a heartbeat.
    add_location("Bergen", newest=-14 * MINUTE)
    assert health(watching, 200)["status"] == "ok"


def test_without_any_heartbeat_stale_locations_still_fail(watching: FlaskClient) -> None:
    add_location("Athens", newest=9 * HOUR)
    assert health(watching, 503)["problems"] == ["no process collects", "1 of 1 location is stale"]


def test_a_few_stale_locations_are_no_failure(watching: FlaskClient) -> None:
    heartbeat.record_heartbeat(NOON)
    add_location("Athens", newest=9 * HOUR, made=10 * HOUR)
    add_location("Bergen", newest=MINUTE)
    add_location("Cork", newest=MINUTE)
    body = health(watching, 200)
    assert (body["status"], body["problems"]) == ("degraded", ["1 of 3 locations is stale"])


@pytest.mark.parametrize(
    ("flag", "observed", "problem"),
    [
        ("old", -21 * 24 * HOUR, "nws stands still: its observations are too old at 2 of 3 locations"),
        ("stale", timedelta(0), "nws stands still: its values no longer change at 2 of 3 locations"),
        ("future", 900 * 24 * HOUR, "nws has observations of the future at 2 of 3 locations"),
    ],
)
def test_a_source_that_stands_still(watching: FlaskClient, flag: str, observed: timedelta, problem: str) -> None:
    heartbeat.record_heartbeat(NOON)
    for name in ("Athens", "Bergen"):
        standing: dict[str, Any] = {
            "provider": "nws",
            "observed_at": NOON + observed,
            "temperature": 9.0,
            "flags": {"temperature": [flag]},
        }
        add_location(name, newest=MINUTE, **standing)
    add_location("Cork", newest=MINUTE, observed_at=NOON - 3 * MINUTE, temperature=9.0)
    is_old = flag == "old"  # at most of the places
    body = health(watching, 503 if is_old else 200)
    assert (body["status"], body["problems"]) == ("failing" if is_old else "degraded", [problem])
    age = {"old": 21 * 86400.0, "stale": 0.0, "future": None}[flag]
    assert body["freshness"]["oldest"] == max(age or 0, 180)
    [athens] = watching.get("/health?locations=true&limit=1").get_json()["locations"]
    assert athens == {"location": "Athens", "age": age, "stale": False}


def test_a_refused_key_is_named_before_the_stale_locations(watching: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWM_API_KEY", KEY)
    heartbeat.record_heartbeat(NOON)
    add_location("Athens", newest=9 * HOUR)
    add_location("Bergen", newest=MINUTE)
    add_location("Cork", newest=MINUTE)
    refused = AccountError("openweathermap", "401: Invalid API key", key_state="invalid", status=401)
    account_state.record_failure("openweathermap", KEY, refused, NOON)
    assert health(watching, 503)["problems"] == [
        "openweathermap does not accept the key yet: 401: Invalid API key",
        "1 of 3 locations is stale",
    ]


def test_the_locations_are_paged(watching: FlaskClient) -> None:
    for name in "abcde":
        add_location(name * 3, newest=timedelta(0))
    names, cursor = [], ""
    for _ in range(3):
        body = watching.get(f"/health?locations=true&limit=2{cursor}").get_json()
        names += [one["location"] for one in body["locations"]]
        cursor = f"&cursor={body['next']}"
    assert names == ["aaa", "bbb", "ccc", "ddd", "eee"]
    assert body["next"] is None
    assert watching.get("/health?locations=perhaps").status_code == 400
    assert "locations" not in watching.get("/health").get_json()


def test_times_of_a_clock_that_was_years_ahead_do_not_count(watching: FlaskClient) -> None:
    ahead = 1500 * 24 * HOUR
    heartbeat.record_heartbeat(NOON + ahead)
    add_location("Athens", newest=-ahead)
    with get_db_session() as session:
        session.add(Run(schedule="default", due_at=NOON + ahead, state="succeeded"))
    body = health(watching, 200)
    assert (body["scheduler_running"], body["last_run"]) == (False, None)
    assert body["freshness"] == {"oldest": None, "median": None}


def test_a_look_in_progress_after_one_that_failed_names_the_cause() -> None:
    """Each look at a server that hangs ends after a while, and the next one has not waited for long."""
    look = Look(DatabaseLook(failure="the database cannot be used: its server does not answer in time"), age=60.0, waited=1.0)
    texts = [problem.text for problem in find_problems(get_settings(), look, NOON, is_running=True)]
    assert texts[0] == "the database does not answer: its server does not answer in time"
