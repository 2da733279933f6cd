"""Bulk upsert on PostgreSQL, by binary COPY.

Nearly all rows of weather are new: they are copied into their table. Where one is there already, all of them take the long way,
a temporary table and INSERT … ON CONFLICT DO UPDATE. Nearly all states of checks replace older ones: they are updated from a
temporary table, one after the other. The long way would do for both, and makes the server log more: a header and a confirmation
of each new row, a lock of each old one (50 bytes each).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from functools import cache
from operator import itemgetter
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, Dialect, Integer, Table
from sqlalchemy.exc import DBAPIError, IntegrityError


def copy_or_replace(
    connection: Connection, table: Table, names: tuple[str, ...], rows: Sequence[tuple[Any, ...]], *, are_old: bool = False
) -> None:
    """Insert rows; a row with an existing primary key replaces the existing row, and the last of several rows with one key wins.

    Rows are inserted in their order, so that two transactions whose rows are sorted cannot deadlock.

    Args:
        connection: The transaction keeps the empty temporary table for the next rows with the same columns. No longer: behind a
            pooler, the next transaction may have another connection to the server.
        table: The target table.
        names: The columns of every row.
        rows: Values for the driver, in the order of the names.
        are_old: Whether nearly all rows replace existing ones; otherwise nearly all are new.

    Raises:
        DBAPIError: The database refused a row; the error does not say which row.
    """
    key = itemgetter(*(names.index(column.name) for column in table.primary_key))
    values = list({key(row): row for row in rows}.values())
    if not are_old and _fit(table, names, values) and _copied(connection, table, names, values):
        return
    make, copy, store, clear = _statements(connection.dialect, table, names, are_old)
    connection.exec_driver_sql(make)
    _copy(connection, copy, _types(connection, _temporary(table, names), names), values)
    connection.exec_driver_sql(store)
    connection.exec_driver_sql(clear)  # this transaction may copy another batch


def _fit(table: Table, names: tuple[str, ...], values: Sequence[Sequence[Any]]) -> bool:
    """Whether all integers fit into their columns: the driver silently truncates others, and the server would not notice."""
    positions = [index for index, name in enumerate(names) if isinstance(table.c[name].type, Integer)]
    return all(row[index] is None or -(2**31) <= row[index] < 2**31 for row in values for index in positions)


def _copied(connection: Connection, table: Table, names: tuple[str, ...], values: Sequence[Sequence[Any]]) -> bool:
    """Copy new rows into their table; False, and nothing is copied, if one of them is there already."""
    quote = connection.dialect.identifier_preparer.quote
    target = quote(table.name)
    statement = f"COPY {target} ({', '.join(map(quote, names))}) FROM STDIN (FORMAT BINARY)"
    types = _types(connection, target, names)
    with connection.begin_nested() as attempt:
        try:
            _copy(connection, statement, types, values)
        except IntegrityError as error:
            if not isinstance(error.orig, psycopg.errors.UniqueViolation):
                raise
            attempt.rollback()
            return False
    return True


def _copy(connection: Connection, statement: str, types: Sequence[Any], values: Sequence[Sequence[Any]]) -> None:
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
def _statements(dialect: Dialect, table: Table, names: tuple[str, ...], are_old: bool) -> tuple[str, str, str, str]:
    quote = dialect.identifier_preparer.quote
    keys = [column.name for column in table.primary_key]
    columns, target = ", ".join(map(quote, names)), quote(table.name)
    temporary = _temporary(table, names)
    # The driver silently truncates an integer that is too large for its column; the server refuses it.
    wide = ", ".join(f"{quote(name)}{'::bigint' if isinstance(table.c[name].type, Integer) else ''}" for name in names)
    replaced = [quote(name) for name in names if name not in keys]
    changes = ", ".join(f"{name} = excluded.{name}" for name in replaced)
    empty = f"SELECT {wide} FROM {target} WITH NO DATA"  # noqa: S608  # names of our own tables, here and below
    conflict = f"ON CONFLICT ({', '.join(map(quote, keys))}) DO {f'UPDATE SET {changes}' if changes else 'NOTHING'}"
    insert = f"INSERT INTO {target} ({columns})"
    if are_old:
        values = ", ".join(f"{name} = new.{name}" for name in replaced)
        is_it = " AND ".join(f"{target}.{quote(key)} = new.{quote(key)}" for key in keys)
        new = ", ".join(f"new.{quote(name)}" for name in names)
        store = f"""DO $$ DECLARE new record; BEGIN
            FOR new IN SELECT * FROM {temporary} LOOP
                UPDATE {target} SET {values} WHERE {is_it};
                IF NOT FOUND THEN {insert} VALUES ({new}) {conflict}; END IF;
            END LOOP; END $$"""  # noqa: S608
    else:
        store = f"{insert} SELECT {columns} FROM {temporary} {conflict}"  # noqa: S608
    return (
        f"CREATE TEMPORARY TABLE IF NOT EXISTS {temporary} ({columns}) ON COMMIT DROP AS {empty}",
        f"COPY {temporary} ({columns}) FROM STDIN (FORMAT BINARY)",
        store,
        f"DELETE FROM {temporary}",  # noqa: S608
    )


def _temporary(table: Table, names: tuple[str, ...]) -> str:
    """The name of the temporary table, which has no constraints; tables for other columns have other names."""
    return f"{table.name}_{zlib.crc32(' '.join(names).encode()):08x}"


#: (table, columns) → types of the columns.
_column_types: Final[dict[tuple[str, tuple[str, ...]], list[Any]]] = {}


def _types(connection: Connection, table: str, names: tuple[str, ...]) -> list[Any]:
    """The type numbers of columns on PostgreSQL, which a binary COPY needs, since it converts nothing."""
    if (table, names) not in _column_types:
        columns = ", ".join(map(connection.dialect.identifier_preparer.quote, names))
        result = connection.exec_driver_sql(f"SELECT {columns} FROM {table} LIMIT 0")  # noqa: S608
        _column_types[table, names] = [column[1] for column in result.cursor.description or ()]
        result.close()
    return _column_types[table, names]
