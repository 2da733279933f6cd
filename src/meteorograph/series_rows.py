"""Rows as plain driver values, newest first: making objects of each value costs more than the query.

Instants come as Unix seconds and JSON as its text, alike on SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import JSON, BigInteger, ColumnElement, Dialect, Float, Text, and_, cast, func, literal, or_, select, type_coerce
from sqlalchemy.orm import Session

from .flags import is_suspect
from .tables import Location, UTCDateTime, WeatherData
from .upsert import table_of

_table = table_of(WeatherData)

#: The fields of a row in an answer, in order.
FIELDS: Final = ("location", *(column.name for column in _table.columns if column.name != "location_id"))
#: Those of them that are instants, and those that are JSON.
INSTANTS: Final = frozenset(column.name for column in _table.columns if isinstance(column.type, UTCDateTime))
DOCUMENTS: Final = frozenset(column.name for column in _table.columns if isinstance(column.type, JSON))

_FLAGS = msgspec.json.Decoder(dict[str, list[str]])

Plain = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Position:
    """A row's place in the order of an answer: newest first, then by location."""

    due_at: datetime
    location_id: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows, and which of their fields."""

    fields: Sequence[str] = FIELDS
    #: Id of the only location; None for all.
    location_id: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    #: Names of locations by id, as far as they are known.
    names: dict[int, str] = field(default_factory=dict)


def page(session: Session, asked: Asked, limit: int, after: Position | None = None) -> tuple[list[Plain], Position | None]:
    """At most ``limit`` rows with ``start <= due_at < end``, and the position to go on after; None when there are no more."""
    dialect = session.get_bind().dialect
    columns = [plain(dialect, name) for name in asked.fields]
    query = select(*columns, seconds(dialect, _table.c.due_at), _table.c.location_id).where(*_within(asked, after))
    query = query.order_by(_table.c.due_at.desc(), _table.c.location_id.desc()).limit(limit + 1)
    found = list(session.connection().execute(query))
    more = None
    if len(found) > limit:
        at, id_ = found[limit - 1][-2:]
        more = Position(datetime.fromtimestamp(at, UTC), id_)
    return named(session, asked, found[:limit]), more


def _within(asked: Asked, after: Position | None) -> list[ColumnElement[bool]]:
    at, id_ = _table.c.due_at, _table.c.location_id
    within = []
    if asked.location_id is not None:
        within.append(id_ == asked.location_id)
    if asked.start is not None:
        within.append(at >= asked.start)
    if asked.end is not None:
        within.append(at < asked.end)
    if after is not None:
        place = literal(after.due_at, UTCDateTime())
        within += [at <= place, or_(at < place, and_(at == place, id_ < literal(after.location_id, BigInteger())))]
    return within


def named(session: Session, asked: Asked, found: Sequence[Any]) -> list[Plain]:
    """The fields that are asked for of rows that end with the location's id, with the location's name in its place."""
    count = len(asked.fields)
    if "location" not in asked.fields:
        return [row[:count] for row in found]
    unknown = {row[-1] for row in found} - set(asked.names)
    if unknown:
        pairs = session.connection().execute(select(Location.id, Location.name).where(Location.id.in_(unknown)))
        asked.names.update((id_, name) for id_, name in pairs)
    place = asked.fields.index("location")
    return [(*row[:place], asked.names[row[-1]], *row[place + 1 : count]) for row in found]


def plain(dialect: Dialect, name: str) -> ColumnElement[Any]:
    """A field's column as the driver's plain value; the name of a location is put in later."""
    if name == "location":
        return literal(None)
    column = _table.c[name]
    return seconds(dialect, column) if name in INSTANTS else json_text(column) if name in DOCUMENTS else column


def seconds(dialect: Dialect, column: Any) -> ColumnElement[float]:
    """An instant as Unix seconds."""
    return type_coerce(column, Float()) if dialect.name == "sqlite" else func.date_part("epoch", column)


def json_text(column: Any) -> ColumnElement[str]:
    """A JSON document as its text; None where there is none."""
    return cast(column, Text)


@lru_cache(maxsize=4096)
def suspects(flags: str) -> frozenset[str]:
    """The quantities that are not to be trusted, from the text of a row's flags."""
    return frozenset(name for name, words in _FLAGS.decode(flags).items() if is_suspect(words))
