"""INSERT … ON CONFLICT, which SQLite and PostgreSQL have in common, but SQLAlchemy only per dialect."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import CursorResult, Dialect, Table, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from .models import Base

Row = Mapping[str, Any]

#: Rows of one statement on SQLite, which allows 32,766 parameters.
SQLITE_ROWS_PER_STATEMENT: Final = 100

#: From this number of rows on, COPY is faster on PostgreSQL.
MIN_ROWS_FOR_COPY: Final = 50


def insert_or_ignore(session: Session, model: type[Base], rows: Sequence[Row]) -> int:
    """Insert rows, except those with an existing key; gives the number of inserted rows, if the driver counts them."""
    connection = session.connection()
    statement = _insert(connection.dialect, table_of(model)).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    result = connection.execute(statement, list(rows))
    assert isinstance(result, CursorResult)
    return result.rowcount


def insert_or_add(session: Session, model: type[Base], rows: Sequence[Row], column: str) -> None:
    """Insert rows; the ``column`` of a row with an existing primary key is added to the existing row."""
    connection, table = session.connection(), table_of(model)
    statement = _insert(connection.dialect, table)
    total = {column: table.c[column] + statement.excluded[column]}
    keys = [key.name for key in table.primary_key]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=total), list(rows))


def insert_or_replace(session: Session, model: type[Base], rows: Sequence[Row], *, are_old: bool = False) -> None:
    """Insert rows; a row with an existing primary key replaces the existing row. All rows must have the same columns.

    ``are_old`` says that nearly all of them replace existing ones, and so chooses the cheaper way.

    The rows go directly to the driver, in a sixth of the time that SQLAlchemy needs. On SQLite a statement has a hundred rows:
    for every statement the driver releases the interpreter lock, and must wait for a busy event loop to get it back. On
    PostgreSQL many rows go by COPY.
    """
    if not rows:
        return
    connection, table = session.connection(), table_of(model)
    dialect = connection.dialect
    names = tuple(column.name for column in table.columns if column.name in rows[0])
    values = _values(dialect, model, names, rows)
    if dialect.name == "postgresql":
        if len(rows) >= MIN_ROWS_FOR_COPY:
            from .postgres_copy import copy_or_replace  # importing its driver takes 0.2 s, needlessly on SQLite

            copy_or_replace(connection, table, names, values, are_old=are_old)
        else:
            parameters = [dict(zip(names, row, strict=True)) for row in values]
            connection.exec_driver_sql(_replace_statement(dialect, model, names, 1), parameters)
        return
    batched = len(rows) - len(rows) % SQLITE_ROWS_PER_STATEMENT
    for first in range(0, batched, SQLITE_ROWS_PER_STATEMENT):
        parameters_of_batch = tuple(chain.from_iterable(values[first : first + SQLITE_ROWS_PER_STATEMENT]))
        connection.exec_driver_sql(_replace_statement(dialect, model, names, SQLITE_ROWS_PER_STATEMENT), parameters_of_batch)
    if values[batched:]:
        connection.exec_driver_sql(_replace_statement(dialect, model, names, 1), values[batched:])


def _values(dialect: Dialect, model: type[Base], names: tuple[str, ...], rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """The values of each row for the driver, in the order of the names."""
    columns: list[Iterable[Any]] = []
    for name, process in _processors(dialect, model, names).items():
        column = map(itemgetter(name), rows)
        columns.append(map(process, column) if process else column)
    return list(zip(*columns, strict=True))


@cache
def _processors(dialect: Dialect, model: type[Base], names: tuple[str, ...]) -> dict[str, Callable[[Any], Any] | None]:
    """Column → the function that converts its values for the driver; None if no conversion is needed."""
    return {name: table_of(model).c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names}


@cache
def _replace_statement(dialect: Dialect, model: type[Base], names: tuple[str, ...], count: int) -> str:
    """The statement for ``count`` rows; its parameters are named on PostgreSQL, and in the order of the names on SQLite."""
    table = table_of(model)
    statement = _insert(dialect, table)
    if count > 1:
        statement = statement.values([dict.fromkeys(names)] * count)
    keys = [column.name for column in table.primary_key]
    replaced = {name: statement.excluded[name] for name in names if name not in keys}
    upsert = statement.on_conflict_do_update(index_elements=keys, set_=replaced)
    compiled = upsert.compile(dialect=dialect, column_keys=list(names) if count == 1 else None)
    order = tuple(name.removesuffix("_m0") for name in (compiled.positiontup or names)[: len(names)])
    assert order == names, "the columns of a statement must have the order of the table"
    return str(compiled)


def _insert(dialect: Dialect, table: Table) -> Any:
    return sqlite.insert(table) if dialect.name == "sqlite" else postgresql.insert(table)


def table_of(model: type[Base]) -> Table:
    """The table of a model."""
    table = inspect(model).local_table
    assert isinstance(table, Table)
    return table
