"""What days come to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from meteorograph.storage.types import UTCDateTime

revision = "0004"
down_revision = "0003"

_NUMBERS = ("min", "max", "sum", "count")
_PARTS = {
    "temperature": _NUMBERS,
    "humidity": _NUMBERS,
    "dew_point": _NUMBERS,
    "pressure": _NUMBERS,
    "altimeter_setting": _NUMBERS,
    "wind_speed": _NUMBERS,
    "wind_direction": ("sin", "cos", "count"),
    "wind_gust": _NUMBERS,
    "cloud_cover": _NUMBERS,
    "visibility": _NUMBERS,
    "precipitation": (*_NUMBERS, "total"),
}


def upgrade() -> None:
    op.create_table(
        "daily",
        sa.Column("location_id", sa.Integer(), nullable=False),
        sa.Column("start_at", UTCDateTime(), nullable=False),
        sa.Column("end_at", UTCDateTime(), nullable=False),
        sa.Column("stored", sa.Integer(), nullable=False),
        sa.Column("suspect", sa.Integer(), nullable=False),
        *(
            sa.Column(f"{name}_{part}", sa.Integer() if part == "count" else sa.Float(precision=53), nullable=part != "count")
            for name, parts in _PARTS.items()
            for part in parts
        ),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_daily_location_id")),
        sa.PrimaryKeyConstraint("location_id", "start_at", name=op.f("pk_daily")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "folded",
        sa.Column("location_id", sa.Integer(), nullable=False),
        sa.Column("until_at", UTCDateTime(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_folded_location_id")),
        sa.PrimaryKeyConstraint("location_id", name=op.f("pk_folded")),
    )


def downgrade() -> None:
    op.drop_table("folded")
    op.drop_table("daily")
