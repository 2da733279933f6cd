"""The database: one engine per process and URL, sessions, and migrations under a lock."""

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

#: How long a statement waits for the lock of another process on SQLite [s]. A backup may hold the lock for half a minute.
BUSY_TIMEOUT_SECONDS: Final = 60

#: The URL of the database that replaces the one of the settings in this context.
_other_database: ContextVar[str | None] = ContextVar("other_database", default=None)


class EngineRegistry:
    """The engines of this process, and which of their databases have the newest schema. Thread-safe."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._engines: dict[str, Engine] = {}
        self._migrated: set[str] = set()
        #: Device and inode of the file of each SQLite database.
        self._files: dict[str, tuple[int, int]] = {}

    def get(self, url: URL) -> Engine:
        """The engine for a URL; created on first use.

        Raises:
            StoreError: The file of the database was deleted while this process used it.
        """
        name = url.render_as_string(hide_password=False)
        is_sqlite = url.get_backend_name() == "sqlite"
        known = self._engines.get(name)
        if known is not None and not (is_sqlite and self._has_changed(name, url)):
            return known
        with self.lock:  # another thread may have made the engine, or replaced it, meanwhile
            if is_sqlite and name in self._engines and self._has_changed(name, url):
                self.forget(name)
            if name not in self._engines:
                self._engines[name] = _sqlite(url) if is_sqlite else _postgresql(url)
            return self._engines[name]

    def _has_changed(self, name: str, url: URL) -> bool:
        """Whether another file has taken the place of a database. Open connections would go on writing into the old one."""
        try:
            found = os.stat(url.database or "")
        except OSError as error:
            if name in self._files:
                raise StoreError(f"the database file {url.database} is gone: {error.strerror}") from None
            return False
        return self._files.setdefault(name, (found.st_dev, found.st_ino)) != (found.st_dev, found.st_ino)

    def forget(self, name: str) -> None:
        """Close the connections of a database, and forget its file and schema."""
        with self.lock:
            if created := self._engines.pop(name, None):
                created.dispose()
            self._files.pop(name, None)
            self._migrated.discard(name)

    def is_migrated(self, bind: Engine) -> bool:
        """Whether this process has brought the database to the newest schema, and its file, if any, still exists."""
        if bind.url.render_as_string(hide_password=False) not in self._migrated:
            return False
        return bind.dialect.name != "sqlite" or Path(bind.url.database or "").exists()

    def mark_migrated(self, bind: Engine) -> None:
        """Remember that the database has the newest schema."""
        self._migrated.add(bind.url.render_as_string(hide_password=False))

    def reset(self) -> None:
        """Close all connections and forget all engines."""
        with self.lock:
            for created in self._engines.values():
                created.dispose()
            self._engines.clear()
            self._files.clear()
            self._migrated.clear()

    def detach_after_fork(self) -> None:
        """Drop the connections of the parent process without closing them: neither driver survives a fork."""
        self.lock = threading.RLock()
        for created in self._engines.values():
            created.dispose(close=False)


ENGINES: Final = EngineRegistry()


def database_url(url: str | None = None) -> URL:
    """The URL of the current database, or ``url``, with the driver that Meteorograph uses."""
    parsed = make_url(url or _other_database.get() or get_settings().database_url.get_secret_value())
    if parsed.get_backend_name() in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    return parsed.set(drivername="sqlite+pysqlite")


@contextmanager
def use_database(url: str) -> Iterator[None]:
    """Use the database at ``url`` within the block, and in the tasks and threads that the block starts."""
    token = _other_database.set(url)
    try:
        yield
    finally:
        _other_database.reset(token)


def uses_other_database() -> bool:
    """Whether this context uses another database than that of the settings."""
    return _other_database.get() is not None


def get_engine() -> Engine:
    """The engine of the current database; created on first use and kept for the life of the process."""
    return ENGINES.get(database_url())


def _json(value: object) -> str:
    """A JSON document for a column. The standard library needs ten times as long for the flags of a row."""
    return msgspec.json.encode(value).decode()


def _postgresql(url: URL) -> Engine:
    # With these a dead connection to the server is noticed within half a minute.
    timeouts = {"connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "tcp_user_timeout": 30_000}
    return create_engine(
        url, json_serializer=_json, pool_pre_ping=True, connect_args={**timeouts, "application_name": "meteorograph"}
    )


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise ConfigurationError(f"DATABASE_URL={url}: must name a file, since several threads and processes share it")
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"DATABASE_URL={url}: {error.strerror}; its folder must exist or be creatable") from None
    created = create_engine(url, json_serializer=_json, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})

    @event.listens_for(created, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # ``_begin`` starts transactions, not the driver
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.close()

    @event.listens_for(created, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that first reads and later writes fails at once if another one wrote in between, whatever the busy
        # timeout. A writing transaction therefore takes the write lock at its start.
        read_only = connection.get_execution_options().get("read_only", False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return created


def init_db() -> None:
    """Migrate the current database to the newest schema. Any number of processes may call it at once.

    Raises:
        StoreError: The database cannot be reached, or is newer than this program.
    """
    from . import migrations

    bind = get_engine()
    with ENGINES.lock:
        if ENGINES.is_migrated(bind):
            return
        try:
            if bind.dialect.name == "sqlite":
                _use_wal(bind)
            if migrations.current_revision(bind) != migrations.newest_revision():  # without a migration, wait for no writer
                migrations.upgrade(bind)
        except SQLAlchemyError as error:
            raise StoreError(f"the database {bind.url} cannot be used: {_cause(error)}") from error
        ENGINES.mark_migrated(bind)


def create_tables() -> None:
    """Create the newest schema in an empty SQLite database, without migrations.

    Raises:
        StoreError: The database cannot be created.
    """
    from .models import Base

    bind = get_engine()
    with ENGINES.lock:
        if ENGINES.is_migrated(bind):
            return
        try:
            _use_wal(bind)
            Base.metadata.create_all(bind)
        except SQLAlchemyError as error:
            raise StoreError(f"the database {bind.url} cannot be created: {_cause(error)}") from error
        ENGINES.mark_migrated(bind)


def _use_wal(bind: Engine) -> None:
    """Set WAL mode, in which readers and the writer do not wait for each other. This change ignores the busy timeout."""
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            with bind.connect().execution_options(read_only=True) as connection:
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
    """A new session for the block: committed at the end, rolled back on any error, always closed.

    A read-only session never waits for a writer.

    Raises:
        StoreError: The database could not be reached or refused the statement; the cause is chained.
    """
    bind = get_engine().execution_options(read_only=True) if read_only else get_engine()
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
    """The message of the driver, on one line and without the statement."""
    return " ".join(str(getattr(error, "orig", None) or error).split())[:300]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=ENGINES.detach_after_fork)
