"""Put the rows of past months into the order of their locations. On PostgreSQL only; SQLite keeps that order by itself.

Rows arrive slot by slot, so a month of one location lies on as many pages as it has rows. Moved together, it lies on a thirtieth
of them (``docs/performance.md``). A step deletes rows of some locations and inserts them again in one statement: readers see
either version of a row, and no table is locked. Nothing is recorded: whether rows lie together is seen by their page numbers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from ..errors import StoreError
from ..log_output import get_logger
from ..model import clock
from .archive.files import month_of
from .engine import get_db_session, get_engine
from .leases import LeasedWork, release_lease, take_lease
from .models import Location, WeatherData
from .rollup_invalidation import lock_rollups
from .upsert import table_of

log = get_logger(__name__)

LEASE: Final = "month order"

#: A month is left alone for so long after its end: late rows and late flags come first.
SETTLED_AFTER: Final = timedelta(days=3)

#: Locations of a month that are looked at to see whether it is in order.
_SAMPLE: Final = 20
#: Rows of one transaction.
_ROWS_PER_STEP: Final = 5000
#: Pause after a transaction, in which others may use the database [s].
_PAUSE_SECONDS: Final = 0.05
#: Rows are scattered if they lie on more pages than this multiple of what they need, and some more.
_PAGES_PER_NEEDED: Final = 3
_MORE_PAGES: Final = 4
#: Bytes of a page of PostgreSQL that rows can use.
_PAGE_BYTES: Final = 8000

_COLUMNS: Final = ", ".join(f'"{column.name}"' for column in table_of(WeatherData).columns)
_WITHIN: Final = "due_at >= :start AND due_at < :end"
_PAGES: Final = text(
    "SELECT count(*) AS rows, count(DISTINCT (ctid::text::point)[0]) AS pages, coalesce(sum(pg_column_size(w.*)), 0) AS size "  # noqa: S608  # of constants
    f"FROM weather_data w WHERE location_id = :location AND {_WITHIN}"
)
_MOVE: Final = text(
    f"WITH gone AS (DELETE FROM weather_data WHERE location_id BETWEEN :first AND :last AND {_WITHIN} RETURNING *), "  # noqa: S608
    f"moved AS (INSERT INTO weather_data ({_COLUMNS}) SELECT {_COLUMNS} FROM gone ORDER BY location_id, due_at RETURNING 1) "
    "SELECT (SELECT count(*) FROM gone) AS gone, (SELECT count(*) FROM moved) AS moved"
)
#: A moved row has not changed: it is sent to no integration again.
_FORGET: Final = text("DELETE FROM outbox WHERE xmin = pg_current_xact_id()\\:\\:xid")


class _Pages(NamedTuple):
    """On how many pages the rows of a location and month lie."""

    rows: int
    pages: int
    #: [bytes]
    size: int

    @property
    def is_scattered(self) -> bool:
        return self.pages > _PAGES_PER_NEEDED * -(-self.size // _PAGE_BYTES) + _MORE_PAGES


@dataclass(slots=True)
class _Memory:
    """The months that this process has found in order."""

    months: set[tuple[str, datetime]] = field(default_factory=set)


_memory: Final = _Memory()


def reset() -> None:
    """Forget which months are in order."""
    _memory.months.clear()


def order_months(stop: threading.Event, *, max_seconds: float = float("inf")) -> int:
    """Put past months in order until all are, the time is over or ``stop`` is set; gives the number of moved rows.

    Raises:
        StoreError: The database cannot be used.
    """
    engine = get_engine()
    if engine.dialect.name != "postgresql":
        return 0
    database, now, moved = str(engine.url), clock.now(), 0
    with get_db_session(read_only=True) as session:
        months = [month for month in _past_months(session, now) if (database, month) not in _memory.months]
        ids = list(session.scalars(select(Location.id).order_by(Location.id))) if months else []
    if not ids or not take_lease(LEASE, now):
        return 0
    work = LeasedWork(LEASE, stop, time.monotonic() + max_seconds)
    try:
        for month in months:
            count = _order_month(month, ids, work)
            if count is None:
                break
            moved += count
            _memory.months.add((database, month))
    finally:
        release_lease(LEASE)
    return moved


def _past_months(session: Session, now: datetime) -> Iterator[datetime]:
    first = session.scalar(select(func.min(WeatherData.due_at)))
    month = month_of(first or now)
    while (end := _next_month(month)) <= now - SETTLED_AFTER:
        yield month
        month = end


def _next_month(month: datetime) -> datetime:
    return month_of(month + timedelta(days=31))


def _order_month(month: datetime, ids: list[int], work: LeasedWork) -> int | None:
    """Order a month; None if it had to end before it was done, else the number of moved rows."""
    sample = [_look(month, id_) for id_ in ids[:: -(-len(ids) // _SAMPLE)]]
    if not any(one.is_scattered for one in sample):
        return 0
    moved, step = 0, max(1, _ROWS_PER_STEP // max(one.rows for one in sample))
    for first in range(0, len(ids), step):
        if work.must_end():
            return None
        part = ids[first : first + step]
        if _look(month, part[0]).is_scattered or _look(month, part[-1]).is_scattered:
            moved += _move(month, part[0], part[-1])
            work.stop.wait(_PAUSE_SECONDS)
    log.info("a month is in the order of its locations", month=f"{month:%Y-%m}", rows=moved)
    return moved


def _look(month: datetime, location_id: int) -> _Pages:
    with get_db_session(read_only=True) as session:
        bounds = {"location": location_id, "start": month, "end": _next_month(month)}
        return _Pages(*session.execute(_PAGES, bounds).one())


def _move(month: datetime, first: int, last: int) -> int:
    """Move the rows of the locations from one id to another. All or none of them, even if the process is killed."""
    with get_db_session() as session:
        # Flags are changed by UPDATE, which would miss a row that is moved at that moment; it takes this lock, too.
        lock_rollups(session, shared=False)
        bounds = {"first": first, "last": last, "start": month, "end": _next_month(month)}
        gone, moved = session.execute(_MOVE, bounds).one()
        if gone != moved:
            raise StoreError(f"{gone} rows of {month:%Y-%m} should be moved, and {moved} would be: nothing was changed")
        session.execute(_FORGET)
    return int(moved)
