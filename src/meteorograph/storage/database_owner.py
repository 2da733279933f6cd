"""Refuse a database that belongs to another program, before anything is written into it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import Engine, inspect, text

from ..errors import ConfigurationError, NewerSchemaError, StoreError
from .connections import shown_url
from .models import Base

#: The table in which Alembic stores the revision, in the databases of other programs too.
_REVISIONS: Final = "alembic_version"

#: Tables that together only our databases have.
_OWN_TABLES: Final = frozenset({"locations", "missed", "runs", "weather_data"})

#: Tables that an error names at most.
_MAX_NAMED: Final = 3


def refuse_foreign(bind: Engine, revisions: Collection[str]) -> None:
    """Check that a database is empty or ours. PostgreSQL may have tables of other programs whose names differ from ours.

    Args:
        bind: The database.
        revisions: The revisions of the schema that this program knows.

    Raises:
        ConfigurationError: The database belongs to another program.
        NewerSchemaError: The database was made by a newer version of this program.
        StoreError: The database is damaged.
    """
    ours = set(Base.metadata.tables)
    with bind.execution_options(read_only=True).connect() as connection:
        tables = set(inspect(connection).get_table_names())
        revision = connection.scalar(text("SELECT version_num FROM alembic_version")) if _REVISIONS in tables else None
    if revision in revisions:
        return
    url = shown_url(bind.url)
    if _OWN_TABLES <= tables:
        if revision is None:
            raise StoreError(f"the database {url} cannot be used: its table {_REVISIONS} is missing or empty; restore a backup")
        raise NewerSchemaError(
            f"the database {url} belongs to another version of Meteorograph: it was made by a newer version of Meteorograph "
            f"(revision {revision}); upgrade the program"
        )
    others = tables if bind.dialect.name == "sqlite" or revision is not None else tables & ours
    if names := sorted(others - {_REVISIONS}) or sorted(tables & {_REVISIONS} if revision else ()):
        named = ", ".join(names[:_MAX_NAMED]) + (f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else "")
        schema = "" if bind.dialect.name == "sqlite" else " or, with METEOROGRAPH_DB_SCHEMA, a schema of its own"
        raise ConfigurationError(
            f"DATABASE_URL={url}: the database belongs to another program (tables: {named}); "
            f"name an empty one or one of Meteorograph{schema}"
        )
