"""INSERT … ON CONFLICT, which SQLite and PostgreSQL share but SQLAlchemy spells per dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import CursorResult, Dialect, Table, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from .tables import Base

Row = Mapping[str, Any]

#: Rows of one statement on SQLite, which takes 32,766 parameters.
TOGETHER: Final = 100

#: From so many rows on, a COPY pays on PostgreSQL.
COPIED: Final = 50


def insert_or_ignore(session: Session, model: type[Base], rows: Sequence[Row]) -> int:
    """Insert rows; one whose key is taken is passed over. Gives how many went in, where the driver counts them."""
    connection = session.connection()
    statement = _insert(connection.dialect, table_of(model)).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    result = connection.execute(statement, list(rows))
    assert isinstance(result, CursorResult)
    return result.rowcount


def insert_or_replace(session: Session, model: type[Base], rows: Sequence[Row]) -> None:
    """Insert rows; one whose primary key is taken replaces the row that is there. All rows have the same columns.

    The rows go to the driver directly, a sixth of the time that they take through SQLAlchemy. On SQLite a hundred of them
    share a statement: its driver gives up the interpreter for each one, and must wait for a busy event loop to get it back.
    On PostgreSQL many rows come by COPY.
    """
    connection = session.connection()
    names = tuple(rows[0]) if rows else ()
    processors = _processors(connection.dialect, model, names)
    prepared = [{name: process(row[name]) if (process := processors[name]) else row[name] for name in names} for row in rows]
    if connection.dialect.name == "postgresql" and len(prepared) >= COPIED:
        from .upsert_copy import copy_or_replace  # its driver takes 0.2 s to import, which SQLite has no use for

        copy_or_replace(connection, table_of(model), names, prepared)
        return
    whole = len(rows) - len(rows) % TOGETHER if connection.dialect.name == "sqlite" else 0
    for first in range(0, whole, TOGETHER):
        sql, order = _replacing(connection.dialect, model, names, TOGETHER)
        connection.exec_driver_sql(sql, tuple(row[name] for row in prepared[first : first + TOGETHER] for name in order))
    if prepared[whole:]:
        sql, order = _replacing(connection.dialect, model, names, 1)
        connection.exec_driver_sql(sql, [tuple(row[name] for name in order) if order else row for row in prepared[whole:]])


@cache
def _processors(dialect: Dialect, model: type[Base], names: tuple[str, ...]) -> dict[str, Callable[[Any], Any] | None]:
    """What turns a column's values into the driver's."""
    return {name: table_of(model).c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names}


@cache
def _replacing(dialect: Dialect, model: type[Base], names: tuple[str, ...], count: int) -> tuple[str, tuple[str, ...]]:
    """The statement for ``count`` rows, and the order of a row's parameters; empty where they go by name."""
    table = table_of(model)
    statement = _insert(dialect, table)
    if count > 1:
        statement = statement.values([dict.fromkeys(names)] * count)
    keys = [column.name for column in table.primary_key]
    replaced = {name: statement.excluded[name] for name in names if name not in keys}
    upsert = statement.on_conflict_do_update(index_elements=keys, set_=replaced)
    compiled = upsert.compile(dialect=dialect, column_keys=list(names) if count == 1 else None)
    order = tuple(name.removesuffix("_m0") for name in (compiled.positiontup or ())[: len(names)])
    return str(compiled), order


def _insert(dialect: Dialect, table: Table) -> Any:
    return sqlite.insert(table) if dialect.name == "sqlite" else postgresql.insert(table)


def table_of(model: type[Base]) -> Table:
    """The table of a model."""
    table = inspect(model).local_table
    assert isinstance(table, Table)
    return table
