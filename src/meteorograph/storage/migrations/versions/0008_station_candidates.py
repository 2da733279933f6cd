"""All stations around a location, and how often the one in use gave no data."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("stations", sa.Column("candidates", sa.JSON(none_as_null=True), nullable=True))
    for name in ("rank", "failures"):
        op.add_column("stations", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    for name in ("failures", "rank", "candidates"):
        op.drop_column("stations", name)
