"""A query at a fixed rate while locations are collected: what ``read.py`` runs last.

Server, collector, and the provider that it asks (``load_upstream.py``) are processes of their own. Requests leave at instants
laid down before, whatever became of those ahead of them, and each is timed from its own: a server that falls behind is seen to.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import uvloop
import year  # type: ignore[import-not-found]  # it lies beside this file
from ingest import upstream  # type: ignore[import-not-found]  # and so does this
from pyreqwest.client import ClientBuilder
from sqlalchemy import func, insert, select

from meteorograph import clock, get_db_session
from meteorograph.db import init_db
from meteorograph.logs import setup_logging
from meteorograph.scheduler import scheduled_ingest
from meteorograph.settings import load_settings, pin_settings
from meteorograph.tables import Location, Run

#: What the collector's provider takes for an answer [ms].
LATENCY_MS = 100
#: Connections to the server, which takes no more than 100; what is due while all are busy waits, and its time counts.
CONNECTIONS = 64


def measure(url: str, locations: int, rate: int, seconds: int) -> None:
    """Print how long the query takes at a fixed rate, alone and while locations are collected."""
    alone = latencies(url, rate, seconds)
    add_locations(locations)
    with collecting():
        before = collected()
        under = latencies(url, rate, seconds)
        slots, rows = (now - then for now, then in zip(collected(), before, strict=True))
    print(f"\n30 days of one location, {rate} requests/s for {seconds} s\n")
    print("| | p50, ms | p99, ms | worst, ms |\n|---|---|---|---|")
    for what, times in (("alone", alone), (f"while {locations:,} locations are collected", under)):
        print(f"| {what} | {times[len(times) // 2]:.1f} | {times[len(times) * 99 // 100]:.1f} | {times[-1]:.1f} |")
    print(f"\n{slots} whole collections ({rows:,} rows) in that time")


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
        done = select(func.count(), func.coalesce(func.sum(Run.stored), 0)).where(Run.due_at > year.END, Run.state == "succeeded")
        slots, rows = session.execute(done).one()
        return slots, rows


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
