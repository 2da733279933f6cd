"""Read the rows of many locations, location by location, in batches of columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..reading.columns import FIELDS, Columns, RowQuery, fetch_columns, plain_column, read_page
from ..storage.archive.files import read_files
from ..storage.models import WeatherData
from ..storage.upsert import table_of

#: Number of rows that are read at once.
BATCH_ROWS: Final = 20_000

#: Locations of one statement at most, while they have few rows each.
_MOST_AT_ONCE: Final = 1000

_table = table_of(WeatherData)


class ExportLocation(NamedTuple):
    """A location whose rows are exported."""

    id: int
    name: str
    latitude: float
    longitude: float
    elevation: float | None


class Batch(NamedTuple):
    """Rows as columns, location by location, the rows of each oldest first."""

    columns: Columns
    #: Number of locations that are read completely, with this batch.
    done: int


def read_batches(
    session: Session, locations: Sequence[ExportLocation], start: datetime | None, end: datetime | None
) -> Iterator[Batch]:
    """Yield the rows with ``start <= due_at < end`` of locations, in their order, a batch at a time.

    Locations with few rows are read together, so that the time depends on the rows, and not on the number of statements.
    """
    done, at_once = 0, 1
    while done < len(locations):
        part = locations[done : done + at_once]
        together = _read_together(session, part, start, end) if len(part) > 1 else None
        rows = 0
        if together is not None:
            rows = len(together[0])
            yield Batch(together, done + len(part))
        else:
            for index, location in enumerate(part):
                for columns in _read_one(session, location, start, end):
                    rows += len(columns[0])
                    yield Batch(columns, done + index)
        done += len(part)
        at_once = max(1, min(2 * at_once, BATCH_ROWS * len(part) // (2 * max(rows, 1)), _MOST_AT_ONCE))


def _read_one(session: Session, location: ExportLocation, start: datetime | None, end: datetime | None) -> Iterator[Columns]:
    query = RowQuery(FIELDS, (location.id, location.name), start, end, is_ascending=True)
    columns, position = read_page(session, query, BATCH_ROWS)
    while columns[0]:
        yield columns
        if position is None:
            return
        columns, position = read_page(session, query, BATCH_ROWS, position)


def _read_together(
    session: Session, locations: Sequence[ExportLocation], start: datetime | None, end: datetime | None
) -> Columns | None:
    """The rows of locations by one statement; None if they are too many, or if some may be in sealed months."""
    if read_files(session, start, end):
        return None
    dialect = session.get_bind().dialect
    columns = [_table.c.location_id if name == "location" else plain_column(dialect, name) for name in FIELDS]
    query = select(*columns).where(_table.c.location_id.in_([one.id for one in locations]))
    if start is not None:
        query = query.where(_table.c.due_at >= start)
    if end is not None:
        query = query.where(_table.c.due_at < end)
    found = fetch_columns(session, query.order_by(_table.c.location_id, _table.c.due_at).limit(BATCH_ROWS + 1))
    if len(found[0]) > BATCH_ROWS or (dialect.name == "postgresql" and read_files(session, start, end)):
        return None
    names = {one.id: one.name for one in locations}
    index = FIELDS.index("location")
    found[index] = [names[id_] for id_ in found[index]]
    return found
