"""Each row of the table in ``docs/health.md``: the situation is made, and ``/health`` answers as the table says."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, delete, event, select, text

from acceptance.holds import away
from health import add_location
from meteorograph import create_app, get_db_session, scheduler, upkeep
from meteorograph.accounts import account_state
from meteorograph.alerts.service import evaluate_rules
from meteorograph.collecting.process_memory import PROCESS_MEMORY
from meteorograph.config.loading import get_settings, load_settings, pin_settings
from meteorograph.errors import AccountError, RetryableFetchError
from meteorograph.failover.database_file import fallback_path
from meteorograph.journal.store_state import STORE_STATE
from meteorograph.ledger import heartbeat
from meteorograph.model.clock import DrivenClock
from meteorograph.service_state import SERVICE_STATE
from meteorograph.simulator import Simulator
from meteorograph.storage import engine, outbox
from meteorograph.storage.engine import ENGINES, get_engine
from meteorograph.storage.models import (
    AccountState,
    AlertRule,
    ArchiveFile,
    Delivery,
    Heartbeat,
    Location,
    Missed,
    Quota,
    WeatherData,
)
from meteorograph.web import database_look
from support import KEY, NOON, ROOT, wait_until

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


class Row(NamedTuple):
    """A row of the table."""

    situation: str
    http: str
    status: str
    problem: str


def _table() -> list[Row]:
    text = (ROOT / "docs" / "health.md").read_text(encoding="utf-8")
    rows = [Row(*(cell.strip() for cell in line.strip("|").split("|"))) for line in re.findall(r"^\| .+\|$", text, re.MULTILINE)]
    return rows[1:]


ROWS = {row.situation: row for row in _table()}


@dataclass
class World:
    """What a situation is made of."""

    database: str
    clock: DrivenClock
    simulator: Simulator
    monkeypatch: pytest.MonkeyPatch
    tidy: ExitStack

    @property
    def path(self) -> Path:
        """The SQLite file."""
        return Path(self.database.removeprefix("sqlite:///"))

    def watch(self) -> FlaskClient:
        """A server without a scheduler."""
        self.monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
        return create_app().test_client()

    def collect(self, **variables: str) -> FlaskClient:
        """A service whose first collection has ended, and which goes on only when the test says so."""
        for name, value in variables.items():
            self.monkeypatch.setenv(name, value)
        app = create_app()
        wait_until(lambda: SERVICE_STATE.has_ticked and _has_beaten(), 120, "the first tick and the first heartbeat")
        scheduler.scheduler.pause()
        wait_until(lambda: SERVICE_STATE.heartbeat_since is None, 60, "the end of the heartbeat")
        return app.test_client()

    def next_hour(self) -> None:
        """Collect the next slot."""
        self.clock.advance(HOUR)
        scheduler.scheduled_ingest()
        scheduler._beat()


def _has_beaten() -> bool:
    with get_db_session(read_only=True) as session:
        return session.scalars(select(Heartbeat.holder)).first() is not None


@pytest.fixture
def world(database: str, driven: DrivenClock, collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 30.0)
    monkeypatch.setattr("meteorograph.failover.call.AWAY_SECONDS", 0.0)
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    ENGINES.reset()
    with ExitStack() as tidy:
        yield World(database, driven, collecting, monkeypatch, tidy)


Make = Callable[[World], FlaskClient]


def _well(world: World) -> FlaskClient:
    return world.collect()


def _just_started(world: World) -> FlaskClient:
    add_location("Athens", newest=400 * 24 * HOUR, made=500 * 24 * HOUR)
    world.simulator.set_faults("kind=latency ms=60000")
    world.tidy.callback(world.simulator.set_faults, "")
    client = create_app().test_client()
    wait_until(_has_beaten, 60, "the first heartbeat")
    assert client.get("/livez").status_code == 200
    assert "stale" not in " ".join(client.get("/health").get_json()["problems"])
    return client


def _other_collects(world: World) -> FlaskClient:
    heartbeat.record_heartbeat(NOON)
    add_location("Athens", newest=MINUTE)
    return world.watch()


def _collector_gone(world: World) -> FlaskClient:
    client = _other_collects(world)
    world.clock.advance(2 * MINUTE)
    return client


def _dead_thread(world: World) -> FlaskClient:
    client = world.collect()
    dead = threading.Thread(target=lambda: None)
    dead.start()
    dead.join()
    alive = scheduler.scheduler._thread
    scheduler.scheduler._thread = dead
    world.tidy.callback(setattr, scheduler.scheduler, "_thread", alive)
    return client


def _no_worker(world: World) -> FlaskClient:
    world.monkeypatch.setenv("METEOROGRAPH_ENGINE", "procrastinate")
    world.monkeypatch.setenv("METEOROGRAPH_WORKERS", "0")
    client = world.collect()
    assert client.get("/health").get_json()["problems"] == [], "jobs may wait for a moment"
    with get_db_session() as session:
        session.execute(text("UPDATE procrastinate_events SET at = at - interval '2 minutes'"))
    return client


def _own_fault(world: World) -> FlaskClient:
    client = world.collect()

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with world.monkeypatch.context() as patch:
        patch.setattr("meteorograph.tick._sync_back", fail)
        world.next_hour()
    return client


def _removed(world: World) -> FlaskClient:
    client = world.collect()
    world.path.unlink()
    return client


def _replaced(world: World) -> FlaskClient:
    client = world.collect()
    other = world.path.with_name("other")
    other.write_bytes(b"this is no database, whatever its name says" * 200)
    other.rename(world.path)
    return client


def _replaced_by_empty(world: World) -> FlaskClient:
    client = world.collect()
    other = world.path.with_name("other")
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE other (number INTEGER)")
    other.rename(world.path)
    return client


def _no_connection(world: World) -> FlaskClient:
    client = world.collect()
    world.tidy.enter_context(away(world.database))
    return client


def _away_with_fallback(world: World) -> FlaskClient:
    client = world.collect()
    world.next_hour()
    aside = world.path.with_name("aside") if "sqlite" in world.database else None
    if aside is not None:
        world.path.rename(aside)
    else:
        world.tidy.enter_context(away(world.database))
    calls = world.simulator.count()
    world.next_hour()
    assert world.simulator.count() == calls + 1
    problems = client.get("/health").get_json()["problems"]
    assert problems[1:] == ["rows are collected in the fallback database until the database is back"]
    return client


def _read_only(world: World) -> FlaskClient:
    client = world.collect()
    if "sqlite" in world.database:
        event.listen(get_engine(), "connect", lambda raw, _record: raw.execute("PRAGMA query_only = ON"))
        get_engine().dispose()
    else:
        name = psycopg.conninfo.conninfo_to_dict(world.database)["dbname"]
        with psycopg.connect(world.database, autocommit=True) as connection:
            connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        ENGINES.reset()
    scheduler._beat()
    return client


def _full(world: World) -> FlaskClient:
    client = world.collect()
    with get_db_session() as session:
        for number in range(300):
            at = {"latitude": number / 10, "longitude": 1.0, "created_at": NOON}
            session.add(Location(name=f"p{number}", state="active", **at))
    with closing(sqlite3.connect(world.path)) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]

    def limit(raw: sqlite3.Connection, _record: object) -> None:
        raw.execute(f"PRAGMA max_page_count = {pages}")

    event.listen(Engine, "connect", limit)  # of whatever engine: a log that vanishes with the last connection makes a new one
    world.tidy.callback(event.remove, Engine, "connect", limit)
    ENGINES.reset()
    world.next_hour()
    return client


def _sqlite_locked(world: World) -> FlaskClient:
    client = world.collect()
    world.monkeypatch.setattr("meteorograph.service_state.HEARTBEAT_PATIENCE_SECONDS", 0.3)
    ENGINES.reset()
    other = world.tidy.enter_context(closing(sqlite3.connect(world.path, isolation_level=None)))
    other.execute("BEGIN EXCLUSIVE")
    beating = threading.Thread(target=scheduler._beat)
    beating.start()
    world.tidy.callback(beating.join)
    world.tidy.callback(other.execute, "ROLLBACK")
    wait_until(SERVICE_STATE.heartbeat_problem, 20, "a heartbeat that waits")
    _answers_within_a_second(client)
    return client


def _postgresql_locked(world: World) -> FlaskClient:
    client = world.collect()
    client.get("/health")
    world.monkeypatch.setattr(database_look, "WAIT_SECONDS", 0.7)
    world.monkeypatch.setattr("meteorograph.web.health_problems.PATIENCE_SECONDS", 1.0)
    other = world.tidy.enter_context(psycopg.connect(world.database))
    other.execute("LOCK TABLE locations, weather_data, runs, heartbeats IN ACCESS EXCLUSIVE MODE")
    world.tidy.callback(wait_until, lambda: not _looks(), 30, "the end of the look")
    world.tidy.callback(other.rollback)
    before = threading.active_count()
    for _ in range(4):
        _answers_within_a_second(client)
    assert threading.active_count() <= before + 1, "threads do not pile up"
    assert client.get("/health").get_json()["age_seconds"] > 1
    return client


def _looks() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "look"]


def _answers_within_a_second(client: FlaskClient) -> None:
    begun = time.thread_time(), time.monotonic()
    client.get("/health")
    # What a busy machine adds is not counted: the wait itself is 0.7 s, and the work of this thread little.
    assert time.thread_time() - begun[0] < 0.3
    assert time.monotonic() - begun[1] < 10


def _no_key(world: World) -> FlaskClient:
    world.monkeypatch.delenv("OWM_API_KEY")
    return world.collect()


def _refused(world: World) -> FlaskClient:
    return world.collect(OWM_API_KEY="0123456789abcdef0123456789abcdef")


def _one_refused(world: World) -> FlaskClient:
    client = world.collect(METEOROGRAPH_PROVIDERS="openweathermap,met-norway")
    refusal = AccountError("openweathermap", "401: Invalid API key", key_state="invalid", status=401)
    with get_db_session() as session:
        session.execute(delete(AccountState))
    account_state.record_failure("openweathermap", KEY, refusal, NOON)
    return client


def _closed(world: World) -> FlaskClient:
    client = world.collect()
    account_state.record_failure("openweathermap", KEY, RetryableFetchError("openweathermap", "503", status=503), NOON)
    return client


def _used_up(world: World) -> FlaskClient:
    client = world.collect()
    with get_db_session() as session:
        session.query(Quota).filter(Quota.window == "month").update({"used": 1_000_000})
    return client


def _wrong_clock(world: World) -> FlaskClient:
    client = world.collect()
    PROCESS_MEMORY.clock_check._differences["openweathermap"] = HOUR  # as an answer with another ``Date`` leaves it
    return client


def _no_journal(world: World) -> FlaskClient:
    client = world.collect()
    folder = get_settings().journal_dir.absolute()
    folder.rename(folder.with_name("aside"))
    folder.write_text("a file where the folder was")
    world.monkeypatch.setattr("meteorograph.journal.writer._RETRY_SECONDS", 0.0)
    world.clock.advance(HOUR)
    scheduler.scheduled_ingest()
    scheduler._beat()
    return client


def _store_away(world: World) -> FlaskClient:
    client = world.collect()
    missing = get_settings().journal_dir.absolute().with_name("share")
    world.monkeypatch.setenv("METEOROGRAPH_JOURNAL_STORE", f"file://{missing}")
    world.monkeypatch.setattr(STORE_STATE, "failure", None)  # restored afterwards
    upkeep.reset()
    upkeep.copy_journals(threading.Event())
    return client


def _damaged_fallback(world: World) -> FlaskClient:
    client = world.collect()
    ENGINES.reset()
    path = fallback_path(get_settings())
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(b"\0" * 5000)
    world.next_hour()
    return client


def _hole(world: World) -> FlaskClient:
    client = world.collect()
    world.next_hour()
    world.next_hour()
    with get_db_session() as session:
        session.execute(delete(WeatherData).where(WeatherData.due_at == NOON + HOUR))
    world.clock.advance(HOUR)
    scheduler.scheduled_ingest()
    upkeep.audit_ledger()
    return client


def _archive_lost(world: World) -> FlaskClient:
    client = world.collect()
    with get_db_session() as session:
        session.add(ArchiveFile(name="2025-01-0a1b2c3d.parquet", month_at=NOON, sealed_at=NOON, sha256="", footer_sha256=""))
    upkeep.seal_old_months(threading.Event())
    return client


def _backup_failed(world: World) -> FlaskClient:
    client = world.collect()
    folder = get_settings().journal_dir.absolute().with_name("backups")
    folder.write_text("a file where the folder should be")
    world.monkeypatch.setenv("METEOROGRAPH_BACKUP_DIR", str(folder))
    upkeep.make_due_backup()
    return client


def _no_backup(world: World) -> FlaskClient:
    client = world.collect()
    world.monkeypatch.setenv("METEOROGRAPH_BACKUP_DIR", str(get_settings().journal_dir.absolute().with_name("backups")))
    upkeep.make_due_backup()
    world.clock.advance(49 * HOUR)
    scheduler.scheduled_ingest()
    scheduler._beat()
    return client


def _old_at(count: int) -> Make:
    def make(world: World) -> FlaskClient:
        heartbeat.record_heartbeat(NOON)
        for number in range(3):
            flags: dict[str, Any] = {"temperature": 9.0, "flags": {"temperature": ["old"]}} if number < count else {}
            add_location("x" * (number + 1), newest=MINUTE, observed_at=NOON - 9 * HOUR, **flags)
        return world.watch()

    return make


def _missed(world: World) -> FlaskClient:
    heartbeat.record_heartbeat(NOON)
    for name in ("Athens", "Bergen"):
        add_location(name, newest=MINUTE)
    with get_db_session() as session:
        ids = session.scalars(select(Location.id)).all()
        session.add_all(Missed(location_id=ids[0], due_at=NOON - hours * HOUR, reason="down") for hours in (1, 2, 30))
    return world.watch()


def _unknown_place(world: World) -> FlaskClient:
    client = world.collect()
    for number in range(4):
        add_location("x" * (number + 1))
    world.simulator.set_faults("kind=status code=404 place=1,4")
    for _ in range(5):
        world.next_hour()
    return client


def _stale(world: World) -> FlaskClient:
    heartbeat.record_heartbeat(NOON)
    for name in ("Athens", "Bergen"):
        add_location(name, newest=9 * HOUR)
    return world.watch()


def _receiver_away(world: World) -> FlaskClient:
    with get_db_session() as session:
        outbox.subscribe(session, "mqtt", NOON)
        outbox.note_failure(session, "mqtt", NOON, "broker.lan:1883: Connection refused")
    return world.collect()


def _nobody_sends(world: World) -> FlaskClient:
    with get_db_session() as session:
        outbox.subscribe(session, "mqtt", NOON - HOUR)
    client = world.collect()
    pin_settings(load_settings(mqtt_url="mqtt://broker.lan"))
    return client


def _receiver_refuses(world: World) -> FlaskClient:
    with get_db_session() as session:
        outbox.subscribe(session, "influxdb", NOON)
        outbox.note_success(session, "influxdb", NOON, 0, ["400: field type conflict"])
    return world.collect()


def _deaf_channel(world: World) -> FlaskClient:
    client = _well(world)
    with get_db_session() as session:
        failed = {"state": "waiting", "created_at": NOON, "due_at": NOON, "error": "connection refused"}
        session.add(Delivery(key="incident-1-opened/phone", channel="phone", title="t", body="b", **failed))
    return client


def _rule_without_place(world: World) -> FlaskClient:
    client = _well(world)
    with get_db_session() as session:
        session.add(AlertRule(name="frost", kind="frost", options={"locations": ["Atlantis"]}, created_at=NOON, version=0))
    evaluate_rules(get_settings(), NOON)
    return client


SQLITE, POSTGRESQL = ("sqlite",), ("postgresql",)
BOTH = (*SQLITE, *POSTGRESQL)

SITUATIONS: dict[str, tuple[Make, tuple[str, ...]]] = {
    "all is well": (_well, BOTH),
    "a scheduler that was started a moment ago, also after a long absence": (_just_started, BOTH),
    "a server without a scheduler, another process collects": (_other_collects, BOTH),
    "a server without a scheduler, the process that collected is gone": (_collector_gone, BOTH),
    "the scheduler's thread is dead": (_dead_thread, SQLITE),
    "jobs wait for a worker, and there is none": (_no_worker, POSTGRESQL),
    "the last collection failed by a fault of the program": (_own_fault, SQLITE),
    "the SQLite file was removed": (_removed, SQLITE),
    "the SQLite file was replaced by another file": (_replaced, SQLITE),
    "the SQLite file was replaced by an empty database": (_replaced_by_empty, SQLITE),
    "the server of the database takes no connection": (_no_connection, POSTGRESQL),
    "the database is away, its rows go into the fallback database": (_away_with_fallback, BOTH),
    "the database is read-only": (_read_only, BOTH),
    "the disk of the database is full": (_full, SQLITE),
    "a lock stops every write to SQLite": (_sqlite_locked, SQLITE),
    "a lock stops every statement on PostgreSQL": (_postgresql_locked, POSTGRESQL),
    "no provider has a key": (_no_key, SQLITE),
    "the only provider refuses the key": (_refused, BOTH),
    "one of two providers refuses the key": (_one_refused, SQLITE),
    "a provider is down and closed for a while": (_closed, SQLITE),
    "the quota of a day or a month is used up": (_used_up, BOTH),
    "the clock of the machine is wrong": (_wrong_clock, SQLITE),
    "the journal cannot be written": (_no_journal, SQLITE),
    "the journal store is away": (_store_away, SQLITE),
    "the fallback database was damaged": (_damaged_fallback, SQLITE),
    "the audit has found a hole": (_hole, BOTH),
    "a file of a sealed month is missing or damaged": (_archive_lost, SQLITE),
    "a backup failed": (_backup_failed, SQLITE),
    "backups are no longer made": (_no_backup, SQLITE),
    "a provider's observations are too old at a few places": (_old_at(1), BOTH),
    "a provider's observations are too old at most places": (_old_at(2), BOTH),
    "slots were missed in the last 24 hours": (_missed, BOTH),
    "one place of five is unknown to its provider": (_unknown_place, SQLITE),
    "the receiver of an integration is away": (_receiver_away, BOTH),
    "no process sends to an integration that is set up": (_nobody_sends, SQLITE),
    "the receiver of an integration refuses a row": (_receiver_refuses, SQLITE),
    "a channel does not accept alerts": (_deaf_channel, SQLITE),
    "a rule of an alert cannot be evaluated": (_rule_without_place, SQLITE),
    "most places are stale": (_stale, BOTH),
}

CASES = [pytest.param(name, database, id=f"{name} ({database})") for name, (_, kinds) in SITUATIONS.items() for database in kinds]


def test_every_row_has_a_test() -> None:
    assert list(ROWS) == list(SITUATIONS)


@pytest.mark.parametrize(("situation", "database"), CASES, indirect=["database"])
def test_a_row_of_the_table(situation: str, world: World) -> None:
    row = ROWS[situation]
    client = SITUATIONS[situation][0](world)
    response = client.get("/health")
    body = response.get_json()
    assert (str(response.status_code), body["status"]) == (row.http, row.status), body
    is_ready = body["database"] == "ok" and body["status"] != "starting"
    assert client.get("/readyz").status_code == (200 if is_ready else 503)
    if not row.problem:
        assert body["problems"] == []
        return
    pattern = ".+".join(re.escape(part) for part in row.problem.split("…"))
    assert re.fullmatch(pattern, body["problems"][0]), body["problems"]
    assert KEY not in response.text
    assert str(world.path.parent) not in response.text


@contextmanager
def _many(count: int) -> Iterator[None]:
    with get_db_session() as session:
        session.add_all(
            Location(name=f"place {number}", latitude=number / 1000, longitude=1, state="active", created_at=NOON - 99 * HOUR)
            for number in range(count)
        )
    yield


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_it_is_small_at_ten_thousand_places(world: World) -> None:
    heartbeat.record_heartbeat(NOON)
    with _many(10_000):
        response = world.watch().get("/health")
    assert response.get_json()["problems"] == ["10,000 of 10,000 locations are stale"]
    assert len(response.data) < 2000
