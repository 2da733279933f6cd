"""How much further processes add to one run: ``python benchmarks/scale.py [--locations 10000] [--latency 100] [--rounds 3]``.

Each row is a slot of one schedule, collected by so many processes from one server (``load_upstream.py``), from the claim to the
settled run. ``shards`` is the size of a shard; ``whole`` is a run that is not cut. CPU is that of all collecting processes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

from ingest import _settings, upstream  # type: ignore[import-not-found]  # a script beside this one

HERE = Path(__file__).resolve().parent
WHOLE = 100_000


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

    with clock.driven_by(driven):
        for slot in range(slots):
            sys.stdin.readline()
            cpu = time.process_time()
            scheduled_ingest()
            while not is_settled(slot + 1):
                time.sleep(0.02)
                scheduled_ingest()
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(json.dumps({"cpu": time.process_time() - cpu, "peak": peak}), flush=True)
            driven.advance(timedelta(hours=1))


def _measure(port: int, latency: int, locations: int, processes: int, shard: int, rounds: int) -> dict[str, float]:
    """The median slot of several, after one that does not count."""
    start = datetime.now().astimezone().replace(minute=0, second=0, microsecond=0).isoformat()
    command = [sys.executable, __file__, "--child", json.dumps([port, latency, start, rounds + 1])]
    environment = {**os.environ, "METEOROGRAPH_SHARD_SIZE": str(shard)}
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
    parser.add_argument("--child")
    options = parser.parse_args()
    if options.child:
        _collect_slots(*json.loads(options.child))
        return
    print(f"{'processes':>9} {'shards':>7} {'locations/s':>12} {'CPU-s/10,000':>13} {'peak MB':>8}")
    with upstream() as port:
        for processes, shard in [(1, WHOLE), *((count, size) for count in options.processes for size in options.shards)]:
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
                os.environ["DATABASE_URL"] = f"sqlite:///{folder}/scale.db"
                setup = f"import sys; sys.path.insert(0, {str(HERE)!r}); import ingest; "
                arguments = f"{port}, {options.latency}, {options.locations}"
                subprocess.run([sys.executable, "-c", f"{setup}ingest.of_setup({arguments})"], check=True)
                found = _measure(port, options.latency, options.locations, processes, shard, options.rounds)
                name = "whole" if shard == WHOLE else str(shard)
                figures = f"{found['per_second']:>12,.0f} {found['cpu_per_10000']:>13.2f} {found['peak']:>8.0f}"
                print(f"{processes:>9} {name:>7} {figures}", flush=True)
                os.chdir("/")


if __name__ == "__main__":
    main()
