"""Lowest, mean and highest value of each quantity over many buckets; of precipitation what fell in all. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...model.quantities import QUANTITIES, Quantity
from ...reading.aggregates import Bucket


@dataclass(frozen=True, slots=True)
class Summary:
    """One quantity, in its canonical unit; None where there are no values."""

    name: str
    unit: str
    count: int
    lowest: float | None
    mean: float | None
    highest: float | None
    #: Of precipitation only.
    total: float | None


def summary(found: Sequence[Bucket]) -> list[Summary]:
    """The quantities that have values. A direction has no lowest and no highest one, and is left out."""
    made = [_of(quantity, found) for quantity in QUANTITIES if quantity.name != "wind_direction"]
    return [one for one in made if one.count]


def _of(quantity: Quantity, found: Sequence[Bucket]) -> Summary:
    parts = [bucket.values[quantity.name] for bucket in found if quantity.name in bucket.values]

    def given(kind: str) -> list[float]:
        return [value for part in parts if (value := part.get(kind)) is not None]

    weighted = [(mean, count) for part in parts if (mean := part.get("mean")) is not None and (count := part.get("count"))]
    many = sum(count for _, count in weighted)
    sums = given("sum")
    return Summary(
        name=quantity.name,
        unit=quantity.unit,
        count=int(sum(given("count"))),
        lowest=min(given("min"), default=None),
        mean=sum(mean * count for mean, count in weighted) / many if many else None,
        highest=max(given("max"), default=None),
        total=sum(sums) if sums and quantity.name == "precipitation" else None,
    )
