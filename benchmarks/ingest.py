"""How fast locations are collected and durably stored: ``python benchmarks/ingest.py [--quick]``.

Every side fetches the same answers from the same server (``load_upstream.py``), in a process of its own and in the same run.

- ``meteorograph``: the second scheduled run of a process, from the claim to the settled ledger, in SQLite (synchronous FULL);
- ``bare``: pyreqwest alone, fetches and throws away;
- ``grown``: the shape this system grew out of: one location after the other, a new connection and an ORM commit each;
- ``scrapy``: Scrapy with a pipeline that writes to SQLite;
- ``pyowm``: pyowm in 32 threads, that fetches, parses and throws away.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
Figures = dict[str, float]


def in_flight(latency: int) -> int:
    """Requests at once, the same on all sides: 100 ms allow 256 no more than 2,560 a second."""
    return 1024 if latency else 256


@contextmanager
def upstream() -> Iterator[int]:
    """The server; gives its port."""
    command = [sys.executable, str(HERE / "load_upstream.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.kill()


def measured(work: Callable[[], int]) -> Figures:
    """Wall clock [s], CPU [s], peak memory [MB] and the number of locations of a piece of work."""
    cpu, began = time.process_time(), time.perf_counter()
    count = work()
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"wall": wall, "cpu": cpu, "peak": peak, "count": count}


def of_setup(port: int, latency: int, locations: int) -> Figures:
    """A database with locations, made in a process of its own so that making it costs no side memory."""
    from sqlalchemy import insert

    from meteorograph.model import clock
    from meteorograph.storage.engine import get_db_session, init_db
    from meteorograph.storage.models import Location

    _settings(port, latency)
    init_db()
    # The server answers for Berlin whatever it is asked; these locations have been told so before.
    known = {"resolved_name": "Berlin", "resolved_latitude": 52.52, "resolved_longitude": 13.41, "created_at": clock.now()}
    rows = [
        {"name": f"p{n}", "latitude": n % 1700 / 10 - 85, "longitude": n % 3500 / 10 - 175, "state": "active", **known}
        for n in range(locations)
    ]
    with get_db_session() as session:
        session.execute(insert(Location), rows)
    return {"count": locations}


def of_meteorograph(port: int, latency: int, locations: int) -> Figures:
    """The second slot of a service: claim, collect, store, settle. What a process does once is done in the first."""
    from sqlalchemy import text

    from meteorograph.model import clock
    from meteorograph.scheduler import scheduled_ingest
    from meteorograph.storage.engine import get_db_session, init_db

    _settings(port, latency)
    init_db()
    driven = clock.DrivenClock(clock.now())

    def work() -> int:
        scheduled_ingest()
        with get_db_session(read_only=True) as session:
            return int(session.scalar(text("SELECT stored FROM runs ORDER BY due_at DESC LIMIT 1")) or 0)

    with clock.driven_by(driven):
        work()
        driven.advance(timedelta(hours=1))
        return measured(work)


def of_idle(port: int, latency: int, locations: int) -> Figures:
    """A tick with nothing due; the median of a hundred."""
    from sqlalchemy import text

    from meteorograph.scheduler import scheduled_ingest
    from meteorograph.storage.engine import get_db_session, init_db

    _settings(port, latency)
    init_db()
    with get_db_session() as session:
        session.execute(text("UPDATE locations SET state = 'paused'"))
        session.execute(
            text("INSERT INTO locations (name, latitude, longitude, state, created_at) VALUES ('one', 0, 0, 'active', 0)")
        )
    scheduled_ingest()
    with get_db_session() as session:
        session.execute(text("UPDATE locations SET state = 'active'"))
    times = []
    for _ in range(100):
        began = time.perf_counter()
        scheduled_ingest()
        times.append(time.perf_counter() - began)
    return {"wall": statistics.median(times), "cpu": 0.0, "peak": 0.0, "count": locations}


def of_bare(port: int, latency: int, locations: int) -> Figures:
    """The client alone: fetch and throw away."""
    import uvloop
    from pyreqwest.client import ClientBuilder

    async def fetch_all() -> int:
        import asyncio

        async with ClientBuilder().build() as client:
            left = iter(range(locations))

            async def one_after_the_other() -> None:
                for number in left:
                    answer = await client.get(f"http://127.0.0.1:{port}/{latency}/data/2.5/weather?lat={number}").build().send()
                    await answer.bytes()

            await asyncio.gather(*(one_after_the_other() for _ in range(in_flight(latency))))
            await asyncio.sleep(0.01)  # see ADR 2
        return locations

    return measured(lambda: uvloop.run(fetch_all()))


def of_grown(port: int, latency: int, locations: int) -> Figures:
    """One after the other, a new connection each, an ORM commit each."""
    import urllib.request

    from meteorograph.model import clock
    from meteorograph.storage.engine import get_db_session, init_db
    from meteorograph.storage.models import WeatherData

    _settings(port, latency)
    init_db()

    def work() -> int:
        now = clock.now()
        for number in range(1, locations + 1):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{latency}/data/2.5/weather?lat={number}") as answer:
                body = json.load(answer)
            with get_db_session() as session:
                values = {"temperature": body["main"]["temp"], "humidity": body["main"]["humidity"], "precipitation": 0.0}
                session.add(WeatherData(location_id=number, due_at=now, fetched_at=now, provider="openweathermap", **values))
        return locations

    return measured(work)


def of_scrapy(port: int, latency: int, locations: int) -> Figures:
    """A spider with as many requests in flight, and a pipeline that stores each item in one transaction of them all."""
    import sqlite3

    import scrapy
    from scrapy.crawler import CrawlerProcess

    class Store:
        def open_spider(self) -> None:
            self.database = sqlite3.connect("scrapy.db")
            self.database.execute("CREATE TABLE weather (id INTEGER PRIMARY KEY, temperature, humidity, pressure, wind_speed)")

        def process_item(self, item: dict[str, Any]) -> dict[str, Any]:
            self.database.execute("INSERT INTO weather VALUES (:id, :temp, :humidity, :pressure, :wind)", item)
            return item

        def close_spider(self) -> None:
            self.database.commit()

    class Spider(scrapy.Spider):
        name = "weather"
        custom_settings = {  # noqa: RUF012  # as Scrapy reads it
            "CONCURRENT_REQUESTS": in_flight(latency),
            "CONCURRENT_REQUESTS_PER_DOMAIN": in_flight(latency),
            "DOWNLOAD_DELAY": 0,
            "ITEM_PIPELINES": {Store: 1},
            "LOG_ENABLED": False,
            "ROBOTSTXT_OBEY": False,
            "TELNETCONSOLE_ENABLED": False,
        }

        async def start(self) -> Any:
            for number in range(locations):
                url = f"http://127.0.0.1:{port}/{latency}/data/2.5/weather?lat={number}"
                yield scrapy.Request(url, cb_kwargs={"number": number})

        def parse(self, response: Any, number: int) -> Any:
            body = json.loads(response.body)
            main = body["main"]
            row = {
                "temp": main["temp"],
                "humidity": main["humidity"],
                "pressure": main["pressure"],
                "wind": body["wind"]["speed"],
            }
            yield {"id": number, **row}

    def work() -> int:
        process = CrawlerProcess()
        process.crawl(Spider)
        process.start()
        return int(sqlite3.connect("scrapy.db").execute("SELECT count(*) FROM weather").fetchone()[0])

    return measured(work)


def of_pyowm(port: int, latency: int, locations: int) -> Figures:
    """32 threads, each with pyowm's own client; nothing is stored."""
    from concurrent.futures import ThreadPoolExecutor

    from pyowm.owm import OWM
    from pyowm.utils.config import get_default_config

    configuration = get_default_config()
    configuration["connection"]["use_ssl"] = False
    manager = OWM("key", configuration).weather_manager()
    manager.http_client.root_uri = f"127.0.0.1:{port}/{latency}/data/2.5"
    manager.http_client.admits_subdomains = False

    def work() -> int:
        with ThreadPoolExecutor(32) as pool:
            return sum(1 for _ in pool.map(lambda number: manager.weather_at_coords(number % 90, 10), range(locations)))

    return measured(work)


