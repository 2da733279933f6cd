"""Rows as plain driver values, newest first: making objects of each value costs more than the query.

Instants come as Unix seconds and JSON as its text, alike on SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    CursorResult,
    Dialect,
    Float,
    Select,
    Text,
    and_,
    cast,
    func,
    literal,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.orm import Session

from ..model.flags import is_suspect
from ..storage.models import Location, WeatherData
from ..storage.types import UTCDateTime
from ..storage.upsert import table_of

_table = table_of(WeatherData)

#: The fields of a row in an answer, in order.
FIELDS: Final = ("location", *(column.name for column in _table.columns if column.name != "location_id"))
#: Those of them that are instants, and those that are JSON.
INSTANTS: Final = frozenset(column.name for column in _table.columns if isinstance(column.type, UTCDateTime))
DOCUMENTS: Final = frozenset(column.name for column in _table.columns if isinstance(column.type, JSON))

_FLAGS = msgspec.json.Decoder(dict[str, list[str]])

#: A row's fields in their order.
PlainRow = tuple[Any, ...]
#: The same of many rows: a column for each field.
Columns = Sequence[Sequence[Any]]

#: Rows that are fetched and used at once: as many as the processor's cache holds.
_FETCHED_AT_ONCE: Final = 200

#: The name of a row's location, looked up for each row.
_NAME: Final = select(Location.name).where(Location.id == _table.c.location_id).scalar_subquery()


@dataclass(frozen=True, slots=True)
class Position:
    """A row's place in the order of an answer: newest first, then by location."""

    due_at: datetime
    location_id: int


@dataclass(frozen=True, slots=True)
class RowQuery:
    """Which rows, and which of their fields."""

    fields: Sequence[str] = FIELDS
    #: Id and name of the only location; None for all.
    location: tuple[int, str] | None = None
    start: datetime | None = None
    end: datetime | None = None


def read_page(session: Session, asked: RowQuery, limit: int, after: Position | None = None) -> tuple[Columns, Position | None]:
    """At most ``limit`` rows with ``start <= due_at < end``, and the position to go on after; None when there are no more."""
    # What is the same in all rows is not asked for: each column takes its share of the time.
    rest = (name for name in asked.fields if name != "due_at" and not (asked.location and name == "location"))
    names = ("due_at", *rest, *(() if asked.location else ("location_id",)))
    query = _newest_first(session.get_bind().dialect, names)
    found = fetch_columns(session, query.where(*_within(asked, after)).limit(limit + 1))
    more = None
    if len(found[0]) > limit:
        for column in found:
            column.pop()
        more = Position(datetime.fromtimestamp(found[0][-1], UTC), asked.location[0] if asked.location else found[-1][-1])
    by_name = dict(zip(names, found, strict=True))
    if asked.location:
        by_name["location"] = [asked.location[1]] * len(found[0])
    return [by_name[name] for name in asked.fields], more


@lru_cache(maxsize=64)
def _newest_first(dialect: Dialect, names: tuple[str, ...]) -> Select[*tuple[Any, ...]]:
    """These columns of all rows; made once, since that takes as long as reading a hundred rows."""
    columns = [_NAME if name == "location" else plain(dialect, name) for name in names]
    return select(*columns).order_by(_table.c.due_at.desc(), _table.c.location_id.desc())


def iterate_rows(session: Session, query: Select[*tuple[Any, ...]]) -> Iterator[PlainRow]:
    """All rows as the driver has them."""
    cursor = _cursor(session, query)
    while rows := cursor.fetchmany(_FETCHED_AT_ONCE):
        yield from rows


def fetch_columns(session: Session, query: Select[*tuple[Any, ...]]) -> list[list[Any]]:
    """All rows as the driver has them, column by column: in two thirds of the time of turning all of them at the end."""
    cursor = _cursor(session, query)
    columns: list[list[Any]] = [[] for _ in cursor.description]
    while rows := cursor.fetchmany(_FETCHED_AT_ONCE):
        for column, values in zip(columns, zip(*rows, strict=True), strict=True):
            column.extend(values)
    return columns


def _cursor(session: Session, query: Select[*tuple[Any, ...]]) -> Any:
    """The driver's cursor."""
    result = session.connection().execute(query)
    assert isinstance(result, CursorResult)
    assert result.cursor is not None
    return result.cursor


def _within(asked: RowQuery, after: Position | None) -> list[ColumnElement[bool]]:
    at, id_ = _table.c.due_at, _table.c.location_id
    within = []
    if asked.location is not None:
        within.append(id_ == asked.location[0])
    if asked.start is not None:
        within.append(at >= asked.start)
    if asked.end is not None:
        within.append(at < asked.end)
    if after is not None:
        place = literal(after.due_at, UTCDateTime())
        within += [at <= place, or_(at < place, and_(at == place, id_ < literal(after.location_id, BigInteger())))]
    return within


def plain(dialect: Dialect, field: str) -> ColumnElement[Any]:
    """A field's column as the driver's plain value."""
    column = _table.c[field]
    return seconds(dialect, column) if field in INSTANTS else json_text(dialect, column) if field in DOCUMENTS else column


def seconds(dialect: Dialect, column: Any) -> ColumnElement[float]:
    """An instant as Unix seconds."""
    return type_coerce(column, Float()) if dialect.name == "sqlite" else func.date_part("epoch", column)


def json_text(dialect: Dialect, column: Any) -> ColumnElement[str]:
    """A JSON document as its text; None where there is none."""
    return type_coerce(column, Text()) if dialect.name == "sqlite" else cast(column, Text)


@lru_cache(maxsize=4096)
def suspect_quantities(flags: str) -> frozenset[str]:
    """The quantities that are not to be trusted, from the text of a row's flags."""
    return frozenset(name for name, words in _FLAGS.decode(flags).items() if is_suspect(words))
