"""A course as a small line of SVG. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ...reading.overview import SeriesPoint

WIDTH: Final = 120
HEIGHT: Final = 28
_MARGIN: Final = 3


@dataclass(frozen=True, slots=True)
class Sparkline:
    """The line, where it ends, and what it says."""

    #: The ``d`` of a path in a box of ``WIDTH`` x ``HEIGHT``; lines break where the course does.
    path: str
    #: Where the newest point is.
    end: tuple[float, float]
    lowest: float
    highest: float


def sparkline(course: Sequence[SeriesPoint], since: datetime, now: datetime) -> Sparkline | None:
    """The course between two instants as a line; None where there is nothing to draw."""
    values = [value for _, value in course if value is not None]
    if not values:
        return None
    low, high, length = min(values), max(values), (now - since).total_seconds()

    def place(at: datetime, value: float) -> tuple[float, float]:
        x = _MARGIN + (WIDTH - 2 * _MARGIN) * min(1.0, max(0.0, (at - since).total_seconds() / length))
        # A course that hardly moves is a line in the middle, not noise blown up to the whole height.
        share = 0.5 + (value - (low + high) / 2) / max(high - low, 1.0)
        return round(x, 1), round(HEIGHT - _MARGIN - (HEIGHT - 2 * _MARGIN) * share, 1)

    parts, end, is_open = [], (0.0, 0.0), False
    for at, value in course:
        if value is None:
            is_open = False
            continue
        end = place(at, value)
        # The zero-length line shows a point that has no neighbour: its ends are round.
        parts.append(f"{'L' if is_open else 'M'}{end[0]:g} {end[1]:g}" + ("" if is_open else "h0"))
        is_open = True
    return Sparkline("".join(parts), end, low, high)
