"""Statistics of a quantity from summaries that can be merged, such as the summaries of days into that of a month. Pure.

The mean of wind directions is that of unit vectors: the mean of 350° and 10° is 0°. Directions have no minimum or maximum. Codes
only have a maximum, the most significant one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from operator import truediv
from typing import Any, Final

from .precipitation_totals import Total, estimate_total
from .quantities import AMOUNTS, CODES, QUANTITIES

#: The parts of one quantity's summary, in the order of ``PARTS``; None for a part without a value.
Summary = tuple[Any, ...]

#: The same part of many summaries, or the same statistic of many time ranges.
Column = Sequence[Any]

#: The statistics of a quantity; each is None if the quantity has no value or does not have this statistic.
SCALAR_STATISTICS: Final = ("min", "max", "mean", "sum", "count")

#: The statistics of an amount. ``sum`` fell in the ``covered_seconds`` of the range, by the amounts of ``providers``;
#: ``sum_estimated`` is scaled to the whole range, None if less than three quarters are covered; ``unknown_count`` is the number
#: of amounts without a period (``precipitation_totals.py``).
AMOUNT_STATISTICS: Final = (*SCALAR_STATISTICS, "sum_estimated", "covered_seconds", "unknown_count", "providers")

#: Quantity → its statistics.
STATISTICS: Final[dict[str, tuple[str, ...]]] = {
    quantity.name: AMOUNT_STATISTICS if quantity.is_amount else SCALAR_STATISTICS for quantity in QUANTITIES
}
Statistics = dict[str, Any]

DIRECTION: Final = "wind_direction"

_SCALAR_PARTS: Final = ("min", "max", "sum", "count")

#: The parts of an amount's total: [mm], [s], number, and names of providers with commas between them.
_TOTAL_PARTS: Final = ("total", "covered_seconds", "unknown_count", "providers")

#: Quantity → the parts of its summary.
PARTS: Final[dict[str, tuple[str, ...]]] = {
    **{quantity.name: (*_SCALAR_PARTS, *_TOTAL_PARTS) if quantity.is_amount else _SCALAR_PARTS for quantity in QUANTITIES},
    DIRECTION: ("sin", "cos", "count"),
    **dict.fromkeys(CODES, ("max", "count")),
}

#: The parts of a range without any values that are 0 and not None.
ZERO_PARTS: Final = frozenset({"count", "covered_seconds", "unknown_count"})

#: A mean unit vector shorter than this has no direction.
_SHORTEST_VECTOR: Final = 1e-9


def summarise(name: str, values: Sequence[float], total: Total | None = None, providers: Iterable[str] = ()) -> Summary:
    """Summarise the values of a quantity; of an amount with its total and the providers of that."""
    if name == DIRECTION:
        angles = [math.radians(value) for value in values]
        sums = (math.fsum(map(math.sin, angles)), math.fsum(map(math.cos, angles))) if angles else (None, None)
        return (*sums, len(values))
    if name in CODES:
        return max(values, default=None), len(values)
    parts = (min(values), max(values), math.fsum(values), len(values)) if values else (None, None, None, 0)
    if name not in AMOUNTS:
        return parts
    if total is None:
        return (*parts, None, 0.0, 0, None)
    return (*parts, total.amount, total.covered_seconds, total.unknown, ",".join(sorted(providers)) or None)


def merge_summaries(name: str, columns: Sequence[Column]) -> Summary:
    """Merge the summaries of time ranges that do not overlap, given as a column for each part."""
    return tuple(_MERGE[part](column) for part, column in zip(PARTS[name], columns, strict=True))


def compute_statistics(name: str, columns: Sequence[Column], seconds: Column) -> tuple[Column, ...]:
    """A column for each of the quantity's ``STATISTICS``.

    Args:
        name: The quantity.
        columns: Summaries, given as a column for each part.
        seconds: Lengths of the ranges [s].
    """
    if name == DIRECTION:
        nothing = [None] * len(columns[0])
        return nothing, nothing, [_direction(*parts) for parts in zip(*columns, strict=True)], nothing, columns[2]
    if name in CODES:
        nothing = [None] * len(columns[0])
        return nothing, columns[0], nothing, nothing, columns[1]
    low, high, sum_of_values, count = columns[:4]
    mean = divide_columns(sum_of_values, count)
    if name not in AMOUNTS:
        return low, high, mean, [None] * len(mean), count
    total, covered, unknown, providers = columns[4:]
    estimates = list(map(estimate_total, total, covered, seconds))
    return low, high, mean, total, count, estimates, covered, unknown, [_split(names) for names in providers]


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


def _seconds(values: Iterable[float | None]) -> float:
    return math.fsum(value or 0.0 for value in values)


def _unite(values: Iterable[str | None]) -> str | None:
    return ",".join(sorted({name for names in values for name in _split(names)})) or None


def _split(names: str | None) -> list[str]:
    return names.split(",") if names else []


_MERGE: Final[dict[str, Callable[[Any], Any]]] = {
    "min": _min,
    "max": _max,
    "sum": _sum,
    "count": _count,
    "sin": _sum,
    "cos": _sum,
    "total": _sum,
    "covered_seconds": _seconds,
    "unknown_count": _count,
    "providers": _unite,
}
