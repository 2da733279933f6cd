"""Check a row by itself: values out of range, values that contradict each other. Part of stop 7 of the walk; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from ..model.flags import Flag
from ..model.quantities import BY_NAME, QUANTITIES
from ..model.states import Origin
from .climate_limits import likely_limits
from .contradictions import find_contradictions

#: Quantity → flags.
Flags = dict[str, list[str]]

QUANTITY_NAMES: Final = tuple(quantity.name for quantity in QUANTITIES)

#: How far a provider's clock may be ahead of ours.
MAX_CLOCK_LEAD: Final = timedelta(minutes=10)

#: The age at which an observation is old, for a provider without an age of its own.
DEFAULT_MAX_AGE: Final = timedelta(hours=12)


def check_row(
    row: Mapping[str, Any], latitude: float | None, max_age: timedelta = DEFAULT_MAX_AGE, elevation: float | None = None
) -> Flags:
    """The flags of a row's values, without a comparison with other rows.

    Args:
        row: Columns of ``WeatherData``.
        latitude: Of the location [degree north]; None to skip the climate check.
        max_age: How long before it is fetched the provider's data may be observed.
        elevation: Of the location [m]; None to skip the check for station pressure.
    """
    flags: Flags = {}
    due_at: datetime = row["due_at"]
    limits = _limits(None if latitude is None else round(latitude), due_at.month)
    for value, (name, low, high) in zip(values_of(row), limits, strict=True):
        if value is not None and not low <= value <= high:
            record_low, record_high = BY_NAME[name].plausible
            flags[name] = [Flag.CLIMATE if record_low <= value <= record_high else Flag.RANGE]
    amount = row.get("precipitation")
    if amount and amount > record_precipitation(row.get("precipitation_period")):
        flags["precipitation"] = [Flag.RANGE]
    for name in find_contradictions(row, latitude, elevation):
        flags.setdefault(name, []).append(Flag.INCONSISTENT)
    word = _time_flag(row, max_age)
    if word is not None:
        for name in QUANTITY_NAMES:
            if row.get(name) is not None:
                flags.setdefault(name, []).append(word)
    return flags


def values_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """The values of a row in the order of ``QUANTITY_NAMES``."""
    return tuple(map(row.get, QUANTITY_NAMES))


def _time_flag(row: Mapping[str, Any], max_age: timedelta) -> Flag | None:
    """The flag of all values if the row was observed too late or too early.

    A history is fetched, and a file imported, long after the slot, so the age of such a row is its age in its slot.
    """
    observed_at: datetime | None = row.get("observed_at")
    if observed_at is None:
        return None
    if observed_at > row["fetched_at"] + MAX_CLOCK_LEAD:
        return Flag.FUTURE
    since: datetime = row["fetched_at"] if row.get("origin", Origin.LIVE) == Origin.LIVE else row["due_at"]
    return Flag.OLD if observed_at < since - max_age else None


def record_precipitation(period: int | None) -> float:
    """The largest amount that ever fell in a period of this length [s], in mm; in a day if the period is None.

    The envelope of the world records: 425 mm times the hours to the power of 0.47 (Galmarini et al. 2004, after Jennings 1950).
    """
    return BY_NAME["precipitation"].plausible[1] if period is None else 425.0 * (period / 3600) ** 0.47


@cache
def _limits(latitude: int | None, month: int) -> tuple[tuple[str, float, float], ...]:
    """Name and strictest limits of each quantity; none of precipitation, whose limit depends on its period."""
    climate = {} if latitude is None else likely_limits(latitude, month)
    limits = {quantity.name: climate.get(quantity.name, quantity.plausible) for quantity in QUANTITIES}
    limits["precipitation"] = (-math.inf, math.inf)
    return tuple((name, low, high) for name, (low, high) in limits.items())
