"""The tables of Procrastinate, which are brought to the version of the installed package like our own tables.

Procrastinate's migrations are files without a record of what was applied, so a table of ours has the record.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from procrastinate.schema import SchemaManager
from sqlalchemy import Engine, inspect, text
from sqlalchemy.engine import Connection

from ..log_output import get_logger

log = get_logger(__name__)

#: Number of the advisory lock of these migrations.
_ADVISORY_LOCK: Final = 7_051_892

_RECORD: Final = text(
    "CREATE TABLE IF NOT EXISTS queue_migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
)
_ADD: Final = text("INSERT INTO queue_migrations (name) VALUES (:name) ON CONFLICT DO NOTHING")


def upgrade_queues(bind: Engine) -> None:
    """Make the tables, or apply the migrations of the installed Procrastinate that are missing. Other processes wait for it."""
    migrations = {path.name: path for path in sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))}
    if _missing(bind, migrations) == []:
        return
    with bind.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK})
        connection.execute(_RECORD)
        known = set(connection.scalars(text("SELECT name FROM queue_migrations")))
        if known:
            for name in (name for name in migrations if name not in known):
                _run(connection, migrations[name].read_text(encoding="utf-8"))
                log.info("migrated the tables of Procrastinate", migration=name)
        elif inspect(connection).has_table("procrastinate_jobs"):
            log.warning("the tables of Procrastinate exist already and are taken for those of the installed version")
        else:
            _run(connection, SchemaManager.get_schema())
        connection.execute(_ADD, [{"name": name} for name in migrations])


def _missing(bind: Engine, names: dict[str, Path]) -> list[str] | None:
    """Migrations that are not applied; None without a record."""
    with bind.execution_options(read_only=True).connect() as connection:
        if not inspect(connection).has_table("queue_migrations"):
            return None
        known = set(connection.scalars(text("SELECT name FROM queue_migrations")))
    return [name for name in names if name not in known]


def _run(connection: Connection, script: str) -> None:
    """Run a script of several statements, which only the driver takes."""
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute(script)
