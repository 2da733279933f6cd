"""Every kind of database that does not take the work: collection goes on in the fallback database, and all comes back once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, event, select, text

from acceptance.holds import held
from meteorograph import WeatherData, get_db_session, init_db
from meteorograph.failover.state import get_state
from meteorograph.model.clock import DrivenClock
from meteorograph.scheduler import scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage import connections, engine
from meteorograph.storage.engine import ENGINES, get_engine
from meteorograph.storage.models import Location, Missed, Run
from support import NOON

HOUR = timedelta(hours=1)


@pytest.fixture
def places(database: str, driven: DrivenClock, collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr(connections, "LOCK_TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr("meteorograph.failover.call.AWAY_SECONDS", 0.0)
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    ENGINES.reset()
    init_db()
    with get_db_session() as session:
        for number in range(3):
            at = {"latitude": 40.0 + number, "longitude": 10.0, "created_at": NOON - HOUR}
            session.add(Location(name=f"p{number}", state="active", **at))
    return collecting


@contextmanager
def _sqlite_read_only(_: str) -> Iterator[None]:
    def limit(raw: object, _record: object) -> None:
        raw.execute("PRAGMA query_only = ON")  # type: ignore[attr-defined]  # a connection of sqlite3

    event.listen(get_engine(), "connect", limit)
    get_engine().dispose()
    yield
    ENGINES.reset()


@contextmanager
def _postgresql_read_only(database: str) -> Iterator[None]:
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    ENGINES.reset()
    yield
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = off')
    ENGINES.reset()


@contextmanager
def _permission_lost(database: str) -> Iterator[None]:
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f'CREATE ROLE "{name}" LOGIN')
        connection.execute(f'ALTER DATABASE "{name}" SET role = "{name}"')
    ENGINES.reset()
    yield
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("RESET role")
        connection.execute("SET role = none")
        connection.execute(f'ALTER DATABASE "{name}" RESET role')
    ENGINES.reset()


@contextmanager
def _without_schema(database: str) -> Iterator[None]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER SCHEMA public RENAME TO elsewhere")
    yield
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS public CASCADE")
        connection.execute("ALTER SCHEMA elsewhere RENAME TO public")
    ENGINES.reset()


@contextmanager
def _without_table(_: str) -> Iterator[None]:
    with get_db_session() as session:
        session.execute(text("ALTER TABLE runs RENAME TO gone"))
    yield
    with get_db_session() as session:
        session.execute(text("ALTER TABLE gone RENAME TO runs"))


@contextmanager
def _other_file(database: str, content: bytes | None) -> Iterator[None]:
    path = Path(database.removeprefix("sqlite:///"))
    get_engine().dispose()  # the write-ahead log goes into the file
    aside = path.rename(path.with_name("aside"))
    if content is not None:
        path.write_bytes(content)
    yield
    aside.rename(path)


KINDS: dict[str, tuple[str, Callable[[str], AbstractContextManager[None]]]] = {
    "read-only SQLite": ("sqlite", _sqlite_read_only),
    "a file that is no database": ("sqlite", lambda database: _other_file(database, b"no database at all" * 300)),
    "a file that is gone": ("sqlite", lambda database: _other_file(database, None)),
    "a locked SQLite file": ("sqlite", held),
    "SQLite without a table": ("sqlite", _without_table),
    "read-only PostgreSQL": ("postgresql", _postgresql_read_only),
    "a permission that is lost": ("postgresql", _permission_lost),
    "PostgreSQL without its schema": ("postgresql", _without_schema),
    "PostgreSQL without a table": ("postgresql", _without_table),
    "a locked table": ("postgresql", held),
}


@pytest.mark.parametrize(
    ("kind", "database"),
    [pytest.param(kind, backend, id=kind) for kind, (backend, _) in KINDS.items()],
    indirect=["database"],
)
def test_collection_goes_on(kind: str, database: str, driven: DrivenClock, places: Simulator) -> None:
    scheduled_ingest()
    assert places.count() == 3
    with KINDS[kind][1](database):
        for _ in range(2):
            driven.advance(HOUR)
            scheduled_ingest()
        assert places.count() == 9
        assert get_state().away_reason is not None
        assert get_state().uses_fallback
    driven.advance(HOUR)
    scheduled_ingest()
    assert get_state().away_reason is None
    assert places.count() == 12
    with get_db_session(read_only=True) as session:
        rows = [(row.due_at, row.location_id) for row in session.execute(select(WeatherData.due_at, WeatherData.location_id))]
        assert session.scalars(select(Missed)).all() == []
    assert sorted(rows) == [(NOON + slot * HOUR, place) for slot in range(4) for place in (1, 2, 3)]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("statement", ["INSERT INTO runs", "UPDATE runs"])
def test_a_transaction_that_the_server_ends_is_no_outage(
    statement: str, database: str, driven: DrivenClock, places: Simulator
) -> None:
    """As the server does with that of a process which was suspended; it takes new connections."""
    scheduled_ingest()
    ended: list[int] = []

    def end_once(connection: Connection, _cursor: object, sql: str, *_: object) -> None:
        if sql.startswith(statement) and not ended:
            raw = connection.connection.dbapi_connection
            assert isinstance(raw, psycopg.Connection)
            ended.append(raw.info.backend_pid)
            with psycopg.connect(database, autocommit=True) as server:
                server.execute("SELECT pg_terminate_backend(%s, 10000)", ended)

    event.listen(get_engine(), "before_cursor_execute", end_once)
    driven.advance(HOUR)
    scheduled_ingest()
    assert ended
    assert not get_state().uses_fallback
    with get_db_session(read_only=True) as session:
        runs = session.execute(select(Run.state, Run.stored, Run.calls).order_by(Run.due_at)).all()
    assert [tuple(run) for run in runs] == [("succeeded", 3, 3)] * 2
    assert places.count() == 6
