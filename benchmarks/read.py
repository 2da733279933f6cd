"""Reading a generated year: ``python benchmarks/read.py [--locations 1000 --days 365 --url postgresql://…]``.

Without ``--url`` it is a SQLite file in a temporary folder; a database of that URL must be empty. Each figure is beside the bare
statement by the driver in the same run, all rows fetched. Answers come over HTTP from ``meteorograph serve --no-scheduler``.
"""

from __future__ import annotations

import argparse
import http.client
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import year  # type: ignore[import-not-found]  # it lies beside this file

from meteorograph import export, get_db_session
from meteorograph.db import engine

AT_ONCE = 20_000


def median(work: Callable[[], object], rounds: int) -> float:
    """How long the work takes [ms]."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append((time.perf_counter() - begin) * 1000)
    return statistics.median(times)


def bare(statement: str) -> int:
    """Run a statement by the driver alone and throw its rows away, some at a time; gives how many."""
    raw = _connection()
    count = 0
    try:
        # A named cursor leaves the rows with the server, as SQLite's does.
        cursor: Any = raw.cursor() if engine().dialect.name == "sqlite" else raw.cursor("bare")
        cursor.execute(statement)
        while rows := cursor.fetchmany(AT_ONCE):
            count += len(rows)
        cursor.close()
    finally:
        raw.rollback()
    return count


@cache
def _connection() -> Any:
    """The driver's own connection, opened once."""
    return engine().raw_connection().driver_connection


@contextmanager
def serving() -> Any:
    """The service in a process of its own; gives what asks it for a path and reads the answer."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "LOG_LEVEL": "WARNING"}
    main_ = "from meteorograph.cli import main; main()"
    command = [sys.executable, "-c", main_, "serve", "--no-scheduler", "--port", str(port)]
    with subprocess.Popen(command, env=environment) as process:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

        def get(path: str) -> int:
            connection.request("GET", path)
            answer = connection.getresponse()
            length = len(answer.read())
            assert answer.status == 200, path
            return length

        for _ in range(100):
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


def measure(locations: int, days: int, rounds: int) -> None:
    """Print the table."""
    sqlite = engine().dialect.name == "sqlite"
    end = year.END + timedelta(seconds=1)

    def at(back: int) -> str:
        instant = end - timedelta(days=back)
        return str(int(instant.timestamp())) if sqlite else f"'{instant.isoformat()}'"

    def since(back: int) -> str:
        return f"start={quote((end - timedelta(days=back)).isoformat())}&end={quote(end.isoformat())}"

    one = locations // 2
    name = quote(f"place {one:05d}")
    newest = "(SELECT max(due_at) FROM weather_data o WHERE o.location_id = l.id)"
    daily = "SELECT location_id, start_at, end_at, stored, temperature_min, temperature_max, temperature_sum FROM daily"
    questions = [
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
    print("| | HTTP, ms | bare, ms | ratio |\n|---|---|---|---|")
    with serving() as get:
        for what, path, statement in questions:
            get(path)
            asked, alone = median(lambda path=path: get(path), rounds), median(lambda it=statement: bare(it), rounds)  # type: ignore[misc]
            print(f"| {what} | {asked:,.1f} | {alone:,.1f} | {asked / alone:.2f} |", flush=True)


def measure_export(folder: Path) -> None:
    """Print what a Parquet file of all rows takes beside a scan of them."""
    begin = time.perf_counter()
    rows = bare("SELECT * FROM weather_data")
    alone = time.perf_counter() - begin
    begin = time.perf_counter()
    with get_db_session(read_only=True) as session:
        told = export.export(session, export.Asked(), "parquet", folder / "all.parquet")
    took = time.perf_counter() - begin
    assert told.rows == rows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"\nParquet of {rows:,} rows: {took:.1f} s, bare scan {alone:.1f} s, ratio {took / alone:.2f}; "
        f"{rows / took:,.0f} rows/s, peak memory {peak:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--locations", type=int, default=1000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--url", help="an empty database, else SQLite")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meteorograph-read-", dir=asked.folder) as folder:
        os.environ["DATABASE_URL"] = asked.url or f"sqlite:///{folder}/year.db"
        begin = time.perf_counter()
        year.make(asked.locations, asked.days)
        made, begin = time.perf_counter() - begin, time.perf_counter()
        year.fold()
        print(
            f"{engine().dialect.name}: {asked.locations:,} locations, {asked.days} days, made in {made:.0f} s, "
            f"rolled up in {time.perf_counter() - begin:.0f} s; medians of {asked.rounds}\n",
            flush=True,
        )
        measure(asked.locations, asked.days, asked.rounds)
        measure_export(Path(folder))
        engine().dispose()


if __name__ == "__main__":
    main()
