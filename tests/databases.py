"""Databases of a single test: SQLite, PostgreSQL, and PostgreSQL behind a pooler."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from meteorograph import scheduler


def make_database(kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Make a migrated, empty database of a kind, and use it until the test ends; gives its URL."""
    if kind == "sqlite":
        path = tmp_path / "meteorograph.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        monkeypatch.setenv("DATABASE_URL", f"sqlite:///{path}")
        yield f"sqlite:///{path}"
        return
    server = request.getfixturevalue("postgresql_server")
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template_meteorograph")
        url = f"{request.getfixturevalue('pooled_server')}/{name}" if kind == "pooled" else named(server, name)
        monkeypatch.setenv("DATABASE_URL", url)
        yield url
        scheduler.stop()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(name="database", params=["sqlite", "postgresql", "pooled"])
def database_or_pooled(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """As ``database``, and also with PostgreSQL behind PgBouncer; for the folders of tests that are mostly SQL."""
    yield from make_database(request.param, request, tmp_path, monkeypatch)


def named(url: str, database: str) -> str:
    """The URL with another database's name."""
    head, _, options = url.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{database}" + (f"?{options}" if options else "")
