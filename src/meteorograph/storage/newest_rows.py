"""The newest row of each location, as a part of a statement: one seek in an index for each location, and no scan of all rows."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Dialect, FromClause, and_, func, literal, select, true

from ..quality.row_checks import MAX_CLOCK_LEAD
from .models import Location, WeatherData
from .types import UTCDateTime
from .upsert import table_of

_table = table_of(WeatherData)


def newest_slot(now: datetime) -> ColumnElement[datetime]:
    """Subquery of the newest slot of a location that has a row. Rows of the future, from a clock that was wrong, do not count."""
    until = literal(now + MAX_CLOCK_LEAD, UTCDateTime())
    newest = select(func.max(_table.c.due_at)).where(_table.c.location_id == Location.id, _table.c.due_at <= until)
    return newest.correlate(Location).scalar_subquery()


def newest_row(dialect: Dialect, now: datetime) -> tuple[FromClause, ColumnElement[bool]]:
    """What to join to ``Location``, and on which condition, to have the columns of its newest row."""
    if dialect.name != "postgresql":
        return _table, and_(_table.c.location_id == Location.id, _table.c.due_at == newest_slot(now))
    # The planner of PostgreSQL would read the whole table instead, if many locations have few rows each.
    until = literal(now + MAX_CLOCK_LEAD, UTCDateTime())
    rows = select(_table).where(_table.c.location_id == Location.id, _table.c.due_at <= until)
    return rows.order_by(_table.c.due_at.desc()).limit(1).correlate(Location).lateral("newest"), true()
