"""Sparklines: a series as a small SVG line. Pure."""

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
    """Path, end point and range of a sparkline."""

    #: Attribute ``d`` of the path in a box of ``WIDTH`` x ``HEIGHT``, with breaks where values are missing.
    path: str
    #: Coordinates of the newest point.
    end: tuple[float, float]
    lowest: float
    highest: float


def sparkline(series: Sequence[SeriesPoint], since: datetime, now: datetime) -> Sparkline | None:
    """The sparkline of a series between two instants; None without values."""
    values = [value for _, value in series if value is not None]
    if not values:
        return None
    low, high, length = min(values), max(values), (now - since).total_seconds()

    def place(at: datetime, value: float) -> tuple[float, float]:
        x = _MARGIN + (WIDTH - 2 * _MARGIN) * min(1.0, max(0.0, (at - since).total_seconds() / length))
        # The span is at least 1: noise of a steady value must not fill the whole height.
        share = 0.5 + (value - (low + high) / 2) / max(high - low, 1.0)
        return round(x, 1), round(HEIGHT - _MARGIN - (HEIGHT - 2 * _MARGIN) * share, 1)

    parts, end, is_open = [], (0.0, 0.0), False
    for at, value in series:
        if value is None:
            is_open = False
            continue
        end = place(at, value)
        # A line of length zero shows a point without a neighbour, since line ends are round.
        parts.append(f"{'L' if is_open else 'M'}{end[0]:g} {end[1]:g}" + ("" if is_open else "h0"))
        is_open = True
    return Sparkline("".join(parts), end, low, high)
