"""The file of the fallback database, and sessions on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ..config.settings import Settings
from ..errors import FallbackDatabaseError, StoreError
from ..storage import engine, migrations
from ..storage.models import Quota

#: Whether the tables exist. SQLAlchemy's own check takes ten times as long, and this query runs with each block of calls.
_TABLE_EXISTS: Final = text(f"SELECT 1 FROM sqlite_master WHERE name = '{Quota.__tablename__}'")  # noqa: S608  # our own name


@contextmanager
def use_fallback(settings: Settings) -> Iterator[None]:
    """Context in which sessions are of the fallback database.

    Raises:
        StoreError: The fallback database was never created.
    """
    if not has_fallback(settings):
        raise StoreError("the database is away, and no fallback database was created before")
    with engine.use_database(_url(settings)):
        yield


def fallback_path(settings: Settings) -> Path:
    """Path of the file. Each schema version has its own file."""
    return settings.journal_dir / f"standin-{migrations.newest_revision()}.db"


def has_fallback(settings: Settings) -> bool:
    """Whether the fallback database exists with its tables, which are created in one transaction.

    Raises:
        FallbackDatabaseError: The fallback database does not answer.
    """
    if not fallback_path(settings).exists():
        return False
    try:
        with engine.use_database(_url(settings)), engine.get_db_session(read_only=True) as session:
            return session.execute(_TABLE_EXISTS).first() is not None
    except (StoreError, SQLAlchemyError) as error:
        raise FallbackDatabaseError(str(error)) from error


@contextmanager
def fallback_session(settings: Settings, *, read_only: bool = False) -> Iterator[Session]:
    """Session on an existing fallback database.

    Raises:
        FallbackDatabaseError: The fallback database does not answer. Not a ``StoreError``, because the database may answer.
    """
    try:
        with engine.use_database(_url(settings)), engine.get_db_session(read_only=read_only) as session:
            yield session
    except StoreError as error:
        raise FallbackDatabaseError(str(error)) from error


@contextmanager
def create_fallback(settings: Settings) -> Iterator[None]:
    """Context in which sessions are of the fallback database. Creates the file if it does not exist.

    Raises:
        FallbackDatabaseError: The file cannot be created, or the fallback database does not answer.
    """
    try:
        fallback_path(settings).parent.mkdir(parents=True, exist_ok=True)
        with engine.use_database(_url(settings)):
            engine.create_tables()
            yield
    except (StoreError, OSError) as error:
        raise FallbackDatabaseError(str(error)) from error


def _url(settings: Settings) -> str:
    return f"sqlite:///{fallback_path(settings).absolute()}"
