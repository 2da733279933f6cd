"""Finds, adds, changes and removes locations in the database."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..config.settings import Settings
from ..errors import LocationExistsError, LocationHasDataError, LocationNotFoundError
from ..log_output import get_logger
from ..model import clock
from ..model.names import normalise_name
from ..model.proximity import NEAR_M
from ..model.states import LocationState
from ..model.values import EARTH_RADIUS_KM, Coordinates
from ..storage.models import Base, Location, SealedRange, WeatherData
from ..storage.upsert import insert_or_ignore
from .fields import CHANGEABLE, FIELDS, check_fields
from .renaming import rename_in_rules

log = get_logger(__name__)

#: Maximum length of an IN list. SQLite allows 32,766 parameters in a statement.
_MAX_IN_VALUES: Final = 10_000


def parse_coordinates(lat: object, lon: object) -> Coordinates:
    """Coordinates from a latitude [degree north] and a longitude [degree east].

    Raises:
        ValueError: A value is missing, not a number or out of range. The text has its name, the value and the valid range.
    """
    return Coordinates(_parse_degrees("lat", lat, 90), _parse_degrees("lon", lon, 180))


def _parse_degrees(name: str, value: object, limit: int) -> float:
    allowed = f"it must be a number from -{limit} to {limit}"
    if value is None:
        raise ValueError(f"{name} is missing: {allowed}; lat and lon must be given together")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name}={value!r}: {allowed}")
    if not abs(value) <= limit:
        raise ValueError(f"{name}={value}: {allowed}")
    return float(value)


def find_at(session: Session, point: Coordinates) -> Location | None:
    """The location at a point: the oldest at exactly these coordinates, or the nearest one within 100 m; None without one."""
    at_point = select(Location).where(Location.latitude == point.latitude, Location.longitude == point.longitude)
    location = session.scalars(at_point.order_by(Location.id).limit(1)).first()
    if location is None and (near := _locations_near(session, point)):
        location = get_location(session, near[0][0])
    return location


def find_or_create_at(session: Session, point: Coordinates, settings: Settings, now: datetime) -> Location:
    """The location at a point; without one, a new unscheduled location.

    The default location of the settings gets its name, another one its coordinates as name.
    """
    location = find_at(session, point)
    if location is None:
        names = [settings.default_location] if point == settings.default_coordinates else []
        for name in (*names, f"{point.latitude!r},{point.longitude!r}"):
            if _insert(session, name, point, LocationState.UNSCHEDULED, now):
                break
        location = find_at(session, point)
    assert location is not None, "this or another process has inserted it"
    return location


def get_location(session: Session, name: str) -> Location:
    """The location of that name.

    Raises:
        LocationNotFoundError: No location has that name.
    """
    return _get(session, name, select(Location))


def _get(session: Session, name: str, query: Select[Location]) -> Location:
    # No database accepts a lone surrogate, and PostgreSQL no NUL, so no name contains them and the query would fail.
    is_storable = "\0" not in name and name.encode(errors="ignore").decode() == name
    names = {name, normalise_name(name)}  # an older version may have stored it in another form
    location = session.scalars(query.where(Location.name.in_(names))).first() if is_storable else None
    if location is None:
        raise LocationNotFoundError(name)
    return location


def ensure_default(session: Session, settings: Settings, now: datetime) -> None:
    """Schedule the default location of the settings, if the user set it or if there is no scheduled location.

    A location that the user has paused stays paused.
    """
    scheduled = select(Location.id).where(Location.state != LocationState.UNSCHEDULED).limit(1)
    if not settings.default_is_chosen and session.scalar(scheduled) is not None:
        return
    point = settings.default_coordinates
    at_point = select(Location).where(Location.latitude == point.latitude, Location.longitude == point.longitude)
    location = session.scalars(at_point.limit(1)).first()
    if location is not None:
        if location.state == LocationState.UNSCHEDULED:
            location.state = LocationState.ACTIVE
        return
    if not _insert(session, settings.default_location, point, LocationState.ACTIVE, now):
        if session.scalars(at_point.limit(1)).first() is not None:  # another process has inserted it
            return
        log.warning("the name of the default location belongs to other coordinates", name=settings.default_location)
        _insert(session, f"{point.latitude!r},{point.longitude!r}", point, LocationState.ACTIVE, now)


def _insert(session: Session, name: str, point: Coordinates, state: LocationState, now: datetime) -> bool:
    """Insert a location; False if the name is taken."""
    new = {"name": name, "latitude": point.latitude, "longitude": point.longitude, "state": state, "created_at": now}
    return insert_or_ignore(session, Location, [new]) > 0


def add_location(session: Session, fields: Mapping[str, object], now: datetime) -> tuple[Location, list[str]]:
    """Add a location with these ``FIELDS``. Returns it with a warning for each other location within 100 m.

    An unscheduled location of the same name at the same coordinates becomes active: it was removed without its data, or comes
    from a collection on demand.

    Raises:
        InvalidLocationError: Fields are wrong, missing or unknown.
        LocationExistsError: The name is taken.
    """
    values = check_fields(fields)
    name, point = values["name"], Coordinates(values["latitude"], values["longitude"])
    new = {**dict.fromkeys(FIELDS), **values, "state": LocationState.ACTIVE, "created_at": now}
    if insert_or_ignore(session, Location, [new]) <= 0:
        location = get_location(session, name)
        if location.state != LocationState.UNSCHEDULED or point != Coordinates(location.latitude, location.longitude):
            raise LocationExistsError(name)
        _set_fields(location, {**values, "state": LocationState.ACTIVE})
        session.flush()
    return get_location(session, name), [
        f"{name!r} is {distance:.0f} m from {other!r}" for other, distance in _locations_near(session, point) if other != name
    ]


def _locations_near(session: Session, point: Coordinates) -> list[tuple[str, float]]:
    """Names and distances [m] of the locations within 100 m, nearest first."""
    margin = math.degrees(NEAR_M / 1000 / EARTH_RADIUS_KM) * 1.001
    band = Location.latitude.between(point.latitude - margin, point.latitude + margin)
    query = select(Location.name, Location.latitude, Location.longitude).where(band)
    distances = [(other, point.distance_km(Coordinates(lat, lon)) * 1000) for other, lat, lon in session.execute(query)]
    return sorted([pair for pair in distances if pair[1] <= NEAR_M], key=lambda pair: pair[1])


def change_location(session: Session, name: str, changes: Mapping[str, object]) -> Location:
    """Change some of the ``CHANGEABLE`` fields of a location.

    Raises:
        InvalidLocationError: Fields are wrong or unknown.
        LocationNotFoundError: No location has that name.
        LocationExistsError: The new name is taken.
    """
    values = check_fields(changes, CHANGEABLE, ())
    location = get_location(session, name)
    before = location.name
    _set_fields(location, values)
    try:
        session.flush()
    except IntegrityError:
        raise LocationExistsError(values.get("name", name)) from None
    if location.name != before:
        rename_in_rules(session, before, location.name)
    return location


def shared_timezone(session: Session) -> str | None:
    """The time zone of all scheduled locations, ``UTC`` for those without one; None if they have different ones."""
    zone = func.coalesce(Location.timezone, "UTC")
    scheduled = Location.state != LocationState.UNSCHEDULED
    first = session.scalar(select(zone).where(scheduled).limit(1))
    if first is None:
        return None
    return None if session.scalar(select(Location.id).where(scheduled, zone != first).limit(1)) else str(first)


def list_names(session: Session) -> list[str]:
    """The names of all locations."""
    return list(session.scalars(select(Location.name)))


def _set_fields(location: Location, values: Mapping[str, Any]) -> None:
    for field, value in values.items():
        setattr(location, field, value)


def set_state(session: Session, state: LocationState, names: Sequence[str]) -> tuple[int, list[str]]:
    """Pause or resume locations by name. Returns the number of changed locations and the names that no location has."""
    changed, missing = 0, []
    for name in names:
        try:
            location = get_location(session, name)
        except LocationNotFoundError:
            missing.append(name)
            continue
        changed += location.state != state
        location.state = state
    return changed, missing


def set_state_by_tag(session: Session, state: LocationState, tag: str | None = None) -> tuple[int, int]:
    """Pause or resume all locations, or all with a tag, except unscheduled ones.

    Returns the number of changed locations and the number of selected ones.
    """
    query = select(Location.id, Location.state, Location.tags).where(Location.state != LocationState.UNSCHEDULED)
    selected = [row for row in session.execute(query) if tag is None or tag in (row.tags or ())]
    ids = [row.id for row in selected if row.state != state]
    values = {"state": state, "due_since": clock.now()} if state == LocationState.ACTIVE else {"state": state}
    for start in range(0, len(ids), _MAX_IN_VALUES):
        session.execute(update(Location).where(Location.id.in_(ids[start : start + _MAX_IN_VALUES])).values(**values))
    return len(ids), len(selected)


def remove_location(session: Session, name: str, data: Literal["delete", "keep"] | None = None) -> int:
    """Remove a location and everything that refers to it, such as its missed slots. Returns its number of rows.

    With ``data="keep"`` a location that has rows becomes unscheduled instead, and nothing is deleted.

    Raises:
        LocationNotFoundError: No location has that name.
        LocationHasDataError: The location has rows, and ``data`` is None.
    """
    location = _get(session, name, select(Location).with_for_update())  # the lock keeps other processes from storing rows of it
    rows = session.scalar(select(func.count()).select_from(WeatherData).where(WeatherData.location_id == location.id)) or 0
    rows += session.scalar(select(func.sum(SealedRange.rows)).where(SealedRange.location_id == location.id)) or 0
    if rows and data is None:
        raise LocationHasDataError(name, rows)
    if rows and data == "keep":
        location.state = LocationState.UNSCHEDULED
        return rows
    for table in reversed(Base.metadata.sorted_tables):
        for key in table.foreign_keys:
            if key.column.table.name == Location.__tablename__:
                session.execute(delete(table).where(key.parent == location.id))
    session.delete(location)
    session.flush()
    return rows
