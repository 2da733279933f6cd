"""Locations with schedules of their own, quotas, accounts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from meteorograph.storage.types import UTCDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("key_fingerprint", sa.String(length=64), nullable=True),
        sa.Column("key_state", sa.String(length=16), nullable=False),
        sa.Column("key_since", UTCDateTime(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("closed_until", UTCDateTime(), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("probe_holder", sa.String(length=200), nullable=True),
        sa.Column("probe_until", UTCDateTime(), nullable=True),
        sa.Column("succeeded_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "key_state IN ('untested', 'pending', 'active', 'invalid', 'plan_missing', 'blocked')",
            name=op.f("ck_accounts_key_state"),
        ),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_accounts")),
    )
    op.create_table(
        "quota",
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("window", sa.String(length=16), nullable=False),
        sa.Column("period_start", UTCDateTime(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.CheckConstraint("used >= 0", name=op.f("ck_quota_used")),
        sa.PrimaryKeyConstraint("provider", "window", name=op.f("pk_quota")),
    )
    with op.batch_alter_table("locations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("schedule", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("tags", sa.JSON(none_as_null=True), nullable=True))
        batch_op.add_column(sa.Column("resolved_name", sa.String(length=200), nullable=True))
        batch_op.add_column(sa.Column("resolved_latitude", sa.Float(precision=53), nullable=True))
        batch_op.add_column(sa.Column("resolved_longitude", sa.Float(precision=53), nullable=True))
        batch_op.add_column(sa.Column("resolved_distance_km", sa.Float(precision=53), nullable=True))
        batch_op.add_column(sa.Column("due_since", UTCDateTime(), nullable=True))
        batch_op.create_index("ix_locations_schedule", ["state", "schedule"], unique=False)

    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.create_index("ix_runs_state", ["state", "schedule", "due_at"], unique=False)
        batch_op.add_column(sa.Column("calls", sa.Integer(), nullable=False, server_default="0"))
        batch_op.alter_column(
            "schedule", existing_type=sa.VARCHAR(length=64), type_=sa.String(length=100), existing_nullable=False
        )


def downgrade() -> None:
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.alter_column(
            "schedule", existing_type=sa.String(length=100), type_=sa.VARCHAR(length=64), existing_nullable=False
        )
        batch_op.drop_index("ix_runs_state")
        batch_op.drop_column("calls")

    with op.batch_alter_table("locations", schema=None) as batch_op:
        batch_op.drop_index("ix_locations_schedule")
        batch_op.drop_column("due_since")
        batch_op.drop_column("resolved_distance_km")
        batch_op.drop_column("resolved_longitude")
        batch_op.drop_column("resolved_latitude")
        batch_op.drop_column("resolved_name")
        batch_op.drop_column("tags")
        batch_op.drop_column("schedule")

    op.drop_table("quota")
    op.drop_table("accounts")
