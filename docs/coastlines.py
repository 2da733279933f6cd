"""Make src/meteorograph/web/static/world.json, the outline of the world under the map of places, from Natural Earth's land.

Natural Earth (https://www.naturalearthdata.com) is in the public domain. The npm package ``world-atlas`` 2.0.2 has its version
4.1.0 as TopoJSON. Unpack it and run ``python docs/coastlines.py package/land-50m.json``.

The result is a list of polygons, each a list of rings. A ring is a flat list of whole numbers: the longitude and latitude of its
first point, then the steps to each next one, in ``unit`` parts of a degree. A ring across the antimeridian goes on beyond 180.
"""

from __future__ import annotations

import json
import math
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

Point = tuple[float, float]
Ring = list[Point]

RESULT: Final = Path(__file__).parents[1] / "src" / "meteorograph" / "web" / "static" / "world.json"

#: Numbers of a ring are in these parts of a degree.
UNIT: Final = 20

#: A line leaves out points that are nearer to it than this [degrees].
TOLERANCE: Final = 0.08

#: Smaller islands and lakes are left out [square degrees].
SMALLEST: Final = 0.05

#: How far the ring around the pole goes beyond the antimeridian, so that no seam is seen [degrees].
OVERLAP: Final = 1.0


def main() -> None:
    """Write the outline."""
    polygons = [ring for ring in map(simplify, read_rings(json.loads(Path(sys.argv[1]).read_text("utf-8")))) if ring]
    content = {
        "source": "Natural Earth 4.1.0, 1:50m land, simplified",
        "licence": "public domain",
        "unit": UNIT,
        "polygons": polygons,
    }
    RESULT.write_text(json.dumps(content, separators=(",", ":")) + "\n", "utf-8")
    print(f"{len(polygons)} polygons, {RESULT.stat().st_size:,} bytes")  # noqa: T201


def read_rings(topology: dict[str, Any]) -> list[list[Ring]]:
    """The polygons of a topology, with rings that are continuous across the antimeridian."""
    arcs = [_decode(arc, topology["transform"]) for arc in topology["arcs"]]
    (land,) = topology["objects"]["land"]["geometries"]
    return [[_unroll(_join(arcs, numbers)) for numbers in polygon] for polygon in land["arcs"]]


def _decode(arc: list[list[int]], transform: dict[str, list[float]]) -> Ring:
    (scale_x, scale_y), (west, south), x, y = transform["scale"], transform["translate"], 0, 0
    points = []
    for step_x, step_y in arc:
        x, y = x + step_x, y + step_y
        points.append((x * scale_x + west, y * scale_y + south))
    return points


def _join(arcs: list[Ring], numbers: list[int]) -> Ring:
    ring: Ring = []
    for number in numbers:
        arc = arcs[number] if number >= 0 else arcs[~number][::-1]
        ring += arc[1:] if ring else arc
    return ring


def _unroll(ring: Ring) -> Ring:
    """The ring without jumps from one side of the antimeridian to the other; one around the pole is closed over the pole."""
    points = ring[:1]
    for (x, _), (next_x, next_y) in pairwise(ring):
        points.append((points[-1][0] + (next_x - x + 540) % 360 - 180, next_y))
    (first, first_y), (last, last_y) = points[0], points[-1]
    if abs(last - first) < 1:
        turn = 360 * round((min(x for x, _ in points) + max(x for x, _ in points)) / 720)
        return [(x - turn, y) for x, y in points]
    side = math.copysign(OVERLAP, last - first)
    return [(first - side, -90), (first - side, first_y), *points, (last + side, last_y), (last + side, -90), (first - side, -90)]


def simplify(polygon: list[Ring]) -> list[list[int]]:
    """The rings of a polygon that are large enough, as steps; an empty list if the outer one is not."""
    if _area(polygon[0]) < SMALLEST:
        return []
    return [steps for ring in polygon if _area(ring) >= SMALLEST and len(steps := _steps(_thin_out(ring))) >= 8]


def _area(ring: Ring) -> float:
    return abs(sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in pairwise(ring))) / 2


def _thin_out(ring: Ring) -> Ring:
    """The method of Douglas and Peucker, with degrees of longitude as long as they are at that latitude."""
    kept, parts = {0, len(ring) - 1}, [(0, len(ring) - 1)]
    while parts:
        start, end = parts.pop()
        far = max(range(start + 1, end), key=lambda at: _distance(ring[at], ring[start], ring[end]), default=None)
        if far is not None and _distance(ring[far], ring[start], ring[end]) > TOLERANCE:
            kept.add(far)
            parts += [(start, far), (far, end)]
    return [ring[at] for at in sorted(kept)]


def _distance(point: Point, start: Point, end: Point) -> float:
    width = max(0.2, math.cos(math.radians(point[1])))
    x, y = (point[0] - start[0]) * width, point[1] - start[1]
    line_x, line_y = (end[0] - start[0]) * width, end[1] - start[1]
    length = line_x**2 + line_y**2
    along = min(1.0, max(0.0, (x * line_x + y * line_y) / length)) if length else 0.0
    return math.hypot(x - along * line_x, y - along * line_y)


def _steps(ring: Ring) -> list[int]:
    steps: list[int] = []
    at = (0, 0)
    for x, y in ring:
        point = (round(x * UNIT), round(y * UNIT))
        if not steps or point != at:
            steps += [point[0] - at[0], point[1] - at[1]]
            at = point
    return steps


if __name__ == "__main__":
    main()
