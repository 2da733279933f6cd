"""Open-Meteo's forecast and archive: a query and the weather in, status and body out.

Values have the decimals of the weather they come from; those of the real one are rounder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from .geography import Spot
from .model import floor
from .open_meteo_query import ARCHIVE, Query, RefusedError, read
from .weather import Source, Weather

#: Unit by the word that asks for it → the label in the echo, and the factor from m/s.
_SPEEDS = {"ms": ("m/s", 1.0), "kmh": ("km/h", 3.6), "mph": ("mp/h", 1 / 0.44704), "kn": ("kn", 3600 / 1852)}
#: Interval of ``current``, and of its precipitation.
_CURRENT = timedelta(minutes=15)
#: How far the archive lags.
_DELAY = timedelta(days=5)
#: Side of a cell [degree].
_CELL = 0.05
#: Condition of ``conditions.py`` by OpenWeatherMap's number → WMO code.
_CODES = {800: 0, 801: 1, 802: 2, 803: 2, 804: 3, 701: 45, 500: 61, 501: 63, 502: 65, 600: 71, 601: 73, 602: 75, 616: 71}
_REASONS = {
    401: "API key required. Please add &apikey= to the URL.",
    500: "Something went wrong.",
    502: "Bad Gateway",
    503: "The service is overloaded. Please try again later.",
    "minute": "Minutely API request limit exceeded. Please try again in one minute.",
    "hour": "Hourly API request limit exceeded. Please try again in the next hour.",
    "day": "Daily API request limit exceeded. Please try again tomorrow.",
}

Reply = tuple[int, Any]


def error(status: int) -> Reply:
    """The answer of an HTTP status other than 200 and 400."""
    return exceeded("minute") if status == 429 else (status, {"error": True, "reason": _REASONS[status]})


def exceeded(window: str) -> Reply:
    """The answer when a window is used up."""
    return 429, {"error": True, "reason": _REASONS[window]}


def points_of(query: Mapping[str, str], path: str, now: datetime) -> tuple[tuple[tuple[float, float], ...], float]:
    """The points that a query asks for, and as how many calls it counts; none and one where it is refused."""
    try:
        asked = read(path, query, now)
    except RefusedError:
        return (), 1.0
    return asked.points, asked.weight


def reply(path: str, query: Mapping[str, str], source: Source, now: datetime) -> Reply:
    """The answer to a query within the quota: an object for one point, a list for several."""
    try:
        asked = read(path, query, now)
        spots = [source.find(*point) for point in asked.points]
        if None in spots:
            raise RefusedError("No data is available for this location")
    except RefusedError as refused:
        return 400, {"error": True, "reason": str(refused)}
    known_until = now - _DELAY if path == ARCHIVE else None
    found = [_body(asked, index, spot, source, now, known_until) for index, spot in enumerate(spots) if spot is not None]
    return 200, found if len(found) > 1 else found[0]


def _body(asked: Query, index: int, spot: Spot, source: Source, now: datetime, until: datetime | None) -> dict[str, Any]:
    latitude, longitude = (round(round(value / _CELL) * _CELL, 2) for value in asked.points[index])
    body: dict[str, Any] = {
        "latitude": latitude,
        "longitude": longitude,
        "generationtime_ms": 0.05,
        "utc_offset_seconds": 0,
        "timezone": "GMT",
        "timezone_abbreviation": "GMT",
        "elevation": spot.elevation,
        **({"location_id": index} if index else {}),
    }
    if asked.current:
        at = floor(now, _CURRENT)
        values = _values(source.weather(spot, at), asked, _CURRENT / timedelta(hours=1))
        body["current_units"] = {**_labels(asked, asked.current), "interval": "seconds"}
        body["current"] = {"time": _time(at, asked), "interval": int(_CURRENT.total_seconds())}
        body["current"] |= {name: values[name] for name in asked.current}
    if asked.hourly:
        body["hourly_units"] = _labels(asked, asked.hourly, archived=until is not None)
        body["hourly"] = _columns(asked, spot, source, until)
    return body


def _columns(asked: Query, spot: Spot, source: Source, until: datetime | None) -> dict[str, Sequence[Any]]:
    rows = [{} if until and at > until else _values(source.weather(spot, at), asked, 1.0) | _gone(until) for at in asked.hours]
    columns: dict[str, Sequence[Any]] = {"time": [_time(at, asked) for at in asked.hours]}
    return columns | {name: [row.get(name) for row in rows] for name in asked.hourly}


def _gone(until: datetime | None) -> dict[str, float | None]:
    """What the archive's models do not have."""
    return {} if until is None else {"visibility": None}


def _time(at: datetime, asked: Query) -> int | str:
    return int(at.timestamp()) if asked.chosen["timeformat"] == "unixtime" else f"{at:%Y-%m-%dT%H:%M}"


def _labels(asked: Query, names: Sequence[str], *, archived: bool = False) -> dict[str, str]:
    chosen = asked.chosen
    speed = _SPEEDS[chosen["wind_speed_unit"]][0]
    water = chosen["precipitation_unit"]
    labels = {
        "temperature_2m": "°F" if chosen["temperature_unit"] == "fahrenheit" else "°C",
        "relative_humidity_2m": "%",
        "pressure_msl": "hPa",
        "wind_speed_10m": speed,
        "wind_direction_10m": "°",
        "wind_gusts_10m": speed,
        "cloud_cover": "%",
        "visibility": "undefined" if archived else "m" if water == "mm" else "ft",
        "precipitation": water,
        "rain": water,
        "snowfall": "cm" if water == "mm" else "inch",
        "weather_code": "wmo code",
    }
    return {"time": chosen["timeformat"]} | {name: labels[name] for name in names}


def _values(weather: Weather, asked: Query, hours: float) -> dict[str, float | None]:
    """The values of every variable, amounts being those of the last ``hours`` of an even fall."""
    speed = _SPEEDS[asked.chosen["wind_speed_unit"]][1]
    imperial = asked.chosen["precipitation_unit"] == "inch"
    water = hours / 25.4 if imperial else hours
    celsius = weather.temperature
    fahrenheit = asked.chosen["temperature_unit"] == "fahrenheit"
    return {
        "temperature_2m": _times(celsius, 1.8, 32) if fahrenheit else celsius,
        "relative_humidity_2m": weather.humidity,
        "pressure_msl": weather.pressure,
        "wind_speed_10m": _times(weather.wind_speed, speed),
        "wind_direction_10m": weather.wind_direction,
        "wind_gusts_10m": _times(weather.wind_gust, speed),
        "cloud_cover": weather.cloud_cover,
        "visibility": _times(weather.visibility, 1 / 0.3048 if imperial else 1),
        "precipitation": _times(weather.precipitation, water),
        "rain": _times(weather.rain, water),
        # Depth of snow: 7 cm of it are 10 mm of water.
        "snowfall": _times(weather.snow, water * (1 if imperial else 0.1) * 7),
        "weather_code": _CODES[weather.condition.owm_id] if weather.condition else None,
    }


def _times(value: float | None, factor: float, sum_: float = 0.0) -> float | None:
    return None if value is None else round(value * factor + sum_, 4)
