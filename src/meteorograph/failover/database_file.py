"""The file of the fallback database, and sessions on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DatabaseError, SQLAlchemyError
from sqlalchemy.orm import Session

from ..config.settings import Settings
from ..errors import FallbackDatabaseError, StoreError
from ..log_output import get_logger
from ..model import clock
from ..private_files import make_private_folder
from ..storage import engine, migrations
from ..storage.models import Quota

log = get_logger(__name__)

#: Whether the tables exist. SQLAlchemy's own check takes ten times as long, and this query runs with each block of calls.
_TABLE_EXISTS: Final = text(f"SELECT 1 FROM sqlite_master WHERE name = '{Quota.__tablename__}'")  # noqa: S608  # our own name

#: What an error says of a damaged file, in our words or in those of SQLite.
_DAMAGE: Final = ("damaged", "not a database", "malformed")

#: The file of an earlier version that is brought back in this context.
_older_file: ContextVar[Path | None] = ContextVar("older_file", default=None)


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
    return _older_file.get() or settings.journal_dir / f"standin-{migrations.newest_revision()}.db"


@contextmanager
def use_older_file(path: Path) -> Iterator[None]:
    """Context in which the file of an earlier version, brought to the schema of this one, is the fallback database."""
    token = _older_file.set(path)
    try:
        yield
    finally:
        _older_file.reset(token)


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
        set_aside_if_damaged(settings, error)
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
    except (StoreError, DatabaseError) as error:
        set_aside_if_damaged(settings, error)
        raise FallbackDatabaseError(str(error)) from error


@contextmanager
def create_fallback(settings: Settings) -> Iterator[None]:
    """Context in which sessions are of the fallback database. Creates the file if it does not exist.

    Raises:
        FallbackDatabaseError: The file cannot be created, or the fallback database does not answer.
    """
    path = fallback_path(settings)
    try:
        make_private_folder(path.parent)
        if not path.exists():  # never made, or deleted while this process used it
            close_fallback(settings)
        with engine.use_database(_url(settings)):
            engine.create_tables()
            yield
    except (StoreError, DatabaseError, OSError) as error:
        set_aside_if_damaged(settings, error)
        raise FallbackDatabaseError(str(error)) from error


def set_aside_if_damaged(settings: Settings, error: Exception) -> None:
    """Rename a damaged fallback database, so that the next snapshot makes a new one; what the old one held stays in its file."""
    if not any(words in str(error) for words in _DAMAGE):
        return
    path = fallback_path(settings)
    aside = path.with_name(f"{path.stem}-damaged-{clock.now():%Y%m%dT%H%M%S}.db")
    try:
        close_fallback(settings)
        path.rename(aside)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    except OSError as problem:
        reason = problem.strerror
        log.warning("the damaged fallback database cannot be set aside", file=path.name, reason=reason)
        return
    log.error("the fallback database was damaged and is set aside; a new one is made", file=aside.name, reason=str(error))


def damaged_files(settings: Settings) -> list[str]:
    """Names of the fallback databases that were set aside and still exist."""
    return sorted(path.name for path in settings.journal_dir.glob("standin-*-damaged-*.db"))


def close_fallback(settings: Settings) -> None:
    """Close the connections to the fallback database."""
    engine.ENGINES.forget(engine.database_url(_url(settings)).render_as_string(hide_password=False))


def _url(settings: Settings) -> str:
    return f"sqlite:///{fallback_path(settings).absolute()}"
