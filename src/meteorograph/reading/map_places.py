"""Reads the places of a part of the map: one by one, or if there are too many, counted by cells. Stop 9 of the walk."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from ..model.flags import is_suspect
from ..model.states import LocationState
from ..storage.models import Location
from ..storage.newest_rows import newest_row
from .overview_order import MOST_BY_RAIN, last_day, matching_ids, within_ids
from .ranges import read_ranges

#: Places that are given one by one; more are counted by cells.
MOST_PLACES: Final = 2000

#: Cells of a part of the map; a finer grid is not used.
MOST_CELLS: Final = 600

#: A cell is 90 degrees wide at zoom 0, and half as wide at each next one: about 64 pixels of a map.
_CELL_DEGREES: Final = 90.0
_CELL_PIXELS: Final = 64

#: The quantity ``rain``: precipitation of 24 hours, which is computed and not stored.
RAIN: Final = "rain"
FRESHNESS: Final = "freshness"


class Box(NamedTuple):
    """A part of the map [degrees]; ``west`` is larger than ``east`` if it lies across the antimeridian."""

    west: float
    south: float
    east: float
    north: float

    @property
    def width(self) -> float:
        """Its width; 360 for the whole earth, 0 for a meridian."""
        return self.east - self.west if self.west <= self.east else self.east - self.west + 360

    def contains(self) -> ColumnElement[bool]:
        """The condition that a location lies within it."""
        after, before = Location.longitude >= self.west, Location.longitude <= self.east
        columns = and_(after, before) if self.west <= self.east else or_(after, before)
        return and_(Location.latitude.between(self.south, self.north), columns)

    def holds(self, latitude: float, longitude: float) -> bool:
        """Whether a point lies within it, its edges included, as ``contains`` asks the database."""
        after, before = longitude >= self.west, longitude <= self.east
        is_between = after and before if self.west <= self.east else after or before
        return is_between and self.south <= latitude <= self.north


@dataclass(frozen=True, slots=True)
class MapQuery:
    """What the map shows."""

    box: Box
    zoom: int
    #: A stored quantity, ``RAIN`` or ``FRESHNESS``.
    quantity: str
    #: Part of a name or tag, in any case; empty for all.
    words: str = ""
    only_late: bool = False
    #: The part of ``box`` that is in view: its places are counted. None for all of it.
    counted: Box | None = None


class Reading(NamedTuple):
    """The newest value of a place."""

    #: In the canonical unit; None if it is not given.
    value: float | None
    is_suspect: bool
    #: Of the row; None for rain, which is that of the last 24 hours.
    observed_at: datetime | None
    #: Names of the providers.
    providers: tuple[str, ...]


class MapPlace(NamedTuple):
    """A place on the map."""

    name: str
    latitude: float
    longitude: float
    #: ``fresh``, ``stale``, ``new`` (without values), ``paused`` or ``unscheduled``, as in the list.
    state: str
    #: None without a row, and if the map does not show values.
    reading: Reading | None

    @property
    def current_value(self) -> float | None:
        """The value, if it is one of now: neither suspect nor of a place that is late or not collected."""
        is_current = self.state == "fresh" and self.reading is not None and not self.reading.is_suspect
        return self.reading.value if self.reading is not None and is_current else None


@dataclass(slots=True)
class MapCell:
    """The places of a cell of the grid."""

    #: The column, counted from -180 degrees, and the row, from the south pole.
    column: int
    row: int
    size: float
    count: int = 0
    stale: int = 0
    values: list[float] = field(default_factory=list)
    _latitudes: float = 0.0
    _longitudes: float = 0.0

    def add(self, place: MapPlace) -> None:
        """Count a place."""
        self.count += 1
        self.stale += place.state == "stale"
        self._latitudes += place.latitude
        self._longitudes += place.longitude
        if (value := place.current_value) is not None:
            self.values.append(value)

    @property
    def middle(self) -> tuple[float, float]:
        """Mean latitude and longitude of the places."""
        return self._latitudes / self.count, self._longitudes / self.count

    @property
    def mean(self) -> float | None:
        """Mean of the current values."""
        return sum(self.values) / len(self.values) if self.values else None

    @property
    def box(self) -> Box:
        """Its edges."""
        west, south = self.column * self.size - 180, self.row * self.size - 90
        return Box(west, south, min(180.0, west + self.size), min(90.0, south + self.size))


@dataclass(frozen=True, slots=True)
class MapContent:
    """What a part of the map shows: ``places`` or ``cells``."""

    places: Sequence[MapPlace]
    cells: Sequence[MapCell]
    #: Places within the part, or within that of it which is in view.
    count: int
    #: Whether values were read. There may be too many places for the quantity.
    has_values: bool


def read_map(session: Session, query: MapQuery, late: Collection[str], new: Collection[str], now: datetime) -> MapContent:
    """Read a part of the map. ``late`` are the names of the late locations, ``new`` those of locations without values."""
    names = frozenset(late)
    ids = matching_ids(session, query.words, names if query.only_late else None)
    within = (query.box.contains(), within_ids(ids))
    columns = (Location.id, Location.name, Location.latitude, Location.longitude, Location.state)
    found = session.execute(select(*columns).where(*within).order_by(Location.name)).all()
    has_values = query.quantity != FRESHNESS and len(found) <= (MOST_BY_RAIN if query.quantity == RAIN else MOST_PLACES)
    readings: dict[int, Reading] = {}
    if has_values:
        numbers = [row.id for row in found]
        is_rain = query.quantity == RAIN
        readings = _read_rain(session, numbers, now) if is_rain else _read_values(session, query.quantity, within, now)
    places = [
        MapPlace(name, latitude, longitude, _state(name, state, names, new), readings.get(id_))
        for id_, name, latitude, longitude, state in found
    ]
    view = query.counted
    count = len(places) if view is None else sum(view.holds(place.latitude, place.longitude) for place in places)
    if len(places) <= MOST_PLACES:
        return MapContent(places, [], count, has_values)
    return MapContent([], _count_by_cell(places, query), count, has_values)


def _state(name: str, state: str, late: Collection[str], new: Collection[str]) -> str:
    if state != LocationState.ACTIVE:
        return state
    if name in late:
        return "stale"
    return "new" if name in new else "fresh"


def _read_values(session: Session, quantity: str, within: Iterable[ColumnElement[bool]], now: datetime) -> dict[int, Reading]:
    """The newest value of each location, by id; locations without a row are left out."""
    rows, is_newest = newest_row(session.get_bind().dialect, now)
    own = (rows.c[quantity], rows.c.flags, rows.c.observed_at, rows.c.due_at, rows.c.provider, rows.c.providers)
    found = session.execute(select(Location.id, *own).select_from(Location).join(rows, is_newest).where(*within))
    return {
        id_: Reading(
            value,
            is_suspect((flags or {}).get(quantity, ())),
            observed_at or due_at,
            ((providers or {}).get(quantity, provider),),
        )
        for id_, value, flags, observed_at, due_at, provider, providers in found
    }


def _read_rain(session: Session, ids: Sequence[int], now: datetime) -> dict[int, Reading]:
    """Precipitation of the last 24 hours of each location, as in the list."""
    if not ids:
        return {}
    ranges = read_ranges(session, dict.fromkeys(ids, last_day(now)), ("precipitation",))
    found = {}
    for id_, own in ranges.items():
        rain = own.each("precipitation")[0]
        found[id_] = Reading(rain["sum"], is_suspect=False, observed_at=None, providers=tuple(rain["providers"]))
    return found


def cell_size(box: Box, zoom: int) -> float:
    """The width of the cells of a grid [degrees]: that of the zoom, or a wider one if there were too many cells."""
    while zoom > 0 and _cells(box, _CELL_DEGREES / 2**zoom) > MOST_CELLS:
        zoom -= 1
    return float(_CELL_DEGREES / 2**zoom)


def _cells(box: Box, size: float) -> float:
    return (box.width / size + 1) * ((box.north - box.south) / size + 1)


def _count_by_cell(places: Iterable[MapPlace], query: MapQuery) -> list[MapCell]:
    size = cell_size(query.box, query.zoom)
    cells: dict[tuple[int, int], MapCell] = {}
    for place in places:
        # The edge at 180 degrees, and the pole, belong to the last cell.
        column = min(int((place.longitude + 180) // size), int(360 // size) - 1)
        row = min(int((place.latitude + 90) // size), int(-(-180 // size)) - 1)
        cell = cells.get((column, row))
        if cell is None:
            cell = cells[column, row] = MapCell(column, row, size)
        cell.add(place)
    return list(cells.values())
