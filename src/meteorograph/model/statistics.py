"""What the values of a quantity come to: tallies that can be put together again, a day's into a month's. Pure.

The mean of wind directions is that of unit vectors: 350° and 10° give 0°, and no lowest or highest one is told.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import truediv
from typing import Any, Final

from .quantities import QUANTITIES

#: The numbers of one quantity, in the order of ``PARTS``; None where there is nothing to count.
Summary = tuple[float | int | None, ...]

#: The same number of many tallies.
Numbers = Sequence[Any]

#: What is told of a quantity; each is None where it has no value or makes no sense. ``sum`` is what fell.
STATISTICS: Final = ("min", "max", "mean", "sum", "count")
Statistics = dict[str, float | int | None]

DIRECTION: Final = "wind_direction"
AMOUNT: Final = "precipitation"

_NUMBERS: Final = ("min", "max", "sum", "count")

#: Quantity → what its tally is made of. ``total`` is what fell (``amounts.py``).
PARTS: Final[dict[str, tuple[str, ...]]] = {
    **{quantity.name: _NUMBERS for quantity in QUANTITIES},
    DIRECTION: ("sin", "cos", "count"),
    AMOUNT: (*_NUMBERS, "total"),
}

#: Mean unit vectors that are shorter point nowhere.
_POINTS_NOWHERE: Final = 1e-9


def summarise(name: str, values: Sequence[float], fell: float | None = None) -> Summary:
    """The tally of a quantity's values, and, of precipitation, what fell [mm]."""
    if name == DIRECTION:
        angles = [math.radians(value) for value in values]
        sums = (math.fsum(map(math.sin, angles)), math.fsum(map(math.cos, angles))) if angles else (None, None)
        return (*sums, len(values))
    numbers = (min(values), max(values), math.fsum(values), len(values)) if values else (None, None, None, 0)
    return (*numbers, fell) if name == AMOUNT else numbers


def merge_summaries(name: str, columns: Sequence[Numbers]) -> Summary:
    """The tally of several stretches of time that do not overlap, from a column for each part of theirs."""
    return tuple(_MERGE[part](column) for part, column in zip(PARTS[name], columns, strict=True))


def statistics_of(name: str, columns: Sequence[Numbers]) -> tuple[Numbers, ...]:
    """What is told of tallies: a column for each of the ``STATISTICS`` from a column for each part of theirs."""
    if name == DIRECTION:
        nothing = [None] * len(columns[0])
        return nothing, nothing, [_direction(*each) for each in zip(*columns, strict=True)], nothing, columns[2]
    low, high, total, count = columns[:4]
    mean = quotients(total, count)
    return low, high, mean, columns[4] if name == AMOUNT else [None] * len(mean), count


def quotients(sums: Numbers, counts: Numbers) -> Numbers:
    """Each sum by its count; None where that is 0."""
    if all(counts):  # as it mostly is
        return list(map(truediv, sums, counts))
    return [one / many if many else None for one, many in zip(sums, counts, strict=True)]


def _direction(sin: float | None, cos: float | None, count: float | None) -> float | None:
    if sin is None or cos is None or not count or math.hypot(sin, cos) / count < _POINTS_NOWHERE:
        return None
    return round(math.degrees(math.atan2(sin, cos)), 6) % 360.0


def _sum(values: Iterable[float | None]) -> float | None:
    given = [value for value in values if value is not None]
    return math.fsum(given) if given else None


def _least(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _greatest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _count(values: Iterable[float | None]) -> int:
    return sum(int(value or 0) for value in values)


_MERGE: Final = {"min": _least, "max": _greatest, "sum": _sum, "total": _sum, "sin": _sum, "cos": _sum, "count": _count}
