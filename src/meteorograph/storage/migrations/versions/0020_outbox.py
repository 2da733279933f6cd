"""Integrations, and the outbox with the rows that they still have to get."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from meteorograph.storage.outbox import drop_triggers
from meteorograph.storage.types import UTCDateTime

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.create_table(
        "integrations",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("seen_at", UTCDateTime(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0") for name in ("sent", "refused", "failures")),
        sa.Column("failing_since", UTCDateTime(), nullable=True),
        sa.Column("failure", sa.String(length=300), nullable=True),
        sa.Column("refused_at", UTCDateTime(), nullable=True),
        sa.Column("refusal", sa.String(length=300), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_integrations")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("integration", sa.String(length=32), nullable=False),
        sa.Column("location_id", sa.Integer(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_integration", "outbox", ["integration", "id"])


def downgrade() -> None:
    drop_triggers(op.get_bind())
    op.drop_table("outbox")
    op.drop_table("integrations")
