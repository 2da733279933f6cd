"""Rolls up past days, a few at a time. Several processes may do so at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any, Final, NamedTuple

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from ..errors import ArchiveError
from ..log_output import get_logger
from ..model.quantities import BY_NAME
from ..model.statistics import PARTS, ZERO_PARTS
from ..model.time_buckets import DAY, iterate_edges, zone_or_utc
from ..storage.archive.ranges import sealed_edges
from ..storage.engine import get_db_session
from ..storage.models import DailyRollup, Location, RolledUpUntil, WeatherData
from ..storage.rollup_invalidation import ROLL_UP_DELAY, lock_rollups
from ..storage.upsert import insert_or_replace, table_of
from .bucket_rows import BucketTotals, read_bucket_totals

log = get_logger(__name__)

#: Maximum number of locations, and of days of all of them, in one transaction. A transaction of this size locks the database for
#: some tenths of a second.
_MAX_LOCATIONS: Final = 100
_MAX_DAYS: Final = 400

#: Older days are not rolled up: their rows are read each time.
_MAX_AGE: Final = timedelta(days=100 * 365)


class _RollUpTask(NamedTuple):
    """A location with days to roll up."""

    location_id: int
    timezone: str | None
    #: Edges of the days.
    edges: list[datetime]


def roll_up(now: datetime) -> bool:
    """Roll up some of the days that are over at ``now``. Returns whether there may be more to do.

    Raises:
        StoreError: The database cannot be reached.
    """
    with get_db_session(read_only=True) as session:
        candidates = _read_candidates(session, now)
    if not candidates:
        return False
    try:
        _roll_up_locations(now, None)
    except ArchiveError:
        # A sealed month of one location that cannot be read must not keep the days of the others from being rolled up.
        return sum(_roll_up_alone(now, candidate.id) for candidate in candidates) > 0
    return True


def _roll_up_alone(now: datetime, location_id: int) -> bool:
    try:
        _roll_up_locations(now, location_id)
    except ArchiveError as error:
        log.error("days could not be rolled up", location_id=location_id, reason=str(error))  # noqa: TRY400
        return False
    return True


def _roll_up_locations(now: datetime, only: int | None) -> None:
    with get_db_session() as session:
        lock_rollups(session, shared=False)
        tasks = list(_plan_tasks(session, now, only))
        _roll_up(session, [task for task in tasks if len(task.edges) > 1])
        done = [{"location_id": task.location_id, "until_at": task.edges[-1], "timezone": task.timezone} for task in tasks]
        if done:
            insert_or_replace(session, RolledUpUntil, done)


def _read_candidates(session: Session, now: datetime) -> list[Any]:
    """Locations that may have a day to roll up: id, time zone, end of the rolled-up days, and whether the zone has changed."""
    has_changed = func.coalesce(RolledUpUntil.timezone, "") != func.coalesce(Location.timezone, "")
    query = select(Location.id, Location.timezone, RolledUpUntil.until_at, has_changed).outerjoin(
        RolledUpUntil, RolledUpUntil.location_id == Location.id
    )
    due = or_(
        RolledUpUntil.until_at.is_(None), RolledUpUntil.until_at <= now - ROLL_UP_DELAY - DAY - timedelta(hours=1), has_changed
    )
    return list(session.execute(query.where(due).order_by(Location.id).limit(_MAX_LOCATIONS)).all())


def _plan_tasks(session: Session, now: datetime, only: int | None) -> Iterator[_RollUpTask]:
    candidates = [one for one in _read_candidates(session, now) if only in (None, one.id)]
    max_days = max(1, _MAX_DAYS // max(1, len(candidates)))
    for location_id, timezone, until_at, has_changed in candidates:
        since = until_at
        if until_at is None or has_changed:
            session.execute(delete(DailyRollup).where(table_of(DailyRollup).c.location_id == location_id))
            first = select(func.min(WeatherData.due_at)).where(WeatherData.location_id == location_id)
            edges = (session.scalar(first), *(sealed_edges(session, location_id) or ()))
            since = min((edge for edge in edges if edge is not None), default=now)
        since = max(min(since, now - ROLL_UP_DELAY - DAY), now - _MAX_AGE)
        closed = takewhile(lambda edge: edge <= now - ROLL_UP_DELAY, iterate_edges(since, DAY, zone_or_utc(timezone)))
        yield _RollUpTask(location_id, timezone, list(islice(closed, max_days + 1)))


def _roll_up(session: Session, tasks: list[_RollUpTask]) -> None:
    rows = []
    by_location = dict(read_bucket_totals(session, {task.location_id: task.edges for task in tasks}, tuple(BY_NAME)))
    for task in tasks:
        totals = by_location.get(task.location_id) or [BucketTotals() for _ in task.edges[1:]]
        for start, end, bucket in zip(task.edges, task.edges[1:], totals, strict=False):
            rows.append({"location_id": task.location_id, "start_at": start, "end_at": end, **_to_columns(bucket)})
    if rows:
        insert_or_replace(session, DailyRollup, rows)


def _to_columns(bucket: BucketTotals) -> dict[str, Any]:
    columns: dict[str, Any] = {"stored": bucket.stored, "observations": bucket.observations, "suspect": bucket.suspect}
    for name, parts in PARTS.items():
        numbers = bucket.summaries.get(name) or tuple(0 if part in ZERO_PARTS else None for part in parts)
        columns.update(zip((f"{name}_{part}" for part in parts), numbers, strict=True))
    return columns
