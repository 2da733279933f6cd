"""The declarative base of the tables."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    MetaData,
    text,
)
from sqlalchemy.orm import DeclarativeBase

from ..types import UTCDateTime


class Base(DeclarativeBase):
    """Base class of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UTCDateTime}  # noqa: RUF012  # SQLAlchemy reads it from the class


def is_one_of(column: str, values: Iterable[StrEnum]) -> str:
    """The SQL condition that a column has one of these values."""
    listed = ", ".join(f"'{value}'" for value in values)
    return f"{column} IN ({listed})"


def partial_index(condition: str) -> dict[str, Any]:
    """Options for an index of only the rows that satisfy a condition."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}
