"""The picture of a wind rose as an SVG. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from markupsafe import Markup, escape

from ...i18n import ENGLISH, Language
from ...reading.climate import SECTORS, WindRose
from .meteogram_scale import coordinate, tick_step
from .words import POINTS

_SIZE: Final = 300
_MIDDLE: Final = _SIZE / 2
_RADIUS: Final = 122.0
#: Half of the angle of a petal [degree].
_HALF: Final = 360 / SECTORS * 0.4


def wind_rose_picture(rose: WindRose, title: str, language: Language = ENGLISH) -> Markup:
    """The SVG element; ``title`` is what it is called to a screen reader."""
    head = f'<svg class="rose" viewBox="0 0 {_SIZE} {_SIZE}" role="img" aria-label="{escape(title)}">'
    return Markup(head + "".join(_parts(rose, language)) + "</svg>")  # noqa: S704  # numbers and classes


def _parts(rose: WindRose, language: Language) -> Iterator[str]:
    largest = max(sum(parts) for parts in rose.parts) or 0.01
    step = tick_step(largest, 3)
    rings = math.ceil(largest / step - 1e-9)
    for ring in range(1, rings + 1):
        radius = _RADIUS * ring / rings
        yield f'<circle class="ring" cx="{_MIDDLE:g}" cy="{_MIDDLE:g}" r="{coordinate(radius)}"/>'
        yield f'<text x="{_MIDDLE + 3:g}" y="{coordinate(_MIDDLE - radius + 11)}">{ring * step:.0%}</text>'
    for sector, parts in enumerate(rose.parts):
        inner = 0.0
        for number, part in enumerate(parts):
            outer = inner + part / (rings * step) * _RADIUS
            if part:
                yield f'<path class="w{number}" d="{_petal(sector * 360 / SECTORS, inner, outer)}"/>'
            inner = outer
    places = ((_MIDDLE, 14), (_SIZE - 8, _MIDDLE + 4), (_MIDDLE, _SIZE - 5), (8, _MIDDLE + 4))
    for point, (x, y) in zip(POINTS[::2], places, strict=True):
        yield f'<text class="point" x="{x:g}" y="{y:g}" text-anchor="middle">{escape(language.say(point))}</text>'


def _petal(direction: float, inner: float, outer: float) -> str:
    """A part of a ring around a direction [degree from north, clockwise]."""
    (x1, y1), (x2, y2) = _at(direction - _HALF, inner), _at(direction + _HALF, inner)
    (x3, y3), (x4, y4) = _at(direction + _HALF, outer), _at(direction - _HALF, outer)
    numbers = [coordinate(one) for one in (x1, y1, inner, inner, x2, y2, x3, y3, outer, outer, x4, y4)]
    return "M{} {}A{} {} 0 0 1 {} {}L{} {}A{} {} 0 0 0 {} {}z".format(*numbers)


def _at(direction: float, radius: float) -> tuple[float, float]:
    angle = math.radians(direction)
    return _MIDDLE + radius * math.sin(angle), _MIDDLE - radius * math.cos(angle)
