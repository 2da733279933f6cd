"""The declarative base of all tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    MetaData,
    text,
)
from sqlalchemy.orm import DeclarativeBase

from ..types import UTCDateTime


class Base(DeclarativeBase):
    """All tables of Meteorograph."""

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


def partial_index(condition: str) -> dict[str, Any]:
    """Options of an index of the rows for which a condition holds."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}
