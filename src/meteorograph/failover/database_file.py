"""Its file, and sessions of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ..config.settings import Settings
from ..errors import StandInError, StoreError
from ..storage import engine, migrations
from ..storage.models import Quota

#: SQLAlchemy's own question after a table takes ten times as long, and this one comes with each block of calls.
_MADE: Final = text(f"SELECT 1 FROM sqlite_master WHERE name = '{Quota.__tablename__}'")  # noqa: S608  # a name of ours


@contextmanager
def use_fallback(settings: Settings) -> Iterator[None]:
    """Within the block, sessions are of the stand-in.

    Raises:
        StoreError: There is none that knows a location.
    """
    if not has_fallback(settings):
        raise StoreError("the database is away, and was never there for anything to stand in for it")
    with engine.use_database(_url(settings)):
        yield


def fallback_path(settings: Settings) -> Path:
    """Its file; of another schema it is another one."""
    return settings.journal_dir / f"standin-{migrations.head()}.db"


def has_fallback(settings: Settings) -> bool:
    """Whether it has been made; another process that is at it makes its tables in one transaction.

    Raises:
        StandInError: It does not answer.
    """
    if not fallback_path(settings).exists():
        return False
    try:
        with engine.use_database(_url(settings)), engine.get_db_session(read_only=True) as session:
            return session.execute(_MADE).first() is not None
    except (StoreError, SQLAlchemyError) as error:
        raise StandInError(str(error)) from error


@contextmanager
def fallback_session(settings: Settings, *, read_only: bool = False) -> Iterator[Session]:
    """A session of the stand-in that is there, whose own failure is none of the database.

    Raises:
        StandInError: It does not answer.
    """
    try:
        with engine.use_database(_url(settings)), engine.get_db_session(read_only=read_only) as session:
            yield session
    except StoreError as error:
        raise StandInError(str(error)) from error


@contextmanager
def create_fallback(settings: Settings) -> Iterator[None]:
    """Within the block, sessions are of the stand-in, which is made where it is not there.

    Raises:
        StandInError: It cannot be made.
    """
    try:
        fallback_path(settings).parent.mkdir(parents=True, exist_ok=True)
        with engine.use_database(_url(settings)):
            engine.create_tables()
            yield
    except (StoreError, OSError) as error:
        raise StandInError(str(error)) from error


def _url(settings: Settings) -> str:
    return f"sqlite:///{fallback_path(settings).absolute()}"
