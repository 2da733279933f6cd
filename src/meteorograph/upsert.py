"""INSERT … ON CONFLICT, which SQLite and PostgreSQL share but SQLAlchemy spells per dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import CursorResult, Dialect, Table, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from .tables import Base

Row = Mapping[str, Any]


def insert_or_ignore(session: Session, model: type[Base], rows: Sequence[Row]) -> int:
    """Insert rows; one whose key is taken is passed over. Gives how many went in, where the driver counts them."""
    connection = session.connection()
    statement = _insert(connection.dialect, _table(model)).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    result = connection.execute(statement, list(rows))
    assert isinstance(result, CursorResult)
    return result.rowcount


def insert_or_replace(session: Session, model: type[Base], rows: Sequence[Row]) -> None:
    """Insert rows; one whose primary key is taken replaces the row that is there. All rows have the same columns.

    The rows go to the driver's ``executemany`` directly: a sixth of the time that they take through SQLAlchemy.
    """
    if not rows:
        return
    connection = session.connection()
    sql, order, processors = _replacing(connection.dialect, model, tuple(rows[0]))
    prepared: list[Any] = [
        {name: process(row[name]) if (process := processors[name]) else row[name] for name in processors} for row in rows
    ]
    if order:
        prepared = [tuple(row[name] for name in order) for row in prepared]
    connection.exec_driver_sql(sql, prepared)


@cache
def _replacing(
    dialect: Dialect, model: type[Base], names: tuple[str, ...]
) -> tuple[str, tuple[str, ...] | None, dict[str, Callable[[Any], Any] | None]]:
    """The statement for the driver, the order of its parameters where they have no names, and what turns values into them."""
    table = _table(model)
    statement = _insert(dialect, table)
    keys = [column.name for column in table.primary_key]
    replaced = {name: statement.excluded[name] for name in names if name not in keys}
    compiled = statement.on_conflict_do_update(index_elements=keys, set_=replaced).compile(
        dialect=dialect, column_keys=list(names)
    )
    order = tuple(compiled.positiontup) if compiled.positiontup else None
    return str(compiled), order, {name: table.c[name].type.bind_processor(dialect) for name in names}


def _insert(dialect: Dialect, table: Table) -> Any:
    return sqlite.insert(table) if dialect.name == "sqlite" else postgresql.insert(table)


def _table(model: type[Base]) -> Table:
    table = inspect(model).local_table
    assert isinstance(table, Table)
    return table
