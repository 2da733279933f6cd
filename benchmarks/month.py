"""A month of 1,344 hourly locations on the free plans, on a driven clock: ``python benchmarks/month.py [--days 31]``.

OpenWeatherMap's free plan is 60 calls a minute and 1,000,000 a month, Weatherstack's 100 a month; 1,344 locations make 999,936
calls in 31 days. The real scheduler entry, engine, quotas and database are at work, against a server in a process of its own
that gives one fixed answer and counts; it is asked for its count after every minute of the driven clock.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import cast

from load_upstream import THE_ANSWER  # type: ignore[import-not-found]  # it stands beside this script
from sqlalchemy import func, select

from meteorograph import WeatherData, get_db_session, init_db
from meteorograph.config.loading import load_settings, pin_settings
from meteorograph.model import clock
from meteorograph.model.clock import DrivenClock
from meteorograph.scheduler import scheduled_ingest
from meteorograph.storage.models import Location, Missed, Run

START = datetime(2026, 3, 1, tzinfo=UTC)
LOCATIONS = 1344
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)

RAIN = (
    b'{"request":{"type":"LatLon","query":"Lat 52.52 and Lon 13.41","language":"en","unit":"m"},"location":{"name":"Berlin",'
    b'"country":"Germany","region":"Berlin","lat":"52.517","lon":"13.400","timezone_id":"Europe/Berlin","localtime":'
    b'"2026-03-01 13:00","localtime_epoch":1772370000,"utc_offset":"1.0"},"current":{"observation_time":"12:00 PM",'
    b'"temperature":12,"weather_code":296,"weather_icons":[],"weather_descriptions":["Light Rain"],"wind_speed":17,'
    b'"wind_degree":240,"wind_dir":"WSW","pressure":1015,"precip":0.3,"humidity":82,"cloudcover":75,"feelslike":11,'
    b'"uv_index":1,"visibility":10,"is_day":"yes"}}'
)
RAIN_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(RAIN), RAIN)


class Provider(asyncio.Protocol):
    """One connection to both providers; ``GET /count`` tells how many calls either had."""

    calls = 0
    rain_calls = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET /count"):
            self.transport.write(b"%d %d\n" % (Provider.calls, Provider.rain_calls))
        elif data.startswith(b"GET /rain"):
            Provider.rain_calls += 1
            self.transport.write(RAIN_ANSWER)
        else:
            Provider.calls += 1
            self.transport.write(THE_ANSWER.bytes())


async def serve() -> None:
    """Serve until the parent closes standard input; the first line printed is the port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Provider, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


class Count:
    """What the server has counted so far."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._file = self._socket.makefile("rb")

    def __call__(self) -> tuple[int, int]:
        self._socket.sendall(b"GET /count HTTP/1.1\r\n\r\n")
        calls, rain = self._file.readline().split()
        return int(calls), int(rain)


def set_up(folder: Path, port: int) -> None:
    """The settings of this process, and the locations."""
    os.environ |= {
        "DATABASE_URL": f"sqlite:///{folder}/month.db",
        "OWM_API_KEY": "k" * 32,
        "WEATHERSTACK_API_KEY": "r" * 32,
        "METEOROGRAPH_OWM_BASE_URL": f"http://127.0.0.1:{port}",
        "METEOROGRAPH_WEATHERSTACK_BASE_URL": f"http://127.0.0.1:{port}/rain",
        "METEOROGRAPH_HTTP_TIMEOUT_SECONDS": "60",
    }
    pin_settings(load_settings())  # a service reads them once as well
    init_db()
    with get_db_session() as session:
        session.add_all(
            Location(
                name=f"place {number:04}", latitude=52.5 + number / 50_000, longitude=13.41, state="active", created_at=START
            )
            for number in range(LOCATIONS)
        )


def drive(days: int, now: DrivenClock, count: Count) -> tuple[Counter[datetime], list[datetime], int]:
    """Let the clock run; gives the calls by minute, when Weatherstack was called, and the most minutes that a slot took."""
    by_minute, rain_at, longest = Counter[datetime](), list[datetime](), 0
    calls, rain = count()
    for slot in (START + number * HOUR for number in range(days * 24)):
        now.advance(slot - now())
        for minute in range(60):
            scheduled_ingest()
            before, (calls, rain) = (calls, rain), count()
            by_minute[now()] += calls - before[0]
            rain_at += [now()] * (rain - before[1])
            if _has_ended(slot):
                longest = max(longest, minute + 1)
                break
            now.advance(MINUTE)
        if slot.hour == 23:
            print(f"{slot:%d %B}: {calls:,} calls", file=sys.stderr, flush=True)
    return by_minute, rain_at, longest


def _has_ended(slot: datetime) -> bool:
    with get_db_session(read_only=True) as session:
        return session.scalar(select(Run.ended_at).where(Run.due_at == slot)) is not None


def report(days: int, by_minute: Counter[datetime], rain_at: list[datetime], longest: int, seconds: float) -> None:
    """Print what came of it."""
    with get_db_session(read_only=True) as session:
        stored = session.scalar(select(func.count()).select_from(WeatherData)) or 0
        missed: dict[str, int] = dict(session.execute(select(Missed.reason, func.count()).group_by(Missed.reason)).all())
        states: dict[str, int] = dict(session.execute(select(Run.state, func.count()).group_by(Run.state)).all())
    gaps = [later - earlier for earlier, later in pairwise([*rain_at, START + days * timedelta(days=1)])]
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}; {LOCATIONS:,} hourly locations, {days} days\n")
    for name, told in {
        "slots due": f"{LOCATIONS * 24 * days:,}",
        "slots stored": f"{stored:,}",
        "slots missed": f"{sum(missed.values()):,} {missed or ''}",
        "runs": ", ".join(f"{number} {state}" for state, number in states.items()),
        "calls to OpenWeatherMap": f"{by_minute.total():,}",
        "in the busiest minute": f"{max(by_minute.values())}",
        "a slot took at most": f"{longest} minutes",
        "calls to Weatherstack": f"{len(rain_at)}",
        "largest gap between them": f"{max(gaps, default=timedelta(0)).total_seconds() / 3600:.1f} h",
        "time taken": f"{seconds:,.0f} s",
    }.items():
        print(f"| {name} | {told.strip()} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        asyncio.run(serve())
        return
    command = [sys.executable, __file__, "--serve"]
    with (
        tempfile.TemporaryDirectory(prefix="meteorograph-month-", dir=asked.folder) as folder,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server,
    ):
        assert server.stdin
        assert server.stdout
        with closing(server.stdin):
            port, now = int(server.stdout.readline()), DrivenClock(START)
            with clock.driven_by(now):
                set_up(Path(folder), port)
                begun = time.monotonic()
                counted = drive(asked.days, now, Count(port))
                report(asked.days, *counted, time.monotonic() - begun)


if __name__ == "__main__":
    main()
