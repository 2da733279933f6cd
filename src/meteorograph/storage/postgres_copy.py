"""Many rows into PostgreSQL at once: a binary COPY into a temporary table, and one INSERT … ON CONFLICT out of it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

import psycopg
from sqlalchemy import Connection, Dialect, Integer, Table
from sqlalchemy.exc import DBAPIError


def copy_or_replace(connection: Connection, table: Table, names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows; of those with one primary key the last one replaces what is there.

    Args:
        connection: On it the temporary table stays, empty, for the next rows of the same columns.
        table: Where the rows go.
        names: The columns that every row has.
        rows: Values as the driver takes them, in the order of the names.

    Raises:
        DBAPIError: The database did not take a row; nothing is said of which.
    """
    key = itemgetter(*(names.index(column.name) for column in table.primary_key))
    values = {key(row): row for row in rows}
    make, copy, insert, clear = _statements(connection.dialect, table, names)
    connection.exec_driver_sql(make)
    _copy(connection, copy, _types(connection, table, names), values.values())
    connection.exec_driver_sql(insert)
    connection.exec_driver_sql(clear)  # another batch may come in this transaction


def _copy(connection: Connection, statement: str, types: Sequence[Any], values: Collection[Sequence[Any]]) -> None:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(types)
            for value in values:
                copy.write_row(value)
    except (psycopg.Error, OverflowError, struct.error) as error:
        cause = error if isinstance(error, psycopg.Error) else psycopg.DataError(str(error))
        wrapped = DBAPIError.instance(statement, None, cause, psycopg.Error, dialect=connection.dialect)
    else:
        return
    raise wrapped from cause


@cache
def _statements(dialect: Dialect, table: Table, names: tuple[str, ...]) -> tuple[str, str, str, str]:
    quote = dialect.identifier_preparer.quote
    keys = [column.name for column in table.primary_key]
    columns, target = ", ".join(map(quote, names)), quote(table.name)
    temporary = _temporary(table, names)
    # The driver cuts a whole number that is too long for its column off without a word; the server refuses it.
    wide = ", ".join(f"{quote(name)}{'::bigint' if isinstance(table.c[name].type, Integer) else ''}" for name in names)
    replaced = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in names if name not in keys)
    empty = f"SELECT {wide} FROM {target} WITH NO DATA"  # noqa: S608  # names of our own tables, here and below
    filled = f"SELECT {columns} FROM {temporary}"  # noqa: S608
    conflict = f"ON CONFLICT ({', '.join(map(quote, keys))}) DO {f'UPDATE SET {replaced}' if replaced else 'NOTHING'}"
    return (
        f"CREATE TEMPORARY TABLE IF NOT EXISTS {temporary} ({columns}) ON COMMIT DELETE ROWS AS {empty}",
        f"COPY {temporary} ({columns}) FROM STDIN (FORMAT BINARY)",
        f"INSERT INTO {target} ({columns}) {filled} {conflict}",
        f"DELETE FROM {temporary}",  # noqa: S608
    )


def _temporary(table: Table, names: tuple[str, ...]) -> str:
    """A table without constraints, which are for the real one; its name tells apart what is made for other columns."""
    return f"{table.name}_{zlib.crc32(' '.join(names).encode()):08x}"


_known_types: dict[tuple[str, tuple[str, ...]], list[Any]] = {}


def _types(connection: Connection, table: Table, names: tuple[str, ...]) -> list[Any]:
    """The columns' types as PostgreSQL numbers them: a binary COPY converts nothing."""
    if (table.name, names) not in _known_types:
        nothing = connection.exec_driver_sql(f"SELECT * FROM {_temporary(table, names)} LIMIT 0")  # noqa: S608
        _known_types[table.name, names] = [column[1] for column in nothing.cursor.description or ()]
        nothing.close()
    return _known_types[table.name, names]
