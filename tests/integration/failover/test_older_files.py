"""An upgrade during an outage: what the earlier version has collected in its fallback database is brought back."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import create_engine, select

from acceptance.holds import away
from meteorograph import WeatherData, get_db_session, init_db
from meteorograph.config.loading import get_settings
from meteorograph.failover.database_file import fallback_path
from meteorograph.failover.state import reset_state
from meteorograph.ledger import audit
from meteorograph.model.clock import DrivenClock
from meteorograph.model.schedule import DEFAULT_SCHEDULE, Interval
from meteorograph.scheduler import scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage import engine, migrations
from meteorograph.storage.models import Location, Missed, Quota, Run
from meteorograph.storage.upsert import table_of
from support import NOON

HOUR = timedelta(hours=1)

#: The revision of the earlier version.
EARLIER = "0011"


@pytest.fixture(autouse=True)
def upstream(database: str, driven: DrivenClock, collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """Two locations, and the providers that collection calls."""
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr("meteorograph.failover.call.AWAY_SECONDS", 0.0)
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    reset_state()
    init_db()
    with get_db_session() as session:
        for number in range(2):
            at = {"latitude": 40.0 + number, "longitude": 10.0, "created_at": NOON - HOUR}
            session.add(Location(name=f"p{number}", state="active", **at))
    return collecting


def _earlier_file(revision: str = EARLIER) -> Path:
    """The fallback database of an earlier version, which has collected a slot of two locations, and missed one of them."""
    path = get_settings().journal_dir / f"standin-{revision}.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    made = create_engine(f"sqlite:///{path}")
    with made.begin() as connection:
        command.upgrade(migrations._config(connection), EARLIER)
    made.dispose()
    noon = int(NOON.timestamp())
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("DROP TABLE alembic_version")  # the file is made without migrations
        for number in (1, 2):
            values = (number, f"p{number - 1}", 39.0 + number, 10.0, "active", noon - 3600)
            insert = "INSERT INTO locations (id, name, latitude, longitude, state, created_at) VALUES (?, ?, ?, ?, ?, ?)"
            file.execute(insert, values)
        file.execute(
            "INSERT INTO weather_data (location_id, due_at, fetched_at, provider, origin, temperature) VALUES (1, ?, ?, ?, ?, ?)",
            (noon, noon + 5, "openweathermap", "live", 12.5),
        )
        missed = "INSERT INTO missed (location_id, due_at, reason) VALUES (2, ?, 'provider_error')"
        file.execute(missed, (noon,))
        file.execute(
            "INSERT INTO runs (schedule, due_at, shard, state, due, stored, failed, calls, started_at, ended_at)"
            " VALUES ('default', ?, 0, 'partial', 2, 1, 1, 3, ?, ?)",
            (noon, noon, noon + 6),
        )
        quota = "INSERT INTO quota (provider, window, period_start, used) VALUES ('openweathermap', 'month', ?, 3)"
        file.execute(quota, (int(NOON.replace(day=1, hour=0).timestamp()),))
    return path


def _kept() -> tuple[list[tuple[int, float | None]], list[tuple[int, str]], list[tuple[str, int]]]:
    """Rows, reasons and runs of noon."""
    with get_db_session(read_only=True) as session:
        rows = session.execute(
            select(WeatherData.location_id, table_of(WeatherData).c.temperature).where(WeatherData.due_at == NOON)
        )
        missed = session.execute(select(Missed.location_id, Missed.reason).where(Missed.due_at == NOON))
        runs = session.execute(select(Run.state, Run.calls).where(Run.due_at == NOON))
        return [(one[0], one[1]) for one in rows], [(one[0], one[1]) for one in missed], [(one[0], one[1]) for one in runs]


KEPT = [(1, 12.5)], [(2, "provider_error")], [("partial", 3)]


def test_rows_of_an_earlier_version_are_brought_back(driven: DrivenClock, upstream: Simulator) -> None:
    path = _earlier_file()
    driven.advance(HOUR)
    scheduled_ingest()
    assert _kept() == KEPT
    assert not path.exists()
    assert upstream.count() == 2, "the slot at hand"
    with get_db_session(read_only=True) as session:
        used = session.scalars(select(Quota.used).where(Quota.window == "month")).one()
    assert used == 3 + 2
    assert audit.audit(driven(), [(DEFAULT_SCHEDULE, Interval(HOUR))]) == []


def test_collection_goes_on_in_it_while_the_database_is_still_away(
    database: str, driven: DrivenClock, upstream: Simulator
) -> None:
    _earlier_file()
    driven.advance(HOUR)
    with away(database):
        scheduled_ingest()
        assert upstream.count() == 2
    scheduled_ingest()
    assert _kept() == KEPT
    with get_db_session(read_only=True) as session:
        assert len(session.scalars(select(WeatherData).where(WeatherData.due_at == NOON + HOUR)).all()) == 2


def test_rows_are_brought_back_though_there_is_a_newer_file(driven: DrivenClock, upstream: Simulator) -> None:
    driven.advance(HOUR)
    scheduled_ingest()
    assert fallback_path(get_settings()).exists()
    path = _earlier_file()
    reset_state()  # a new process
    driven.advance(HOUR)
    scheduled_ingest()
    assert _kept() == KEPT
    assert not path.exists()
    assert fallback_path(get_settings()).exists()
    assert upstream.count() == 4


def test_a_damaged_file_is_set_aside(driven: DrivenClock, upstream: Simulator) -> None:
    path = _earlier_file()
    path.write_bytes(b"not a database at all " * 500)
    scheduled_ingest()
    assert upstream.count() == 2
    assert not path.exists()
    assert [one.name.startswith(f"standin-{EARLIER}-damaged-") for one in path.parent.glob(f"standin-{EARLIER}*.db")] == [True]


def test_a_file_of_a_newer_version_is_left_to_it(
    driven: DrivenClock, upstream: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    path = _earlier_file("9999")
    before = path.read_bytes()
    scheduled_ingest()
    scheduled_ingest()
    assert upstream.count() == 2
    assert path.read_bytes() == before
    assert caplog.text.count("newer version") == 1


def test_a_file_that_another_process_uses_is_brought_back_after_that(
    driven: DrivenClock, upstream: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    path = _earlier_file()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("UPDATE locations SET name = name || '!'")
        other.commit()
        scheduled_ingest()
        assert upstream.count() == 2
        scheduled_ingest()
        assert path.exists()
        assert caplog.text.count("another process uses") == 1
    scheduled_ingest()
    assert not path.exists()


def test_two_processes_that_start_at_once_do_not_rename_it_under_each_other(driven: DrivenClock, upstream: Simulator) -> None:
    """Seen with two workers: one had it open while the other one renamed it, and its log stayed under the old name."""
    path = _earlier_file()
    driven.advance(HOUR)
    folder = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    scheduled_ingest()
    assert path.exists()
    os.close(folder)
    scheduled_ingest()
    assert not path.exists()
    assert _kept() == KEPT
