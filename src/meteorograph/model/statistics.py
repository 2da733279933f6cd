"""Statistics of a quantity from summaries that can be merged, such as the summaries of days into that of a month. Pure.

The mean of wind directions is that of unit vectors: the mean of 350° and 10° is 0°. Directions have no minimum or maximum.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import truediv
from typing import Any, Final

from .quantities import QUANTITIES

#: The parts of one quantity's summary, in the order of ``PARTS``; None for a part without a value.
Summary = tuple[float | int | None, ...]

#: The same part of many summaries, or the same statistic of many time ranges.
Column = Sequence[Any]

#: The statistics of a quantity; each is None if the quantity has no value or does not have this statistic. ``sum`` is the total
#: of precipitation.
STATISTICS: Final = ("min", "max", "mean", "sum", "count")
Statistics = dict[str, float | int | None]

DIRECTION: Final = "wind_direction"
AMOUNT: Final = "precipitation"

_SCALAR_PARTS: Final = ("min", "max", "sum", "count")

#: Quantity → the parts of its summary. ``total`` is the total of precipitation (``precipitation_totals.py``).
PARTS: Final[dict[str, tuple[str, ...]]] = {
    **{quantity.name: _SCALAR_PARTS for quantity in QUANTITIES},
    DIRECTION: ("sin", "cos", "count"),
    AMOUNT: (*_SCALAR_PARTS, "total"),
}

#: A mean unit vector shorter than this has no direction.
_SHORTEST_VECTOR: Final = 1e-9


def summarise(name: str, values: Sequence[float], total: float | None = None) -> Summary:
    """Summarise the values of a quantity; of precipitation with its total [mm]."""
    if name == DIRECTION:
        angles = [math.radians(value) for value in values]
        sums = (math.fsum(map(math.sin, angles)), math.fsum(map(math.cos, angles))) if angles else (None, None)
        return (*sums, len(values))
    parts = (min(values), max(values), math.fsum(values), len(values)) if values else (None, None, None, 0)
    return (*parts, total) if name == AMOUNT else parts


def merge_summaries(name: str, columns: Sequence[Column]) -> Summary:
    """Merge the summaries of time ranges that do not overlap, given as a column for each part."""
    return tuple(_MERGE[part](column) for part, column in zip(PARTS[name], columns, strict=True))


def compute_statistics(name: str, columns: Sequence[Column]) -> tuple[Column, ...]:
    """A column for each of the ``STATISTICS``, from summaries that are given as a column for each part."""
    if name == DIRECTION:
        nothing = [None] * len(columns[0])
        return nothing, nothing, [_direction(*parts) for parts in zip(*columns, strict=True)], nothing, columns[2]
    low, high, total, count = columns[:4]
    mean = divide_columns(total, count)
    return low, high, mean, columns[4] if name == AMOUNT else [None] * len(mean), count


def divide_columns(sums: Column, counts: Column) -> Column:
    """Each sum divided by its count; None if the count is 0."""
    if all(counts):  # the usual case, and the fast path
        return list(map(truediv, sums, counts))
    return [sum_ / count if count else None for sum_, count in zip(sums, counts, strict=True)]


def _direction(sin: float | None, cos: float | None, count: float | None) -> float | None:
    if sin is None or cos is None or not count or math.hypot(sin, cos) / count < _SHORTEST_VECTOR:
        return None
    return round(math.degrees(math.atan2(sin, cos)), 6) % 360.0


def _sum(values: Iterable[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return math.fsum(numbers) if numbers else None


def _min(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _max(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _count(values: Iterable[float | None]) -> int:
    return sum(int(value or 0) for value in values)


_MERGE: Final = {"min": _min, "max": _max, "sum": _sum, "total": _sum, "sin": _sum, "cos": _sum, "count": _count}
