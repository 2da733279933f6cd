"""Shards of large runs, and the fencing tokens of runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from meteorograph.storage.types import UTCDateTime

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.add_column("runs", sa.Column("token", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "shards",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("first_id", sa.Integer(), nullable=False),
        sa.Column("last_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("holder", sa.String(length=200), nullable=True),
        sa.Column("lease_expires_at", UTCDateTime(), nullable=True),
        *(sa.Column(name, sa.Integer(), nullable=False, server_default="0") for name in ("token", "stored", "failed")),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'running', 'done')", name=op.f("ck_shards_state")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_shards_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_shards")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("shards")
    op.drop_column("runs", "token")
