"""Locations as answers show them, and as exports have them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..model.states import LocationState
from ..storage.models import Location, WeatherData
from .fields import FIELDS
from .repository import _CHUNK, get_location


def _newest() -> Any:
    newest = select(func.max(WeatherData.due_at)).where(WeatherData.location_id == Location.id)
    return newest.correlate(Location).scalar_subquery()


def location_view(session: Session, name: str) -> dict[str, Any]:
    """One location as ``listing`` has it.

    Raises:
        LocationNotFoundError: There is no location of this name.
    """
    found = get_location(session, name)
    return to_view(found, session.scalar(select(_newest()).where(Location.id == found.id)))


def list_locations(session: Session, *, state: str | None = None, tag: str | None = None) -> list[dict[str, Any]]:
    """The locations by name: their fields, ``state``, ``last_at`` (the newest row's slot) and ``resolved``.

    ``resolved`` is the place that the provider answers for, with ``distance_km``, or None while that is not known.
    """
    query = select(Location, _newest()).order_by(Location.name)
    if state is not None:
        query = query.where(Location.state == state)
    found = session.execute(query.execution_options(yield_per=_CHUNK))
    return [to_view(location, last_at) for location, last_at in found if tag is None or tag in (location.tags or ())]


def to_view(location: Location, last_at: datetime | None = None) -> dict[str, Any]:
    """A location as an answer shows it."""
    resolved = None
    if location.resolved_distance_km is not None:
        resolved = {
            "name": location.resolved_name,
            "latitude": location.resolved_latitude,
            "longitude": location.resolved_longitude,
            "distance_km": location.resolved_distance_km,
        }
    fields = {field: getattr(location, field) for field in (*FIELDS, "state")}
    return {**fields, "tags": location.tags or [], "last_at": last_at, "resolved": resolved}


def count_by_state(session: Session) -> dict[str, int]:
    """How many locations there are in each state."""
    return dict(session.execute(select(Location.state, func.count()).group_by(Location.state)).all())


def export_fields(session: Session, *, state: str | None = None, tag: str | None = None) -> list[dict[str, Any]]:
    """The ``FIELDS`` of the locations by name, for a file; without a ``state``, of all but the unscheduled ones."""
    query = select(*(getattr(Location, field) for field in FIELDS)).order_by(Location.name)
    query = query.where(Location.state != LocationState.UNSCHEDULED if state is None else Location.state == state)
    found = session.execute(query).all()
    return [dict(zip(FIELDS, row, strict=True)) for row in found if tag is None or tag in (row.tags or ())]
