"""What connections that are idle, slow or unfinished do to a web server with the collector in its process.

``python benchmarks/connections.py`` serves the application with each candidate in turn, puts the load on it, and asks ``/livez``
every 50 ms from a process of its own. The figures are in docs/performance.md, the decision in docs/adr/0012-web-server.md.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cheroot.wsgi
import waitress
from flask import Flask
from sqlalchemy import func, insert, select

from meteorograph import WeatherData, create_app, get_db_session
from meteorograph.simulator import Simulator
from meteorograph.storage.engine import init_db
from meteorograph.storage.models import Location, Run

IDLE, SLOW, UNFINISHED, ON_DEMAND = 2000, 200, 20, 100
LOCATIONS, ROWS = 10, 15_000
#: The collector has a slot every so many seconds, and its provider answers after so long.
INTERVAL, LATENCY_MS = 5, 1000
PROBE_SECONDS = 0.05
TIMEOUT = 5.0

#: Candidates, each embedded in a process of this program or a command.
EMBEDDED: dict[str, Callable[[Flask, int], None]] = {
    "waitress, select()": lambda app, port: waitress.serve(app, port=port, threads=8, connection_limit=4000),
    "waitress, poll()": lambda app, port: waitress.serve(
        app, port=port, threads=8, connection_limit=4000, asyncore_use_poll=True
    ),
    "cheroot": lambda app, port: cheroot.wsgi.Server(("127.0.0.1", port), app, numthreads=8).start(),
}
APPLICATION = "meteorograph:create_app()"
COMMANDS = {
    "meteorograph serve": "-m meteorograph serve --port {port}",
    "gunicorn, 8 threads": "-m gunicorn -k gthread --threads 8 --worker-connections 4000 -b 127.0.0.1:{port} " + APPLICATION,
    "granian, 8 threads": "-m granian --interface wsgi --blocking-threads 8 --port {port} --factory meteorograph:create_app",
}


def main() -> None:
    """Print a table with a line for each candidate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=30, help="how long the load lasts")
    parser.add_argument("--only", help="candidates, separated by semicolons")
    parser.add_argument("--probe", help=argparse.SUPPRESS)
    parser.add_argument("--embed", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.probe:
        print(json.dumps(probe(options.probe, options.seconds)))
    elif options.embed:
        embed(*options.embed)
    else:
        names = options.only.split(";") if options.only else [*COMMANDS, *EMBEDDED]
        packages = ("waitress", "cheroot", "gunicorn", "granian", "flask")
        print(f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in packages))
        print(f"\n{IDLE} idle, {SLOW} slow readers, {UNFINISHED} unfinished bodies, {ON_DEMAND} on demand, {options.seconds} s\n")
        heads = (
            "",
            "/livez p50, ms",
            "p99, ms",
            "worst, ms",
            "not answered",
            "p99 without load, ms",
            "rows stored",
            "MB",
            "ends",
        )
        print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
        for name in names:
            print(measure(name, options.seconds), flush=True)


def embed(name: str, port: str) -> None:
    """Serve the application in this process, as ``meteorograph serve`` would."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    EMBEDDED[name](create_app(), int(port))


def measure(name: str, seconds: int) -> str:
    """The line of a candidate."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        simulator = stack.enter_context(Simulator(keys=()))
        simulator.set_faults(f"kind=latency ms={LATENCY_MS}")
        os.environ.update(environment(folder, simulator))
        create_rows()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        own = [__file__, "--embed", name, str(port)]
        command = [sys.executable, *(COMMANDS[name].format(port=port).split() if name in COMMANDS else own)]
        with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            address = f"http://127.0.0.1:{port}"
            while not answers(address):
                assert process.poll() is None, (folder / "log").read_text()[-2000:]
                time.sleep(0.1)
            quiet = probe_apart(address, 10)
            before = count_stored()
            times, memory = asyncio.run(under_load(address, process, seconds))
            stored = count_stored() - before
            ending = end(process)
    unanswered = sum(one >= TIMEOUT for one in times)
    p50, p99, worst, quiet99 = (f"{1000 * one:.0f}" for one in (*quantiles(times), quantiles(quiet)[1]))
    return f"| {name} | {p50} | {p99} | {worst} | {unanswered} | {quiet99} | {stored} | {memory:.0f} | {ending} |"


def environment(folder: Path, simulator: Simulator) -> dict[str, str]:
    """Settings for a candidate."""
    plenty = {f"METEOROGRAPH_{name}": str(10**9) for name in ("OWM_CALLS_PER_MINUTE", "OWM_CALLS_PER_MONTH")}
    return plenty | {
        "DATABASE_URL": f"sqlite:///{folder}/weather.db",
        "METEOROGRAPH_JOURNAL_DIR": str(folder / "journal"),
        "METEOROGRAPH_OWM_BASE_URL": simulator.url,
        "METEOROGRAPH_INTERVAL": f"{INTERVAL}s",
        "OWM_API_KEY": "key-of-the-benchmark",
        "LOG_LEVEL": "WARNING",
    }


