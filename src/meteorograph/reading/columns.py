"""Weather rows as columns of plain driver values, by slot. An object for each value costs more than the query.

Instants are Unix seconds and JSON documents are texts, on SQLite and on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any, Final

import msgspec
from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    CursorResult,
    Dialect,
    FromClause,
    Select,
    and_,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.orm import Session

from ..model.flags import is_suspect
from ..storage.archive.files import read_files
from ..storage.archive.ranges import MAX_IN_VALUES, read_ranges
from ..storage.models import Location, WeatherData
from ..storage.plain_columns import as_seconds, as_text
from ..storage.types import UTCDateTime
from ..storage.upsert import table_of
from .sealed_rows import SealedQuery, merge_rows, read_sealed_page, read_unchanged

_table = table_of(WeatherData)

#: Names of the fields of a row, in order.
FIELDS: Final = ("location", *(column.name for column in _table.columns if column.name != "location_id"))
#: The fields that are instants, and the fields that are JSON documents.
INSTANTS: Final = frozenset(column.name for column in _table.columns if isinstance(column.type, UTCDateTime))
DOCUMENTS: Final = frozenset(column.name for column in _table.columns if isinstance(column.type, JSON))

_FLAGS_DECODER: Final = msgspec.json.Decoder(dict[str, list[str]])

#: The plain values of a row, in the order of its fields.
PlainRow = tuple[Any, ...]
#: The plain values of many rows: one column per field.
Columns = Sequence[Sequence[Any]]

#: Number of rows that are fetched and processed at once: as many as the processor's cache holds.
_FETCH_SIZE: Final = 200

#: Subquery of the name of a row's location.
_LOCATION_NAME: Final = select(Location.name).where(Location.id == _table.c.location_id).scalar_subquery()


_MICROSECOND: Final = timedelta(microseconds=1)
_LAST: Final = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Position:
    """Position of a row in an answer that is ordered by slot, and then by location."""

    due_at: datetime
    location_id: int


@dataclass(frozen=True, slots=True)
class RowQuery:
    """Which rows to read, and which of their fields."""

    fields: Sequence[str] = FIELDS
    #: Id and name of the only location; None for all.
    location: tuple[int, str] | None = None
    start: datetime | None = None
    end: datetime | None = None
    #: The only provider; None for all.
    provider: str | None = None
    #: Whether the oldest row comes first.
    is_ascending: bool = False


def read_page(session: Session, query: RowQuery, limit: int, after: Position | None = None) -> tuple[Columns, Position | None]:
    """At most ``limit`` rows with ``start <= due_at < end``, and the position of the last one (None: last page).

    Rows of sealed months are among them.

    Raises:
        ArchiveError: A file of a sealed month is missing or damaged.
    """
    # The location's name is the same in all rows: it is not selected, because each selected column takes time.
    others = (name for name in query.fields if name != "due_at" and not (query.location and name == "location"))
    names = ("due_at", *others, *(() if query.location else ("location_id",)))
    statement = _ordered(session.get_bind().dialect, names, is_ascending=query.is_ascending)
    statement = statement.where(*_conditions(query, after)).limit(limit + 1)
    columns = _read_both(session, query, names, limit + 1, after, lambda: fetch_columns(session, statement))
    position = None
    if len(columns[0]) > limit:
        columns = [column[:-1] for column in columns]
        location_id = query.location[0] if query.location else columns[-1][-1]
        position = Position(datetime.fromtimestamp(columns[0][-1], UTC), location_id)
    by_name = dict(zip(names, columns, strict=True))
    if query.location:
        by_name["location"] = [query.location[1]] * len(columns[0])
    return [by_name[name] for name in query.fields], position


def _read_both(
    session: Session,
    query: RowQuery,
    names: Sequence[str],
    limit: int,
    after: Position | None,
    fetch: Callable[[], list[list[Any]]],
) -> list[list[Any]]:
    """Rows of the table and of sealed months: at most ``limit`` of both together."""
    start, end = query.start, query.end
    if after is not None:
        start, end = (after.due_at, end) if query.is_ascending else (start, min(end or _LAST, after.due_at + _MICROSECOND))
    if not read_files(session, start, end):
        columns = fetch()
        if session.get_bind().dialect.name == "sqlite" or not read_files(session, start, end):
            return columns
    only = [query.location[0]] if query.location else None
    return read_unchanged(session, start, end, only, lambda: _merge_pages(session, query, names, limit, after, fetch()))


def _merge_pages(
    session: Session, query: RowQuery, names: Sequence[str], limit: int, after: Position | None, columns: list[list[Any]]
) -> list[list[Any]]:
    start, end = query.start, query.end
    if len(columns[0]) >= limit:  # a full page needs the sealed rows among its own alone
        last = datetime.fromtimestamp(columns[0][-1], UTC)
        start, end = (start, min(end or _LAST, last + _MICROSECOND)) if query.is_ascending else (max(start or last, last), end)
    only = query.location[0] if query.location else None
    sealed_names = ["location_id" if name == "location" else name for name in names]
    key = (after.due_at, after.location_id) if after else None
    sealed_query = SealedQuery(sealed_names, only, start, end, query.provider, query.is_ascending, key)
    sealed = read_sealed_page(session, sealed_query, limit)
    if not sealed:
        return columns
    if "location" in names:
        sealed = _with_names(session, sealed, names.index("location"))
    key_of = _row_key(0, None if only is not None else len(names) - 1, is_ascending=query.is_ascending)
    rows = islice(merge_rows(zip(*columns, strict=True), sealed, key_of), limit)
    return [list(column) for column in zip(*rows, strict=True)]


def _with_names(session: Session, rows: Sequence[PlainRow], index: int) -> list[PlainRow]:
    """The rows with the name of the location in the place of its id."""
    ids = sorted({row[index] for row in rows})
    found: dict[int, str] = {}
    for first in range(0, len(ids), MAX_IN_VALUES):
        query = select(Location.id, Location.name).where(Location.id.in_(ids[first : first + MAX_IN_VALUES]))
        found.update((id_, name) for id_, name in session.execute(query))
    return [(*row[:index], found[row[index]], *row[index + 1 :]) for row in rows]


def _row_key(due_at: int, location_id: int | None, *, is_ascending: bool) -> Callable[[PlainRow], Any]:
    sign = 1 if is_ascending else -1
    if location_id is None:
        return lambda row: sign * row[due_at]
    return lambda row: (sign * row[due_at], sign * row[location_id])


@lru_cache(maxsize=64)
def _ordered(dialect: Dialect, names: tuple[str, ...], *, is_ascending: bool) -> Select[*tuple[Any, ...]]:
    """Statement for these columns of all rows. Cached, because building it takes as long as reading a hundred rows."""
    columns = [_LOCATION_NAME if name == "location" else plain_column(dialect, name) for name in names]
    order = (_table.c.due_at, _table.c.location_id)
    return select(*columns).order_by(*(order if is_ascending else (column.desc() for column in order)))


def count_rows(session: Session, query: RowQuery, most: int) -> int:
    """Number of all rows of a query, but at most ``most``."""
    only = [query.location[0]] if query.location else None
    return read_unchanged(session, query.start, query.end, only, lambda: _count_both(session, query, most))


def _count_both(session: Session, query: RowQuery, most: int) -> int:
    count = _count_in_table(session, query, most)
    only = None if query.location is None else [query.location[0]]
    for found in read_ranges(session, only, query.start, query.end) if count < most else ():
        if query.provider in (None, found.provider):
            count += found.count_slots(query.start, query.end)
    return min(count, most)


def _count_in_table(session: Session, query: RowQuery, most: int) -> int:
    rows = select(_table.c.due_at).where(*_conditions(query, None)).limit(most).subquery()
    return session.scalar(select(func.count()).select_from(rows)) or 0


def iterate_rows(session: Session, statement: Select[*tuple[Any, ...]]) -> Iterator[PlainRow]:
    """All rows as the driver returns them, one after the other; the statement is executed at once."""
    return _fetch(_execute(session, statement))


def _fetch(cursor: Any) -> Iterator[PlainRow]:
    while rows := cursor.fetchmany(_FETCH_SIZE):
        yield from rows


def fetch_columns(session: Session, statement: Select[*tuple[Any, ...]]) -> list[list[Any]]:
    """Fetch all rows as columns of plain values. Takes two thirds of the time of transposing all rows at the end."""
    cursor = _execute(session, statement)
    columns: list[list[Any]] = [[] for _ in cursor.description]
    while rows := cursor.fetchmany(_FETCH_SIZE):
        for column, values in zip(columns, zip(*rows, strict=True), strict=True):
            column.extend(values)
    return columns


def _execute(session: Session, statement: Select[*tuple[Any, ...]]) -> Any:
    """Execute a statement and return the driver's cursor."""
    result = session.connection().execute(statement)
    assert isinstance(result, CursorResult)
    assert result.cursor is not None
    return result.cursor


