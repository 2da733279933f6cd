"""Stop 9 of the walk: takes rows, gives answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..errors import LocationNotFoundError
from ..model.units import units_of
from ..storage.models import Location, WeatherData
from ..storage.upsert import table_of
from . import columns
from .columns import DOCUMENTS, FIELDS, INSTANTS, Columns, Position, RowQuery

#: Canonical unit of each quantity.
UNITS: Final = units_of(FIELDS)

_table = table_of(WeatherData)


def id_of_location(session: Session, name: str) -> int:
    """The id of the location of that name.

    Raises:
        LocationNotFoundError: There is none.
    """
    # PostgreSQL refuses a text with a NUL in it, so no location has one in its name.
    found = None if "\0" in name else session.scalar(select(Location.id).where(Location.name == name))
    if found is None:
        raise LocationNotFoundError(name)
    return found


def read_rows(
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
    known = None if location is None else (id_of_location(session, location), location)
    found, more = columns.read_page(session, RowQuery(FIELDS, known, start, end), limit, after)
    return _as_dicts(found), more


def latest_columns(session: Session, fields: Sequence[str] = FIELDS) -> Columns:
    """The newest row of every location that has one, by name, as plain columns. One seek a location, not a scan of all rows."""
    dialect = session.get_bind().dialect
    newest = select(func.max(_table.c.due_at)).where(_table.c.location_id == Location.id).correlate(Location)
    selected = [Location.name if name == "location" else columns.plain(dialect, name) for name in fields]
    query = select(*selected).select_from(Location).join(WeatherData, _table.c.location_id == Location.id)
    query = query.where(_table.c.due_at == newest.scalar_subquery()).order_by(Location.name)
    return columns.fetch_columns(session, query)


def latest_rows(session: Session) -> list[dict[str, Any]]:
    """The newest row of every location that has one, by name."""
    return _as_dicts(latest_columns(session))


def _as_dicts(found: Columns) -> list[dict[str, Any]]:
    rows = zip(*found, strict=True)
    return [{name: _object(name, value) for name, value in zip(FIELDS, row, strict=False)} for row in rows]


def _object(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in INSTANTS:
        return datetime.fromtimestamp(value, UTC)
    return json.loads(value) if name in DOCUMENTS else value
