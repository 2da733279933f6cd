"""What a place's latitude and the month make likely. Part of stop 7; pure.

Pressure, dew point and wind after the limits of WMO-No. 305 (1993), chapter 6, beyond which a value is suspect. Its limits of
temperature know two zones and two seasons; those here are finer: the records of six zones, widened by a few degrees, and
between the coldest and the warmest month a cosine.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final, NamedTuple

#: Limits of a quantity: the least and the most that is likely [unit of the quantity].
Limits = tuple[float, float]


class _Zone(NamedTuple):
    """Temperatures [°C] that are hardly ever passed between the zone before and ``latitude`` [degree off the equator]."""

    latitude: float
    least_in_coldest: float
    least_in_warmest: float
    most_in_coldest: float
    most_in_warmest: float


_ZONES: Final = (
    _Zone(15, -30, -25, 48, 50),
    _Zone(30, -38, -25, 46, 54.5),
    _Zone(45, -58, -28, 38, 57),
    _Zone(60, -65, -25, 30, 50),
    _Zone(75, -80, -48, 22, 41),
    _Zone(90, -90, -62, 14, 26),
)

#: By (poleward of 45°, summer half of the year).
_WMO_305: Final[dict[tuple[bool, bool], dict[str, Limits]]] = {
    (False, False): {"pressure": (910, 1080), "dew_point": (-35, 35), "wind_speed": (0, 60)},
    (False, True): {"pressure": (900, 1080), "dew_point": (-25, 35), "wind_speed": (0, 85)},  # 90 there
    (True, False): {"pressure": (940, 1080), "dew_point": (-85, 30), "wind_speed": (0, 50)},
    (True, True): {"pressure": (950, 1080), "dew_point": (-35, 35), "wind_speed": (0, 40)},
}


def likely_limits(latitude: float, month: int) -> dict[str, Limits]:
    """Quantity → the least and the most that is likely at a latitude [degree north] in a month (1 to 12)."""
    return _likely(
        next(number for number, zone in enumerate(_ZONES) if abs(latitude) <= zone.latitude),
        month if latitude >= 0 else (month + 5) % 12 + 1,  # as if it were in the north
    )


@cache
def _likely(number: int, month: int) -> dict[str, Limits]:
    zone = _ZONES[number]
    warmth = [_warmth(near) for near in (month - 1, month, month + 1)]  # a month's extremes may fall on its first or last day
    least = zone.least_in_coldest + min(warmth) * (zone.least_in_warmest - zone.least_in_coldest)
    most = zone.most_in_coldest + max(warmth) * (zone.most_in_warmest - zone.most_in_coldest)
    limits = _WMO_305[zone.latitude > 45, 4 <= month <= 9]
    return {"temperature": (round(least, 1), round(most, 1)), **limits, "altimeter_setting": limits["pressure"]}


def _warmth(month: int) -> float:
    """How far the year is from its coldest month, January (0), to its warmest, July (1)."""
    return (1 - math.cos(2 * math.pi * (month - 1) / 12)) / 2
