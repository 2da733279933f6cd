"""INSERT … ON CONFLICT, which SQLite and PostgreSQL share but SQLAlchemy spells per dialect."""

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
    if not rows:
        return
    connection, table = session.connection(), table_of(model)
    dialect = connection.dialect
    names = tuple(column.name for column in table.columns if column.name in rows[0])
    values = _values(dialect, model, names, rows)
    if dialect.name == "postgresql":
        if len(rows) >= COPIED:
            from .postgres_copy import copy_or_replace  # its driver takes 0.2 s to import, which SQLite has no use for

            copy_or_replace(connection, table, names, values)
        else:
            named = [dict(zip(names, row, strict=True)) for row in values]
            connection.exec_driver_sql(_replacing(dialect, model, names, 1), named)
        return
    whole = len(rows) - len(rows) % TOGETHER
    for first in range(0, whole, TOGETHER):
        together = tuple(chain.from_iterable(values[first : first + TOGETHER]))
        connection.exec_driver_sql(_replacing(dialect, model, names, TOGETHER), together)
    if values[whole:]:
        connection.exec_driver_sql(_replacing(dialect, model, names, 1), values[whole:])


def _values(dialect: Dialect, model: type[Base], names: tuple[str, ...], rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """Each row's values as the driver takes them, in the order of the names."""
    columns: list[Iterable[Any]] = []
    for name, process in _processors(dialect, model, names).items():
        of_rows = map(itemgetter(name), rows)
        columns.append(map(process, of_rows) if process else of_rows)
    return list(zip(*columns, strict=True))


@cache
def _processors(dialect: Dialect, model: type[Base], names: tuple[str, ...]) -> dict[str, Callable[[Any], Any] | None]:
    """What turns a column's values into the driver's."""
    return {name: table_of(model).c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names}


@cache
def _replacing(dialect: Dialect, model: type[Base], names: tuple[str, ...], count: int) -> str:
    """The statement for ``count`` rows; its parameters go by name on PostgreSQL, in the order of the names on SQLite."""
    table = table_of(model)
    statement = _insert(dialect, table)
    if count > 1:
        statement = statement.values([dict.fromkeys(names)] * count)
    keys = [column.name for column in table.primary_key]
    replaced = {name: statement.excluded[name] for name in names if name not in keys}
    upsert = statement.on_conflict_do_update(index_elements=keys, set_=replaced)
    compiled = upsert.compile(dialect=dialect, column_keys=list(names) if count == 1 else None)
    order = tuple(name.removesuffix("_m0") for name in (compiled.positiontup or names)[: len(names)])
    assert order == names, "the columns of a statement come in the order of the table's"
    return str(compiled)


def _insert(dialect: Dialect, table: Table) -> Any:
    return sqlite.insert(table) if dialect.name == "sqlite" else postgresql.insert(table)


def table_of(model: type[Base]) -> Table:
    """The table of a model."""
    table = inspect(model).local_table
    assert isinstance(table, Table)
    return table
