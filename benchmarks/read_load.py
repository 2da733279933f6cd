"""A query at a fixed rate while locations are collected: what ``read.py`` runs last.

As docs/performance.md recommends it for many readers: gunicorn with workers that only serve, and a collector that gives way to
them (``nice``). They, and the provider that is asked (``load_upstream.py``), are processes of their own. Requests leave at
instants laid down before, whatever became of those ahead of them, and each is timed from its own: a server that falls behind is
seen to.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import uvloop
import year  # type: ignore[import-not-found]  # it lies beside this file
from ingest import upstream  # type: ignore[import-not-found]  # and so does this
from pyreqwest.client import ClientBuilder
from sqlalchemy import func, insert, select

from meteorograph import WeatherData, get_db_session
from meteorograph.config.loading import load_settings, pin_settings
from meteorograph.logs import setup_logging
from meteorograph.model import clock
from meteorograph.scheduler import scheduled_ingest
from meteorograph.storage.engine import init_db
from meteorograph.storage.models import Location, Run

#: What the collector's provider takes for an answer [ms].
LATENCY_MS = 100
#: Connections to the server; what is due while all are busy waits, and its time counts.
CONNECTIONS = 64
#: Processes that serve.
WORKERS = 3
#: How far the collector gives way to them (``nice``).
NICE = 10


def measure(path: str, locations: int, rate: int, seconds: int) -> None:
    """Print how long the query takes at a fixed rate, alone and while locations are collected."""
    with serving() as address:
        alone = latencies(address + path, rate, seconds)
        add_locations(locations)
        with collecting():
            before = collected()
            under = latencies(address + path, rate, seconds)
            slots, rows = (now - then for now, then in zip(collected(), before, strict=True))
    print(f"\n30 days of one location, {rate} requests/s for {seconds} s; {WORKERS} processes serve, nice {NICE} collects\n")
    print("| | p50, ms | p99, ms | worst, ms |\n|---|---|---|---|")
    for what, times in (("alone", alone), (f"while {locations:,} locations are collected", under)):
        print(f"| {what} | {times[len(times) // 2]:.1f} | {times[len(times) * 99 // 100]:.1f} | {times[-1]:.1f} |")
    print(f"\n{rows:,} rows collected in that time, {slots} whole slots")


@contextmanager
def serving() -> Iterator[str]:
    """Workers that only serve; gives their address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "-w", str(WORKERS), "-b", f"127.0.0.1:{port}", "meteorograph:create_app()"]
    environment = {**os.environ, "METEOROGRAPH_SCHEDULER_ENABLED": "false", "LOG_LEVEL": "WARNING"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        address = f"http://127.0.0.1:{port}"
        while process.poll() is None:
            try:
                urllib.request.urlopen(f"{address}/livez").close()
                break
            except OSError:
                time.sleep(0.1)
        try:
            yield address
        finally:
            process.terminate()


def add_locations(until: int) -> None:
    """Add locations without rows until there are so many."""
    with get_db_session() as session:
        there = session.scalar(select(func.count()).select_from(Location)) or 0
        rows = [
            {"name": f"new {n}", "latitude": n % 180 - 90, "longitude": n % 360 - 180, "state": "active", "created_at": year.END}
            for n in range(there, until)
        ]
        if rows:
            session.execute(insert(Location), rows)


@contextmanager
def collecting() -> Iterator[None]:
    """Within the block one slot after another is collected, from the hour after the last one of the year."""
    with upstream() as port:
        plenty = str(10**9)
        environment = {
            **os.environ,
            "OWM_API_KEY": "key-of-the-benchmark",
            "LOG_LEVEL": "ERROR",
            "METEOROGRAPH_OWM_BASE_URL": f"http://127.0.0.1:{port}/{LATENCY_MS}",
            "METEOROGRAPH_OWM_CALLS_PER_MINUTE": plenty,
            "METEOROGRAPH_OWM_CALLS_PER_MONTH": plenty,
            "METEOROGRAPH_CONCURRENCY": "1024",
        }
        with subprocess.Popen([sys.executable, __file__], env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()  # the first slot, in which a process does what it does once, is over
            try:
                yield
            finally:
                process.terminate()


def collected() -> tuple[int, int]:
    """How many slots were collected after the year, and how many rows of them are stored."""
    with get_db_session(read_only=True) as session:
        slots = session.scalar(select(func.count()).where(Run.due_at > year.END, Run.state == "succeeded"))
        rows = session.scalar(select(func.count()).where(WeatherData.due_at > year.END))
        return slots or 0, rows or 0


def latencies(url: str, rate: int, seconds: int) -> list[float]:
    """How long each of so many requests a second takes [ms], sorted."""

    async def all_() -> list[float]:
        loop = asyncio.get_running_loop()
        async with ClientBuilder().max_connections(CONNECTIONS).build() as client:
            begin = loop.time() + 0.2

            async def one(number: int) -> float:
                due = begin + number / rate
                await asyncio.sleep(due - loop.time())
                answer = await client.get(url).build().send()
                assert answer.status == 200, answer.status
                await answer.bytes()
                return (loop.time() - due) * 1000

            times = await asyncio.gather(*(one(number) for number in range(rate * seconds)))
            await asyncio.sleep(0.01)  # see ADR 2
        return sorted(times)

    return uvloop.run(all_())


def main() -> None:
    """Collect until the parent ends it."""
    os.nice(NICE)
    setup_logging()
    pin_settings(load_settings())  # as the service does
    init_db()
    driven = clock.DrivenClock(year.END)
    with clock.driven_by(driven):
        while True:
            driven.advance(timedelta(hours=1))
            scheduled_ingest()
            print(driven(), flush=True)


if __name__ == "__main__":
    main()
