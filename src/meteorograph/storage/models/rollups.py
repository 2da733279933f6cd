"""Daily rollups of weather rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from ...model.quantities import CODES
from ...model.statistics import PARTS, ZERO_PARTS
from ..types import UTCDateTime
from .base import Base

#: Types of the parts that are not measured values.
_TYPES: Final[dict[str, Any]] = {"count": Integer(), "unknown_count": Integer(), "providers": Text()}


class DailyRollup(Base):
    """The summaries of a location's rows of a past day.

    Storing a row deletes the rollup of its day, so an existing rollup is always up to date.
    """

    __table__ = Table(
        "daily_rollups",
        Base.metadata,
        Column("location_id", ForeignKey("locations.id"), primary_key=True),
        #: Start and end of the day; days follow the time zone of the location.
        Column("start_at", UTCDateTime(), primary_key=True),
        Column("end_at", UTCDateTime(), nullable=False),
        #: Slots with a row.
        Column("stored", Integer, nullable=False),
        #: Different observations.
        Column("observations", Integer, nullable=False),
        #: Number of suspect values, which were left out.
        Column("suspect", Integer, nullable=False),
        *(
            Column(
                f"{name}_{part}",
                _TYPES.get(part, Integer() if name in CODES else Float(53)),
                nullable=part not in ZERO_PARTS,
            )
            for name, parts in PARTS.items()
            for part in parts
        ),
        sqlite_with_rowid=False,
    )


class RolledUpUntil(Base):
    """Until when the days of a location are rolled up."""

    __tablename__ = "folded"

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"), primary_key=True)
    until_at: Mapped[datetime]
    #: The time zone of its days; None for UTC.
    timezone: Mapped[str | None] = mapped_column(String(64))
