"""Wind barbs as on weather maps: a shaft from which the wind comes, with feathers of 5, 10 and 50 knots. Pure.

WMO-No. 485, attachment IV-1; south of the equator the feathers are on the other side.
"""

from __future__ import annotations

from typing import Final

from ...model.units import KNOT
from .meteogram_scale import coordinate

_LENGTH: Final = 17.0
_APART: Final = 3.4
_FEATHER: Final = 7.0

#: Slower winds are calm: a circle [knots].
_CALM: Final = 2.5


def barb(x: float, y: float, speed: float, direction: float, *, is_south: bool = False) -> str:
    """The SVG element of a wind [m/s], from a direction [degree], in the middle at (x, y)."""
    knots = round(speed / KNOT / 5) * 5
    if speed / KNOT < _CALM:
        return f'<circle class="m-calm" cx="{coordinate(x)}" cy="{coordinate(y)}" r="3"/>'
    side = -1 if is_south else 1
    turn = f"translate({coordinate(x)} {coordinate(y)})rotate({round(direction) % 360})"
    return f'<path class="m-barb" transform="{turn}" d="{_shape(knots, side)}"/>'


def _shape(knots: int, side: int) -> str:
    """The path of a barb for a wind from the north."""
    parts, at = [f"M0 {coordinate(_LENGTH / 2)}V{coordinate(-_LENGTH / 2)}"], -_LENGTH / 2
    tip = side * _FEATHER
    while knots >= 50:
        parts.append(f"M0 {coordinate(at)}L{coordinate(tip)} {coordinate(at)}L0 {coordinate(at + _APART)}z")
        at, knots = at + _APART + 1, knots - 50
    if knots == 5 and at == -_LENGTH / 2:
        at += _APART  # a single half feather is not at the end
    while knots >= 10:
        parts.append(f"M0 {coordinate(at)}l{coordinate(tip)} -2.6")
        at, knots = at + _APART, knots - 10
    if knots:
        parts.append(f"M0 {coordinate(at)}l{coordinate(tip / 2)} -1.3")
    return "".join(parts)
