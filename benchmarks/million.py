"""A million locations in one database: ``python benchmarks/million.py [--locations 1000000] [--slots 24] [--postgresql]``.

Each question is asked of the application in this process, three times; the first answer and the median of the others are printed
beside the bare statement for a page, with the memory of this process. Nothing is fetched: ``ingest.py`` and ``scale.py`` do that.
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import statistics
import tempfile
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import read  # type: ignore[import-not-found]  # a script beside this one
import year  # type: ignore[import-not-found]  # and so is this

from meteorograph import create_app, get_db_session
from meteorograph.exporting.export import ExportQuery, export
from meteorograph.ledger import claims, heartbeat, shards
from meteorograph.ledger.conditions import Claim
from meteorograph.model import clock
from meteorograph.model.schedule import Interval
from meteorograph.storage.engine import get_engine
from meteorograph.web import params

SHARD = 500
HOURLY = Interval(timedelta(hours=1))
NEXT_SLOT = year.END + timedelta(hours=1)


def peak_memory() -> float:
    """The largest memory of this process until now [MB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def show(what: str, ask: Callable[[], object], times: int = 3) -> None:
    """Print how long a question takes, the first time and then."""
    first, *others = [read.timed(ask) for _ in range(times)]
    then = f"{statistics.median(others):,.0f}" if others else ""
    print(f"| {what} | {first:,.0f} | {then} | {peak_memory():,.0f} |", flush=True)


def claim() -> None:
    """Claim the slot after the last one and cut it into shards, then take three of them."""
    claimed: list[Claim | None] = []
    with clock.driven_by(clock.DrivenClock(NEXT_SLOT + timedelta(seconds=1))):

        def cut() -> None:
            claimed.append(claims.claim_run(clock.now(), "default", HOURLY, shard_size=SHARD))

        show("claim a slot and cut it", cut, 1)
        assert claimed[0] is not None
        show(f"take a shard of {SHARD} and read its locations", partial(take, claimed[0]))


def take(claimed: Claim) -> None:
    """Take a shard of a claimed run."""
    shard, _ = shards.take_shard(claimed, (), ())
    assert shard is not None
    found, _ = claims.due_locations(claimed, clock.now(), shard=shard)
    assert len(found) == SHARD


def measure(locations: int, folder: Path) -> None:
    """Print the table."""
    app = create_app()
    logging.disable(logging.INFO)
    client = app.test_client()

    def get(path: str) -> None:
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:300])

    def write() -> None:
        with get_db_session(read_only=True) as session:
            span = year.END, year.END + timedelta(seconds=1)
            rows = export(session, ExportQuery(start=span[0], end=span[1]), "parquet", folder / "slot.parquet").rows
            assert rows == locations

    middle = f"place%20{locations // 2:07d}"
    middle_cursor = params.cursor(f"place {locations // 2:07d}")
    newest = "(SELECT max(due_at) FROM weather_data o WHERE o.location_id = l.id)"
    page = (
        f"SELECT l.*, w.* FROM locations l JOIN weather_data w ON w.location_id = l.id AND w.due_at = {newest} "  # noqa: S608
        f"WHERE l.name > 'place {locations // 2:07d}' ORDER BY l.name LIMIT "
    )
    day = f"start={(year.END - timedelta(days=1)).isoformat()}&end={year.END.isoformat()}".replace("+", "%2B")
    print("| | first, ms | then, ms | peak memory, MB |\n|---|---|---|---|")
    show("bare keyset query of 100 newest rows", lambda: read.bare(page + "100"))
    show("/data/latest, 100 from the middle", lambda: get(f"/data/latest?limit=100&cursor={middle_cursor}"))
    show("/data/latest, 1,000 from the middle", lambda: get(f"/data/latest?limit=1000&cursor={middle_cursor}"))
    show("overview", lambda: get("/"))
    show("overview, by name", lambda: get("/?sort=name"))
    show("overview, search", lambda: get(f"/?q={locations // 2:07d}"))
    show("location page", lambda: get(f"/location?name={middle}"))
    show("/health", lambda: get("/health"))
    show("/metrics", lambda: get("/metrics"))
    show("/api/coverage of a day", lambda: get(f"/api/coverage?by=day&{day}"))
    show("/api/coverage by location, the first 100", lambda: get(f"/api/coverage?by=location&{day}"))
    show("Parquet of one slot of all", write, 1)
    claim()


def main() -> None:
    """Create the database, and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--locations", type=int, default=1_000_000)
    parser.add_argument("--slots", type=int, default=24)
    parser.add_argument("--postgresql", action="store_true", help="a PostgreSQL of its own, else SQLite")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    options = parser.parse_args()
    options.url = None
    with tempfile.TemporaryDirectory(prefix="meteorograph-million-", dir=options.folder) as folder:
        with read.database(options, folder) as url:
            os.environ |= {
                "DATABASE_URL": url,
                "METEOROGRAPH_JOURNAL_DIR": f"{folder}/journal",
                "METEOROGRAPH_SCHEDULER_ENABLED": "false",
                "OWM_API_KEY": "0" * 32,
            }
            took = read.timed(lambda: year.make(options.locations, options.slots / 24)) / 1000
            print(
                f"{read.versions()}; {options.locations:,} locations, {options.slots} slots, made in {took:.0f} s\n", flush=True
            )
            with clock.driven_by(clock.DrivenClock(year.END + timedelta(minutes=10))):
                heartbeat.record_heartbeat(clock.now())
                measure(options.locations, Path(folder))
            get_engine().dispose()


if __name__ == "__main__":
    main()
