"""Answers of the geocoder."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from meteorograph.storage.types import UTCDateTime

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.create_table(
        "geocoder_answers",
        sa.Column("url", sa.String(length=1000), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("fetched_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("url", name=op.f("pk_geocoder_answers")),
    )


def downgrade() -> None:
    op.drop_table("geocoder_answers")
