"""Engines for SQLite and PostgreSQL, with the time-outs of their connections."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import OperationalError

from ..config.settings import Settings
from ..errors import ConfigurationError
from ..private_files import make_private_file, make_private_folder
from .own_writes import OWN_WRITES, OwnWrite
from .pooler import pooler_state, watch

#: How long a statement waits for the lock of another program on PostgreSQL, unless a setting says otherwise [s].
LOCK_TIMEOUT_SECONDS: Final = 20

#: How long a transaction on SQLite waits for that of another thread of this process, which may be starved [s].
OWN_WRITER_SECONDS: Final = 600


def shown_url(url: URL) -> str:
    """A URL as in ``DATABASE_URL``, without its password."""
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)


def _json(value: object) -> str:
    """A JSON document for a column. The standard library needs ten times as long for the flags of a row."""
    return msgspec.json.encode(value).decode()


#: Defaults of the pool. On PostgreSQL each process keeps two idle connections at most: workers and hosts add up, and a server
#: has a hundred. More are opened while they are needed. Firewalls and proxies close connections that are idle for long.
_POSTGRESQL_POOL: Final = {"pool_size": 2, "max_overflow": 13, "pool_recycle": 1800, "pool_pre_ping": True}
_SQLITE_POOL: Final = {"pool_size": 5, "max_overflow": 10, "pool_recycle": -1, "pool_pre_ping": False}


def _pool_options(settings: Settings, defaults: Mapping[str, int]) -> dict[str, Any]:
    """The options of the connection pool: as the settings say, or else by the database."""
    recycle = settings.db_pool_recycle_seconds
    chosen = {
        "pool_size": settings.db_pool_size,
        "max_overflow": settings.db_max_overflow,
        "pool_recycle": -1 if recycle == 0 else recycle,
        "pool_pre_ping": settings.db_pool_pre_ping,
    }
    options = {name: defaults[name] if value is None else value for name, value in chosen.items()}
    return {**options, "pool_timeout": settings.db_pool_timeout_seconds}


def make_postgresql_engine(url: URL, settings: Settings) -> Engine:
    """An engine for PostgreSQL: it notices a dead connection within half a minute, and waits for a lock for a bounded time."""
    timeouts = {"connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "tcp_user_timeout": 30_000}
    url, state = pooler_state(url, settings)
    created = create_engine(
        url,
        json_serializer=_json,
        connect_args={**timeouts, "application_name": "meteorograph", "prepare_threshold": state.prepare_threshold},
        **_pool_options(settings, _POSTGRESQL_POOL),
    )
    chosen = settings.db_lock_timeout_seconds
    watch(created, state, LOCK_TIMEOUT_SECONDS if chosen is None else chosen)
    if settings.db_schema is not None:
        _use_schema(created, settings.db_schema)
    return created


def _use_schema(created: Engine, schema: str) -> None:
    """Let every transaction use a schema of the database. A setting of the session would be lost behind a pooler."""

    @event.listens_for(created, "first_connect")
    def _first_connect(_connection: Any, _record: Any) -> None:
        created.dialect.default_schema_name = schema

    @event.listens_for(created, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(f'SET LOCAL search_path TO "{schema}"')


def make_sqlite_engine(url: URL, busy_timeout: float, settings: Settings) -> Engine:
    """An engine for a SQLite file; its folder is created. A statement waits ``busy_timeout`` seconds for a lock.

    Raises:
        ConfigurationError: The URL names no file, or its folder cannot be created.
    """
    if not url.database or url.database == ":memory:" or url.query.get("mode") == "memory":
        raise ConfigurationError(f"DATABASE_URL={shown_url(url)}: must name a file, since several threads and processes share it")
    try:
        make_private_folder(Path(url.database).parent)
    except OSError as error:
        raise ConfigurationError(
            f"DATABASE_URL={shown_url(url)}: {error.strerror}; its folder must exist or be creatable"
        ) from None
    options = _pool_options(settings, _SQLITE_POOL)
    created = create_engine(url, json_serializer=_json, connect_args={"timeout": busy_timeout}, **options)

    @event.listens_for(created, "do_connect")
    def _do_connect(_dialect: Any, _record: Any, arguments: list[Any], _options: dict[str, Any]) -> None:
        with suppress(OSError):  # the driver says why it cannot open the file
            make_private_file(Path(arguments[0]))  # the files of its write-ahead log get the same mode

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
        options = connection.get_execution_options()
        if options.get("read_only", False):
            connection.exec_driver_sql("BEGIN")
        else:
            _begin_writing(connection, options.get("own_write"))

    return created


def _begin_writing(connection: Connection, own: OwnWrite | None) -> None:
    """Take the write lock of SQLite. Waits longer for a thread of this process than for another program: it is at work."""
    name = connection.engine.url.render_as_string(hide_password=False)
    deadline = time.monotonic() + OWN_WRITER_SECONDS
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            if "locked" in str(error.orig) and OWN_WRITES.is_writing(name) and time.monotonic() < deadline:
                continue
            raise
        if own is not None:
            OWN_WRITES.add(name, own)
        return
