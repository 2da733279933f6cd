"""The migrations of the schema. They are part of the package, so that an installed Meteorograph can migrate its database.

Alembic is imported by a migration only: it takes a quarter of the time in which a command starts.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from sqlalchemy import Engine, inspect, text
from sqlalchemy.engine import Connection

from ...errors import NewerSchemaError
from ..connections import shown_url
from ..views import create_views, drop_views

if TYPE_CHECKING:
    from alembic.config import Config

#: An arbitrary number for the advisory lock of migrations.
_ADVISORY_LOCK: Final = 7_051_891

#: How long to wait for the migrations of another process, and for other locks that a migration needs [s].
_MIGRATION_SECONDS: Final = 300


@cache
def known_revisions() -> frozenset[str]:
    """All revisions that this program knows: the numbers at the beginning of their files' names."""
    names = (file.name for file in (files(__package__) / "versions").iterdir())
    return frozenset(name[:4] for name in names if name[:4].isdecimal())


@cache
def newest_revision() -> str:
    """The newest revision that this program knows."""
    return max(known_revisions())


def current_revision(engine: Engine) -> str | None:
    """The revision of the database; None for an empty database."""
    with engine.execution_options(read_only=True).connect() as connection:
        return _revision(connection)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def upgrade(engine: Engine, *, unversioned: str | None = None) -> None:
    """Apply all missing migrations in one transaction. Other processes wait for it.

    Args:
        engine: The database.
        unversioned: The revision of a database that was made without migrations, and does not say it itself.

    Raises:
        NewerSchemaError: The database has a revision that this program does not know.
    """
    from alembic import command

    with engine.begin() as connection:  # on SQLite this takes the write lock
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SET LOCAL lock_timeout = '{_MIGRATION_SECONDS}s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK})
        revision = _revision(connection)
        if revision is not None and revision not in known_revisions():
            raise NewerSchemaError(
                f"the database {shown_url(engine.url)} was made by a newer version of Meteorograph (revision {revision}); "
                "upgrade the program"
            )
        config = _config(connection)
        if revision is None and unversioned is not None:
            command.stamp(config, unversioned)
        drop_views(connection)
        command.upgrade(config, "head")
        create_views(connection)


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files(__package__)).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
