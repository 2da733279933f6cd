"""The weather as a code."""

from __future__ import annotations

from meteorograph.storage.migrations.quantities import add_quantity, drop_quantity

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    add_quantity("weather_code")


def downgrade() -> None:
    drop_quantity("weather_code")
