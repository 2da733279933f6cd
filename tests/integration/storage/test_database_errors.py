"""A database that does not take the work: every kind is one error with one plain sentence."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import SQLAlchemyError

from meteorograph import get_db_session, init_db
from meteorograph.errors import StoreError
from meteorograph.ledger import heartbeat
from meteorograph.storage import connections, engine
from meteorograph.storage.database_errors import error_text, plain_reason
from meteorograph.storage.engine import ENGINES, get_engine
from meteorograph.storage.models import Location
from support import NOON

Damage = Callable[[str], None]

#: What no message of ours contains: words of SQLAlchemy, Alembic and the drivers.
RAW = ("[SQL", "Background on", "sqlalche.me", "sqlite3", "psycopg", "Error)", "Can't locate", "LINE 1", "\n")


def _path(database: str) -> Path:
    return Path(database.removeprefix("sqlite:///"))


def _write() -> None:
    init_db()
    heartbeat.record_heartbeat(NOON)


def _garbage(database: str) -> None:
    ENGINES.reset()
    _path(database).write_bytes(b"this is no database, whatever its name says" * 200)


def _flipped_pages(database: str) -> None:
    ENGINES.reset()
    with _path(database).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 40 * 4096)


def _read_only(database: str) -> None:
    if "sqlite" in database:
        with get_engine().connect().execution_options(read_only=True) as connection:
            connection.exec_driver_sql("PRAGMA query_only = ON")  # what a mount that turned read-only says, also to root
        return
    with psycopg.connect(database, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    ENGINES.reset()


def _full(database: str) -> None:
    with closing(sqlite3.connect(_path(database))) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    get_engine().dispose()

    event.listen(get_engine(), "connect", lambda raw, _record: raw.execute(f"PRAGMA max_page_count = {pages}"))


def _dropped_table(database: str) -> None:
    with get_db_session() as session:
        session.execute(text("DROP TABLE heartbeats"))


def _dropped_column(database: str) -> None:
    with get_db_session() as session:
        session.execute(text("ALTER TABLE heartbeats DROP COLUMN beat_at"))


def _newer(database: str) -> None:
    with get_db_session() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9876'"))
    ENGINES.reset()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_garbage, "its file is not a database"),
        (_flipped_pages, "its file is damaged"),
        (_read_only, "it is read-only"),
        (_dropped_table, "the table heartbeats is missing"),
        (_dropped_column, "its tables are not those of this version"),
        (_newer, "made by a newer version of Meteorograph (revision 9876); upgrade the program"),
    ],
)
def test_sqlite_that_does_not_take_the_work(database: str, damage: Damage, words: str) -> None:
    _write()
    damage(database)
    with pytest.raises(StoreError) as raised:
        _write()
    assert words in str(raised.value)
    assert not [raw for raw in RAW if raw in str(raised.value)]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_full_disk(database: str) -> None:
    _write()
    _full(database)

    def fill() -> None:
        for number in range(10_000):
            with get_db_session() as session:
                session.add(Location(name="x" * 150 + str(number), latitude=1, longitude=2, state="active", created_at=NOON))

    with pytest.raises(StoreError, match="the database cannot be used: its disk is full"):
        fill()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_file_that_cannot_be_opened(database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/folder")
    with pytest.raises(StoreError, match="cannot be used: its file cannot be opened"):
        init_db()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_lock_that_is_held_on_sqlite(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 0.2)
    ENGINES.reset()
    with closing(sqlite3.connect(_path(database), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another program holds its lock"):
            heartbeat.record_heartbeat(NOON)
    _write()


def _permission_lost(database: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f'DROP ROLE IF EXISTS "{name}"')
        connection.execute(f'CREATE ROLE "{name}" LOGIN')
        connection.execute(f'ALTER DATABASE "{name}" SET role = "{name}"')
    ENGINES.reset()


def _dropped_schema(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")


def _terminated(database: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    with psycopg.connect(database, dbname="postgres", autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_read_only, "it is read-only"),
        (_permission_lost, "its user lacks a permission"),
        (_dropped_table, "the table heartbeats is missing"),
        (_dropped_column, "its tables are not those of this version"),
        (_dropped_schema, "the table heartbeats is missing"),
        (_terminated, "the server takes no connection to it"),
        (_newer, "made by a newer version of Meteorograph (revision 9876); upgrade the program"),
    ],
)
def test_postgresql_that_does_not_take_the_work(database: str, damage: Damage, words: str) -> None:
    _write()
    damage(database)
    with pytest.raises(StoreError) as raised:
        _write()
    assert words in str(raised.value)
    assert not [raw for raw in RAW if raw in str(raised.value)]


@contextmanager
def _locked_table(database: str) -> Iterator[None]:
    with psycopg.connect(database) as connection:
        connection.execute("LOCK TABLE heartbeats, locations IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("read_only", [True, False])
def test_a_lock_that_is_held_on_postgresql(database: str, monkeypatch: pytest.MonkeyPatch, read_only: bool) -> None:
    monkeypatch.setattr(connections, "LOCK_TIMEOUT_SECONDS", 0.2)
    ENGINES.reset()

    def use() -> None:
        if not read_only:
            heartbeat.record_heartbeat(NOON)
        with get_db_session(read_only=True) as session:
            session.scalars(select(Location.id)).all()

    with _locked_table(database), pytest.raises(StoreError, match="another program holds a lock for too long"):
        use()
    use()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_statement_of_a_writer_is_bound_and_a_long_read_is_not(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_BOUND_STATEMENTS", text("SET LOCAL statement_timeout = '200ms'"))
    with pytest.raises(StoreError, match="a statement took too long"), get_db_session() as session:
        session.execute(text("SELECT pg_sleep(20)"))
    with get_db_session(read_only=True) as session:
        session.execute(text("SELECT pg_sleep(0.5)"))


@pytest.mark.usefixtures("database")
def test_a_missing_schema_is_made_again(database: str) -> None:
    _write()
    with get_db_session() as session:
        for table in ("heartbeats", "alembic_version"):
            session.execute(text(f"DROP TABLE {table}"))
    with pytest.raises(StoreError, match="is missing"):
        heartbeat.record_heartbeat(NOON)
    with pytest.raises(StoreError, match="cannot be used"):  # the migrations are tried again, and meet the other tables
        init_db()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_write_ahead_log_that_is_deleted_loses_nothing(database: str) -> None:
    for number in range(6):
        with get_db_session() as session:
            session.add(Location(name=f"p{number}", latitude=number, longitude=2, state="active", created_at=NOON))
        if number == 2:
            for suffix in ("-wal", "-shm"):
                Path(f"{_path(database)}{suffix}").unlink()
    with closing(sqlite3.connect(_path(database))) as connection:
        assert connection.execute("SELECT count(*) FROM locations").fetchone() == (6,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)  # a pooler has too few connections
def test_connections_that_are_all_in_use(monkeypatch: pytest.MonkeyPatch, database: str) -> None:
    pool = get_engine().pool
    monkeypatch.setattr(pool, "_timeout", 0.1)
    with pytest.raises(StoreError, match="all connections of this process are in use"):
        _open_sessions(20)


def _open_sessions(count: int) -> None:
    if count:
        with get_db_session(read_only=True) as session:
            session.scalars(select(Location.id)).all()
            _open_sessions(count - 1)


@pytest.mark.usefixtures("database")
def test_a_statement_that_is_refused_is_told_without_its_text() -> None:
    with pytest.raises(SQLAlchemyError) as raised, get_db_session() as session:
        session.add(Location(name="Athens", latitude=99, longitude=2, state="active", created_at=NOON))
    told = error_text(raised.value)
    assert told.startswith("the database refused a statement: ")
    assert not [raw for raw in RAW if raw in told]


def test_a_message_without_a_known_pattern_is_shown_without_its_statement() -> None:
    error = ValueError("something [SQL: SELECT 1] (Background on this error at: https://sqlalche.me/e/20/e3q8)")
    assert plain_reason(error) == "something"
