"""Simulated current weather of OpenWeatherMap: takes a query and the weather, gives status and body.

Source: https://openweathermap.org/current. The error bodies are those of the real servers, in which the type of ``cod`` varies.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ..model import sun
from .geography import Spot
from .refusals import NotSimulatedError, refuse_values
from .weather import Source, Weather, apparent_temperature, station_pressure

PATH = "/data/2.5/weather"
_ERRORS: dict[int, str] = {
    401: "Invalid API key. Please see http://openweathermap.org/faq#error401 for more info.",
    404: "city not found",
    429: (
        "Your account is temporary blocked due to exceeding of requests limitation of your subscription type. \n"
        "Please choose the proper subscription http://openweathermap.org/price"
    ),
    500: "Internal server error",
    502: "Bad gateway",
    503: "Service temporarily unavailable",
}

Reply = tuple[int, dict[str, Any]]


def error(status: int) -> Reply:
    """The answer to a call that fails for another reason than its query."""
    return status, {"cod": str(status) if status == 404 else status, "message": _ERRORS[status]}


def _refused(status: int, message: str) -> Reply:
    return status, {"cod": str(status), "message": message}


def key_of(query: Mapping[str, str]) -> str:
    """The key of a query; empty without a key."""
    return query.get("appid", "")


def _degrees(text: str, limit: float) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if -limit <= value <= limit else None


def point_of(query: Mapping[str, str]) -> tuple[float | None, float | None]:
    """Latitude and longitude of a query [degree]; None for a missing or invalid one."""
    return _degrees(query.get("lat", ""), 90), _degrees(query.get("lon", ""), 180)


class Place(NamedTuple):
    """The place of a query."""

    spot: Spot
    point: tuple[float, float]


def find_place(query: Mapping[str, str], source: Source) -> Place | Reply:
    """The place of a query, or the refusal of the query.

    Raises:
        NotSimulatedError: The query is valid, but not simulated.
    """
    refuse_values(query, mode=("json",), lang=("en",))
    has_point = query.get("lat") and query.get("lon")
    for name in ("q", "id", "zip"):
        if query.get(name) and not has_point:
            raise NotSimulatedError(f"{name}={query[name]}, only lat and lon")
    if not query.get("lat") or not query.get("lon"):
        return _refused(400, "Nothing to geocode")
    latitude, longitude = point_of(query)
    if latitude is None:
        return _refused(400, "wrong latitude")
    if longitude is None:
        return _refused(400, "wrong longitude")
    spot = source.find(latitude, longitude)
    return _refused(404, "city not found") if spot is None else Place(spot, (latitude, longitude))


def reply(query: Mapping[str, str], source: Source, now: datetime) -> Reply:
    """The answer for a valid key within its quota."""
    place = find_place(query, source)
    if not isinstance(place, Place):
        return place
    return 200, body(source.weather(place.spot, now), *place, query.get("units", "standard"))


def body(weather: Weather, spot: Spot, point: tuple[float, float], units: str) -> dict[str, Any]:
    """A successful answer in ``units`` (``standard``, ``metric`` or ``imperial``), without unknown values."""
    latitude, longitude = point
    times = sun.rise_and_set(latitude, longitude, weather.at)
    answer: dict[str, Any] = {
        "coord": {"lon": round(longitude, 4), "lat": round(latitude, 4)},
        "weather": condition_of(weather, latitude, longitude),
        "base": "stations",
        "main": _main(weather, spot, units),
        "visibility": None if weather.visibility is None else min(10000, round(weather.visibility)),
        "wind": _wind(weather, units),
        "rain": {"1h": weather.rain} if weather.rain else None,
        "snow": {"1h": weather.snow} if weather.snow else None,
        "clouds": None if weather.cloud_cover is None else {"all": round(weather.cloud_cover)},
        "dt": int(weather.at.timestamp()),
        "sys": {
            **({"country": spot.code} if spot.code else {}),
            "sunrise": int(times[0].timestamp()) if times else 0,
            "sunset": int(times[1].timestamp()) if times else 0,
        },
        "timezone": int(spot.utc_offset(weather.at).total_seconds()),
        "id": spot.id,
        "name": spot.name,
        "cod": 200,
    }
    return without_none(answer)


def without_none(values: dict[str, Any]) -> dict[str, Any]:
    """The values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def compact(value: float | None) -> float | int | None:
    """A whole number as an integer, another number with two decimals."""
    if value is None:
        return None
    return int(value) if value == int(value) else round(value, 2)


def in_degrees(celsius: float | None, units: str) -> float | None:
    """A temperature [°C] in ``units``."""
    if celsius is None:
        return None
    if units == "metric":
        return round(celsius, 2)
    return round(celsius * 1.8 + 32 if units == "imperial" else celsius + 273.15, 2)


def in_speed(metres_per_second: float | None, units: str) -> float | None:
    """A speed [m/s] in ``units``."""
    if metres_per_second is None:
        return None
    # Four decimals, so that a whole number of knots can be recovered.
    return round(metres_per_second / 0.44704, 2) if units == "imperial" else round(metres_per_second, 4)


def _main(weather: Weather, spot: Spot, units: str) -> dict[str, Any]:
    temperature = weather.temperature
    feels_like = apparent_temperature(temperature, weather.humidity, weather.wind_speed)
    return without_none(
        {
            "temp": in_degrees(temperature, units),
            "feels_like": in_degrees(feels_like, units),
            "temp_min": in_degrees(None if temperature is None else temperature - 0.56, units),
            "temp_max": in_degrees(None if temperature is None else temperature + 0.44, units),
            "pressure": compact(weather.pressure),
            "humidity": compact(weather.humidity),
            "sea_level": compact(weather.pressure),
            "grnd_level": compact(station_pressure(weather.pressure, spot.elevation)),
        }
    )


def _wind(weather: Weather, units: str) -> dict[str, Any]:
    return without_none(
        {
            "speed": in_speed(weather.wind_speed, units),
            "deg": compact(weather.wind_direction),
            "gust": in_speed(weather.wind_gust, units),
        }
    )


def condition_of(weather: Weather, latitude: float, longitude: float) -> list[dict[str, Any]]:
    """The list of conditions, with the icon for day or night."""
    condition = weather.condition
    if condition is None:
        return []
    letter = "d" if sun.elevation(latitude, longitude, weather.at) > sun.HORIZON else "n"
    return [
        {
            "id": condition.owm_id,
            "main": condition.owm_main,
            "description": condition.owm_description,
            "icon": condition.owm_icon + letter,
        }
    ]
