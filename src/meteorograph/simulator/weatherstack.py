"""Simulated current weather of Weatherstack: takes a query and the weather, gives status and body.

Source: https://weatherstack.com/documentation. Errors have HTTP status 200 and ``success`` false.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ..model import sun
from .geography import Spot
from .weather import Source, Weather, apparent_temperature

PATH = "/current"
#: Functions of other plans.
OTHER_FUNCTIONS = ("/historical", "/forecast", "/marine", "/autocomplete")
_ICONS = "https://cdn.worldweatheronline.com/images/wsymbols01_png_64"
_COMPASS = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")
_TRY_AGAIN = "Your API request failed. Please try again or contact support."
_ERRORS: dict[str, tuple[int, str]] = {
    "missing_access_key": (101, "You have not supplied an API Access Key. [Required format: access_key=YOUR_KEY]"),
    "invalid_access_key": (
        101,
        "You have not supplied a valid API Access Key. [Technical Support: support@apilayer.com]",
    ),
    "invalid_api_function": (103, "This API Function does not exist."),
    "usage_limit_reached": (
        104,
        "Your monthly API request volume has been reached. Please upgrade your plan.",
    ),
    "function_access_restricted": (
        105,
        "Access Restricted - Your current Subscription Plan does not support this API Function.",
    ),
    "missing_query": (601, "Please specify a valid location identifier using the query parameter."),
    "bulk_queries_not_supported_on_plan": (604, "Your current subscription plan does not support bulk queries."),
    "invalid_unit": (606, "You have specified an invalid unit. Please try again or refer to our API documentation."),
    "request_failed": (615, _TRY_AGAIN),
    "404_not_found": (404, "User requested a resource which does not exist."),
    "too_many_requests": (429, "You have exceeded the rate limit. Please try again later."),
    "internal_error": (500, _TRY_AGAIN),
    "bad_gateway": (502, _TRY_AGAIN),
    "service_unavailable": (503, _TRY_AGAIN),
}
_BY_STATUS = {
    401: "invalid_access_key",
    404: "404_not_found",
    429: "too_many_requests",
    500: "internal_error",
    502: "bad_gateway",
    503: "service_unavailable",
}

Reply = tuple[int, dict[str, Any]]


def refusal(kind: str, status: int = 200) -> Reply:
    """The error of this type."""
    code, info = _ERRORS[kind]
    return status, {"success": False, "error": {"code": code, "type": kind, "info": info}}


def error(status: int) -> Reply:
    """The answer with an HTTP status other than 200."""
    return refusal(_BY_STATUS[status], status)


def key_of(query: Mapping[str, str]) -> str:
    """The key of a query; empty without a key."""
    return query.get("access_key", "")


def point_of(query: Mapping[str, str]) -> tuple[float | None, float | None]:
    """Latitude and longitude of a query [degree]; both None if the query is no point on the earth."""
    parts = query.get("query", "").split(",")
    try:
        latitude, longitude = (float(part) for part in parts)
    except ValueError:
        return None, None
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else (None, None)


def reply(query: Mapping[str, str], source: Source, now: datetime) -> Reply:
    """The answer for a valid key within its quota. Place names are not supported."""
    place, unit = query.get("query", "").strip(), query.get("units") or "m"
    if not place:
        return refusal("missing_query")
    if ";" in place:
        return refusal("bulk_queries_not_supported_on_plan")
    if unit not in ("m", "s", "f"):
        return refusal("invalid_unit")
    if query.get("language"):
        return refusal("function_access_restricted")
    latitude, longitude = point_of(query)
    spot = None if latitude is None or longitude is None else source.find(latitude, longitude)
    if spot is None:
        return refusal("request_failed")
    return 200, body(source.weather(spot, now), spot, unit, now)


def body(weather: Weather, spot: Spot, unit: str, now: datetime) -> dict[str, Any]:
    """A successful answer; its observation time is ``now``, as in real answers."""
    offset = spot.utc_offset(now)
    local = now + offset
    place = spot.coordinates
    return {
        "request": {"type": "LatLon", "query": f"Lat {place.latitude:.2f} and Lon {place.longitude:.2f}"}
        | {"language": "en", "unit": unit},
        "location": {
            "name": spot.name,
            "country": spot.country,
            "region": "",
            "lat": f"{place.latitude:.3f}",
            "lon": f"{place.longitude:.3f}",
            "timezone_id": spot.zone,
            "localtime": f"{local:%Y-%m-%d %H:%M}",
            # The local wall clock as if it were UTC, in whole minutes like ``localtime``.
            "localtime_epoch": int(local.timestamp()) // 60 * 60,
            "utc_offset": f"{offset / timedelta(hours=1):.2f}",
        },
        "current": _current(weather, spot, unit, now),
    }


def _rounded(value: float | None, factor: float = 1.0) -> int | None:
    return None if value is None else round(value * factor)


def _degree(celsius: float | None, unit: str) -> int | None:
    if celsius is None:
        return None
    return round({"m": celsius, "s": celsius + 273.15, "f": celsius * 1.8 + 32}[unit])


def _clock_time(at: datetime) -> str:
    return f"{at:%I:%M %p}"


def _current(weather: Weather, spot: Spot, unit: str, now: datetime) -> dict[str, Any]:
    fahrenheit = unit == "f"
    condition, direction, amount = weather.condition, weather.wind_direction, weather.precipitation
    height = sun.elevation(spot.coordinates.latitude, spot.coordinates.longitude, now)
    current: dict[str, Any] = {
        "observation_time": _clock_time(now),
        "temperature": _degree(weather.temperature, unit),
        "weather_code": condition.weatherstack_code if condition else None,
        "weather_icons": [f"{_ICONS}/wsymbol_{condition.weatherstack_code:04d}.png"] if condition else [],
        "weather_descriptions": [condition.weatherstack_description] if condition else [],
        "astro": _astro(spot, now),
        "air_quality": _AIR_QUALITY,
        "wind_speed": _rounded(weather.wind_speed, 3600 / 1609.344 if fahrenheit else 3.6),
        "wind_degree": _rounded(direction),
        "wind_dir": None if direction is None else _COMPASS[round(direction / 22.5) % 16],
        "pressure": _rounded(weather.pressure),
        "precip": None if amount is None else round(amount / 25.4, 3) if fahrenheit else round(amount, 2),
        "humidity": _rounded(weather.humidity),
        "cloudcover": _rounded(weather.cloud_cover),
        "feelslike": _degree(apparent_temperature(weather.temperature, weather.humidity, weather.wind_speed), unit),
        "uv_index": max(0, round(height / 8)),
        "visibility": _rounded(weather.visibility, 1 / 1609.344 if fahrenheit else 1 / 1000),
        "is_day": "yes" if height > sun.HORIZON else "no",
    }
    return {name: value for name, value in current.items() if value is not None}


_AIR_QUALITY = {
    "co": "241.85",
    "no2": "12.395",
    "o3": "61",
    "so2": "3.885",
    "pm2_5": "8.51",
    "pm10": "10.36",
    "us-epa-index": "1",
    "gb-defra-index": "1",
}


def _astro(spot: Spot, now: datetime) -> dict[str, str]:
    times = sun.rise_and_set(spot.coordinates.latitude, spot.coordinates.longitude, now)
    if times is None:
        return {"sunrise": "No sunrise", "sunset": "No sunset"}
    offset = spot.utc_offset(now)
    return {"sunrise": _clock_time(times[0] + offset), "sunset": _clock_time(times[1] + offset)}
