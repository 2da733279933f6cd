"""The site of a heartbeat: the folder with its fallback database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("heartbeats", sa.Column("site", sa.String(length=200), nullable=True))


def downgrade() -> None:
    op.drop_column("heartbeats", "site")
