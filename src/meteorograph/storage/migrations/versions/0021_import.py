"""Imported rows: their origin, and an index of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

_OLD = "origin IN ('live', 'backfill')"
_NEW = "origin IN ('live', 'backfill', 'import')"


def upgrade() -> None:
    _change_check(_OLD, _NEW)
    is_imported = sa.text("origin = 'import'")
    op.create_index(
        "ix_weather_data_import",
        "weather_data",
        ["location_id", "due_at"],
        sqlite_where=is_imported,
        postgresql_where=is_imported,
    )


def downgrade() -> None:
    op.drop_index("ix_weather_data_import", "weather_data")
    op.execute("UPDATE weather_data SET origin = 'backfill' WHERE origin = 'import'")
    _change_check(_NEW, _OLD)


def _change_check(before: str, after: str) -> None:
    """Change the condition of ``ck_weather_data_origin`` without copying the rows, of which there may be a hundred million.

    SQLite has no statement for it. Its documentation (https://www.sqlite.org/lang_altertable.html, section 7) gives this way to
    change a constraint that does not affect how rows are stored.
    """
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        op.drop_constraint(op.f("ck_weather_data_origin"), "weather_data", type_="check")
        op.create_check_constraint(op.f("ck_weather_data_origin"), "weather_data", after)
        return
    change = sa.text(
        "UPDATE sqlite_schema SET sql = replace(sql, :before, :after) "
        "WHERE type = 'table' AND name = 'weather_data' AND instr(sql, :before) > 0"
    )
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    changed = connection.execute(change, {"before": before, "after": after}).rowcount
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = OFF")
    if changed != 1:
        raise RuntimeError("weather_data has no constraint on its origin")
