"""What the checks remember of each location."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from meteorograph.storage.types import UTCDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "check_states",
        sa.Column("location_id", sa.Integer(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_check_states_location_id")),
        sa.PrimaryKeyConstraint("location_id", name=op.f("pk_check_states")),
    )


def downgrade() -> None:
    op.drop_table("check_states")