def _settings(port: int, latency: int) -> None:
    plenty = str(10**9)
    os.environ.update(
        {
            "DATABASE_URL": "sqlite:///bench.db",
            "OWM_API_KEY": "key-of-the-benchmark",
            "LOG_LEVEL": "ERROR",
            "METEOROGRAPH_OWM_BASE_URL": f"http://127.0.0.1:{port}/{latency}",
            "METEOROGRAPH_OWM_CALLS_PER_MINUTE": plenty,
            "METEOROGRAPH_OWM_CALLS_PER_MONTH": plenty,
            "METEOROGRAPH_CONCURRENCY": str(in_flight(latency)),
        }
    )
    from meteorograph.config.loading import load_settings, pin_settings
    from meteorograph.logs import setup_logging

    setup_logging()
    pin_settings(load_settings())  # as the service does


SIDES: dict[str, Callable[[int, int, int], Figures]] = {
    "setup": of_setup,
    "meteorograph": of_meteorograph,
    "idle": of_idle,
    "bare": of_bare,
    "grown": of_grown,
    "scrapy": of_scrapy,
    "pyowm": of_pyowm,
}


def in_process(side: str, port: int, latency: int, locations: int) -> Figures:
    """One measurement in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        figures: Figures = {}
        for part in ("setup", side) if side in ("meteorograph", "idle", "grown") else (side,):
            command = [sys.executable, str(HERE / "ingest.py"), "--side", part, "--port", str(port)]
            command += ["--latency", str(latency), "--locations", str(locations)]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{part} failed:\n{done.stderr[-2000:]}")
            figures = json.loads(done.stdout.splitlines()[-1])
            assert figures["count"] >= locations, (part, figures)
        return figures


def medians(sides: dict[str, int], port: int, latency: int, rounds: int) -> dict[str, Figures]:
    """The medians of each side (name → locations), the sides taking turns."""
    taken: dict[str, list[Figures]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, locations in sides.items():
            taken[side].append(in_process(side, port, latency, locations))
    return {side: {name: statistics.median(one[name] for one in all_) for name in all_[0]} for side, all_ in taken.items()}


def table(title: str, rows: dict[str, Figures], base: str) -> None:
    """Print a table; ``ratio`` is in locations a second against ``base``."""
    print(f"\n{title}\n\n| side | locations | locations/s | ratio to {base} | CPU-s per 10,000 | peak MB |")
    print("|---|---|---|---|---|---|")
    of_base = rows[base]["count"] / rows[base]["wall"]
    for side, row in rows.items():
        rate, cpu = row["count"] / row["wall"], row["cpu"] / row["count"] * 10_000
        print(
            f"| {side} | {row['count']:,.0f} | {rate:,.0f} | {rate / of_base:.3g} | {cpu:.2f} | {row['peak']:.0f} |", flush=True
        )


def main() -> None:
    """Print the tables, or one side's figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, 2,000 locations")
    parser.add_argument("--side", choices=SIDES)
    parser.add_argument("--port", type=int)
    parser.add_argument("--latency", type=int)
    parser.add_argument("--locations", type=int, default=10_000)
    given = parser.parse_args()
    if given.side:
        print(json.dumps(SIDES[given.side](given.port, given.latency, given.locations)))
        return
    rounds, many = (1, 2_000) if given.quick else (5, 10_000)
    names = ("meteorograph", "pyreqwest", "uvloop", "sqlalchemy", "msgspec", "scrapy", "pyowm")
    print(f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in names))
    print(f"{os.cpu_count()} cores, {in_flight(0)} in flight without latency and {in_flight(100)} with it, medians of {rounds}")
    with upstream() as port:
        table("100 ms latency", medians({"bare": many, "meteorograph": many, "grown": 100}, port, 100, rounds), "bare")
        sides = {"bare": many, "meteorograph": many, "scrapy": many, "pyowm": many // 10, "grown": many // 10}
        table("No latency", medians(sides, port, 0, rounds), "bare")
        sizes = (100, 1_000, 10_000) if given.quick else (100, 1_000, 10_000, 100_000)
        flat = {f"{size:,}": medians({"meteorograph": size}, port, 0, min(rounds, 3))["meteorograph"] for size in sizes}
        table("Cost per location, no latency", flat, f"{sizes[0]:,}")
        idle = in_process("idle", port, 0, 10_000 if given.quick else 100_000)
        print(f"\nA tick with nothing due among {idle['count']:,.0f} locations: {idle['wall'] * 1000:.1f} ms")


if __name__ == "__main__":
    main()
