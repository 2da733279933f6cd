"""Another program that holds the database for itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
from sqlalchemy.engine import make_url


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
