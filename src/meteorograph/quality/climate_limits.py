"""The range of values that is likely at a latitude in a month. Part of stop 7 of the walk; pure.

Pressure, dew point and wind: the limits of WMO-No. 305 (1993), chapter 6, for suspect values. Its limits of temperature
distinguish only two zones and two seasons. The limits here are finer: the temperature records of six zones, extended by a few
degrees, with a cosine between the coldest and the warmest month.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final, NamedTuple

#: The smallest and the largest likely value of a quantity [unit of the quantity].
Limits = tuple[float, float]


class _Zone(NamedTuple):
    """Limits of temperature [°C] between the previous zone and ``latitude`` [degree from the equator], north and south."""

    latitude: float
    low_in_coldest: float
    low_in_warmest: float
    high_in_coldest: float
    high_in_warmest: float


_ZONES: Final = (
    _Zone(15, -30, -25, 48, 50),
    _Zone(30, -38, -25, 46, 54.5),
    _Zone(45, -58, -28, 38, 57),
    _Zone(60, -65, -25, 30, 50),
    _Zone(75, -80, -48, 22, 41),
    _Zone(90, -90, -62, 14, 26),
)

#: (poleward of 45°, summer half of the year) → limits.
_WMO_305: Final[dict[tuple[bool, bool], dict[str, Limits]]] = {
    (False, False): {"pressure": (910, 1080), "dew_point": (-35, 35), "wind_speed": (0, 60)},
    (False, True): {"pressure": (900, 1080), "dew_point": (-25, 35), "wind_speed": (0, 85)},  # 90 in WMO-No. 305
    (True, False): {"pressure": (940, 1080), "dew_point": (-85, 30), "wind_speed": (0, 50)},
    (True, True): {"pressure": (950, 1080), "dew_point": (-35, 35), "wind_speed": (0, 40)},
}


def likely_limits(latitude: float, month: int) -> dict[str, Limits]:
    """Quantity → its likely range at a latitude [degree north] in a month (1 to 12)."""
    return _likely(
        next(number for number, zone in enumerate(_ZONES) if abs(latitude) <= zone.latitude),
        month if latitude >= 0 else (month + 5) % 12 + 1,  # the corresponding month in the north
    )


@cache
def _likely(number: int, month: int) -> dict[str, Limits]:
    zone = _ZONES[number]
    # The extremes of a month may occur on its first or last day, so the neighbouring months count too.
    warmth = [_warmth(neighbour) for neighbour in (month - 1, month, month + 1)]
    low = zone.low_in_coldest + min(warmth) * (zone.low_in_warmest - zone.low_in_coldest)
    high = zone.high_in_coldest + max(warmth) * (zone.high_in_warmest - zone.high_in_coldest)
    limits = _WMO_305[zone.latitude > 45, 4 <= month <= 9]
    return {"temperature": (round(low, 1), round(high, 1)), **limits, "altimeter_setting": limits["pressure"]}


def _warmth(month: int) -> float:
    """Position of a month between the coldest month, January (0), and the warmest, July (1)."""
    return (1 - math.cos(2 * math.pi * (month - 1) / 12)) / 2
