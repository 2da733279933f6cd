"""Two HTTP clients side by side through the finished fetch path: ``python benchmarks/clients.py [--quick]``.

Each figure is the median of rounds, each round a process of its own; CPU is that of the client's process, parsing
included. The raw line is a bare protocol on uvloop: what the server and this machine can do at most.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from meteorograph.collecting.http import Fetcher
from meteorograph.errors import FetchError
from meteorograph.model.values import Payload, Request

HERE = Path(__file__).parent
CALLS = 10_000
IN_FLIGHT = 256
NEVER = 1000
SIDES = ("pyreqwest + uvloop", "pyreqwest", "aiohttp + uvloop", "aiohttp")
Figures = dict[str, float]


class Main(msgspec.Struct):
    temp: float
    humidity: int
    pressure: int


class Weather(msgspec.Struct):
    main: Main
    dt: int
    rain: dict[str, float] = {}


def parsed(body: bytes) -> Weather:
    return msgspec.json.decode(body, type=Weather)


def request(url: str) -> Request:
    params = {"lat": "52.5200", "lon": "13.4100", "units": "metric"}
    return Request("openweathermap", url, params, {"appid": "0123456789abcdef0123456789abcdef"})


def fetcher(side: str, timeout: float = 10.0) -> Fetcher:
    # The other one has the same methods; only the side that is measured is loaded.
    other = side.startswith("aiohttp")
    kind: type[Fetcher] = importlib.import_module("aiohttp_fetcher").AiohttpFetcher if other else Fetcher
    return kind(timeout=timedelta(seconds=timeout), user_agent="Meteorograph/benchmark", connections=IN_FLIGHT)


async def throughput(side: str, port: int, latency: int) -> Figures:
    """Calls per second, CPU seconds per 10,000 calls and peak memory [MB], once the connections are warm."""
    asked = request(f"http://127.0.0.1:{port}/{latency}")
    async with fetcher(side) as client:

        async def call() -> None:
            parsed((await client.fetch(asked)).body)

        await spread(call, IN_FLIGHT * 2)
        return await measured(call)


async def raw(port: int, latency: int) -> Figures:
    """The same with a bare protocol that knows where the body starts and checks nothing."""
    loop = asyncio.get_running_loop()
    head = f"GET /{latency}?lat=52.5200&lon=13.4100 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()

    class Raw(asyncio.Protocol):
        answer: asyncio.Future[bytes]

        def data_received(self, data: bytes) -> None:
            self.answer.set_result(data[data.index(b"\r\n\r\n") + 4 :])

    pool = [await loop.create_connection(Raw, "127.0.0.1", port) for _ in range(IN_FLIGHT)]

    async def call() -> None:
        transport, protocol = pool.pop()
        protocol.answer = loop.create_future()
        transport.write(head)
        parsed(await protocol.answer)
        pool.append((transport, protocol))

    return await measured(call)


async def spread(call: Callable[[], Awaitable[None]], calls: int) -> None:
    left = iter(range(calls))

    async def worker() -> None:
        for _ in left:
            await call()

    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))


async def measured(call: Callable[[], Awaitable[None]]) -> Figures:
    began, spent = time.perf_counter(), time.process_time()
    await spread(call, CALLS)
    took, cpu = time.perf_counter() - began, time.process_time() - spent
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"calls/s": CALLS / took, "CPU-s": cpu * 10_000 / CALLS, "MB": peak}


async def cancelling(side: str, port: int) -> Figures:
    """256 calls without an answer, timeout 2 s: time to cancel them, and connections still open afterwards."""
    async with fetcher(side, timeout=2.0) as client:
        tasks = [asyncio.create_task(client.fetch(request(f"http://127.0.0.1:{port}/{NEVER}"))) for _ in range(256)]
        await asyncio.sleep(1.0)
        began = time.perf_counter()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        took = time.perf_counter() - began
        await asyncio.sleep(0.3)
        soon = still_open(port)
        await asyncio.sleep(1.5)
        return {"ms to cancel 256": took * 1000, "open 0.3 s later": soon, "open after the timeout": still_open(port)}


def still_open(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/open") as answer:
        return int(answer.read())


async def timing_out(side: str, port: int) -> Figures:
    """64 calls without an answer, timeout 0.5 s: by how much the latest missed it."""
    async with fetcher(side, timeout=0.5) as client:

        async def late() -> float:
            began = time.perf_counter()
            try:
                await client.fetch(request(f"http://127.0.0.1:{port}/{NEVER}"))
            except FetchError:
                pass
            return abs(time.perf_counter() - began - 0.5)

        return {"ms off a 500 ms timeout": max(await asyncio.gather(*(late() for _ in range(64)))) * 1000}


async def once(side: str, url: str) -> str:
    async with fetcher(side) as client:
        try:
            payload: Payload = await client.fetch(request(url))
        except FetchError as error:
            return type(error).__name__
        return payload.body.decode()


def child(side: str, measure: str, target: str) -> None:
    """What runs in the process of one side; prints its figures."""
    work: dict[str, Callable[[], Any]] = {
        "0 ms": lambda: raw(int(target), 0) if side == "raw" else throughput(side, int(target), 0),
        "100 ms": lambda: raw(int(target), 100) if side == "raw" else throughput(side, int(target), 100),
        "cancel": lambda: cancelling(side, int(target)),
        "timeout": lambda: timing_out(side, int(target)),
        "once": lambda: once(side, target),
    }
    run = uvloop.run if side == "raw" or side.endswith("uvloop") else asyncio.run
    print(json.dumps(run(work[measure]())))


def in_process(side: str, measure: str, target: str, **environment: str) -> Any:
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = [sys.executable, __file__, "--child", side, measure, target]
    done = subprocess.run(command, env=clean | environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


@contextmanager
def upstream() -> Iterator[str]:
    server = subprocess.Popen(
        [sys.executable, str(HERE / "load_upstream.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    with server:
        yield server.stdout.readline().strip()
        server.terminate()


def medians(measure: str, rounds: int, sides: tuple[str, ...]) -> dict[str, Figures]:
    """Rounds in turn, so that a busy minute of the machine meets every side."""
    taken: dict[str, list[Figures]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            with upstream() as port:
                taken[side].append(in_process(side, measure, port))
    return {
        side: {name: statistics.median(figures[name] for figures in rows) for name in rows[0]} for side, rows in taken.items()
    }


def environment_checks(side: str) -> dict[str, str]:
    """Whether the side heeds proxies and certificates of the environment, by trying."""
    sys.path.insert(0, str(HERE.parent / "tests"))
    scripts = importlib.import_module("integration.upstream")
    answer = scripts.answers(scripts.response(200, b"direct"))
    proxied = scripts.answers(scripts.response(200, b"proxied"))
    with tempfile.TemporaryDirectory() as folder:
        authority, context = scripts.certificate(Path(folder))
        with scripts.Upstream(answer) as plain, scripts.Upstream(proxied) as proxy:
            with scripts.Upstream(answer, tls=context) as secure:
                by = {"HTTP_PROXY": proxy.url}
                got = {
                    "HTTP_PROXY": in_process(side, "once", "http://api.example.com/", **by) == "proxied",
                    "NO_PROXY": in_process(side, "once", plain.url, **by, NO_PROXY="127.0.0.1") == "direct",
                    "SSL_CERT_FILE": in_process(side, "once", secure.url, SSL_CERT_FILE=str(authority)) == "direct",
                    "unknown CA refused": in_process(side, "once", secure.url) == "PermanentFetchError",
                }
    return {name: "yes" if good else "NO" for name, good in got.items()}


def table(title: str, rows: dict[str, dict[str, Any]]) -> None:
    names = list(next(iter(rows.values())))
    print(f"\n| {title} | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for side, figures in rows.items():
        cells = [figures[name] for name in names]
        print(f"| {side} | {' | '.join(c if isinstance(c, str) else number(c) for c in cells)} |")


def number(value: float) -> str:
    return f"{value:.2f}" if 0 < value < 10 else f"{value:,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 rounds instead of 5")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*options.child)
        return
    rounds = 3 if options.quick else 5
    packages = ", ".join(f"{name} {version(name)}" for name in ("pyreqwest", "aiohttp", "uvloop", "msgspec"))
    print(f"Python {platform.python_version()}, {packages}; {os.cpu_count()} cores, medians of {rounds}")
    for measure in ("0 ms", "100 ms"):
        rows = medians(measure, rounds, ("raw", *SIDES))
        table(f"latency {measure}, {IN_FLIGHT} in flight, {CALLS:,} calls", rows)
        for loop in (" + uvloop", ""):
            ours, other = rows[f"pyreqwest{loop}"], rows[f"aiohttp{loop}"]
            speed, cpu = ours["calls/s"] / other["calls/s"], other["CPU-s"] / ours["CPU-s"]
            print(f"pyreqwest to aiohttp{loop}: {speed:.1f} times the calls, 1/{cpu:.1f} of the CPU")
    table("cancellation", medians("cancel", rounds, SIDES))
    table("timeout", medians("timeout", rounds, SIDES))
    table("environment", {side: environment_checks(side) for side in ("pyreqwest", "aiohttp")})


if __name__ == "__main__":
    main()
