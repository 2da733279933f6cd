"""Simulated five-day forecast of OpenWeatherMap, every three hours.

Source: https://openweathermap.org/forecast5
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ..model import sun
from . import openweathermap
from .geography import Spot
from .model import floor_time
from .weather import Source

PATH = "/data/2.5/forecast"
_STEP = timedelta(hours=3)
_COUNT = 40
_HOUR = timedelta(hours=1)
_OF_CURRENT = ("coord", "base", "sys", "timezone", "id", "name", "cod", "rain", "snow")


def reply(query: Mapping[str, str], source: Source, now: datetime) -> openweathermap.Reply:
    """The answer for a valid key within its quota."""
    place = openweathermap.find_place(query, source)
    if not isinstance(place, openweathermap.Place):
        return place
    text = query.get("cnt", str(_COUNT))
    count = int(text) if text.isdecimal() and 0 < int(text) <= _COUNT else _COUNT
    first = floor_time(now, _STEP) + _STEP
    entries = [_entry(source, place, first + number * _STEP, query.get("units", "standard")) for number in range(count)]
    return 200, {"cod": "200", "message": 0, "cnt": count, "list": entries, "city": _city(place.spot, now)}


def _entry(source: Source, place: openweathermap.Place, at: datetime, units: str) -> dict[str, Any]:
    current = openweathermap.body(source.weather(place.spot, at), place.spot, place.point, units)
    hours = [source.weather(place.spot, at - number * _HOUR) for number in range(3)]
    rain, snow = (round(sum(getattr(hour, name) or 0 for hour in hours), 2) for name in ("rain", "snow"))
    is_day = sun.elevation(*place.point, at) > sun.HORIZON
    return {
        **{name: value for name, value in current.items() if name not in _OF_CURRENT},
        "dt": int(at.timestamp()),
        "pop": 1 if rain or snow else 0,
        **({"rain": {"3h": rain}} if rain else {}),
        **({"snow": {"3h": snow}} if snow else {}),
        "sys": {"pod": "d" if is_day else "n"},
        "dt_txt": f"{at:%Y-%m-%d %H:%M:%S}",
    }


def _city(spot: Spot, now: datetime) -> dict[str, Any]:
    place = spot.coordinates
    times = sun.rise_and_set(place.latitude, place.longitude, now)
    return {
        "id": spot.id,
        "name": spot.name,
        "coord": {"lat": round(place.latitude, 4), "lon": round(place.longitude, 4)},
        "country": spot.code,
        "population": 0,
        "timezone": int(spot.utc_offset(now).total_seconds()),
        "sunrise": int(times[0].timestamp()) if times else 0,
        "sunset": int(times[1].timestamp()) if times else 0,
    }
