"""Lowest, mean and highest value of each quantity over a period, and the precipitation total. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ...model.quantities import QUANTITIES, Quantity
from ...model.statistics import Statistics
from ...model.valid_time import is_whole

#: The quantities that have a lowest value and a mean: all but wind direction and codes.
SUMMARISED: Final = tuple(one for one in QUANTITIES if one.name != "wind_direction" and not one.is_code)


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


def summary(statistics: Mapping[str, Statistics], seconds: float) -> list[Summary]:
    """Summaries of the quantities that have values.

    Args:
        statistics: Quantity → its statistics over a period.
        seconds: Length of the period, without what is in the future [s].
    """
    return [_summarise(one, statistics[one.name], seconds) for one in SUMMARISED if statistics.get(one.name, {}).get("count")]


def _summarise(quantity: Quantity, values: Statistics, seconds: float) -> Summary:
    coverage = min(1.0, (values.get("covered_seconds") or 0.0) / seconds)
    return Summary(
        name=quantity.name,
        unit=quantity.unit,
        is_amount=quantity.is_amount,
        count=values["count"],
        lowest=values["min"],
        mean=values["mean"],
        highest=values["max"],
        total=values["sum"] if quantity.is_amount else None,
        coverage=coverage,
        is_partial=not is_whole(coverage, seconds),
        unknown_count=values.get("unknown_count") or 0,
    )
