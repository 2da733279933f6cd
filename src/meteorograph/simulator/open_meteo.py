"""Simulated forecast and archive of Open-Meteo: takes a query and the weather, gives status and body.

Values have the decimals of the simulated weather; real answers are rounded more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from .geography import Spot
from .model import floor_time
from .open_meteo_query import ARCHIVE, QUARTER, Query, RefusedError, parse_query
from .weather import Source, Weather

#: Parameter value → unit in the answer, and factor from m/s.
_SPEEDS = {"ms": ("m/s", 1.0), "kmh": ("km/h", 3.6), "mph": ("mp/h", 1 / 0.44704), "kn": ("kn", 3600 / 1852)}
_HOUR = timedelta(hours=1)
_AMOUNTS = ("precipitation", "rain", "snowfall")
#: Delay of the archive.
_DELAY = timedelta(days=5)
#: Size of a grid cell [degree].
_CELL = 0.05
#: OpenWeatherMap's number of a condition → WMO code.
_CODES = {800: 0, 801: 1, 802: 2, 803: 2, 804: 3, 701: 45, 500: 61, 501: 63, 502: 65, 600: 71, 601: 73, 602: 75, 616: 71}
_REASONS = {
    401: "API key required. Please add &apikey= to the URL.",
    404: "Not Found",
    500: "Something went wrong.",
    502: "Bad Gateway",
    503: "The service is overloaded. Please try again later.",
    "minute": "Minutely API request limit exceeded. Please try again in one minute.",
    "hour": "Hourly API request limit exceeded. Please try again in the next hour.",
    "day": "Daily API request limit exceeded. Please try again tomorrow.",
}

Reply = tuple[int, Any]


def error(status: int) -> Reply:
    """The answer with an HTTP status other than 200 and 400."""
    return exceeded("minute") if status == 429 else (status, {"error": True, "reason": _REASONS[status]})


def exceeded(window: str) -> Reply:
    """The answer if a quota window is used up."""
    return 429, {"error": True, "reason": _REASONS[window]}


def points_of(query: Mapping[str, str], path: str, now: datetime) -> tuple[tuple[tuple[float, float], ...], float]:
    """The points of a query, and its weight in calls; no point and weight 1 if the query is refused."""
    try:
        parsed = parse_query(path, query, now)
    except RefusedError:
        return (), 1.0
    return parsed.points, parsed.weight


def reply(path: str, query: Mapping[str, str], source: Source, now: datetime) -> Reply:
    """The answer to a query within the quota: an object for one point, a list for several points."""
    try:
        parsed = parse_query(path, query, now)
        spots = [source.find(*point) for point in parsed.points]
        if None in spots:
            raise RefusedError("No data is available for this location")
    except RefusedError as error:
        return 400, {"error": True, "reason": str(error)}
    until = now - _DELAY if path == ARCHIVE else None
    bodies = [_body(parsed, index, spot, source, now, until) for index, spot in enumerate(spots) if spot is not None]
    return 200, bodies if len(bodies) > 1 else bodies[0]


def _body(query: Query, index: int, spot: Spot, source: Source, now: datetime, until: datetime | None) -> dict[str, Any]:
    latitude, longitude = (round(round(value / _CELL) * _CELL, 2) for value in query.points[index])
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
    if query.current:
        at = floor_time(now, QUARTER)
        values = _values_of_quarter(source, spot, at, query)
        body["current_units"] = {**_labels(query, query.current), "interval": "seconds"}
        body["current"] = {"time": _time(at, query), "interval": int(QUARTER.total_seconds())}
        body["current"] |= {name: values[name] for name in query.current}
    if query.minutely_15:
        body["minutely_15_units"] = _labels(query, query.minutely_15)
        body["minutely_15"] = _quarter_columns(query, spot, source)
    if query.hourly:
        body["hourly_units"] = _labels(query, query.hourly, archived=until is not None)
        body["hourly"] = _columns(query, spot, source, until)
    return body


def _quarter_columns(query: Query, spot: Spot, source: Source) -> dict[str, Sequence[Any]]:
    rows = [_values_of_quarter(source, spot, at, query) for at in query.quarters]
    columns: dict[str, Sequence[Any]] = {"time": [_time(at, query) for at in query.quarters]}
    return columns | {name: [row[name] for row in rows] for name in query.minutely_15}


def _values_of_quarter(source: Source, spot: Spot, at: datetime, query: Query) -> dict[str, float | None]:
    """The values at the end of a quarter of an hour, with a quarter of the amounts of its clock hour."""
    values = _values(source.weather(spot, at), query, 1.0)
    hour_end = floor_time(at - QUARTER, _HOUR) + _HOUR
    amounts = _values(source.weather(spot, hour_end), query, QUARTER / _HOUR)
    return values | {name: amounts[name] for name in _AMOUNTS}


def _columns(query: Query, spot: Spot, source: Source, until: datetime | None) -> dict[str, Sequence[Any]]:
    rows = [
        {} if until and at > until else _values(source.weather(spot, at), query, 1.0) | _missing_in_archive(until)
        for at in query.hours
    ]
    columns: dict[str, Sequence[Any]] = {"time": [_time(at, query) for at in query.hours]}
    return columns | {name: [row.get(name) for row in rows] for name in query.hourly}


def _missing_in_archive(until: datetime | None) -> dict[str, float | None]:
    """Null values for the variables that the archive does not have."""
    return {} if until is None else {"visibility": None}


def _time(at: datetime, query: Query) -> int | str:
    return int(at.timestamp()) if query.chosen["timeformat"] == "unixtime" else f"{at:%Y-%m-%dT%H:%M}"


def _labels(query: Query, names: Sequence[str], *, archived: bool = False) -> dict[str, str]:
    chosen = query.chosen
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


def _values(weather: Weather, query: Query, hours: float) -> dict[str, float | None]:
    """The values of all variables; amounts are those of the last ``hours`` at a constant rate."""
    speed = _SPEEDS[query.chosen["wind_speed_unit"]][1]
    imperial = query.chosen["precipitation_unit"] == "inch"
    water = hours / 25.4 if imperial else hours
    celsius = weather.temperature
    fahrenheit = query.chosen["temperature_unit"] == "fahrenheit"
    return {
        "temperature_2m": _convert(celsius, 1.8, 32) if fahrenheit else celsius,
        "relative_humidity_2m": weather.humidity,
        "pressure_msl": weather.pressure,
        "wind_speed_10m": _convert(weather.wind_speed, speed),
        "wind_direction_10m": weather.wind_direction,
        "wind_gusts_10m": _convert(weather.wind_gust, speed),
        "cloud_cover": weather.cloud_cover,
        "visibility": _convert(weather.visibility, 1 / 0.3048 if imperial else 1),
        "precipitation": _convert(weather.precipitation, water),
        "rain": _convert(weather.rain, water),
        # Depth of snow: 7 cm of snow are 10 mm of water.
        "snowfall": _convert(weather.snow, water * (1 if imperial else 0.1) * 7),
        "weather_code": _CODES[weather.condition.owm_id] if weather.condition else None,
    }


def _convert(value: float | None, factor: float, offset: float = 0.0) -> float | None:
    return None if value is None else round(value * factor + offset, 4)