def create_rows() -> None:
    """Locations that are collected, with rows of the past."""
    init_db()
    now = datetime.now(UTC).replace(microsecond=0, second=0, minute=0)
    with get_db_session() as session:
        places = [
            {"name": f"place {n}", "latitude": n, "longitude": n, "state": "active", "created_at": now}
            for n in range(1, LOCATIONS + 1)
        ]
        session.execute(insert(Location), places)
        for id_ in session.scalars(select(Location.id)).all():
            times = (now - timedelta(hours=hour + 1) for hour in range(ROWS))
            rows = [
                {
                    "location_id": id_,
                    "due_at": at,
                    "observed_at": at,
                    "fetched_at": at,
                    "provider": "openweathermap",
                    "temperature": 10.5,
                }
                for at in times
            ]
            session.execute(insert(WeatherData), rows)


def count_stored() -> int:
    """Rows that the schedule has stored; each slot has one for each location."""
    with get_db_session(read_only=True) as session:
        began = select(func.min(Run.due_at)).scalar_subquery()
        places = select(Location.id).where(Location.name.like("place %"))
        rows = (
            select(func.count()).select_from(WeatherData).where(WeatherData.due_at >= began, WeatherData.location_id.in_(places))
        )
        return session.scalar(rows) or 0


def answers(address: str) -> bool:
    """Whether ``/livez`` answers."""
    return ask_livez(urlsplit(address).netloc) < TIMEOUT


def ask_livez(host: str) -> float:
    """How long ``/livez`` takes on a connection of its own [s]; ``TIMEOUT`` if there is no good answer."""
    begun = time.perf_counter()
    connection = http.client.HTTPConnection(host, timeout=TIMEOUT)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/livez", headers={"Connection": "close"})
        if connection.getresponse().status == 200:
            return min(TIMEOUT, time.perf_counter() - begun)
    connection.close()
    return TIMEOUT


def probe(address: str, seconds: float) -> list[float]:
    """Ask every 50 ms, each time from the instant at which the question was due."""
    times, begun = [], time.perf_counter()
    due = begun
    while due < begun + seconds:
        time.sleep(max(0.0, due - time.perf_counter()))
        late = time.perf_counter() - due
        taken = ask_livez(urlsplit(address).netloc)
        times.append(taken if taken >= TIMEOUT else taken + (late if late < PROBE_SECONDS else 0.0))
        due = max(due + PROBE_SECONDS, time.perf_counter())
    return times


def probe_apart(address: str, seconds: int) -> list[float]:
    """``probe`` in a process of its own."""
    command = [sys.executable, __file__, "--probe", address, "--seconds", str(seconds)]
    times: list[float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return times


async def under_load(address: str, process: subprocess.Popen[bytes], seconds: int) -> tuple[list[float], float]:
    """The times of ``/livez`` under the load, and the most memory of the server [MB]."""
    host, port = urlsplit(address).hostname, urlsplit(address).port
    head = f"Host: {host}:{port}\r\n"
    post = f"POST /ingest HTTP/1.1\r\n{head}Content-Type: application/json\r\n"
    csv, body = f"GET /data?format=csv HTTP/1.1\r\n{head}\r\n", '{"lat": 1.5, "lon": 1.5}'
    demand = f"{post}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    tasks = [asyncio.create_task(hold(host, port, b"")) for _ in range(IDLE)]
    tasks += [asyncio.create_task(hold(host, port, csv.encode())) for _ in range(SLOW)]
    tasks += [asyncio.create_task(hold(host, port, f"{post}Content-Length: 100\r\n\r\n{{".encode())) for _ in range(UNFINISHED)]
    tasks += [asyncio.create_task(repeat(host, port, demand.encode())) for _ in range(ON_DEMAND)]
    await asyncio.sleep(1)
    probing = asyncio.create_task(asyncio.to_thread(probe_apart, address, seconds))
    memory = 0.0
    while not probing.done():
        memory = max(memory, resident_memory(process.pid))
        await asyncio.sleep(0.5)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return await probing, memory


async def hold(host: str | None, port: int | None, sent: bytes) -> None:
    """A connection that stays, and of which a few bytes are read every second."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client, suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, (host, port))
        await loop.sock_sendall(client, sent)
        while await loop.sock_recv(client, 8):  # noqa: ASYNC110  # reads slowly on purpose
            await asyncio.sleep(1)


async def repeat(host: str | None, port: int | None, sent: bytes) -> None:
    """Send a request, and again when it is answered, with a second between."""
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(sent)
            await reader.read()
            writer.close()
        await asyncio.sleep(1)


def resident_memory(pid: int) -> float:
    """Memory of a process and its children [MB]."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) if children.exists() else 0
    below = children.read_text().split() if children.exists() else []
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6 + sum(resident_memory(int(child)) for child in below)


def end(process: subprocess.Popen[Any]) -> str:
    """How the process ends when it is asked to."""
    if process.poll() is not None:
        return f"by itself, {process.returncode}"
    begun = time.perf_counter()
    process.terminate()
    try:
        return f"{process.wait(20)} after {time.perf_counter() - begun:.0f} s"
    except subprocess.TimeoutExpired:
        process.kill()
        return "killed"


def quantiles(times: list[float]) -> tuple[float, float, float]:
    """Median, 99th percentile and maximum."""
    ordered = sorted(times)
    return ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1]


if __name__ == "__main__":
    main()
