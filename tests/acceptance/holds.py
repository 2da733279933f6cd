"""Another program that holds the database for itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
from sqlalchemy.engine import make_url

from acceptance.processes import Process


@contextmanager
def held(database: str) -> Iterator[None]:
    """Nobody else can write weather to the database while the block runs: on SQLite nobody can write at all."""
    url = make_url(database)
    if url.get_backend_name() == "sqlite":
        with closing(
            sqlite3.connect(url.database or "", isolation_level=None, timeout=10, check_same_thread=False)
        ) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")
        return
    with psycopg.connect(database) as postgresql:
        postgresql.execute("LOCK TABLE weather_data IN EXCLUSIVE MODE")
        yield
        postgresql.rollback()


@contextmanager
def away(database: str) -> Iterator[None]:
    """The server takes no connection for the database; the file of SQLite is locked for longer than anybody waits."""
    if database.startswith("sqlite"):
        with held(database):
            yield
        return
    name = make_url(database).database
    with psycopg.connect(database.replace(f"/{name}", "/postgres"), autocommit=True) as server:
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        try:
            yield
        finally:
            server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def suspend(process: Process, database: str) -> None:
    """Suspend a process, on SQLite between two of its transactions: in the middle of one it would keep the lock from all others.

    On PostgreSQL the server ends such a transaction.
    """
    url = make_url(database)
    process.suspend()
    while url.get_backend_name() == "sqlite" and not _is_free(url.database or "", 0.5):
        process.resume()
        _is_free(url.database or "", 60)  # it goes on until it has ended its transaction: another process may have it, too
        process.suspend()


def _is_free(file: str, seconds: float) -> bool:
    """Whether a SQLite database can be locked within some seconds."""
    with closing(sqlite3.connect(file, isolation_level=None, timeout=seconds)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.execute("ROLLBACK")
        return True
