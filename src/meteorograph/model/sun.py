"""Height, rise and set of the sun, by the low-accuracy formulas of NOAA (accurate to one or two minutes). Pure.

https://gml.noaa.gov/grad/solcalc/solareqns.PDF
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

#: Height of the sun's centre at sunrise and sunset, with refraction [degree].
HORIZON = -0.833


def _year_angle(at: datetime) -> float:
    """Elapsed part of the year as an angle [rad]."""
    return 2 * math.pi * (at.timetuple().tm_yday - 1 + (at.hour - 12) / 24) / 365.25


def declination(at: datetime) -> float:
    """The sun's declination [rad]."""
    angle = _year_angle(at)
    return (
        0.006918
        - 0.399912 * math.cos(angle)
        + 0.070257 * math.sin(angle)
        - 0.006758 * math.cos(2 * angle)
        + 0.000907 * math.sin(2 * angle)
        - 0.002697 * math.cos(3 * angle)
        + 0.00148 * math.sin(3 * angle)
    )


def equation_of_time(at: datetime) -> float:
    """How far a sundial is ahead of mean solar time [min]."""
    angle = _year_angle(at)
    return 229.18 * (
        0.000075
        + 0.001868 * math.cos(angle)
        - 0.032077 * math.sin(angle)
        - 0.014615 * math.cos(2 * angle)
        - 0.040849 * math.sin(2 * angle)
    )


def elevation(latitude: float, longitude: float, at: datetime) -> float:
    """Height of the sun above the horizon [degree]."""
    minutes = at.hour * 60 + at.minute + at.second / 60 + 4 * longitude + equation_of_time(at)
    hour_angle = math.radians(minutes / 4 - 180)
    lat, dec = math.radians(latitude), declination(at)
    sine = math.sin(lat) * math.sin(dec) + math.cos(lat) * math.cos(dec) * math.cos(hour_angle)
    return math.degrees(math.asin(max(-1.0, min(1.0, sine))))


def rise_and_set(latitude: float, longitude: float, at: datetime) -> tuple[datetime, datetime] | None:
    """Sunrise and sunset (UTC) of the local solar day of ``at``; None in polar day and polar night."""
    local = at + timedelta(hours=longitude / 15)
    noon = datetime(local.year, local.month, local.day, 12, tzinfo=UTC) - timedelta(hours=longitude / 15)
    noon -= timedelta(minutes=equation_of_time(noon))
    lat, dec = math.radians(latitude), declination(noon)
    across = math.cos(lat) * math.cos(dec)
    if across < 1e-9:
        return None
    cosine = (math.sin(math.radians(HORIZON)) - math.sin(lat) * math.sin(dec)) / across
    if not -1 < cosine < 1:
        return None
    half = timedelta(hours=math.degrees(math.acos(cosine)) / 15)
    return (noon - half).replace(microsecond=0), (noon + half).replace(microsecond=0)
