"""Find points within 100 m of each other, in one pass over any number of points. Pure."""

from __future__ import annotations

import math
from itertools import product
from typing import Final, NamedTuple

from .values import EARTH_RADIUS_KM

#: Two locations closer than this [m] are probably the same place, entered twice.
NEAR_M: Final = 100.0

_RADIUS_M: Final = EARTH_RADIUS_KM * 1000
#: More cubes than fit along the diameter of the earth, so that the three numbers of a cube fit into one.
_STRIDE: Final = 1 << 18
_NEIGHBOURS: Final = [(x * _STRIDE + y) * _STRIDE + z for x, y, z in product((-1, 0, 1), repeat=3)]


class _Point(NamedTuple):
    name: str
    x: float
    y: float
    z: float

    def distance_m(self, other: _Point) -> float:
        """The straight line [m], which at this scale is as long as the distance on the ground."""
        return math.sqrt((self.x - other.x) ** 2 + (self.y - other.y) ** 2 + (self.z - other.z) ** 2)


class ProximityGrid:
    """Points in cubes of space with a side of 100 m, so that the poles and the date line need no special case.

    A new point is first compared with the *isolated* points of its own cube: the few that had no other point nearby when they
    were added. Only if none of these is near, it is compared with all points of the cubes around it. So the work grows
    linearly with the number of points, also if very many points lie in one place.
    """

    def __init__(self) -> None:
        self._points: dict[int, list[_Point]] = {}
        self._isolated: dict[int, list[_Point]] = {}

    def add(self, name: str, latitude: float, longitude: float) -> None:
        """Add a point without a search for its neighbours."""
        point = _point(name, latitude, longitude)
        self._points.setdefault(_cube(point), []).append(point)

    def find_near_and_add(self, name: str, latitude: float, longitude: float) -> tuple[str, float] | None:
        """Find a point of another name within 100 m, then add this point; gives the other's name and distance [m], or None."""
        point = _point(name, latitude, longitude)
        cube = _cube(point)
        near = _first_near(point, self._isolated.get(cube, []))
        if near is None:
            for offset in _NEIGHBOURS:
                others = self._points.get(cube + offset)
                if others and (near := _first_near(point, others)) is not None:
                    break
            self._isolated.setdefault(cube, []).append(point)
        self._points.setdefault(cube, []).append(point)
        return near


def _first_near(point: _Point, others: list[_Point]) -> tuple[str, float] | None:
    for other in others:
        distance = point.distance_m(other)
        if distance <= NEAR_M and other.name != point.name:
            return other.name, distance
    return None


def _point(name: str, latitude: float, longitude: float) -> _Point:
    lat, lon = math.radians(latitude), math.radians(longitude)
    flat = math.cos(lat) * _RADIUS_M
    return _Point(name, flat * math.cos(lon), flat * math.sin(lon), math.sin(lat) * _RADIUS_M)


def _cube(point: _Point) -> int:
    x, y, z = (math.floor(part / NEAR_M) for part in (point.x, point.y, point.z))
    return (x * _STRIDE + y) * _STRIDE + z
