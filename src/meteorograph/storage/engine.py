"""The database: one engine per process and URL, sessions, and migrations applied under a lock."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from ..config.loading import get_settings
from ..errors import ConfigurationError, StoreError

#: How long a statement waits for another process's lock on SQLite [s]. A backup may hold it for half a minute.
BUSY_TIMEOUT_SECONDS: Final = 60

#: The URL of what is used instead of the database of the settings, in this context.
_other_database: ContextVar[str | None] = ContextVar("instead", default=None)

_lock = threading.RLock()
_engines: dict[str, Engine] = {}
_ready: set[str] = set()


def database_url(url: str | None = None) -> URL:
    """The URL in force (or ``url``) with the driver that Meteorograph uses."""
    parsed = make_url(url or _other_database.get() or get_settings().database_url.get_secret_value())
    if parsed.get_backend_name() in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    return parsed.set(drivername="sqlite+pysqlite")


@contextmanager
def use_database(url: str) -> Iterator[None]:
    """Within the block, and what it starts, the database is the one at ``url``."""
    token = _other_database.set(url)
    try:
        yield
    finally:
        _other_database.reset(token)


def uses_other_database() -> bool:
    """Whether the database is another one than that of the settings."""
    return _other_database.get() is not None


def engine() -> Engine:
    """The engine for the settings in force; made on first use, kept for the life of the process."""
    url = database_url()
    name = url.render_as_string(hide_password=False)
    with _lock:
        if name not in _engines:
            _engines[name] = _sqlite(url) if url.get_backend_name() == "sqlite" else _postgresql(url)
        return _engines[name]


def _json(value: object) -> str:
    """A document for a column; the standard library takes ten times as long for the flags of a row."""
    return msgspec.json.encode(value).decode()


def _postgresql(url: URL) -> Engine:
    # A server that is cut off without a word is noticed within half a minute.
    patience = {"connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "tcp_user_timeout": 30_000}
    return create_engine(
        url, json_serializer=_json, pool_pre_ping=True, connect_args={**patience, "application_name": "meteorograph"}
    )


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise ConfigurationError(f"DATABASE_URL={url}: must name a file, since several threads and processes share it")
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"DATABASE_URL={url}: {error.strerror}; its folder must be one that can be made") from None
    made = create_engine(url, json_serializer=_json, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})

    @event.listens_for(made, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver when it sees fit
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.close()

    @event.listens_for(made, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that reads first and writes later fails at once when another one wrote in between, whatever the
        # busy timeout; one that writes takes its place in the queue at the start.
        read_only = connection.get_execution_options().get("read_only", False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return made


def init_db() -> None:
    """Bring the database of the settings in force to the newest schema. Safe in any number of processes at once.

    Raises:
        StoreError: The database cannot be reached, or is newer than this program.
    """
    from . import migrations

    current = engine()
    name = current.url.render_as_string(hide_password=False)
    with _lock:
        if name in _ready and (current.dialect.name != "sqlite" or Path(current.url.database or "").exists()):
            return
        try:
            if current.dialect.name == "sqlite":
                _use_wal(current)
            if migrations.current(current) != migrations.head():  # a start with nothing to apply waits for no writer
                migrations.upgrade(current)
        except SQLAlchemyError as error:
            raise StoreError(f"the database {current.url} cannot be used: {_cause(error)}") from error
        _ready.add(name)


def create_tables() -> None:
    """Make the newest schema in an empty database, without its history.

    Raises:
        StoreError: The database cannot be made.
    """
    from .models import Base

    current = engine()
    name = current.url.render_as_string(hide_password=False)
    with _lock:
        if name in _ready and Path(current.url.database or "").exists():
            return
        try:
            _use_wal(current)
            Base.metadata.create_all(current)
        except SQLAlchemyError as error:
            raise StoreError(f"the database {current.url} cannot be made: {_cause(error)}") from error
        _ready.add(name)


def _use_wal(current: Engine) -> None:
    """Readers and the writer do not wait for each other in WAL mode. The change of mode does not heed the busy timeout."""
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            with current.connect().execution_options(read_only=True) as connection:
                raw = connection.connection.dbapi_connection
                assert raw is not None
                raw.execute("PRAGMA journal_mode = WAL")
                return
        except Exception as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@contextmanager
def get_db_session(*, read_only: bool = False) -> Iterator[Session]:
    """A session of its own for the block: committed at its end, rolled back on any error, closed in every case.

    A session that only reads never waits for a writer.

    Raises:
        StoreError: The database could not be reached or did not take the rows; the cause is chained.
    """
    bind = engine().execution_options(read_only=True) if read_only else engine()
    session = Session(bind, expire_on_commit=False)
    try:
        yield session
        session.commit()
    except OperationalError as error:
        session.rollback()
        raise StoreError(_cause(error)) from error
    except BaseException:
        session.rollback()
        raise
    finally:
        session.close()


def _cause(error: SQLAlchemyError) -> str:
    """What the driver said, on one line and without the statement."""
    return " ".join(str(getattr(error, "orig", None) or error).split())[:300]


def _forget_after_fork() -> None:
    """A child must not use its parent's connections: neither driver survives a fork."""
    global _lock
    _lock = threading.RLock()
    for made in _engines.values():
        made.dispose(close=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
