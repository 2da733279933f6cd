"""Lowest, mean and highest value of each quantity over many buckets, and the precipitation total. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...model.quantities import QUANTITIES, Quantity
from ...model.valid_time import is_whole
from ...reading.aggregates import Bucket


@dataclass(frozen=True, slots=True)
class Summary:
    """One quantity, in its canonical unit; None without values."""

    name: str
    unit: str
    is_amount: bool
    count: int
    lowest: float | None
    mean: float | None
    highest: float | None
    #: Of amounts only: what fell in the covered time, how much of all the time that is, and amounts of an unknown period.
    total: float | None = None
    coverage: float = 0.0
    #: Whether more may have fallen.
    is_partial: bool = False
    unknown_count: int = 0


def summary(buckets: Sequence[Bucket], seconds: float) -> list[Summary]:
    """Summaries of the quantities that have values, without wind direction and codes, which have no lowest value or no mean.

    Args:
        buckets: The buckets of a period.
        seconds: Length of the period, without what is in the future [s].
    """
    summaries = [_summarise(quantity, buckets, seconds) for quantity in QUANTITIES if _has_summary(quantity)]
    return [summary for summary in summaries if summary.count]


def _has_summary(quantity: Quantity) -> bool:
    return quantity.name != "wind_direction" and not quantity.is_code


def _summarise(quantity: Quantity, buckets: Sequence[Bucket], seconds: float) -> Summary:
    parts = [bucket.values[quantity.name] for bucket in buckets if quantity.name in bucket.values]

    def values_of(kind: str) -> list[float]:
        return [value for part in parts if (value := part.get(kind)) is not None]

    weighted = [(mean, count) for part in parts if (mean := part.get("mean")) is not None and (count := part.get("count"))]
    total_count = sum(count for _, count in weighted)
    sums = values_of("sum")
    coverage = min(1.0, sum(values_of("covered_seconds")) / seconds)
    return Summary(
        name=quantity.name,
        unit=quantity.unit,
        is_amount=quantity.is_amount,
        count=int(sum(values_of("count"))),
        lowest=min(values_of("min"), default=None),
        mean=sum(mean * count for mean, count in weighted) / total_count if total_count else None,
        highest=max(values_of("max"), default=None),
        total=sum(sums) if sums and quantity.is_amount else None,
        coverage=coverage,
        is_partial=not is_whole(coverage, seconds),
        unknown_count=int(sum(values_of("unknown_count"))),
    )
