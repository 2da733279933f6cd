"""What a row tells of itself: values out of range, values that contradict each other. Part of stop 7; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from ..model.flags import Flag
from ..model.quantities import BY_NAME, QUANTITIES
from .climate_limits import likely_limits

#: Quantity → words.
Flags = dict[str, list[str]]

QUANTITY_NAMES: Final = tuple(quantity.name for quantity in QUANTITIES)

#: How far a provider's clock may be ahead of ours.
PROVIDER_CLOCK_AHEAD: Final = timedelta(minutes=10)

#: What two values that should be ordered may lack of it: they are converted and rounded [unit of the quantity].
ROUNDING: Final = 0.1


def check_row(row: Mapping[str, Any], latitude: float | None) -> Flags:
    """The flags that a row's values deserve without looking at any other row.

    Args:
        row: Columns of ``WeatherData``.
        latitude: Of the place [degree north]; None leaves the climate out.
    """
    flags: Flags = {}
    due_at: datetime = row["due_at"]
    for name, least, most in _tightest(None if latitude is None else round(latitude), due_at.month):
        value = row.get(name)
        if value is not None and not least <= value <= most:
            low, high = BY_NAME[name].plausible
            flags[name] = [Flag.CLIMATE if low <= value <= high else Flag.RANGE]
    amount = row.get("precipitation")
    if amount and amount > most_rain(row.get("precipitation_period")):
        flags["precipitation"] = [Flag.RANGE]
    for name in _contradicting(row):
        flags.setdefault(name, []).append(Flag.INCONSISTENT)
    observed_at = row.get("observed_at")
    if observed_at is not None and observed_at > row["fetched_at"] + PROVIDER_CLOCK_AHEAD:
        for name in QUANTITY_NAMES:
            if row.get(name) is not None:
                flags.setdefault(name, []).append(Flag.FUTURE)
    return flags


def most_rain(period: int | None) -> float:
    """The most that ever fell in so many seconds [mm], or in a day where the period is not known.

    The envelope of the world's records, 425 mm times the hours to the power of 0.47 (Galmarini et al. 2004, after Jennings 1950).
    """
    return BY_NAME["precipitation"].plausible[1] if period is None else 425.0 * (period / 3600) ** 0.47


@cache
def _tightest(latitude: int | None, month: int) -> tuple[tuple[str, float, float], ...]:
    """Each quantity with the limits that a value is first held against; those of amounts depend on their period."""
    climate = {} if latitude is None else likely_limits(latitude, month)
    limits = {quantity.name: climate.get(quantity.name, quantity.plausible) for quantity in QUANTITIES}
    del limits["precipitation"]
    return tuple((name, least, most) for name, (least, most) in limits.items())


def _contradicting(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The quantities of a row that cannot all be true.

    Of dew point and temperature either may be wrong, so both are named. Humidity is never 0. A gust below the wind speaks
    against the gust, which fewer stations measure.
    """
    wrong: tuple[str, ...] = ("humidity",) if row.get("humidity") == 0 else ()
    temperature, dew_point = row.get("temperature"), row.get("dew_point")
    if temperature is not None and dew_point is not None and dew_point > temperature + ROUNDING:
        wrong += ("temperature", "dew_point")
    wind, gust = row.get("wind_speed"), row.get("wind_gust")
    if wind is not None and gust is not None and gust < wind - ROUNDING:
        wrong += ("wind_gust",)
    return wrong
