"""Stop 9 of the walk: takes rows, gives answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, Select, Table, func, inspect, literal, select, tuple_
from sqlalchemy.orm import Session

from .errors import LocationNotFoundError
from .quantities import QUANTITIES
from .schedule import EPOCH, Schedule, parse_schedule
from .tables import Heartbeat, Location, Run, WeatherData

_table = inspect(WeatherData).local_table
assert isinstance(_table, Table)

#: The fields of a row in an answer, in order.
FIELDS: Final = ("location", *(column.name for column in _table.columns if column.name != "location_id"))

#: Canonical unit of each quantity, as told in every answer.
UNITS: Final = {**{quantity.name: quantity.unit for quantity in QUANTITIES}, "precipitation_period": "s"}


@dataclass(frozen=True, slots=True)
class Position:
    """A row's place in the order of an answer: newest first, then by location."""

    due_at: datetime
    location_id: int


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
    query = _rows()
    if location is not None:
        # PostgreSQL refuses a text with a NUL in it, so no location has one in its name.
        known = None if "\0" in location else session.scalar(select(Location.id).where(Location.name == location))
        if known is None:
            raise LocationNotFoundError(location)
        query = query.where(WeatherData.location_id == known)
    if start is not None:
        query = query.where(WeatherData.due_at >= start)
    if end is not None:
        query = query.where(WeatherData.due_at < end)
    if after is not None:
        place = tuple_(WeatherData.due_at, WeatherData.location_id)
        query = query.where(place < tuple_(literal(after.due_at, WeatherData.due_at.type), after.location_id))
    query = query.order_by(WeatherData.due_at.desc(), WeatherData.location_id.desc()).limit(limit + 1)
    found = session.execute(query).all()
    more = Position(found[limit - 1].due_at, found[limit - 1].location_id) if len(found) > limit else None
    return _as_dicts(found[:limit]), more


def latest(session: Session) -> list[dict[str, Any]]:
    """The newest row of every location that has one, by name. One seek a location, not one scan of all rows."""
    newest = select(func.max(WeatherData.due_at)).where(WeatherData.location_id == Location.id).correlate(Location)
    query = _rows().where(WeatherData.due_at == newest.scalar_subquery()).order_by(Location.name)
    return _as_dicts(session.execute(query).all())


def _rows() -> Select[Any]:
    columns = [column for column in _table.columns if column.name != "location_id"]
    joined = select(Location.name.label("location"), *columns, WeatherData.location_id)
    return joined.select_from(Location).join(WeatherData, WeatherData.location_id == Location.id)


def _as_dicts(found: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(FIELDS, row, strict=False)) for row in found]  # the last column is the key


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
