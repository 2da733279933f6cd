"""Simulated forecast and archive of Open-Meteo: takes a query and the weather, gives status and body.

Values have the decimals of the simulated weather; real answers are rounded more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ..model import sun
from .geography import Spot
from .model import floor_time
from .open_meteo_daily import daily_columns, daily_labels
from .open_meteo_query import ARCHIVE, QUARTER, Query, RefusedError, parse_query, utc_offset
from .refusals import NotSimulatedError
from .weather import Source, Weather, apparent_temperature, dew_point, station_pressure

#: Parameter value → unit in the answer, and factor from m/s.
_SPEEDS = {"ms": ("m/s", 1.0), "kmh": ("km/h", 3.6), "mph": ("mp/h", 1 / 0.44704), "kn": ("kn", 3600 / 1852)}
_HOUR = timedelta(hours=1)
_AMOUNTS = ("precipitation", "rain", "snowfall", "showers")
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
    except (RefusedError, NotSimulatedError):
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
    zone = query.zone_of(query.points[index])
    offset = utc_offset(zone, now)
    body: dict[str, Any] = {
        "latitude": latitude,
        "longitude": longitude,
        "generationtime_ms": 0.05,
        "utc_offset_seconds": int(offset.total_seconds()),
        "timezone": zone,
        "timezone_abbreviation": _abbreviation(offset),
        "elevation": spot.elevation,
        **({"location_id": index} if index else {}),
    }
    times = _Times(query, offset)
    at = floor_time(now, QUARTER)
    if query.current:
        values = _values_of_quarter(source, spot, at, query)
        body["current_units"] = {**_labels(query, query.current), "interval": "seconds"}
        body["current"] = {"time": times.shown(at), "interval": int(QUARTER.total_seconds())}
        body["current"] |= {name: values[name] for name in query.current}
    if query.has_current_weather:
        body |= _current_weather(query, _values_of_quarter(source, spot, at, query), times.shown(at))
    if query.minutely_15:
        body["minutely_15_units"] = _labels(query, query.minutely_15)
        body["minutely_15"] = _quarter_columns(query, spot, source, times)
    if query.hourly:
        body["hourly_units"] = _labels(query, query.hourly, archived=until is not None)
        body["hourly"] = _columns(query, spot, source, until, times)
    if query.daily:
        labels = _labels(query, ("temperature_2m", "precipitation", "snowfall", "wind_speed_10m"))
        body["daily_units"] = {"time": labels["time"]} | daily_labels(query.daily, labels)
        hours = [{} if until and hour > until else _values(source.weather(spot, hour), query, 1.0, spot) for hour in times.hours]
        body["daily"] = daily_columns(query.daily, times.hours, hours, spot, times.shown)
    return body


class _Times:
    """The instants of a query in the zone of a point."""

    def __init__(self, query: Query, offset: timedelta) -> None:
        self._is_unix = query.chosen["timeformat"] == "unixtime"
        self._offset = offset
        self.hours = [at - offset for at in query.hours]
        self.quarters = [at - offset for at in query.quarters]

    def shown(self, at: datetime) -> int | str:
        """An instant as the answer has it: Unix time, or the local wall clock."""
        return int(at.timestamp()) if self._is_unix else f"{at + self._offset:%Y-%m-%dT%H:%M}"


def _abbreviation(offset: timedelta) -> str:
    hours = offset / _HOUR
    return f"GMT{hours:+g}" if hours else "GMT"


def _current_weather(query: Query, values: Mapping[str, float | None], time: int | str) -> dict[str, Any]:
    """The older form of the current weather."""
    names = {"temperature_2m": "temperature", "wind_speed_10m": "windspeed", "wind_direction_10m": "winddirection"}
    names |= {"is_day": "is_day", "weather_code": "weathercode"}
    labels = _labels(query, tuple(names))
    return {
        "current_weather_units": {"time": labels["time"], "interval": "seconds"}
        | {new: labels[old] for old, new in names.items()},
        "current_weather": {"time": time, "interval": int(QUARTER.total_seconds())}
        | {new: values[old] for old, new in names.items()},
    }


def _quarter_columns(query: Query, spot: Spot, source: Source, times: _Times) -> dict[str, Sequence[Any]]:
    rows = [_values_of_quarter(source, spot, at, query) for at in times.quarters]
    columns: dict[str, Sequence[Any]] = {"time": [times.shown(at) for at in times.quarters]}
    return columns | {name: [row[name] for row in rows] for name in query.minutely_15}


def _values_of_quarter(source: Source, spot: Spot, at: datetime, query: Query) -> dict[str, float | None]:
    """The values at the end of a quarter of an hour, with a quarter of the amounts of its clock hour."""
    values = _values(source.weather(spot, at), query, 1.0, spot)
    hour_end = floor_time(at - QUARTER, _HOUR) + _HOUR
    amounts = _values(source.weather(spot, hour_end), query, QUARTER / _HOUR, spot)
    return values | {name: amounts[name] for name in _AMOUNTS}


def _columns(query: Query, spot: Spot, source: Source, until: datetime | None, times: _Times) -> dict[str, Sequence[Any]]:
    rows = [
        {} if until and at > until else _values(source.weather(spot, at), query, 1.0, spot) | _missing_in_archive(until)
        for at in times.hours
    ]
    columns: dict[str, Sequence[Any]] = {"time": [times.shown(at) for at in times.hours]}
    return columns | {name: [row.get(name) for row in rows] for name in query.hourly}


def _missing_in_archive(until: datetime | None) -> dict[str, float | None]:
    """Null values for the variables that the archive does not have."""
    return {} if until is None else {"visibility": None}


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
        "surface_pressure": "hPa",
        "is_day": "",
        "showers": water,
    }
    labels |= dict.fromkeys(("dew_point_2m", "apparent_temperature"), labels["temperature_2m"])
    return {"time": chosen["timeformat"]} | {name: labels[name] for name in names}


def _values(weather: Weather, query: Query, hours: float, spot: Spot) -> dict[str, float | None]:
    """The values of all variables; amounts are those of the last ``hours`` at a constant rate."""
    speed = _SPEEDS[query.chosen["wind_speed_unit"]][1]
    imperial = query.chosen["precipitation_unit"] == "inch"
    water = hours / 25.4 if imperial else hours
    celsius = weather.temperature
    fahrenheit = query.chosen["temperature_unit"] == "fahrenheit"
    dew = dew_point(celsius, weather.humidity)
    felt = apparent_temperature(celsius, weather.humidity, weather.wind_speed)
    height = sun.elevation(spot.coordinates.latitude, spot.coordinates.longitude, weather.at)
    return {
        "temperature_2m": _convert(celsius, 1.8, 32) if fahrenheit else celsius,
        "dew_point_2m": _convert(dew, 1.8, 32) if fahrenheit else dew,
        "apparent_temperature": _convert(felt, 1.8, 32) if fahrenheit else _convert(felt, 1.0),
        "surface_pressure": _convert(station_pressure(weather.pressure, spot.elevation), 1.0),
        "is_day": int(height > sun.HORIZON),
        "showers": None if weather.rain is None else 0.0,
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
