"""Locations, and the stations that answer for them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    String,
    event,
    inspect,
)
from sqlalchemy.orm import Mapped, mapped_column

from ...model import clock
from ...model.states import LocationState
from .base import Base, is_one_of


class Location(Base):
    """A named point. ``active`` ones are collected on schedule; ``unscheduled`` ones came with a collection on demand."""

    __tablename__ = "locations"
    __table_args__ = (
        CheckConstraint("latitude BETWEEN -90 AND 90", "latitude"),
        CheckConstraint("longitude BETWEEN -180 AND 180", "longitude"),
        CheckConstraint(is_one_of("state", LocationState), "state"),
        Index("ix_locations_point", "latitude", "longitude"),
        Index("ix_locations_schedule", "state", "schedule"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    latitude: Mapped[float] = mapped_column(Float(53))
    longitude: Mapped[float] = mapped_column(Float(53))
    elevation: Mapped[float | None] = mapped_column(Float(53))
    timezone: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16), default=LocationState.ACTIVE)
    #: Its own schedule (``schedule.py``); None follows the default of the settings.
    schedule: Mapped[str | None] = mapped_column(String(100))
    tags: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime]
    #: Since when it is due on its schedule, where that is later than ``created_at``: resumed, or given another schedule.
    due_since: Mapped[datetime | None]
    #: Where the provider says its answers are for, and how far off that is.
    resolved_name: Mapped[str | None] = mapped_column(String(200))
    resolved_latitude: Mapped[float | None] = mapped_column(Float(53))
    resolved_longitude: Mapped[float | None] = mapped_column(Float(53))
    resolved_distance_km: Mapped[float | None] = mapped_column(Float(53))


@event.listens_for(Location, "before_update")
def _set_due_since(_mapper: object, _connection: object, location: Location) -> None:
    """Slots before a location was resumed, or got its schedule, were never due to it."""
    changed = inspect(location).attrs
    if location.state == LocationState.ACTIVE and (changed.state.history.has_changes() or changed.schedule.history.has_changes()):
        location.due_since = clock.now()


class LocationStation(Base):
    """The station that answers for a location, of a provider that answers by station."""

    __tablename__ = "stations"

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"), primary_key=True)
    provider: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: The provider's word for it.
    station: Mapped[str] = mapped_column(String(200))
    name: Mapped[str | None] = mapped_column(String(200))
    latitude: Mapped[float] = mapped_column(Float(53))
    longitude: Mapped[float] = mapped_column(Float(53))
    distance_km: Mapped[float] = mapped_column(Float(53))
    found_at: Mapped[datetime]
