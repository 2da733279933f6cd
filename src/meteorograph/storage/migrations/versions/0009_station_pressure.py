"""The pressure at the station."""

from __future__ import annotations

from meteorograph.storage.migrations.quantities import add_quantity, drop_quantity

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    add_quantity("station_pressure")


def downgrade() -> None:
    drop_quantity("station_pressure")
