"""The checks over recorded series: what they flag, and what they cost.

    METEOROGRAPH_SERIES_DIR=FOLDER python benchmarks/quality.py

Prints the tables of docs/quality.md.
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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCATIONS, SLOTS = 1000, 24


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


def main() -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    with tempfile.TemporaryDirectory(prefix="meteorograph-quality-") as folder:
        import recorded_series as series
        from meteorograph import init_db
        from meteorograph.storage.engine import get_engine

        print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}\n")
        found = series.stations()
        known = {"Barcelona, 2015 to 2018": (series.barcelona(), [series.BARCELONA_AT])}
        known["25 Irish stations, 2017"] = (series.ireland(list(found)), list(found.values()))
        for number, (title, (rows, places)) in enumerate(known.items()):
            os.environ["DATABASE_URL"] = f"sqlite:///{folder}/{number}.db"
            init_db()
            checked = series.checked(list(rows), places)
            flags, values = series.counted(checked)
            print(f"## {title}: {len(checked):,} rows\n")
            table(flags, values)
            print(share(checked, values))
        os.environ["DATABASE_URL"] = f"sqlite:///{folder}/cost.db"
        init_db()
        series.checked([], [series.BARCELONA_AT] * LOCATIONS)
        cost()
        get_engine().dispose()


if __name__ == "__main__":
    main()
