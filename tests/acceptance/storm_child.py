"""The collector of the storm, as a process of its own: it ticks at the instants that it is told, one a line, and answers each.

While the file ``METEOROGRAPH_STORM_READ_ONLY`` exists, its SQLite database is read-only, as on a mount that turned so.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import stamina
from sqlalchemy import event
from sqlalchemy.pool import Pool

from meteorograph import scheduler
from meteorograph.config.loading import get_settings, pin_settings
from meteorograph.errors import MeteorographError
from meteorograph.failover import call
from meteorograph.journal import retention
from meteorograph.logs import setup_logging
from meteorograph.model import clock
from meteorograph.model.clock import DrivenClock
from meteorograph.reading import rollups
from meteorograph.storage import connections, engine


def tick(now: datetime) -> None:
    """What the scheduler's jobs do."""
    scheduler.scheduled_ingest()
    scheduler.scheduled_healing()
    if now.hour == 0 and now.minute == 0:
        settings = get_settings()
        retention.delete_old_files(settings.journal_dir, now, settings.journal_days)
        try:
            while rollups.roll_up(now):
                pass
        except MeteorographError:
            pass  # the database is away


def no_sync(connection: Any, _record: Any, _proxy: Any) -> None:
    """Processes are killed in this storm, and no power is cut: nothing is gained by waiting for the disk."""
    if hasattr(connection, "executescript"):
        connection.execute("PRAGMA synchronous = OFF")
        file = connection.execute("PRAGMA database_list").fetchone()[2]
        is_read_only = Path(os.environ["METEOROGRAPH_STORM_READ_ONLY"]).exists() and "standin" not in file
        connection.execute(f"PRAGMA query_only = {int(is_read_only)}")


def main() -> None:
    """Tick until the input ends; nothing waits for real time."""
    vars(engine)["BUSY_TIMEOUT_SECONDS"] = 0.05
    vars(connections)["LOCK_TIMEOUT_SECONDS"] = 0.3
    vars(call)["AWAY_SECONDS"] = 0.0
    stamina.set_testing(True, attempts=3, cap=True)
    event.listen(Pool, "checkout", no_sync)
    pin_settings(get_settings())
    setup_logging()
    driven = DrivenClock(datetime.fromisoformat("2000-01-01T00:00Z"))
    with clock.driven_by(driven):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        for line in sys.stdin:
            now = driven.advance(datetime.fromisoformat(line.strip()) - driven())
            tick(now)
            sys.stdout.write("done\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
