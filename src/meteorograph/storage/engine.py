"""The database: one engine per process and URL, sessions, and migrations under a lock."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from ..config.loading import get_settings
from ..errors import ConfigurationError, ReadLimitError, StoreError
from ..log_output import get_logger
from . import queues
from .connections import make_postgresql_engine, make_sqlite_engine, shown_url
from .database_errors import is_disconnect, is_unavailable, plain_reason
from .fences import check_fences
from .own_writes import OWN_WRITES, OwnWrite
from .read_limit import bounded, is_interrupted

log = get_logger(__name__)

#: How long a statement waits for the lock of another process on SQLite [s]. A backup may hold the lock for half a minute.
BUSY_TIMEOUT_SECONDS: Final = 60

#: Key of a session's ``info``: functions that are called once it has been committed.
ON_COMMIT: Final = "on_commit"

#: Bounds one transaction on PostgreSQL: each statement, and the time between two. The server ends the transaction of a process
#: that stands still in the middle of it, before others have waited for its locks too long. Reads have no such bounds, because
#: an export may take long.
_BOUND_STATEMENTS: Final = text(
    "SELECT set_config('statement_timeout', :statement, true), set_config('idle_in_transaction_session_timeout', :idle, true)"
)

#: The URL of the database that replaces the one of the settings in this context.
_other_database: ContextVar[str | None] = ContextVar("other_database", default=None)


class EngineRegistry:
    """The engines of this process, and which of their databases have the newest schema. Thread-safe."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._engines: dict[str, Engine] = {}
        self._migrated: set[str] = set()
        #: Device and inode of the file of each SQLite database, and of its write-ahead log where that exists.
        self._files: dict[str, tuple[tuple[int, int], tuple[int, int] | None]] = {}

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
                log.warning("the database file or its log was deleted or replaced, opening it again", file=url.database)
                self.forget(name)
            if name not in self._engines:
                self._engines[name] = _make_engine(url)
            return self._engines[name]

    def _has_changed(self, name: str, url: URL) -> bool:
        """Whether another file has taken the place of a database. Open connections would go on writing into the old one.

        The same where its write-ahead log was deleted: the last connection that is closed writes the log into the database.
        """
        path = url.database or ""
        file, wal = _identity(path), _identity(f"{path}-wal")
        if file is None:
            if name in self._files:
                raise StoreError("the database cannot be used: its file is gone")
            return False
        known_file, known_wal = self._files.get(name, (file, wal))
        if known_file == file and (known_wal in (None, wal) or not self._is_open(name)):
            self._files[name] = file, wal
            return False
        return True

    def _is_open(self, name: str) -> bool:
        """Whether this process has a connection to a database; as long as it has, SQLite does not delete the log."""
        pool = self._engines[name].pool if name in self._engines else None
        return isinstance(pool, QueuePool) and pool.checkedin() + pool.checkedout() > 0

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

    def must_check_schema(self, bind: Engine) -> None:
        """Let the next ``init_db`` look at the schema again: after a failure the tables may be others, or gone."""
        self._migrated.discard(bind.url.render_as_string(hide_password=False))

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


def _make_engine(url: URL) -> Engine:
    settings = get_settings()
    if url.get_backend_name() == "sqlite":
        return make_sqlite_engine(url, BUSY_TIMEOUT_SECONDS, settings)
    return make_postgresql_engine(url, settings)


def _identity(path: str) -> tuple[int, int] | None:
    """Device and inode of a file; None where it does not exist."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


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


def database_name() -> str:
    """What tells the current database from others; it may hold a password."""
    return _other_database.get() or ""


def uses_other_database() -> bool:
    """Whether this context uses another database than that of the settings."""
    return _other_database.get() is not None


def get_engine() -> Engine:
    """The engine of the current database; created on first use and kept for the life of the process."""
    return ENGINES.get(database_url())


def init_db() -> None:
    """Migrate the current database to the newest schema. Any number of processes may call it at once.

    Raises:
        ConfigurationError: The database belongs to another program.
        StoreError: The database cannot be reached, or is newer than this program.
    """
    from . import database_owner, migrations

    bind = get_engine()
    with ENGINES.lock:
        if ENGINES.is_migrated(bind):
            return
        try:
            if bind.dialect.name == "sqlite" and get_settings().db_schema and not uses_other_database():
                raise ConfigurationError(
                    f"METEOROGRAPH_DB_SCHEMA={get_settings().db_schema}: must be unset with SQLite, which has none"
                )
            database_owner.refuse_foreign(bind, migrations.known_revisions())
            if bind.dialect.name == "sqlite":
                _use_wal(bind)
            elif schema := get_settings().db_schema:
                _create_schema(bind, schema)
            if migrations.current_revision(bind) != migrations.newest_revision():  # without a migration, wait for no writer
                migrations.upgrade(bind)
            if queues.uses_queues() and not uses_other_database():
                _upgrade_queues(bind)
        except SQLAlchemyError as error:
            raise StoreError(f"the database {shown_url(bind.url)} cannot be used: {plain_reason(error)}") from error
        ENGINES.mark_migrated(bind)


def _upgrade_queues(bind: Engine) -> None:
    queues.require_queues(bind)
    from .queue_schema import upgrade_queues  # needs an optional package

    upgrade_queues(bind)


def _create_schema(bind: Engine, schema: str) -> None:
    with bind.begin() as connection:
        if not inspect(connection).has_schema(schema):
            connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')


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
            raise StoreError(f"the database {shown_url(bind.url)} cannot be created: {plain_reason(error)}") from error
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


def _bounds() -> dict[str, str]:
    settings = get_settings()
    seconds = {"statement": settings.db_statement_timeout_seconds, "idle": settings.db_idle_transaction_timeout_seconds}
    return {name: f"{1000 * value:.0f}ms" for name, value in seconds.items()}


@contextmanager
def get_db_session(*, read_only: bool = False) -> Iterator[Session]:
    """A new session for the block: committed at the end, rolled back on any error, always closed.

    A read-only session never waits for a writer.

    Raises:
        StoreError: The database does not take the work (``is_unavailable``); the cause is chained.
        ReadLimitError: Reading takes longer than this context allows.
        LostLeaseError: Nothing may be written here any more (``fences``).
    """
    engine, write = get_engine(), OwnWrite()
    options = {"read_only": True} if read_only else {"own_write": write}
    session = Session(engine.execution_options(**options), expire_on_commit=False)
    try:
        if not read_only and engine.dialect.name == "postgresql":
            session.execute(_BOUND_STATEMENTS, _bounds())
        if not read_only:
            check_fences(session, database_name())
        with bounded(session) if read_only else nullcontext():
            yield session
        session.commit()
        for note_commit in session.info.pop(ON_COMMIT, ()):
            note_commit()
    except SQLAlchemyError as error:
        session.rollback()
        if read_only and is_interrupted(error.__cause__):
            raise ReadLimitError("the answer takes too long") from error
        if not is_unavailable(error):
            raise
        ENGINES.must_check_schema(engine)
        text = f"the database cannot be used: {plain_reason(error)}"
        raise StoreError(text, is_disconnect=is_disconnect(error)) from error
    except BaseException as error:
        session.rollback()
        if read_only and is_interrupted(error):
            raise ReadLimitError("the answer takes too long") from error
        raise
    finally:
        session.close()
        OWN_WRITES.discard(write)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=ENGINES.detach_after_fork)
