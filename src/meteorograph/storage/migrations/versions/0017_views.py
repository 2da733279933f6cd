"""A new name for the table of daily rollups, so that a view can have the old one (``storage/views.py``)."""

from __future__ import annotations

from alembic import op

from meteorograph.storage.views import drop_views

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.rename_table("daily", "daily_rollups")


def downgrade() -> None:
    drop_views(op.get_bind())
    op.rename_table("daily_rollups", "daily")
