"""What a number of locations and an interval need: ``python benchmarks/sizing.py`` prints the table of ``docs/deploy/README.md``.

The figures of one location and slot were measured (``docs/performance.md`` says how, and where); the rest is arithmetic.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

#: CPU time of a collecting process [s] for one location, in shards of 500 on PostgreSQL (``scale.py``).
COLLECT_CPU: Final = 0.33e-3
#: CPU time of PostgreSQL [s] to store one row (``bulk.py``: 18,490 rows/s on one connection).
STORE_CPU: Final = 0.054e-3
#: Bytes of one row in PostgreSQL with its indexes, and in SQLite (``read.py``).
POSTGRESQL_ROW: Final = 255
SQLITE_ROW: Final = 145
#: Bytes of one row in the archive.
ARCHIVE_ROW: Final = 13
#: Bytes of the write-ahead log of PostgreSQL for one row: to store it (``bulk.py``), and to put its month in order later.
STORE_LOG: Final = 582
ORDER_LOG: Final = 650
#: Bytes of one answer in the journal.
JOURNAL: Final = 215
#: Locations a second that one process collects at 100 ms, with 1,024 calls in flight (``ingest.py``).
RATE: Final = 4600

#: A slot should be collected within this part of the interval, and cores should be busy for no more than it.
SHARE: Final = 0.5

DAY: Final = 86_400
MONTH: Final = 30 * DAY

CASES: Final = (
    (100, 3600),
    (1_000, 3600),
    (10_000, 3600),
    (10_000, 600),
    (100_000, 3600),
    (100_000, 600),
    (1_000_000, 3600),
    (1_000_000, 600),
)


class Need(NamedTuple):
    """What a case needs."""

    locations: int
    #: [s]
    interval: int
    #: Calls to the provider of temperature in 30 days, and a second while a slot is collected.
    calls: float
    rate: float
    #: Collecting processes, each on a core of its own, and cores of PostgreSQL.
    processes: int
    database_cores: int
    #: Bytes in 30 days.
    rows: float
    log: float
    journal: float
    archive: float


def need(locations: int, interval: int) -> Need:
    """The need of a number of locations that are collected every ``interval`` [s]."""
    slots = MONTH / interval
    in_time = interval * SHARE
    rate = locations / in_time
    processes = math.ceil(max(locations * COLLECT_CPU / in_time, rate / RATE))
    cores = math.ceil(locations * STORE_CPU / in_time)
    rows = locations * slots
    sizes = (rows * each for each in (POSTGRESQL_ROW, STORE_LOG + ORDER_LOG, JOURNAL, ARCHIVE_ROW))
    return Need(locations, interval, rows, rate, processes, cores, *sizes)


def size(count: float) -> str:
    """Bytes with a unit and two or three digits."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB" if count < 1000 else f"{count:,.0f} TB"


def table() -> str:
    """The table in Markdown."""
    head = (
        "| locations | every | calls in 30 days | calls/s | processes | PostgreSQL cores | rows, 30 days | log, 30 days "
        "| journal, 30 days | archive, 30 days |\n|---|---|---|---|---|---|---|---|---|---|\n"
    )
    lines = []
    for case in CASES:
        one = need(*case)
        every = "hour" if one.interval == 3600 else f"{one.interval // 60} min"
        calls = f"{one.calls / 1e6:,.0f} M" if one.calls >= 1e7 else f"{one.calls:,.0f}"
        sizes = " | ".join(size(value) for value in (one.rows, one.log, one.journal, one.archive))
        numbers = f"{one.locations:,} | {every} | {calls} | {one.rate:,.1f} | {one.processes} | {one.database_cores}"
        lines.append(f"| {numbers} | {sizes} |")
    return head + "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
