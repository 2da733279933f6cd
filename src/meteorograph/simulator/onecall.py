"""OpenWeatherMap's One Call: the hourly timeline of 4.0, by pages, and the time machine of 3.0, one instant at a time.

Source: https://openweathermap.org/api/one-call-4 and https://openweathermap.org/api/one-call-3
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from .geography import Spot
from .openweathermap import Reply, compact, condition_of, in_degrees, in_speed, point_of, without_none
from .weather import Source, Weather, apparent_temperature

TIMELINE = "/data/4.0/onecall/timeline/1h"
TIMEMACHINE = "/data/3.0/onecall/timemachine"
#: Records on a page.
PAGE_LENGTH = 20
_HOUR = timedelta(hours=1)
_FIRST = datetime(1979, 1, 1, tzinfo=UTC)
#: How far into the future each path goes.
_FORECAST_RANGE = {TIMELINE: timedelta(hours=48), TIMEMACHINE: timedelta(days=4)}
_HOST = "https://api.openweathermap.org"


def missing_subscription(path: str) -> Reply:
    """The answer for a key without the subscription."""
    product = "4.0" if path == TIMELINE else "3.0"
    message = (
        f"Please note that using One Call {product} requires a separate subscription to the One Call by Call plan. "
        "Learn more here https://openweathermap.org/price. If you have a valid subscription to the One Call by Call plan, "
        "but still receive this error, then please see https://openweathermap.org/faq#error401 for more info."
    )
    return 401, {"cod": 401, "message": message}


def _refused(message: str, parameter: str) -> Reply:
    return 400, {"cod": 400, "message": message, "parameters": [parameter]}


def reply(path: str, query: Mapping[str, str], source: Source, now: datetime) -> Reply:
    """The answer for a valid key with the subscription, within its quota."""
    latitude, longitude = point_of(query)
    if latitude is None:
        return _refused("wrong latitude", "lat")
    if longitude is None:
        return _refused("wrong longitude", "lon")
    parameter = "start" if path == TIMELINE else "dt"
    try:
        at = now if path == TIMELINE and parameter not in query else datetime.fromtimestamp(int(query.get(parameter, "")), UTC)
    except (ValueError, OverflowError, OSError):
        return _refused("Invalid date format", parameter)
    if not _FIRST <= at <= now + _FORECAST_RANGE[path]:
        return 400, {"cod": "400", "message": "requested time is out of allowed range"}
    spot = source.find(latitude, longitude)
    if spot is None:
        return 404, {"cod": "404", "message": "city not found"}
    units = query.get("units", "standard")
    body: dict[str, Any] = {
        "lat": round(latitude, 4),
        "lon": round(longitude, 4),
        "timezone": spot.zone,
        "timezone_offset": int(spot.utc_offset(now).total_seconds()),
    }
    if path == TIMEMACHINE:
        return 200, {**body, "data": [_record(source.weather(spot, at), spot, at, units)]}
    first = at + (_FIRST - at) % _HOUR
    times = [first + hours * _HOUR for hours in range(PAGE_LENGTH)]
    data = [_record(source.weather(spot, time), spot, time, units) for time in times if time <= now + _FORECAST_RANGE[path]]
    return 200, {**body, "data": data, **_links(query, first, now)}


def _links(query: Mapping[str, str], first: datetime, now: datetime) -> dict[str, str]:
    """The addresses of the previous and the next page, which contain the key."""
    starts = {"prev": first - PAGE_LENGTH * _HOUR, "next": first + PAGE_LENGTH * _HOUR}
    return {
        name: f"{_HOST}{TIMELINE}?{urlencode({**query, 'start': int(start.timestamp())})}"
        for name, start in starts.items()
        if _FIRST <= start <= now + _FORECAST_RANGE[TIMELINE]
    }


def _record(weather: Weather, spot: Spot, at: datetime, units: str) -> dict[str, Any]:
    place = spot.coordinates
    feels_like = apparent_temperature(weather.temperature, weather.humidity, weather.wind_speed)
    return without_none(
        {
            "dt": int(at.timestamp()),
            "temp": in_degrees(weather.temperature, units),
            "feels_like": in_degrees(feels_like, units),
            "pressure": compact(weather.pressure),
            "humidity": compact(weather.humidity),
            "clouds": None if weather.cloud_cover is None else round(weather.cloud_cover),
            "visibility": None if weather.visibility is None else min(10000, round(weather.visibility)),
            "wind_speed": in_speed(weather.wind_speed, units),
            "wind_deg": compact(weather.wind_direction),
            "wind_gust": in_speed(weather.wind_gust, units),
            "rain": {"1h": weather.rain} if weather.rain else None,
            "snow": {"1h": weather.snow} if weather.snow else None,
            "weather": condition_of(weather, place.latitude, place.longitude),
        }
    )
