"""Locations: finding the one for a point, making the one that the settings name, adding, changing and removing them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session

from ..config.settings import Settings
from ..errors import LocationExistsError, LocationHasDataError, LocationNotFoundError
from ..log_output import get_logger
from ..model import clock
from ..model.proximity import NEAR_M
from ..model.states import LocationState
from ..model.values import EARTH_RADIUS_KM, Coordinates
from ..storage.models import Base, Location, WeatherData
from ..storage.upsert import insert_or_ignore
from .fields import CHANGEABLE, FIELDS, check_fields

log = get_logger(__name__)

#: Values of one IN list; SQLite takes no more than 32,766 of all kinds in a statement.
_CHUNK: Final = 10_000


def parse_coordinates(lat: object, lon: object) -> Coordinates:
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
    if not abs(value) <= limit:
        raise ValueError(f"{name}={value}: {allowed}")
    return float(value)


def find_or_create_at(session: Session, point: Coordinates, now: datetime) -> Location:
    """The location at exactly this point; where there is none yet, a new unscheduled one named after the point."""
    here = select(Location).where(Location.latitude == point.latitude, Location.longitude == point.longitude)
    found = session.scalars(here.order_by(Location.id).limit(1)).first()
    if found is None:
        _add(session, f"{point.latitude!r},{point.longitude!r}", point, LocationState.UNSCHEDULED, now)
        found = session.scalars(here.order_by(Location.id).limit(1)).one()
    return found


def get_location(session: Session, name: str) -> Location:
    """The location of that name.

    Raises:
        LocationNotFoundError: There is none.
    """
    return _get(session, name, select(Location))


def _get(session: Session, name: str, query: Select[Location]) -> Location:
    # No database takes half a surrogate pair, nor PostgreSQL a NUL, so no location has one in its name.
    possible = "\0" not in name and name.encode(errors="ignore").decode() == name
    found = session.scalars(query.where(Location.name == name)).first() if possible else None
    if found is None:
        raise LocationNotFoundError(name)
    return found


def ensure_default(session: Session, settings: Settings, now: datetime) -> None:
    """Make the place of the settings a scheduled location, if the user chose it or there is no scheduled location yet.

    A place that the user has paused stays paused.
    """
    scheduled = select(Location.id).where(Location.state != LocationState.UNSCHEDULED).limit(1)
    if not settings.default_is_chosen and session.scalar(scheduled) is not None:
        return
    point = settings.default_coordinates
    here = select(Location).where(Location.latitude == point.latitude, Location.longitude == point.longitude)
    found = session.scalars(here.limit(1)).first()
    if found is not None:
        if found.state == LocationState.UNSCHEDULED:
            found.state = LocationState.ACTIVE
        return
    if not _add(session, settings.default_location, point, LocationState.ACTIVE, now):
        if session.scalars(here.limit(1)).first() is not None:  # another process was quicker
            return
        log.warning("the name of the default place belongs to another point", name=settings.default_location)
        _add(session, f"{point.latitude!r},{point.longitude!r}", point, LocationState.ACTIVE, now)


def _add(session: Session, name: str, point: Coordinates, state: LocationState, now: datetime) -> bool:
    new = {"name": name, "latitude": point.latitude, "longitude": point.longitude, "state": state, "created_at": now}
    return insert_or_ignore(session, Location, [new]) > 0


def add_location(session: Session, given: Mapping[str, object], now: datetime) -> tuple[Location, list[str]]:
    """Make a location of these ``FIELDS``; gives it, and a warning for each other one that is within 100 m.

    One that is only there with its data (``remove``), or for a collection on demand, is taken up again at its point.

    Raises:
        InvalidLocationError: Fields are wrong, missing or unknown.
        LocationExistsError: The name is taken.
    """
    values = check_fields(given)
    name, point = values["name"], Coordinates(values["latitude"], values["longitude"])
    new = {**dict.fromkeys(FIELDS), **values, "state": LocationState.ACTIVE, "created_at": now}
    if insert_or_ignore(session, Location, [new]) <= 0:
        found = get_location(session, name)
        if found.state != LocationState.UNSCHEDULED or point != Coordinates(found.latitude, found.longitude):
            raise LocationExistsError(name)
        _set(found, {**values, "state": LocationState.ACTIVE})
        session.flush()
    return get_location(session, name), [
        f"{name!r} is {distance:.0f} m from {other!r}" for other, distance in _near(session, name, point)
    ]


def _near(session: Session, name: str, point: Coordinates) -> list[tuple[str, float]]:
    """The other locations within 100 m, and how far off they are [m]."""
    reach = math.degrees(NEAR_M / 1000 / EARTH_RADIUS_KM) * 1.001
    band = Location.latitude.between(point.latitude - reach, point.latitude + reach)
    query = select(Location.name, Location.latitude, Location.longitude).where(band, Location.name != name)
    distances = [(other, point.distance_km(Coordinates(lat, lon)) * 1000) for other, lat, lon in session.execute(query)]
    return sorted([pair for pair in distances if pair[1] <= NEAR_M], key=lambda pair: pair[1])


def change_location(session: Session, name: str, given: Mapping[str, object]) -> Location:
    """Change some of the ``CHANGEABLE`` fields of a location.

    Raises:
        InvalidLocationError: Fields are wrong or unknown.
        LocationNotFoundError: There is no location of this name.
    """
    values = check_fields(given, CHANGEABLE, ())
    found = get_location(session, name)
    _set(found, values)
    return found


def _set(location: Location, values: Mapping[str, Any]) -> None:
    for field, value in values.items():
        setattr(location, field, value)


def set_state(session: Session, state: LocationState, names: Sequence[str]) -> tuple[int, list[str]]:
    """Pause or resume locations by name; gives how many changed, and the names that no location has."""
    changed, missing = 0, []
    for name in names:
        try:
            found = get_location(session, name)
        except LocationNotFoundError:
            missing.append(name)
            continue
        changed += found.state != state
        found.state = state
    return changed, missing


def set_state_by_tag(session: Session, state: LocationState, tag: str | None = None) -> tuple[int, int]:
    """Pause or resume all locations, or all with a tag; unscheduled ones stay so. Gives how many changed, and of how many."""
    query = select(Location.id, Location.state, Location.tags).where(Location.state != LocationState.UNSCHEDULED)
    meant = [row for row in session.execute(query) if tag is None or tag in (row.tags or ())]
    ids = [row.id for row in meant if row.state != state]
    values = {"state": state, "due_since": clock.now()} if state == LocationState.ACTIVE else {"state": state}
    for start in range(0, len(ids), _CHUNK):
        session.execute(update(Location).where(Location.id.in_(ids[start : start + _CHUNK])).values(**values))
    return len(ids), len(meant)


def remove_location(session: Session, name: str, data: Literal["delete", "keep"] | None = None) -> int:
    """Remove a location; gives how many rows of data it had.

    What else is known of it, such as its missed slots, goes with it. Where its rows are kept, so is all of it, unscheduled.

    Raises:
        LocationNotFoundError: There is no location of this name.
        LocationHasDataError: It has rows, and ``data`` does not say what becomes of them.
    """
    found = _get(session, name, select(Location).with_for_update())  # from here on, nobody stores another row of it
    rows = session.scalar(select(func.count()).select_from(WeatherData).where(WeatherData.location_id == found.id)) or 0
    if rows and data is None:
        raise LocationHasDataError(name, rows)
    if rows and data == "keep":
        found.state = LocationState.UNSCHEDULED
        return rows
    for table in reversed(Base.metadata.sorted_tables):
        for key in table.foreign_keys:
            if key.column.table.name == Location.__tablename__:
                session.execute(delete(table).where(key.parent == found.id))
    session.delete(found)
    session.flush()
    return rows
