"""Runs, gaps and coverage of a generated year: ``python benchmarks/coverage.py [--locations 1000]``.

A year of hourly slots in a SQLite file of the real schema, in a temporary folder that goes afterwards. One slot in 199 of each
location is missed, and four hours of every month are missed by all. Each figure is a median; the bare figure is that of
counting the rows of the same stretch of time through the index, in the same process.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from meteorograph import get_db_session, init_db
from meteorograph.ledger import coverage, queries
from meteorograph.ledger.gaps import list_gaps
from meteorograph.storage.engine import get_engine
from meteorograph.storage.models import Location, WeatherData

END = datetime(2026, 3, 1, 12, tzinfo=UTC)
SLOTS = 365 * 24
#: Of a row with its share of both trees [bytes], measured.
ROW_BYTES = 110

MISSED = "((r.due_at / 3600) % 720 < 4 OR (l.id * 7919 + r.due_at / 3600 * 31) % 199 = 0)"
COLUMNS = "observed_at, fetched_at, provider, temperature, humidity, pressure, wind_speed, wind_direction, cloud_cover, condition"
GENERATE = f"""
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :locations)
INSERT INTO locations (id, name, latitude, longitude, state, created_at)
SELECT i, printf('place %05d', i), i % 180 - 90, i % 360 - 180, 'active', :start FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {SLOTS})
INSERT INTO runs (schedule, due_at, shard, state, due, stored, failed, calls, started_at, ended_at)
SELECT 'default', due_at, 0, 'succeeded', :locations, 0, 0, :locations, due_at, due_at + 60
FROM (SELECT :start + 3600 * i AS due_at FROM n);
DROP INDEX ix_weather_data_due_at;
INSERT INTO missed (location_id, due_at, reason, detail)
SELECT l.id, r.due_at, iif((r.due_at / 3600) % 720 < 4, 'down', 'provider_error'), 'openweathermap: 500: Internal error'
FROM locations l CROSS JOIN runs r WHERE {MISSED} ORDER BY 1, 2;
INSERT INTO weather_data (location_id, due_at, {COLUMNS})
SELECT l.id, r.due_at, r.due_at - 300, r.due_at + 5.25, 'openweathermap', 12.25, 60.0, 1013.2, 3.5, 240.0, 75.0, 'light rain'
FROM locations l CROSS JOIN runs r WHERE NOT {MISSED} ORDER BY 1, 2;
CREATE INDEX ix_weather_data_due_at ON weather_data (due_at);
UPDATE runs SET failed = (SELECT count(*) FROM locations l WHERE {MISSED.replace("r.due_at", "runs.due_at")});
UPDATE runs SET stored = due - failed, state = iif(failed = 0, 'succeeded', iif(failed = due, 'missed', 'partial'));
"""  # noqa: S608  # all of it is written here


def generate(path: Path, locations: int) -> None:
    """Make the database."""
    init_db()
    get_engine().dispose()
    start = int((END - timedelta(hours=SLOTS - 1)).timestamp())
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode = DELETE", "synchronous = OFF", "cache_size = -400000"):
            connection.execute(f"PRAGMA {pragma}")
        for statement in GENERATE.split(";\n")[:-1]:
            connection.execute(statement, {"locations": locations, "start": start} if ":" in statement else {})
        connection.execute("PRAGMA journal_mode = WAL")


def median(work: Callable[[Session], object], rounds: int) -> float:
    """How long the work takes [ms], each time in a session of its own."""
    times = []
    for _ in range(rounds):
        with get_db_session(read_only=True) as session:
            begin = time.perf_counter()
            work(session)
            times.append((time.perf_counter() - begin) * 1000)
    return statistics.median(times)


def measure(locations: int, rounds: int) -> None:
    """Print the table."""
    end = END + timedelta(seconds=1)
    day, week, month, year = (end - timedelta(days=days) for days in (1, 7, 30, 365))
    one = f"place {locations // 2:05}"
    with get_db_session(read_only=True) as session:
        of_one = WeatherData.location_id == session.scalar(select(Location.id).where(Location.name == one))

    def every(session: Session) -> int:
        entries, more = coverage.slot_coverage(session, week, end, limit=1000)
        while more is not None:
            page, more = coverage.slot_coverage(session, week, end, limit=1000, after=more)
            entries += page
        return len(entries)

    questions: list[tuple[str, datetime, bool, Callable[[Session], object]]] = [
        ("runs of a day", day, False, lambda session: queries.list_runs(session, day, end)),
        ("gaps of a week, all locations, newest 100", week, False, lambda session: list_gaps(session, week, end)),
        ("gaps of a year, all locations, newest 100", year, False, lambda session: list_gaps(session, year, end)),
        (
            "gaps of a year for one reason, all locations, newest 100",
            year,
            False,
            lambda session: list_gaps(session, year, end, reason="down"),
        ),
        ("gaps of a year, one location", year, True, lambda session: list_gaps(session, year, end, location=one)),
        (
            "coverage of a week by location, a page of 100",
            week,
            False,
            lambda session: coverage.slot_coverage(session, week, end),
        ),
        ("coverage of a week by location, all", week, False, every),
        (
            "coverage of a year by day, one location",
            year,
            True,
            lambda session: coverage.slot_coverage(session, year, end, by="day", location=one),
        ),
        ("coverage of a month by day, all", month, False, lambda session: coverage.slot_coverage(session, month, end, by="day")),
        ("coverage of a year by day, all", year, False, lambda session: coverage.slot_coverage(session, year, end, by="day")),
    ]
    print("| | ms | bare count, ms | ratio |\n|---|---|---|---|")
    for name, start, is_one, work in questions:
        rows = select(func.count()).where(WeatherData.due_at >= start, WeatherData.due_at < end, *([of_one] if is_one else []))
        bare = median(lambda session, rows=rows: session.scalar(rows), rounds)  # type: ignore[misc]  # it takes the session alone
        took = median(work, rounds)
        print(f"| {name} | {took:,.1f} | {bare:,.1f} | {took / bare:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--locations", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meteorograph-coverage-", dir=asked.folder) as folder:
        needed = asked.locations * SLOTS * ROW_BYTES * 2  # what sorts the index needs room too
        if shutil.disk_usage(folder).free < needed:
            sys.exit(f"{folder}: not enough room, {needed / 1e9:.1f} GB are needed")
        path = Path(folder) / "year.db"
        os.environ["DATABASE_URL"] = f"sqlite:///{path}"
        begin = time.perf_counter()
        generate(path, asked.locations)
        with get_db_session(read_only=True) as session:
            rows = session.scalar(select(func.count()).select_from(WeatherData)) or 0
        print(
            f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, SQLAlchemy {version('sqlalchemy')}; "
            f"{asked.locations:,} locations, {rows:,} rows, {path.stat().st_size / 1e9:.1f} GB, "
            f"made in {time.perf_counter() - begin:.0f} s; medians of {asked.rounds}\n"
        )
        measure(asked.locations, asked.rounds)
        get_engine().dispose()


if __name__ == "__main__":
    main()
