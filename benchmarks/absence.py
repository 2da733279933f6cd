"""How long it takes to account for the slots of an absence: ``python benchmarks/absence.py [--locations 1000] [--days 1]``.

It comes after the slot at hand is collected, in steps between which other work goes on; the pauses are not counted.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from meteorograph import get_db_session, init_db
from meteorograph.ledger.past_slots import account_for_past
from meteorograph.model.schedule import DEFAULT_SCHEDULE, Interval
from meteorograph.model.time_range import parse_duration
from meteorograph.storage.models import Location, Run


def main() -> None:
    """Create locations that were collected once, and account for the time since."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--locations", type=int, default=1000)
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--interval", default="1m")
    options = parser.parse_args()
    now = datetime.now(UTC).replace(second=30, microsecond=0)
    then, when = now - timedelta(days=options.days), Interval(parse_duration(options.interval))
    with tempfile.TemporaryDirectory(prefix="meteorograph-absence-") as folder:
        os.environ["DATABASE_URL"] = f"sqlite:///{folder}/absence.db"
        init_db()
        with get_db_session() as session:
            at = {"longitude": 1.0, "state": "active", "created_at": then - timedelta(days=1)}
            session.add_all(Location(name=f"p{n}", latitude=n % 90, **at) for n in range(options.locations))
            last = {"due_at": when.slot_at(then), "state": "succeeded", "started_at": then, "ended_at": then}
            session.add(Run(schedule=DEFAULT_SCHEDULE, **last))
        began, used, steps = time.monotonic(), _cpu_seconds(), 1
        while account_for_past(now, DEFAULT_SCHEDULE, when):
            steps += 1
        seconds, cpu = time.monotonic() - began, _cpu_seconds() - used
        size = sum(path.stat().st_size for path in Path(folder).iterdir()) / 2**20
        slots = options.locations * (options.days * timedelta(days=1) // when.length)
        print(f"{options.locations:,} locations, {options.days} days, every {options.interval}: {slots:,} slots,")
        print(f"{steps:,} steps, {seconds:.0f} s, {cpu:.0f} CPU-s, {size:.0f} MB")


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
