"""Snow beside the sum of rain and snow."""

from __future__ import annotations

from meteorograph.storage.migrations.quantities import add_quantity, drop_quantity

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    add_quantity("snowfall_water_equivalent")


def downgrade() -> None:
    drop_quantity("snowfall_water_equivalent")
