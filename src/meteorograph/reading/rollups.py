"""Rolls up the days that are over, a few at a time. Safe in any number of processes at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any, Final, NamedTuple

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from ..model.quantities import BY_NAME
from ..model.statistics import PARTS
from ..model.time_buckets import DAY, iterate_edges, zone_or_utc
from ..storage.engine import get_db_session
from ..storage.models import DailyRollup, Location, RolledUpUntil, WeatherData
from ..storage.rollup_invalidation import SETTLED, lock_rollups
from ..storage.upsert import insert_or_replace, table_of
from .bucket_rows import BucketTotals, bucket_totals

#: Locations, and days of all of them, that a transaction rolls up: it holds the database for some tenths of a second.
_LOCATIONS: Final = 100
_DAYS: Final = 400

#: Days of before this are left as they are: their rows are read each time.
_LONGEST_AGO: Final = timedelta(days=100 * 365)


class _RollUpTask(NamedTuple):
    """A location with days to roll up."""

    location: int
    timezone: str | None
    #: The edges of its days.
    edges: list[datetime]


def roll_up(now: datetime) -> bool:
    """Roll up some of the days that are over at ``now``; says whether there may be more to do.

    Raises:
        StoreError: The database cannot be reached.
    """
    with get_db_session(read_only=True) as session:
        if not _candidates(session, now):
            return False
    with get_db_session() as session:
        lock_rollups(session, shared=False)
        tasks = list(_tasks(session, now))
        _roll_up(session, [task for task in tasks if len(task.edges) > 1])
        done = [{"location_id": task.location, "until_at": task.edges[-1], "timezone": task.timezone} for task in tasks]
        if done:
            insert_or_replace(session, RolledUpUntil, done)
    return True


def _candidates(session: Session, now: datetime) -> list[Any]:
    """Locations that may have a day to roll up, with the zone and the end of what is rolled up."""
    changed = func.coalesce(RolledUpUntil.timezone, "") != func.coalesce(Location.timezone, "")
    query = select(Location.id, Location.timezone, RolledUpUntil.until_at, changed).outerjoin(
        RolledUpUntil, RolledUpUntil.location_id == Location.id
    )
    due = or_(RolledUpUntil.until_at.is_(None), RolledUpUntil.until_at <= now - SETTLED - DAY - timedelta(hours=1), changed)
    return list(session.execute(query.where(due).order_by(Location.id).limit(_LOCATIONS)).all())


def _tasks(session: Session, now: datetime) -> Iterator[_RollUpTask]:
    candidates = _candidates(session, now)
    most = max(1, _DAYS // max(1, len(candidates)))
    for location, timezone, until_at, changed in candidates:
        since = until_at
        if until_at is None or changed:
            session.execute(delete(DailyRollup).where(table_of(DailyRollup).c.location_id == location))
            first = select(func.min(WeatherData.due_at)).where(WeatherData.location_id == location)
            since = session.scalar(first) or now
        since = max(min(since, now - SETTLED - DAY), now - _LONGEST_AGO)
        closed = takewhile(lambda edge: edge <= now - SETTLED, iterate_edges(since, DAY, zone_or_utc(timezone)))
        yield _RollUpTask(location, timezone, list(islice(closed, most + 1)))


def _roll_up(session: Session, tasks: list[_RollUpTask]) -> None:
    rows = []
    found = dict(bucket_totals(session, {task.location: task.edges for task in tasks}, tuple(BY_NAME)))
    for task in tasks:
        of_location = found.get(task.location) or [BucketTotals(tallies={}) for _ in task.edges[1:]]
        for start, end, cell in zip(task.edges, task.edges[1:], of_location, strict=False):
            rows.append({"location_id": task.location, "start_at": start, "end_at": end, **_columns(cell)})
    if rows:
        insert_or_replace(session, DailyRollup, rows)


def _columns(cell: BucketTotals) -> dict[str, Any]:
    parts: dict[str, Any] = {"stored": cell.stored, "suspect": cell.suspect}
    for name, names in PARTS.items():
        numbers = cell.tallies.get(name) or tuple(0 if part == "count" else None for part in names)
        parts.update(zip((f"{name}_{part}" for part in names), numbers, strict=True))
    return parts
