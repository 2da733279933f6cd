"""Rows of any table as plain values that SQLite and PostgreSQL share: instants as whole numbers, JSON as text.

An instant is the number of microseconds since 2000-01-01 UTC, as PostgreSQL has it. The databases convert, not Python: the
conversions of SQLAlchemy take longer than everything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import psycopg
from sqlalchemy import JSON, Boolean, Column, Connection, Table

from ..storage.types import UTCDateTime

PlainRow = tuple[Any, ...]

#: Rows that are read at once.
_BATCH: Final = 5000

#: Of an instant [µs between 1970 and 2000].
EPOCH: Final = 946_684_800_000_000

_INT8: Final = 20
_TEXT: Final = 25


def read_rows(connection: Connection, table: Table, condition: str = "", values: Sequence[Any] = ()) -> Iterator[PlainRow]:
    """The rows of a table in the order of its primary key.

    Args:
        connection: The database.
        table: The table.
        condition: A condition in SQL with ``?`` for each of ``values``.
        values: Plain values.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    columns = ", ".join(_selected(column, is_sqlite) for column in table.columns)
    keys = ", ".join(f'"{column.name}"' for column in table.primary_key)
    where = f" WHERE {condition}" if condition else ""
    statement = f'SELECT {columns} FROM "{table.name}"{where} ORDER BY {keys}'  # noqa: S608  # names of our own tables
    if is_sqlite:
        rows = _batches(connection, statement, values)
    else:
        rows = _batches(connection, statement.replace("?", "%s"), values)
    flags = [place for place, column in enumerate(table.columns) if isinstance(column.type, Boolean)] if is_sqlite else []
    yield from rows if not flags else (_with_booleans(row, flags) for row in rows)


def _with_booleans(row: PlainRow, places: Sequence[int]) -> PlainRow:
    return tuple(bool(value) if place in places and value is not None else value for place, value in enumerate(row))


def _batches(connection: Connection, statement: str, values: Sequence[Any]) -> Iterator[PlainRow]:
    raw = connection.connection.dbapi_connection
    assert raw is not None
    if isinstance(raw, psycopg.Connection):
        with raw.cursor("plain_rows") as cursor:  # a cursor of the server: the client does not hold all rows
            cursor.itersize = _BATCH
            cursor.execute(statement, values)
            yield from cursor
        return
    cursor = raw.cursor()
    try:
        cursor.execute(statement, tuple(values))
        while rows := cursor.fetchmany(_BATCH):
            yield from rows
    finally:
        cursor.close()


def _selected(column: Column[Any], is_sqlite: bool) -> str:
    name = f'"{column.name}"'
    if isinstance(column.type, UTCDateTime):
        microseconds = (
            f"CAST(round({name} * 1000000) AS INTEGER)" if is_sqlite else f"(extract(epoch FROM {name}) * 1000000)::bigint"
        )
        return f"{microseconds} - {EPOCH}"
    return f"{name}::text" if isinstance(column.type, JSON) and not is_sqlite else name


def write_rows(connection: Connection, table: Table, rows: Sequence[PlainRow]) -> None:
    """Insert plain rows: a binary COPY on PostgreSQL.

    Raises:
        DBAPIError, psycopg.Error: The database refuses a row.
    """
    if not rows:
        return
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join(_inserted(column, number) for number, column in enumerate(table.columns, 1))
        raw = connection.connection.dbapi_connection
        assert raw is not None
        raw.executemany(f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})', rows)  # noqa: S608
        return
    driver = connection.connection.dbapi_connection
    assert isinstance(driver, psycopg.Connection)
    types = _copied_types(driver, table)
    with driver.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN (FORMAT BINARY)') as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def _inserted(column: Column[Any], number: int) -> str:
    """The value of a column in SQLite, which stores an instant in seconds, whole ones as whole numbers."""
    if not isinstance(column.type, UTCDateTime):
        return f"?{number}"
    microseconds = f"(?{number} + {EPOCH})"
    return f"CASE WHEN ?{number} % 1000000 = 0 THEN {microseconds} / 1000000 ELSE {microseconds} / 1000000.0 END"


def _copied_types(raw: psycopg.Connection[Any], table: Table) -> list[int]:
    """The types of the columns as binary COPY gets them: an instant is a number of eight bytes, JSON is text."""
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    description = raw.execute(f'SELECT {columns} FROM "{table.name}" LIMIT 0').description or ()  # noqa: S608
    return [
        _INT8 if isinstance(column.type, UTCDateTime) else _TEXT if isinstance(column.type, JSON) else found.type_code
        for column, found in zip(table.columns, description, strict=True)
    ]
