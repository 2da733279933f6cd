"""Locations, and their stations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

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
    """A named point. ``active`` locations are collected on schedule; collections on demand create ``unscheduled`` locations."""

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
    #: Its own schedule (``model/schedule.py``); None for the default schedule of the settings.
    schedule: Mapped[str | None] = mapped_column(String(100))
    tags: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime]
    #: Since when its schedule applies, if later than ``created_at``: when it was resumed, or its schedule was changed.
    due_since: Mapped[datetime | None]
    #: The place that the provider answers for, and its distance from the location.
    resolved_name: Mapped[str | None] = mapped_column(String(200))
    resolved_latitude: Mapped[float | None] = mapped_column(Float(53))
    resolved_longitude: Mapped[float | None] = mapped_column(Float(53))
    resolved_distance_km: Mapped[float | None] = mapped_column(Float(53))


@event.listens_for(Location, "before_update")
def _set_due_since(_mapper: object, _connection: object, location: Location) -> None:
    """A location is not due in slots before it was resumed or got its schedule."""
    changed = inspect(location).attrs
    if location.state == LocationState.ACTIVE and (changed.state.history.has_changes() or changed.schedule.history.has_changes()):
        location.due_since = clock.now()


class LocationStation(Base):
    """The stations of a location and the one in use, for a provider that answers by station."""

    __tablename__ = "stations"

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"), primary_key=True)
    provider: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: The provider's identifier of the station in use.
    station: Mapped[str] = mapped_column(String(200))
    name: Mapped[str | None] = mapped_column(String(200))
    latitude: Mapped[float] = mapped_column(Float(53))
    longitude: Mapped[float] = mapped_column(Float(53))
    distance_km: Mapped[float] = mapped_column(Float(53))
    #: When the stations were looked up.
    found_at: Mapped[datetime]
    #: The stations around the location, nearest first; NULL if only the one in use is known.
    candidates: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    #: Index of the station in use; the number of stations if none is left.
    rank: Mapped[int] = mapped_column(server_default="0")
    #: Slots in which the station in use gave no data, one after the other.
    failures: Mapped[int] = mapped_column(server_default="0")
