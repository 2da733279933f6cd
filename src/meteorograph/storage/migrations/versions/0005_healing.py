"""What healing has come to, slot by slot; leases; indexes of open missed slots and of backfilled rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from meteorograph.storage.types import UTCDateTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("holder", sa.String(length=200), nullable=True),
        sa.Column("expires_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.add_column("missed", sa.Column("tries", sa.Integer(), nullable=False, server_default="0"))
    for name in ("tried_at", "next_try_at", "closed_at"):
        op.add_column("missed", sa.Column(name, UTCDateTime(), nullable=True))
    _index("ix_missed_open", "missed", ["due_at"], "closed_at IS NULL")
    _index("ix_weather_data_backfill", "weather_data", ["location_id", "due_at"], "origin = 'backfill'")


def _index(name: str, table: str, columns: list[str], condition: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))


def downgrade() -> None:
    op.drop_index("ix_weather_data_backfill", table_name="weather_data")
    op.drop_index("ix_missed_open", table_name="missed")
    for name in ("closed_at", "next_try_at", "tried_at", "tries"):
        op.drop_column("missed", name)
    op.drop_table("leases")
