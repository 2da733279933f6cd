"""Lowest, mean and highest value of each quantity over many buckets, and the precipitation total. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...model.quantities import QUANTITIES, Quantity
from ...reading.aggregates import Bucket


@dataclass(frozen=True, slots=True)
class Summary:
    """One quantity, in its canonical unit; None without values."""

    name: str
    unit: str
    count: int
    lowest: float | None
    mean: float | None
    highest: float | None
    #: Of precipitation only.
    total: float | None


def summary(buckets: Sequence[Bucket]) -> list[Summary]:
    """Summaries of the quantities that have values, without wind direction, which has no lowest or highest value."""
    summaries = [_summarise(quantity, buckets) for quantity in QUANTITIES if quantity.name != "wind_direction"]
    return [summary for summary in summaries if summary.count]


def _summarise(quantity: Quantity, buckets: Sequence[Bucket]) -> Summary:
    parts = [bucket.values[quantity.name] for bucket in buckets if quantity.name in bucket.values]

    def values_of(kind: str) -> list[float]:
        return [value for part in parts if (value := part.get(kind)) is not None]

    weighted = [(mean, count) for part in parts if (mean := part.get("mean")) is not None and (count := part.get("count"))]
    total_count = sum(count for _, count in weighted)
    sums = values_of("sum")
    return Summary(
        name=quantity.name,
        unit=quantity.unit,
        count=int(sum(values_of("count"))),
        lowest=min(values_of("min"), default=None),
        mean=sum(mean * count for mean, count in weighted) / total_count if total_count else None,
        highest=max(values_of("max"), default=None),
        total=sum(sums) if sums and quantity.name == "precipitation" else None,
    )
