"""Column types that SQLite and PostgreSQL share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    DateTime,
    Dialect,
    Numeric,
    TypeDecorator,
)
from sqlalchemy.types import TypeEngine


class UTCDateTime(TypeDecorator[datetime]):
    """An instant: ``timestamptz`` on PostgreSQL, Unix seconds on SQLite, which take a third of the bytes of a text."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The column type of a dialect."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Numeric(asdecimal=False))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Convert to the database's value; a time without a time zone is refused."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone: times are aware UTC")
        if dialect.name != "sqlite":
            return value
        seconds = value.timestamp()
        return int(seconds) if seconds.is_integer() else seconds

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Convert from the database's value (aware UTC)."""
        if value is None:
            return None
        return value.astimezone(UTC) if isinstance(value, datetime) else datetime.fromtimestamp(value, UTC)
