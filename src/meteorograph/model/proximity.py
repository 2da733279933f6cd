"""Which points lie within 100 m of each other, in one pass over any number of them. Pure."""

from __future__ import annotations

import math
from itertools import product
from typing import Final, NamedTuple

from .values import EARTH_RADIUS_KM

#: Two locations closer than this [m] are likely to be one that was written twice.
NEAR_M: Final = 100.0

_RADIUS_M: Final = EARTH_RADIUS_KM * 1000
#: More cubes than there are along the diameter of the earth, so that the three numbers of a cube fit into one.
_STRIDE: Final = 1 << 18
_AROUND: Final = [(x * _STRIDE + y) * _STRIDE + z for x, y, z in product((-1, 0, 1), repeat=3)]


class _Point(NamedTuple):
    name: str
    x: float
    y: float
    z: float

    def distance_m(self, other: _Point) -> float:
        """The straight line [m], which at this length is as long as the way over ground."""
        return math.sqrt((self.x - other.x) ** 2 + (self.y - other.y) ** 2 + (self.z - other.z) ** 2)


class ProximityGrid:
    """Points in cubes of space with a side of 100 m: no seam at the poles and none where the longitude turns over.

    A point is compared with the *heads* of its own cube first, which are the few that were near none before them, and
    with all points around only if it is near none of these. So the work stays in proportion to the number of points,
    also where very many lie in one place.
    """

    def __init__(self) -> None:
        self._points: dict[int, list[_Point]] = {}
        self._heads: dict[int, list[_Point]] = {}

    def put(self, name: str, latitude: float, longitude: float) -> None:
        """Add a point without asking what is near it."""
        point = _point(name, latitude, longitude)
        self._points.setdefault(_cube(point), []).append(point)

    def seek(self, name: str, latitude: float, longitude: float) -> tuple[str, float] | None:
        """The name and distance [m] of a point of another name that is near, if there is one; then add this one."""
        point = _point(name, latitude, longitude)
        cube = _cube(point)
        near = _first_near(point, self._heads.get(cube, []))
        if near is None:
            for offset in _AROUND:
                others = self._points.get(cube + offset)
                if others and (near := _first_near(point, others)) is not None:
                    break
            self._heads.setdefault(cube, []).append(point)
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
