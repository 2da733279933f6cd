"""The core: locations, weather data, runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from meteorograph.storage.types import UTCDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "heartbeats",
        sa.Column("holder", sa.String(length=200), nullable=False),
        sa.Column("beat_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("holder", name=op.f("pk_heartbeats")),
    )
    op.create_table(
        "locations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("latitude", sa.Float(precision=53), nullable=False),
        sa.Column("longitude", sa.Float(precision=53), nullable=False),
        sa.Column("elevation", sa.Float(precision=53), nullable=True),
        sa.Column("timezone", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("state IN ('active', 'paused', 'unscheduled')", name=op.f("ck_locations_state")),
        sa.CheckConstraint("latitude BETWEEN -90 AND 90", name=op.f("ck_locations_latitude")),
        sa.CheckConstraint("longitude BETWEEN -180 AND 180", name=op.f("ck_locations_longitude")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_locations")),
        sa.UniqueConstraint("name", name=op.f("uq_locations_name")),
    )
    with op.batch_alter_table("locations", schema=None) as batch_op:
        batch_op.create_index("ix_locations_point", ["latitude", "longitude"], unique=False)

    op.create_table(
        "runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("schedule", sa.String(length=64), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("holder", sa.String(length=200), nullable=True),
        sa.Column("lease_expires_at", UTCDateTime(), nullable=True),
        sa.Column("due", sa.Integer(), nullable=False),
        sa.Column("stored", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'running', 'succeeded', 'partial', 'failed', 'missed')", name=op.f("ck_runs_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("schedule", "due_at", "shard", name=op.f("uq_runs_schedule_due_at_shard")),
    )
    op.create_table(
        "missed",
        sa.Column("location_id", sa.Integer(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=True),
        sa.CheckConstraint(
            "reason IN ('down', 'quota', 'provider_error', 'payload_error', 'store_error', 'late')",
            name=op.f("ck_missed_reason"),
        ),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_missed_location_id")),
        sa.PrimaryKeyConstraint("location_id", "due_at", name=op.f("pk_missed")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "stations",
        sa.Column("location_id", sa.Integer(), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("station", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column("latitude", sa.Float(precision=53), nullable=False),
        sa.Column("longitude", sa.Float(precision=53), nullable=False),
        sa.Column("distance_km", sa.Float(precision=53), nullable=False),
        sa.Column("found_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_stations_location_id")),
        sa.PrimaryKeyConstraint("location_id", "provider", name=op.f("pk_stations")),
    )
    op.create_table(
        "weather_data",
        sa.Column("location_id", sa.Integer(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("observed_at", UTCDateTime(), nullable=True),
        sa.Column("fetched_at", UTCDateTime(), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False, server_default="live"),
        sa.Column("temperature", sa.Float(precision=53), nullable=True),
        sa.Column("humidity", sa.Float(precision=53), nullable=True),
        sa.Column("dew_point", sa.Float(precision=53), nullable=True),
        sa.Column("pressure", sa.Float(precision=53), nullable=True),
        sa.Column("altimeter_setting", sa.Float(precision=53), nullable=True),
        sa.Column("wind_speed", sa.Float(precision=53), nullable=True),
        sa.Column("wind_direction", sa.Float(precision=53), nullable=True),
        sa.Column("wind_gust", sa.Float(precision=53), nullable=True),
        sa.Column("cloud_cover", sa.Float(precision=53), nullable=True),
        sa.Column("visibility", sa.Float(precision=53), nullable=True),
        sa.Column("precipitation", sa.Float(precision=53), nullable=True),
        sa.Column("precipitation_period", sa.Integer(), nullable=True),
        sa.Column("condition", sa.String(length=200), nullable=True),
        sa.Column("providers", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("flags", sa.JSON(none_as_null=True), nullable=True),
        sa.CheckConstraint("altimeter_setting BETWEEN 0 AND 1e+308", name=op.f("ck_weather_data_altimeter_setting")),
        sa.CheckConstraint("dew_point BETWEEN -273.15 AND 1e+308", name=op.f("ck_weather_data_dew_point")),
        sa.CheckConstraint("origin IN ('live', 'backfill')", name=op.f("ck_weather_data_origin")),
        sa.CheckConstraint("cloud_cover BETWEEN 0 AND 100", name=op.f("ck_weather_data_cloud_cover")),
        sa.CheckConstraint("humidity BETWEEN 0 AND 100", name=op.f("ck_weather_data_humidity")),
        sa.CheckConstraint("precipitation BETWEEN 0 AND 1e+308", name=op.f("ck_weather_data_precipitation")),
        sa.CheckConstraint("precipitation_period > 0", name=op.f("ck_weather_data_precipitation_period")),
        sa.CheckConstraint("pressure BETWEEN 0 AND 1e+308", name=op.f("ck_weather_data_pressure")),
        sa.CheckConstraint("temperature BETWEEN -273.15 AND 1e+308", name=op.f("ck_weather_data_temperature")),
        sa.CheckConstraint("visibility BETWEEN 0 AND 1e+308", name=op.f("ck_weather_data_visibility")),
        sa.CheckConstraint("wind_direction BETWEEN 0 AND 360", name=op.f("ck_weather_data_wind_direction")),
        sa.CheckConstraint("wind_gust BETWEEN 0 AND 1e+308", name=op.f("ck_weather_data_wind_gust")),
        sa.CheckConstraint("wind_speed BETWEEN 0 AND 1e+308", name=op.f("ck_weather_data_wind_speed")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_weather_data_location_id")),
        sa.PrimaryKeyConstraint("location_id", "due_at", name=op.f("pk_weather_data")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("weather_data", schema=None) as batch_op:
        batch_op.create_index("ix_weather_data_due_at", ["due_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("weather_data", schema=None) as batch_op:
        batch_op.drop_index("ix_weather_data_due_at")

    op.drop_table("weather_data")
    op.drop_table("stations")
    op.drop_table("missed")
    op.drop_table("runs")
    with op.batch_alter_table("locations", schema=None) as batch_op:
        batch_op.drop_index("ix_locations_point")

    op.drop_table("locations")
    op.drop_table("heartbeats")
