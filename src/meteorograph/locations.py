"""Locations: finding the one for a point, and making the one that the settings name."""

from __future__ import annotations

import math
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from .errors import LocationNotFoundError
from .logs import get_logger
from .settings import Settings
from .tables import Location
from .upsert import insert_or_ignore
from .values import Coordinates

log = get_logger(__name__)


def coordinates(lat: object, lon: object) -> Coordinates:
    """The point of a latitude [degree north] and a longitude [degree east].

    Raises:
        ValueError: One is missing, no number or out of range; says which, what it was and what is allowed.
    """
    return Coordinates(_degrees("lat", lat, 90), _degrees("lon", lon, 180))


def _degrees(name: str, value: object, limit: int) -> float:
    allowed = f"it must be a number from -{limit} to {limit}"
    if value is None:
        raise ValueError(f"{name} is missing: {allowed}, and goes with its fellow coordinate")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name}={value!r}: {allowed}")
    if not math.isfinite(value) or abs(value) > limit:
        raise ValueError(f"{name}={value}: {allowed}")
    return float(value)


def at(session: Session, point: Coordinates, now: datetime) -> Location:
    """The location at exactly this point; where there is none yet, a new unscheduled one named after the point."""
    here = select(Location).where(Location.latitude == point.latitude, Location.longitude == point.longitude)
    found = session.scalars(here.order_by(Location.id).limit(1)).first()
    if found is None:
        _add(session, f"{point.latitude!r},{point.longitude!r}", point, "unscheduled", now)
        found = session.scalars(here.order_by(Location.id).limit(1)).one()
    return found


def named(session: Session, name: str) -> Location:
    """The location of that name.

    Raises:
        LocationNotFoundError: There is none.
    """
    found = session.scalars(select(Location).where(Location.name == name)).first()
    if found is None:
        raise LocationNotFoundError(name)
    return found


def ensure_default(session: Session, settings: Settings, now: datetime) -> None:
    """Make the place of the settings a scheduled location, if the user chose it or there is no scheduled location yet.

    A place that the user has paused stays paused.
    """
    scheduled = select(Location.id).where(Location.state != "unscheduled").limit(1)
    if not settings.default_is_chosen and session.scalar(scheduled) is not None:
        return
    point = settings.default_coordinates
    here = select(Location).where(Location.latitude == point.latitude, Location.longitude == point.longitude)
    found = session.scalars(here.limit(1)).first()
    if found is not None:
        if found.state == "unscheduled":
            found.state = "active"
        return
    if not _add(session, settings.default_location, point, "active", now):
        log.warning("the name of the default place belongs to another point", name=settings.default_location)
        _add(session, f"{point.latitude!r},{point.longitude!r}", point, "active", now)


def _add(session: Session, name: str, point: Coordinates, state: str, now: datetime) -> bool:
    new = {"name": name, "latitude": point.latitude, "longitude": point.longitude, "state": state, "created_at": now}
    return insert_or_ignore(session, Location, [new]) > 0
