"""Daily rollups of weather rows."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Integer,
    String,
    Table,
)
from sqlalchemy.orm import Mapped, mapped_column

from ...model.statistics import PARTS
from ..types import UTCDateTime
from .base import Base


class DailyRollup(Base):
    """What the rows of a location come to in a day that is over. One that is there is right: who stores into it deletes it."""

    __table__ = Table(
        "daily",
        Base.metadata,
        Column("location_id", ForeignKey("locations.id"), primary_key=True),
        #: The day as instants; a location's days follow its time zone.
        Column("start_at", UTCDateTime(), primary_key=True),
        Column("end_at", UTCDateTime(), nullable=False),
        #: Rows at slots.
        Column("stored", Integer, nullable=False),
        #: Values that were left out because they are not to be trusted.
        Column("suspect", Integer, nullable=False),
        *(
            Column(f"{name}_{part}", Integer if part == "count" else Float(53), nullable=part != "count")
            for name, parts in PARTS.items()
            for part in parts
        ),
        sqlite_with_rowid=False,
    )


class RolledUpUntil(Base):
    """Until when the days of a location are in ``daily``."""

    __tablename__ = "folded"

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"), primary_key=True)
    until_at: Mapped[datetime]
    #: The time zone that its days follow; None for UTC.
    timezone: Mapped[str | None] = mapped_column(String(64))
