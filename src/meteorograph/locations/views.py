"""Locations as the API, the pages and the command line show them, and as files contain them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..model.states import LocationState
from ..storage.models import Location, WeatherData
from .fields import FIELDS, LocationFields
from .repository import get_location

#: Number of rows that are fetched from the database at once.
_FETCH_SIZE: Final = 1000


@dataclass(frozen=True, slots=True)
class ResolvedPlace:
    """The place that the provider answers for, which may be a town away from the coordinates of the request."""

    name: str | None
    latitude: float | None
    longitude: float | None
    #: Distance from the location [km].
    distance_km: float


@dataclass(frozen=True, slots=True)
class LocationView:
    """A location with its state and its newest slot."""

    name: str
    latitude: float
    longitude: float
    elevation: float | None
    timezone: str | None
    schedule: str | None
    tags: list[str]
    state: str
    #: Slot of the newest row; None without rows.
    last_at: datetime | None
    #: None until a provider has answered.
    resolved: ResolvedPlace | None


def _newest_slot() -> Any:
    newest = select(func.max(WeatherData.due_at)).where(WeatherData.location_id == Location.id)
    return newest.correlate(Location).scalar_subquery()


def get_location_view(session: Session, name: str) -> LocationView:
    """The location of that name.

    Raises:
        LocationNotFoundError: No location has that name.
    """
    location = get_location(session, name)
    return make_view(location, session.scalar(select(_newest_slot()).where(Location.id == location.id)))


def list_locations(
    session: Session, *, state: str | None = None, tag: str | None = None, after: str | None = None, limit: int | None = None
) -> list[LocationView]:
    """The locations in the order of names, all or those in a state or with a tag; at most ``limit`` after the name ``after``."""
    query = select(Location, _newest_slot()).order_by(Location.name)
    if state is not None:
        query = query.where(Location.state == state)
    if after is not None:
        query = query.where(Location.name > after)
    if tag is None:
        query = query.limit(limit)
    with session.execute(query.execution_options(yield_per=_FETCH_SIZE)) as rows:
        found = (make_view(location, last_at) for location, last_at in rows if tag is None or tag in (location.tags or ()))
        return list(islice(found, limit))


def make_view(location: Location, last_at: datetime | None = None) -> LocationView:
    """Make a view of a location with the slot of its newest row."""
    resolved = None
    if location.resolved_distance_km is not None:
        resolved = ResolvedPlace(
            location.resolved_name,
            location.resolved_latitude,
            location.resolved_longitude,
            location.resolved_distance_km,
        )
    return LocationView(
        name=location.name,
        latitude=location.latitude,
        longitude=location.longitude,
        elevation=location.elevation,
        timezone=location.timezone,
        schedule=location.schedule,
        tags=location.tags or [],
        state=location.state,
        last_at=last_at,
        resolved=resolved,
    )


def count_by_state(session: Session) -> dict[str, int]:
    """Number of locations in each state."""
    return dict(session.execute(select(Location.state, func.count()).group_by(Location.state)).all())


def list_fields(
    session: Session, *, state: str | None = None, tag: str | None = None, after: str | None = None, limit: int | None = None
) -> list[LocationFields]:
    """The fields of the locations in the order of names, for a file; without a ``state``, of all but unscheduled locations.

    These are all, or at most ``limit`` after the name ``after``.
    """
    query = select(*(getattr(Location, field) for field in FIELDS)).order_by(Location.name)
    query = query.where(Location.state != LocationState.UNSCHEDULED if state is None else Location.state == state)
    if after is not None:
        query = query.where(Location.name > after)
    if tag is None:
        query = query.limit(limit)
    with session.execute(query.execution_options(yield_per=_FETCH_SIZE)) as rows:
        return list(islice((LocationFields(*row) for row in rows if tag is None or tag in (row.tags or ())), limit))
