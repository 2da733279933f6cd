"""The UV index."""

from __future__ import annotations

from meteorograph.storage.migrations.quantities import add_quantity, drop_quantity

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    add_quantity("uv_index")


def downgrade() -> None:
    drop_quantity("uv_index")
