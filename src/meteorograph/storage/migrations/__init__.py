"""The schema's history, inside the package, so that an installed Meteorograph can bring its own database up to date."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine, text
from sqlalchemy.engine import Connection

from ...errors import StoreError

#: An arbitrary number that only the migrations of this program lock on.
_ADVISORY_LOCK: Final = 7_051_891


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files(__package__)).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@cache
def head() -> str:
    """The newest revision this program knows; told from the files once, and asked for at every tick."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    assert found is not None, "there is always one migration"
    return found


def current(engine: Engine) -> str | None:
    """The revision the database is at; None for an empty one."""
    with engine.execution_options(read_only=True).connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(engine: Engine) -> None:
    """Apply what is missing, all of it or nothing, in one transaction that other processes wait for.

    Raises:
        StoreError: The database is at a revision that this program does not know.
    """
    with engine.begin() as connection:  # on SQLite this takes the write lock at once
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK})
        try:
            command.upgrade(_config(connection), "head")
        except CommandError as error:
            raise StoreError(f"the database {engine.url} was made by another version of Meteorograph: {error}") from None
