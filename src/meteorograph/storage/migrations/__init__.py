"""The migrations of the schema. They are part of the package, so that an installed Meteorograph can migrate its database."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text
from sqlalchemy.engine import Connection

from ...errors import NewerSchemaError
from ..connections import shown_url

#: An arbitrary number for the advisory lock of migrations.
_ADVISORY_LOCK: Final = 7_051_891

#: How long to wait for the migrations of another process, and for other locks that a migration needs [s].
_MIGRATION_SECONDS: Final = 300


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files(__package__)).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@cache
def newest_revision() -> str:
    """The newest revision that this program knows. Read from the files once, since every tick needs it."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None, "there is at least one migration"
    return revision


@cache
def known_revisions() -> frozenset[str]:
    """All revisions that this program knows."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def current_revision(engine: Engine) -> str | None:
    """The revision of the database; None for an empty database."""
    with engine.execution_options(read_only=True).connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(engine: Engine, *, unversioned: str | None = None) -> None:
    """Apply all missing migrations in one transaction. Other processes wait for it.

    Args:
        engine: The database.
        unversioned: The revision of a database that was made without migrations, and does not say it itself.

    Raises:
        NewerSchemaError: The database has a revision that this program does not know.
    """
    with engine.begin() as connection:  # on SQLite this takes the write lock
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SET LOCAL lock_timeout = '{_MIGRATION_SECONDS}s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK})
        revision = MigrationContext.configure(connection).get_current_revision()
        if revision is not None and revision not in known_revisions():
            raise NewerSchemaError(
                f"the database {shown_url(engine.url)} was made by a newer version of Meteorograph (revision {revision}); "
                "upgrade the program"
            )
        if revision is None and unversioned is not None:
            command.stamp(_config(connection), unversioned)
        command.upgrade(_config(connection), "head")