def _conditions(query: RowQuery, after: Position | None) -> list[ColumnElement[bool]]:
    due_at, location_id = _table.c.due_at, _table.c.location_id
    conditions = []
    if query.location is not None:
        conditions.append(location_id == query.location[0])
    if query.start is not None:
        conditions.append(due_at >= query.start)
    if query.end is not None:
        conditions.append(due_at < query.end)
    if query.provider is not None:
        conditions.append(_table.c.provider == query.provider)
    if after is not None:
        at, id_ = literal(after.due_at, UTCDateTime()), literal(after.location_id, BigInteger())
        if query.is_ascending:
            conditions += [due_at >= at, or_(due_at > at, and_(due_at == at, location_id > id_))]
        else:
            conditions += [due_at <= at, or_(due_at < at, and_(due_at == at, location_id < id_))]
    return conditions


def plain_column(dialect: Dialect, field: str, table: FromClause = _table) -> ColumnElement[Any]:
    """The column of a field as the driver's plain value."""
    column = table.c[field]
    if field in INSTANTS:
        return as_seconds(dialect, column)
    return as_text(dialect, column) if field in DOCUMENTS else column


@lru_cache(maxsize=4096)
def suspect_quantities(flags: str) -> frozenset[str]:
    """The quantities with suspect values, from the JSON text of a row's flags."""
    return frozenset(name for name, words in _FLAGS_DECODER.decode(flags).items() if is_suspect(words))


_PROVIDERS_DECODER: Final = msgspec.json.Decoder(dict[str, str])


@lru_cache(maxsize=1024)
def provider_overrides(providers: str) -> dict[str, str]:
    """Quantity → provider, from the JSON text of a row's ``providers``."""
    return _PROVIDERS_DECODER.decode(providers)
