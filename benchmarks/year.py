"""A database of some locations with hourly rows of some days, for benchmarks that read: made by statements, in minutes.

Rows are inserted in the order of their slots, as the service stores them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from meteorograph import init_db
from meteorograph.reading import rollups
from meteorograph.storage.engine import get_engine

#: The last slot.
END = datetime(2026, 3, 1, 12, tzinfo=UTC)
START_OF_LOCATIONS = datetime(2020, 1, 1, tzinfo=UTC)

_VALUES = """
    15 + (l.id * 7 + r.n * 13) % 200 / 10.0, 40 + (l.id + r.n) % 50, 1000 + (l.id * 3 + r.n) % 40 / 2.0,
    (l.id + r.n * 7) % 150 / 10.0, (l.id * 11 + r.n * 5) % 360, (r.n * 17) % 101, 10000,
    CASE WHEN (l.id + r.n) % 11 = 0 THEN 0.25 ELSE 0.0 END, 3600, 'scattered clouds',
    CASE WHEN (l.id + r.n) % 997 = 0 THEN '{"temperature": ["range"]}'
         WHEN (l.id + r.n) % 2 = 0 THEN '{"precipitation": ["implied_zero"]}' END
"""
_JSON_VALUES = f"{_VALUES.rstrip()}::json"
_COLUMNS = (
    "temperature, humidity, pressure, wind_speed, wind_direction, cloud_cover, visibility, "
    "precipitation, precipitation_period, condition, flags"
)

_SQLITE = [
    """INSERT INTO locations (id, name, latitude, longitude, timezone, state, created_at)
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :locations)
    SELECT i, printf('place %07d', i), i % 180 - 90, i % 360 - 180, :zone, 'active', :created FROM n""",
    """INSERT INTO runs (schedule, due_at, shard, state, due, stored, failed, calls)
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :slots)
    SELECT 'default', :start + 3600 * i, 0, 'succeeded', :locations, :locations, 0, :locations FROM n""",
    "DROP INDEX ix_weather_data_due_at",
    f"""INSERT INTO weather_data (location_id, due_at, observed_at, fetched_at, provider, {_COLUMNS})
    SELECT l.id, r.due_at, r.due_at, r.due_at + 5.25, 'openweathermap', {_VALUES}
    FROM locations l CROSS JOIN (SELECT due_at, due_at / 3600 AS n FROM runs) r ORDER BY 2, 1""",  # noqa: S608  # all of it is here
    "CREATE INDEX ix_weather_data_due_at ON weather_data (due_at)",
    "ANALYZE",
]

_POSTGRESQL = [
    """INSERT INTO locations (id, name, latitude, longitude, timezone, state, created_at)
    SELECT i, 'place ' || lpad(i::text, 7, '0'), i % 180 - 90, i % 360 - 180, :zone, 'active', :created
    FROM generate_series(1, :locations) i""",
    "SELECT setval('locations_id_seq', :locations)",
    """INSERT INTO runs (schedule, due_at, shard, state, due, stored, failed, calls)
    SELECT 'default', :start + i * interval '1 hour', 0, 'succeeded', :locations, :locations, 0, :locations
    FROM generate_series(0, :slots - 1) i""",
    "DROP INDEX ix_weather_data_due_at",
    f"""INSERT INTO weather_data (location_id, due_at, observed_at, fetched_at, provider, {_COLUMNS})
    SELECT l.id, r.due_at, r.due_at, r.due_at + interval '5.25 s', 'openweathermap', {_JSON_VALUES}
    FROM locations l CROSS JOIN (SELECT due_at, extract(epoch from due_at)::bigint / 3600 AS n FROM runs) r
    ORDER BY 2, 1""",  # noqa: S608  # all of it is here
    "CREATE INDEX ix_weather_data_due_at ON weather_data (due_at)",
    "ANALYZE",
]


def make(locations: int, days: float) -> None:
    """Fill the database of the settings in force."""
    init_db()
    slots, sqlite = round(days * 24), get_engine().dialect.name == "sqlite"
    start = END - timedelta(hours=slots - 1)
    values = {"locations": locations, "slots": slots, "start": start, "created": START_OF_LOCATIONS, "zone": "Europe/Athens"}
    if sqlite:
        values |= {"start": int(start.timestamp()), "created": int(START_OF_LOCATIONS.timestamp())}
    with get_engine().begin() as connection:
        for statement in _SQLITE if sqlite else _POSTGRESQL:
            connection.execute(text(statement), {name: value for name, value in values.items() if f":{name}" in statement})


def fold() -> None:
    """Roll up all days that are over."""
    while rollups.roll_up(END + timedelta(days=1)):
        pass
