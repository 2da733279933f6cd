"""Scales, ticks and SVG paths of a meteogram. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

#: Steps of ticks, times a power of ten.
_STEPS: Final = (1.0, 2.0, 5.0, 10.0)

#: Points of a line: an x, and a y or None where the line breaks.
Points = Sequence[tuple[float, float | None]]


@dataclass(frozen=True, slots=True)
class TimeScale:
    """Instants as horizontal coordinates."""

    start: datetime
    end: datetime
    left: float
    right: float

    def x(self, at: datetime) -> float:
        """The coordinate of an instant, at most at the edges."""
        share = (at - self.start) / (self.end - self.start)
        return self.left + (self.right - self.left) * min(1.0, max(0.0, share))

    def shows(self, at: datetime) -> bool:
        """Whether an instant lies inside."""
        return self.start <= at <= self.end


@dataclass(frozen=True, slots=True)
class ValueScale:
    """Values as vertical coordinates, with ticks at round values."""

    low: float
    high: float
    ticks: tuple[float, ...]
    top: float
    bottom: float

    def y(self, value: float) -> float:
        """The coordinate of a value; one that lies outside of the scale is at its edge."""
        share = (value - self.low) / (self.high - self.low)
        return self.bottom - (self.bottom - self.top) * min(1.0, max(0.0, share))


def value_scale(values: Iterable[float | None], top: float, bottom: float, *, least: float, zero: bool = False) -> ValueScale:
    """A scale that holds all values.

    Args:
        values: What it has to hold; None is left out.
        top: Upper coordinate.
        bottom: Lower coordinate.
        least: Smallest span: noise of a steady value must not fill the whole height.
        zero: Whether the scale starts at 0.
    """
    numbers = [value for value in values if value is not None]
    low, high = (min(numbers), max(numbers)) if numbers else (0.0, least)
    if zero:
        low, high = 0.0, max(high, least)
    elif high - low < least:
        middle = (low + high) / 2
        low, high = middle - least / 2, middle + least / 2
    step = tick_step(high - low, max(2, int((bottom - top) // 28)))
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    count = round((high - low) / step)
    return ValueScale(low, high, tuple(low + step * number for number in range(count + 1)), top, bottom)


def tick_step(span: float, most: int) -> float:
    """The smallest round step with at most so many steps in a span."""
    power: float = 10.0 ** math.floor(math.log10(span / most))
    return next(step * power for step in _STEPS if span / (step * power) <= most + 1e-9)


def coordinate(number: float) -> str:
    """A coordinate as text with one decimal at most."""
    text = f"{number:.1f}"
    return text.removesuffix(".0")


def line_path(points: Points) -> str:
    """The attribute ``d`` of a line that breaks at None. A point without a neighbour is a dot, since line ends are round."""
    parts, is_open = [], False
    for x, y in points:
        if y is None:
            is_open = False
            continue
        parts.append(f"{'L' if is_open else 'M'}{coordinate(x)} {coordinate(y)}{'' if is_open else 'h0'}")
        is_open = True
    return "".join(parts)


def area_path(points: Points, lower: Callable[[int], float | None]) -> str:
    """The attribute ``d`` of the areas between a line and another one, given by the index of the point."""
    parts = []
    for run in _runs(points, lower):
        upper = "L".join(f"{coordinate(points[index][0])} {coordinate(points[index][1] or 0.0)}" for index in run)
        back = "L".join(f"{coordinate(points[index][0])} {coordinate(lower(index) or 0.0)}" for index in reversed(run))
        parts.append(f"M{upper}L{back}z")
    return "".join(parts)


def _runs(points: Points, lower: Callable[[int], float | None]) -> list[list[int]]:
    """The indexes of neighbouring points that have both ends, in runs of at least two."""
    runs: list[list[int]] = [[]]
    for index, (_, y) in enumerate(points):
        if y is None or lower(index) is None:
            runs.append([])
        else:
            runs[-1].append(index)
    return [run for run in runs if len(run) > 1]


def split_at(points: Points, level: float) -> tuple[list[tuple[float, float | None]], list[tuple[float, float | None]]]:
    """A line as two: what lies above a vertical coordinate and what lies below it, cut where it crosses the coordinate."""
    above: list[tuple[float, float | None]] = []
    below: list[tuple[float, float | None]] = []
    previous: tuple[float, float] | None = None
    for x, y in points:
        if y is None:
            above.append((x, None))
            below.append((x, None))
            previous = None
            continue
        if previous is not None and (previous[1] - level) * (y - level) < 0:
            at = previous[0] + (x - previous[0]) * (level - previous[1]) / (y - previous[1])
            above.append((at, level))
            below.append((at, level))
        above.append((x, y if y <= level else None))
        below.append((x, y if y >= level else None))
        previous = (x, y)
    return above, below
