"""``/health``, ``/livez`` and ``/api/version``: what must hold for "ok", and that nothing dead looks alive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient
from psycopg import sql

from health import add_location, health
from meteorograph import create_app, get_db_session, scheduler
from meteorograph.config.loading import load_settings
from meteorograph.ledger import heartbeat
from meteorograph.model.clock import DrivenClock
from meteorograph.service_state import SERVICE_STATE
from meteorograph.storage import migrations, process
from meteorograph.storage.engine import get_engine
from meteorograph.storage.models import Heartbeat, Run
from support import KEY, NOON, wait_until

pytestmark = pytest.mark.usefixtures("database", "driven")

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def watching(monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """A process without a scheduler of its own."""
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    return create_app().test_client()


@pytest.fixture
def collecting_client(collecting: object) -> FlaskClient:
    """A process whose scheduler has ended its first collection, rings no more, and has no job in progress."""
    app = create_app()
    wait_until(lambda: SERVICE_STATE.has_ticked and _has_beaten(), 120, "the first tick and the first heartbeat")
    scheduler.scheduler.pause()
    wait_until(_is_idle, 120, "the end of the jobs")  # a heartbeat goes on after its row is stored
    return app.test_client()


def _is_idle() -> bool:
    return not any(number for pool in scheduler.scheduler._executors.values() for number in pool._instances.values())


def _has_beaten() -> bool:
    with get_db_session(read_only=True) as session:
        return session.get(Heartbeat, process.process_name()) is not None


@pytest.fixture
def away(database: str) -> Callable[[], AbstractContextManager[None]]:
    """Take the database away for a block: the file cannot be opened, the server lets nobody in."""
    return lambda: _file_away(Path(database.removeprefix("sqlite:///"))) if "sqlite" in database else _server_away(database)


@contextmanager
def _file_away(path: Path) -> Iterator[None]:
    get_engine().dispose()
    aside = path.parent.rename(path.parent.with_name("aside"))
    try:
        yield
    finally:
        aside.rename(path.parent)


@contextmanager
def _server_away(url: str) -> Iterator[None]:
    name = get_engine().url.database
    assert name is not None
    maintenance = psycopg.conninfo.make_conninfo(url, dbname="postgres")

    def let_in(whether: bool) -> None:
        with psycopg.connect(maintenance, autocommit=True) as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(sql.Identifier(name), sql.Literal(whether))
            )
            if not whether:
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))

    let_in(False)
    try:
        yield
    finally:
        let_in(True)


def _keys(body: dict[str, Any]) -> dict[str, str]:
    return {name: state["key"] for name, state in body["providers"].items()}


def test_all_is_well(collecting_client: FlaskClient) -> None:
    add_location("Athens", newest=30 * MINUTE)
    body = health(collecting_client, 200)
    assert (body["scheduler_running"], body["database"]) == (True, "ok")
    assert body["freshness"] == {"oldest": 1800, "median": 900}, "the default location has just been collected"
    assert body["next_run"] == "2026-03-01T13:00:00+00:00"
    assert _keys(body) == {"openweathermap": "active", "weatherstack": "active"}


def test_a_dead_scheduler_thread(collecting_client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = threading.Thread(target=lambda: None)
    dead.start()
    dead.join()
    with monkeypatch.context() as patch:
        patch.setattr(scheduler.scheduler, "_thread", dead)
        assert scheduler.scheduler.running, "this is what the library itself would say"
        for _ in range(2):
            body = health(collecting_client, 503)
            assert (body["scheduler_running"], body["next_run"]) == (False, None)
            assert body["problems"] == ["the scheduler is not running"]
    assert health(collecting_client, 200)["scheduler_running"] is True


def test_a_scheduler_that_was_shut_down(collecting_client: FlaskClient) -> None:
    scheduler.stop()
    assert health(collecting_client, 503)["scheduler_running"] is False


def test_a_scheduler_that_is_stuck(collecting_client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler._process, "last_heartbeat", time.monotonic() - scheduler.STALE_HEARTBEAT_SECONDS + 10)
    health(collecting_client, 200)
    monkeypatch.setattr(scheduler._process, "last_heartbeat", time.monotonic() - scheduler.STALE_HEARTBEAT_SECONDS - 1)
    body = health(collecting_client, 503)
    assert body["scheduler_running"] is False
    assert scheduler.scheduler.is_alive()


def test_switched_off_it_is_another_processs_heartbeat_that_counts(watching: FlaskClient, driven: DrivenClock) -> None:
    body = health(watching, 200)
    assert (body["scheduler_running"], body["next_run"], body["last_run"]) == (False, None, None)
    assert _keys(body) == {"openweathermap": "missing", "weatherstack": "missing"}
    heartbeat.record_heartbeat(NOON)
    assert health(watching, 200)["scheduler_running"] is True
    driven.advance(timedelta(seconds=scheduler.STALE_HEARTBEAT_SECONDS))
    assert health(watching, 200)["scheduler_running"] is False


@pytest.mark.parametrize("running", [True, False])
def test_the_database_is_away(
    request: pytest.FixtureRequest, away: Callable[[], AbstractContextManager[None]], running: bool
) -> None:
    client: FlaskClient = request.getfixturevalue("collecting_client" if running else "watching")
    with away():
        body = health(client, 503)
        assert body["database"] == "unreachable"
        assert body["problems"][0].startswith("the database does not answer: ")
        assert (body["scheduler_running"], body["last_run"]) == (running, None)
        assert body["freshness"] == {"oldest": None, "median": None}
        alive = client.get("/livez")
        assert (alive.status_code, alive.get_json()["status"]) == (200, "alive")
        assert client.get("/api/version").status_code == 200
        for response in (client.get("/data"), client.get("/data/latest"), client.get("/data?location=Athens")):
            assert (response.status_code, response.content_type) == (503, "application/problem+json")
            assert response.get_json()["title"] == "The database is not available"
        page = client.get("/")
        assert page.status_code == 200
        assert "the database does not answer" in page.text
    assert health(client, 200)["database"] == "ok"
    assert client.get("/data").status_code == 200


@pytest.mark.usefixtures("collecting")
def test_collecting_with_the_database_away_says_so(
    watching: FlaskClient, away: Callable[[], AbstractContextManager[None]]
) -> None:
    with away():
        response = watching.post("/ingest", json={})
        assert (response.status_code, response.get_json()["title"]) == (503, "The database is not available")
    assert watching.post("/ingest", json={}).status_code == 200


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_file_that_is_no_database(watching: FlaskClient, database: str) -> None:
    get_engine().dispose()
    path = Path(database.removeprefix("sqlite:///"))
    path.write_bytes(b"this is no database, whatever its name says" * 200)
    assert health(watching, 503)["database"] == "unreachable"
    assert watching.get("/").status_code == 200
    assert (watching.get("/data").status_code, watching.post("/ingest", json={}).status_code) == (503, 503)


@pytest.mark.parametrize(
    ("newest", "made", "state", "stale"),
    [
        (2 * HOUR, 9 * HOUR, "active", False),
        (2 * HOUR + timedelta(seconds=1), 9 * HOUR, "active", True),
        (None, 2 * HOUR, "active", False),
        (None, 3 * HOUR, "active", True),
        (9 * HOUR, 9 * HOUR, "paused", False),
        (9 * HOUR, 9 * HOUR, "unscheduled", False),
    ],
)
def test_a_stale_location(watching: FlaskClient, newest: timedelta | None, made: timedelta, state: str, stale: bool) -> None:
    heartbeat.record_heartbeat(NOON)
    add_location("Athens", newest=newest, made=made, state=state)
    add_location("Bergen", newest=MINUTE)
    body = health(watching, 503 if stale else 200)
    assert body["problems"] == (["1 of 2 locations is stale"] if stale else [])
    ages = {one["location"]: one["age"] for one in watching.get("/health?locations=true").get_json()["locations"]}
    assert ages["Bergen"] == 60
    assert ages.get("Athens", "none") == ("none" if state != "active" else None if newest is None else newest.total_seconds())


def test_a_slot_has_a_minute_to_be_collected(watching: FlaskClient, driven: DrivenClock) -> None:
    add_location("Athens", newest=2 * HOUR)
    driven.advance(timedelta(seconds=59))
    heartbeat.record_heartbeat(NOON)
    health(watching, 200)
    driven.advance(timedelta(seconds=1))
    assert health(watching, 503)["problems"] == ["1 of 1 location is stale"]


def test_a_location_is_measured_by_its_own_schedule(watching: FlaskClient) -> None:
    heartbeat.record_heartbeat(NOON)
    add_location("Athens", newest=9 * HOUR, made=99 * HOUR, schedule="6h")
    add_location("Bergen", newest=13 * HOUR, made=99 * HOUR, schedule="6h")
    assert health(watching, 503)["problems"] == ["1 of 2 locations is stale"]


def test_many_stale_locations_are_counted_and_none_is_named(watching: FlaskClient) -> None:
    heartbeat.record_heartbeat(NOON)
    for number in range(8):
        add_location("x" * (number + 1), newest=5 * HOUR, made=9 * HOUR)
    [told] = health(watching, 503)["problems"]
    assert told == "8 of 8 locations are stale"


def test_the_last_run_is_the_newest_that_was_not_missed(watching: FlaskClient) -> None:
    with get_db_session() as session:
        session.add_all(
            Run(schedule="default", due_at=NOON - ago * HOUR, state=state, due=3, stored=stored, failed=3 - stored)
            for ago, state, stored in ((2, "succeeded", 3), (1, "partial", 2), (0, "missed", 0))
        )
    expected = {"due_at": "2026-03-01T11:00:00+00:00", "state": "partial", "due": 3, "stored": 2, "failed": 1}
    assert health(watching, 200)["last_run"] == expected


def test_no_answer_shows_a_key(collecting_client: FlaskClient) -> None:
    assert KEY not in collecting_client.get("/health").text


def test_version(watching: FlaskClient) -> None:
    from meteorograph import __version__

    body = watching.get("/api/version").get_json()
    assert (body["version"], body["schema"]) == (__version__, migrations.newest_revision())


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_it_starts_without_a_database_and_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, database: str) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:not-for-anyones-eyes@127.0.0.1:1/nowhere")
    client = create_app(load_settings(scheduler_enabled=False)).test_client()
    body = health(client, 503)
    assert body["database"] == "unreachable"
    assert client.get("/livez").status_code == 200
    for path in ("/health", "/data", "/"):
        assert "not-for-anyones-eyes" not in client.get(path).text


def test_a_scheduler_that_has_just_been_started(collecting_client: FlaskClient) -> None:
    with get_db_session() as session:
        session.query(Heartbeat).delete()
    assert health(collecting_client, 503)["status"] == "starting"
