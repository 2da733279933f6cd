"""Weather rows; their CHECK constraints follow the possible ranges of ``model/quantities.py``."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from ...model.quantities import QUANTITIES, Quantity
from ...model.states import Origin
from .base import Base, is_one_of, partial_index


def range_condition(quantity: Quantity) -> str:
    """The SQL condition that a value of the quantity is possible."""
    low, high = quantity.possible
    # The bound 1e308 also excludes infinity, and NaN, which PostgreSQL sorts above every number.
    return f"{quantity.name} BETWEEN {low if low is not None else -1e308} AND {high if high is not None else 1e308}"


class WeatherData(Base):
    """One row per location and slot. Units and ranges are in ``model/quantities.py``; None means "not given"."""

    __tablename__ = "weather_data"
    __table_args__ = (
        *(CheckConstraint(range_condition(quantity), quantity.name) for quantity in QUANTITIES),
        CheckConstraint("precipitation_period > 0", "precipitation_period"),
        CheckConstraint(is_one_of("origin", Origin), "origin"),
        Index("ix_weather_data_due_at", "due_at"),
        # To count backfilled and imported rows without reading the other rows.
        Index("ix_weather_data_backfill", "location_id", "due_at", **partial_index(f"origin = '{Origin.BACKFILL}'")),
        Index("ix_weather_data_import", "location_id", "due_at", **partial_index(f"origin = '{Origin.IMPORT}'")),
        {"sqlite_with_rowid": False},
    )

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"), primary_key=True)
    #: The scheduled instant; for a collection on demand, the instant of the request.
    due_at: Mapped[datetime] = mapped_column(primary_key=True)
    #: The time of the measurement, and the end of the precipitation period.
    observed_at: Mapped[datetime | None]
    fetched_at: Mapped[datetime]
    provider: Mapped[str] = mapped_column(String(64))
    #: ``Origin``: collected in its slot, later from a provider's history, or imported.
    origin: Mapped[str] = mapped_column(String(16), server_default=Origin.LIVE)
    for _quantity in QUANTITIES:
        vars()[_quantity.name] = mapped_column(Integer if _quantity.is_code else Float(53), nullable=True)
    del _quantity
    precipitation_period: Mapped[int | None] = mapped_column(Integer)
    condition: Mapped[str | None] = mapped_column(String(200))
    #: Quantity → provider, for each quantity that does not come from ``provider``.
    providers: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    #: Quantity → flags of its value.
    flags: Mapped[dict[str, list[str]] | None] = mapped_column(JSON(none_as_null=True))
    #: Provider → ``OtherValues``: what other providers said for the slot.
    other_values: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """The value of a quantity."""


class CheckState(Base):
    """What the quality checks remember of a location's past (``quality/time_checks.py``), as text (``quality/state_text.py``)."""

    __tablename__ = "check_states"
    # The rows are updated with each slot: with room in its page, an update changes no index.
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"), primary_key=True)
    #: The slot of the latest checked row.
    due_at: Mapped[datetime]
    #: What changes with each row.
    state: Mapped[str] = mapped_column(Text)
    #: What changes seldom. None if ``state`` has all, in the form before this one.
    levels: Mapped[str | None] = mapped_column(Text)
