"""``db copy``: the other database has the same rows, and a service goes on with it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select

from databases import named
from meteorograph import get_db_session, init_db
from meteorograph.backups import copy_database as copying
from meteorograph.backups import plain_rows
from meteorograph.errors import ConfigurationError, CopyError, StoreError
from meteorograph.model.clock import DrivenClock
from meteorograph.scheduler import scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage.engine import use_database
from meteorograph.storage.models import Base, Location, WeatherData
from support import NOON

#: A row with every kind of value: an instant with microseconds, a flag, an accent, a number that no decimal text has exactly.
ODD: dict[str, Any] = {
    "due_at": NOON - timedelta(days=40, microseconds=7),
    "fetched_at": NOON - timedelta(days=40),
    "provider": "openweathermap",
    "temperature": 0.1 + 0.2,
    "humidity": 55.0,
    "condition": 'légère \u2744 "neige"',
    "flags": {"temperature": ["range", "step"]},
    "weather_code": 61,
}


@pytest.fixture
def source(request: pytest.FixtureRequest, database: str, collecting: Simulator, driven: DrivenClock) -> str:
    """A database with two runs of five locations, and odd rows."""
    with get_db_session() as session:
        for number in range(5):
            created = NOON - timedelta(days=50)
            session.add(Location(name=f"place {number}", latitude=number, longitude=9, state="active", created_at=created))
        session.flush()
        session.add(WeatherData(location_id=3, **ODD))
    scheduled_ingest()
    driven.advance(timedelta(hours=1))
    scheduled_ingest()
    return database


@pytest.fixture
def empty(request: pytest.FixtureRequest, tmp_path: Path, source: str) -> Iterator[str]:
    """An empty database of the other kind."""
    if source.startswith("postgresql"):
        yield f"sqlite:///{tmp_path}/copied.db"
        return
    server = request.getfixturevalue("postgresql_server")
    name = f"copy_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield named(server, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def contents(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every table of the data, as the application reads it."""
    with use_database(url), get_db_session(read_only=True) as session:
        tables = [table for table in Base.metadata.sorted_tables if table.name not in ("leases", "heartbeats")]
        return {
            table.name: [tuple(row) for row in session.execute(select(table).order_by(*table.primary_key))] for table in tables
        }


def test_all_rows_come_along_and_the_service_goes_on(source: str, empty: str, driven: DrivenClock) -> None:
    before = contents(source)
    assert len(before["weather_data"]) == 11
    assert before["runs"]
    result = copying.copy_database(source, empty)
    assert (result.locations, result.rows, result.written) == (5, 11, 11)
    assert contents(empty) == before
    with use_database(empty):
        init_db()
        driven.advance(timedelta(hours=1))
        scheduled_ingest()
        with get_db_session(read_only=True) as session:
            assert session.scalar(select(func.count()).select_from(WeatherData)) == 16
            session.execute(select(func.max(Location.id)))


def test_a_copy_that_was_interrupted_goes_on(source: str, empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_ROWS_PER_TRANSACTION", 2)
    done = []

    def interrupt(number: int, of: int) -> None:
        done.append(number)
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copying.copy_database(source, empty, interrupt)
    with use_database(empty), pytest.raises(StoreError, match="alembic_version is missing or empty"):
        init_db()  # half a copy is not used
    with get_db_session() as session:  # a row that was copied changes meanwhile, and a place goes
        setattr(session.get_one(WeatherData, (1, NOON)), "temperature", 1.5)  # noqa: B010
        session.execute(WeatherData.__table__.delete().where(WeatherData.location_id == 2))  # type: ignore[attr-defined]
    result = copying.copy_database(source, empty)
    assert (result.rows, result.written < result.rows) == (9, True)
    assert contents(empty) == contents(source)


def test_a_copy_that_differs_is_not_finished(source: str, empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rows = plain_rows.write_rows

    def lose_a_row(connection: Any, table: Any, rows: Any) -> None:
        write_rows(connection, table, rows[:-1] if table.name == "weather_data" else rows)

    monkeypatch.setattr(copying, "write_rows", lose_a_row)
    with pytest.raises(CopyError, match=re.escape("location 5, 2026-03: the copy differs from the source")):
        copying.copy_database(source, empty)
    monkeypatch.undo()
    with use_database(empty), pytest.raises(StoreError):
        init_db()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_cannot_be_copied_is_refused(source: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="the target has tables of Meteorograph"):
        copying.copy_database(source, source)
    with pytest.raises(ConfigurationError, match="there is no such file"):
        copying.copy_database(f"sqlite:///{tmp_path}/none.db", f"sqlite:///{tmp_path}/other.db")
