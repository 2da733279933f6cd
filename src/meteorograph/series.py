"""Stop 9 of the walk: takes rows, gives answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from . import series_rows
from .errors import LocationNotFoundError
from .model.schedule import EPOCH, Schedule, parse_schedule
from .model.units import units_of
from .series_rows import DOCUMENTS, FIELDS, INSTANTS, Asked, Columns, Position
from .storage.models import Heartbeat, Location, Run, WeatherData
from .storage.upsert import table_of

#: Canonical unit of each quantity.
UNITS: Final = units_of(FIELDS)

_table = table_of(WeatherData)


def location_id(session: Session, name: str) -> int:
    """The id of the location of that name.

    Raises:
        LocationNotFoundError: There is none.
    """
    # PostgreSQL refuses a text with a NUL in it, so no location has one in its name.
    found = None if "\0" in name else session.scalar(select(Location.id).where(Location.name == name))
    if found is None:
        raise LocationNotFoundError(name)
    return found


def rows(
    session: Session,
    *,
    location: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int = 100,
    after: Position | None = None,
) -> tuple[list[dict[str, Any]], Position | None]:
    """Rows with ``start <= due_at < end``, newest first, and the position to go on after; None when there are no more.

    Raises:
        LocationNotFoundError: No location has that name.
    """
    known = None if location is None else (location_id(session, location), location)
    found, more = series_rows.page(session, Asked(FIELDS, known, start, end), limit, after)
    return _as_dicts(found), more


def latest_rows(session: Session, fields: Sequence[str] = FIELDS) -> Columns:
    """The newest row of every location that has one, by name, as plain columns. One seek a location, not a scan of all rows."""
    dialect = session.get_bind().dialect
    newest = select(func.max(_table.c.due_at)).where(_table.c.location_id == Location.id).correlate(Location)
    columns = [Location.name if name == "location" else series_rows.plain(dialect, name) for name in fields]
    query = select(*columns).select_from(Location).join(WeatherData, _table.c.location_id == Location.id)
    query = query.where(_table.c.due_at == newest.scalar_subquery()).order_by(Location.name)
    return series_rows.fetch_columns(session, query)


def latest(session: Session) -> list[dict[str, Any]]:
    """The newest row of every location that has one, by name."""
    return _as_dicts(latest_rows(session))


def _as_dicts(found: Columns) -> list[dict[str, Any]]:
    rows = zip(*found, strict=True)
    return [{name: _object(name, value) for name, value in zip(FIELDS, row, strict=False)} for row in rows]


def _object(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in INSTANTS:
        return datetime.fromtimestamp(value, UTC)
    return json.loads(value) if name in DOCUMENTS else value


@dataclass(frozen=True, slots=True)
class Health:
    """What the ledger knows of the service's health."""

    #: Age of each scheduled location's newest slot [s]; None for one without any.
    freshness: dict[str, float | None]
    #: The scheduled locations that have nothing of the slot before the current one, or of any later one.
    stale: list[str]
    #: The newest run.
    last_run: Run | None
    #: Age of the newest heartbeat of any process's scheduler [s].
    heartbeat_seconds: float | None


def health(session: Session, now: datetime, default: Schedule) -> Health:
    """The state of the ledger at ``now``."""
    # A row of the future, by a clock that was ahead, says nothing of how fresh the data are.
    newest = select(func.max(WeatherData.due_at)).where(WeatherData.location_id == Location.id, WeatherData.due_at <= now)
    columns = (
        Location.name,
        Location.schedule,
        Location.created_at,
        Location.due_since,
        newest.correlate(Location).scalar_subquery(),
    )
    query = select(*columns).where(Location.state == "active").order_by(Location.name)
    freshness: dict[str, float | None] = {}
    stale = []
    expected: dict[str | None, datetime] = {}
    for name, text, created_at, due_since, newest_at in session.execute(query):
        due_at: datetime | None = newest_at  # a scalar subquery may find nothing, whatever its type says
        freshness[name] = None if due_at is None else (now - due_at).total_seconds()
        if text not in expected:
            expected[text] = _expected(parse_schedule(text) if text else default, now)
        since_when = due_at or created_at
        if max(since_when, due_since or since_when) < expected[text]:
            stale.append(name)
    beat = session.scalar(select(func.max(Heartbeat.beat_at)))
    last = session.scalars(select(Run).where(Run.state != "missed").order_by(Run.due_at.desc()).limit(1)).first()
    return Health(freshness, stale, last, None if beat is None else (now - beat).total_seconds())


def _expected(when: Schedule, now: datetime) -> datetime:
    """The slot that is there if all is well: the one before the current one, which has a minute to be collected."""
    current = when.slot_at(now - timedelta(minutes=1)) or EPOCH
    return when.slot_at(current - timedelta(microseconds=1)) or EPOCH
