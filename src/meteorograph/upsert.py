"""INSERT … ON CONFLICT, which SQLite and PostgreSQL share but SQLAlchemy spells per dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import CursorResult, Table, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from .tables import Base


def _insert(session: Session, table: Table) -> Any:
    dialect = session.get_bind().dialect.name
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def insert_or_ignore(session: Session, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert rows; one whose key is taken is passed over. Gives how many went in, where the driver counts them."""
    statement = _insert(session, _table(model)).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    result = session.connection().execute(statement, list(rows))
    assert isinstance(result, CursorResult)
    return result.rowcount


def insert_or_replace(session: Session, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; one whose primary key is taken replaces the row that is there. All rows have the same columns."""
    table = _table(model)
    statement = _insert(session, table)
    keys = [column.name for column in table.primary_key]
    values = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    session.connection().execute(statement.on_conflict_do_update(index_elements=keys, set_=values), list(rows))


def _table(model: type[Base]) -> Table:
    table = inspect(model).local_table
    assert isinstance(table, Table)
    return table
