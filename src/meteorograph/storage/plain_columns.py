"""Columns as the driver's plain values. An object for each value costs more than the query."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Dialect, Float, Text, cast, func, type_coerce


def as_seconds(dialect: Dialect, column: Any) -> ColumnElement[float]:
    """An instant as Unix seconds."""
    return type_coerce(column, Float()) if dialect.name == "sqlite" else func.date_part("epoch", column)


def as_text(dialect: Dialect, column: Any) -> ColumnElement[str]:
    """A JSON document as a text; None for NULL."""
    return type_coerce(column, Text()) if dialect.name == "sqlite" else cast(column, Text)
