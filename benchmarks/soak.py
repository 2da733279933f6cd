"""An hour of the service under faults: ``python benchmarks/soak.py [--minutes 60] [--seed 1]``.

``meteorograph serve`` collects from the simulator in slots of fifteen seconds, while the clock of its machine jumps
(``tests/acceptance/clock_offset.c``, which needs a C compiler), it is suspended for longer than its lease, and another program
holds its database. At the end every slot must be accounted for, and the calls of the runs must equal the simulator's own count.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from meteorograph.simulator import Simulator

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from acceptance.books import add_locations, books  # found by the line above
from acceptance.holds import held
from acceptance.processes import METEOROGRAPH, Process, Starter, until
from acceptance.storm_faults import RealClock, suspended

KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
SHIM = Path(__file__).resolve().parents[1] / "tests" / "acceptance" / "clock_offset.c"
DAY = 86_400

#: By how much the clock is wrong after a step [s].
STEPS = (-20, 45, -300, 900, -3600, DAY, -DAY, 40 * DAY, -56 * 365 * DAY, 12 * 365 * DAY)


def main() -> int:
    """Run the soak; the exit code is 0 if every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--locations", type=int, default=100)
    parser.add_argument("--database", help="URL of an empty PostgreSQL database; a new SQLite file by default")
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.minutes:g} minutes")
    folder = Path(tempfile.mkdtemp(prefix="meteorograph-soak-"))
    with Simulator(keys=(KEY,)) as simulator:
        code = soak(options, folder, simulator)
    if code:
        print(f"database and log: {folder}")
    else:
        shutil.rmtree(folder)
    return code


def soak(options: argparse.Namespace, folder: Path, simulator: Simulator) -> int:
    """Let the service collect under faults, and look at what it has kept."""
    database = options.database or f"sqlite:///{folder}/soak.db"
    os.environ |= {
        "DATABASE_URL": database,
        "OWM_API_KEY": KEY,
        "METEOROGRAPH_OWM_BASE_URL": simulator.url,
        "METEOROGRAPH_INTERVAL": "15s",
        "METEOROGRAPH_HEALING": "false",
        "METEOROGRAPH_HTTP_TIMEOUT_SECONDS": "120",
        "METEOROGRAPH_JOURNAL_DIR": str(folder / "journal"),
        "METEOROGRAPH_OWM_CALLS_PER_MINUTE": "100000",
        "METEOROGRAPH_OWM_CALLS_PER_MONTH": "100000000",
    }
    add_locations((f"place {number}", number / 10 - 40, 10.0) for number in range(options.locations))
    simulator.set_faults("kind=latency ms=100; kind=status code=503 p=0.01")
    library = folder / "clock_offset.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SHIM)], check=True)
    clock = RealClock(library, folder)
    starter = Starter(folder)
    try:
        service = starter.serve(**clock.environment)
        until(lambda: books().ended(), "the first run")
        faults = inflict(options, service, clock, database)
        clock.step(0)
        _wait_for_whole_runs()
        assert service.end() == 0
        return report(faults, simulator, service)
    finally:
        starter.close()


def inflict(options: argparse.Namespace, service: Process, clock: RealClock, database: str) -> Counter[str]:
    """One fault after the other until the time is over; gives how many there were of each kind."""
    chance, faults = random.Random(options.seed), Counter[str]()
    ends_at = time.monotonic() + 60 * options.minutes
    while time.monotonic() < ends_at:
        kind = chance.choice(("step", "step", "step", "suspension", "lock"))
        faults[kind] += 1
        if kind == "step":
            clock.step(chance.choice(STEPS))
            time.sleep(chance.uniform(1, 60))
            if chance.random() < 0.7:
                clock.step(0)
        elif kind == "suspension":
            with suspended(service):
                time.sleep(chance.uniform(5, 40))
        else:
            with held(database):
                time.sleep(chance.uniform(1, 15))
        time.sleep(chance.uniform(1, 30))
        print(f"{datetime.now(UTC):%H:%M:%S} {dict(faults)}", flush=True)
    return faults


def _wait_for_whole_runs() -> None:
    """Wait for runs by the right clock, which must be confirmed before the past is accounted for."""
    last = datetime.now(UTC)

    def have_ended() -> bool:
        ended = [run for run in books().ended() if last < run.due_at < datetime.now(UTC) and run.state == "succeeded"]
        return len(ended) >= 12

    until(have_ended, "runs by the right clock", 900)
    until(lambda: not [run for run in books().runs if run.state == "running"], "a pause between two runs", 60)


def report(faults: Counter[str], simulator: Simulator, service: Process) -> int:
    """Print what was kept; 1 if a slot has no account, or the calls differ."""
    audit = subprocess.run([METEOROGRAPH, "audit", "--dry-run"], capture_output=True, text=True, check=False)
    kept = books()
    calls, made = sum(run.calls for run in kept.runs), simulator.count()
    now = datetime.now(UTC) + timedelta(minutes=1)
    lines = {
        "faults": dict(faults),
        "runs": dict(Counter(run.state for run in kept.runs)),
        "runs of another time": sum(not now - timedelta(days=1) < run.due_at < now for run in kept.runs),
        "rows": sum(map(len, kept.stored.values())),
        "missed": dict(Counter(reason for slot in kept.missed.values() for reason in slot.values())),
        "calls of the runs": calls,
        "calls counted by the simulator": made,
        "runs taken over": service.output().count("taken_over=True"),
        "audit": audit.stdout.strip() or audit.stderr.strip(),
    }
    print("\n".join(f"{name:32}{value}" for name, value in lines.items()))
    return int(audit.returncode != 0 or calls != made)


if __name__ == "__main__":
    sys.exit(main())
