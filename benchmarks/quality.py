"""The checks over recorded series: what they find of injected defects, what they flag, and what they cost.

    METEOROGRAPH_SERIES_DIR=FOLDER python benchmarks/quality.py

Prints the tables of docs/quality.md. Takes a few minutes: the year is stored once for each kind of defect.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCATIONS, SLOTS = 1000, 24
SEED = 1
#: Location, slot and quantity of a value.
Key = tuple[int, datetime, str]


def table(flags: Counter[tuple[str, str]], values: Counter[str]) -> None:
    """Print how many values of each quantity have each flag."""
    names = [*values, *sorted({name for _, name in flags} - set(values))]
    print(f"| flag | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for word in sorted({word for word, _ in flags}):
        print(f"| `{word}` | {' | '.join(f'{flags[word, name]:,}' if flags[word, name] else '' for name in names)} |")
    print(f"| values | {' | '.join(f'{values[name]:,}' if values[name] else '' for name in names)} |\n")


def share(rows: list[dict[str, Any]], values: Counter[str]) -> str:
    """How many of the values have a flag."""
    count = sum(1 for row in rows for name in row["flags"] or {} if name in values)
    return f"{count:,} of {sum(values.values()):,} values flagged: {100 * count / sum(values.values()):.4f} %\n"


def cost() -> None:
    """Print what a slot of many locations costs: the checks with their states, and the rows stored."""
    import recorded_series as series
    from meteorograph import WeatherData, get_db_session
    from meteorograph.storage.check_states import check_rows
    from meteorograph.storage.upsert import insert_or_replace

    year = list(series.ireland(["ATHENRY"]))[:SLOTS]
    checking, storing, both = [], [], []
    for slot in year:
        others = {"wind_gust": 40.0 + slot["due_at"].hour, "cloud_cover": 10.0 + slot["due_at"].hour, "visibility": 10000.0}
        rows = [{**slot, **others, "location_id": number} for number in range(1, LOCATIONS + 1)]
        with get_db_session() as session:
            begin = time.process_time()
            rows = check_rows(session, rows)
            middle = time.process_time()
            insert_or_replace(session, WeatherData, rows)
            session.commit()
            end = time.process_time()
        checking.append((middle - begin) / LOCATIONS * 1e6)
        storing.append((end - middle) / LOCATIONS * 1e6)
        both.append((end - begin) / LOCATIONS * 1e6)
    print(f"| CPU per row, {LOCATIONS:,} locations a batch | median [µs] | slowest [µs] |\n|---|---|---|")
    for told, times in (("checks and their states", checking), ("the rows themselves", storing), ("both", both)):
        print(f"| {told} | {statistics.median(times):.1f} | {max(times):.1f} |")


def defects(folder: Path) -> None:
    """Print recall, precision and false alarms for each kind of defect, in the year of the Irish stations."""
    import recorded_series as series
    from defects import KINDS, VALUES, inject

    stations, elevations = series.stations(), list(series.elevations().values())
    by_id = dict(enumerate(elevations, start=1))
    rows = sorted(series.ireland(list(stations)), key=lambda row: (row["due_at"], row["location_id"]))
    values = sum(row[name] is not None for row in rows for name in VALUES)
    clean = suspect_values(folder / "clean.db", rows, elevations)
    print(f"## {sum(kind.count for kind in KINDS)} defects of {len(KINDS)} kinds in a year of 25 Irish stations, seed {SEED}\n")
    print("| kind | defects | found | wrong values | recall | precision | false alarms |\n|---|---|---|---|---|---|---|")
    print(f"| none | | | | | | {len(clean):,} of {values:,}, {100 * len(clean) / values:.4f} % |")
    for number, kind in enumerate(KINDS):
        changed, wrong, spans = inject(rows, kind, by_id, SEED)
        flagged = suspect_values(folder / f"defects {number}.db", changed, elevations)
        injected = {(*slot, name) for slot, names in wrong.items() for name in names}
        inside = {(*slot, name) for span in spans for slot in span for name in set[str]().union(*map(wrong.__getitem__, span))}
        shares = [[(*slot, name) in flagged for slot in span for name in wrong[slot]] for span in spans]
        found = sum(2 * sum(share) >= len(share) for share in shares)
        right = len(flagged & injected)
        raised = right + len(flagged - clean - inside)
        precision = f"{100 * right / raised:.1f} %" if raised else ""
        false = flagged - inside
        cells = (len(spans), found, f"{len(injected):,}", f"{100 * right / len(injected):.1f} %", precision)
        print(f"| {kind.name} | {' | '.join(map(str, cells))} | {len(false):,}, {100 * len(false) / values:.4f} % |", flush=True)
    print()


def suspect_values(path: Path, rows: list[dict[str, Any]], elevations: list[float]) -> set[Key]:
    """Store rows in a new database, slot by slot; gives the values that have a suspect flag in the end."""
    from sqlalchemy import select

    import recorded_series as series
    from meteorograph import WeatherData, get_db_session, init_db
    from meteorograph.model.flags import is_suspect
    from meteorograph.storage.models import Location
    from meteorograph.storage.observations import write_rows

    os.environ["DATABASE_URL"] = f"sqlite:///{path}"
    init_db()
    series.checked([], list(series.stations().values()))
    with get_db_session() as session:
        for number, elevation in enumerate(elevations, start=1):
            session.get_one(Location, number).elevation = elevation
    for first in range(0, len(rows), 1000):
        with get_db_session() as session:
            write_rows(session, rows[first : first + 1000])
    columns = (WeatherData.location_id, WeatherData.due_at, WeatherData.flags)
    with get_db_session(read_only=True) as session:
        found = {
            (location_id, due_at, name)
            for location_id, due_at, flags in session.execute(select(*columns).where(WeatherData.flags.is_not(None)))
            for name, words in (flags or {}).items()
            if is_suspect(words)
        }
    path.unlink()
    return found


def main() -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    with tempfile.TemporaryDirectory(prefix="meteorograph-quality-") as folder:
        import recorded_series as series
        from meteorograph import init_db
        from meteorograph.storage.engine import get_engine

        print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}\n")
        stations = series.stations()
        known = {"Barcelona, 2015 to 2018": (series.barcelona(), [series.BARCELONA_AT])}
        known["25 Irish stations, 2017"] = (series.ireland(list(stations)), list(stations.values()))
        for number, (title, (rows, places)) in enumerate(known.items()):
            os.environ["DATABASE_URL"] = f"sqlite:///{folder}/{number}.db"
            init_db()
            checked = series.checked(list(rows), places)
            flags, values = series.counted(checked)
            print(f"## {title}: {len(checked):,} rows\n")
            table(flags, values)
            print(share(checked, values))
        defects(Path(folder))
        os.environ["DATABASE_URL"] = f"sqlite:///{folder}/cost.db"
        init_db()
        series.checked([], [series.BARCELONA_AT] * LOCATIONS)
        cost()
        get_engine().dispose()


if __name__ == "__main__":
    main()
