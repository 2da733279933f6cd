"""Simulated National Weather Service of the United States: points, their stations, and hourly observations.

Source: https://www.weather.gov/documentation/services-web-api
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from . import metar, stations
from .geography import Spot
from .model import floor_time
from .weather import Source, Weather, dew_point, station_pressure

#: Paths of the services; the last one has an optional end.
POINT = re.compile(r"/points/(-?[\d.]+),(-?[\d.]+)")
STATIONS = re.compile(r"/gridpoints/SIM/(\d+),(\d+)/stations")
OBSERVATIONS = re.compile(r"/stations/([A-Z]{4})/observations(?:/|(/latest))?")
_HOST = "https://api.weather.gov"
_HOUR = timedelta(hours=1)
#: How far back observations go, and the most of an answer.
_PAST = timedelta(days=7)
_MOST = 500
_TITLES = {400: "Bad Request", 404: "Not Found", 429: "Too Many Requests", 500: "Unexpected Problem", 503: "Service Unavailable"}

Reply = tuple[int, Any]


def is_path(path: str) -> bool:
    """Whether the simulator has a path."""
    return any(pattern.fullmatch(path) for pattern in (POINT, STATIONS, OBSERVATIONS))


def reply(path: str, query: Mapping[str, str], source: Source, now: datetime) -> Reply:
    """The answer for a path."""
    if match := POINT.fullmatch(path):
        return _point(match[1], match[2], source)
    if match := STATIONS.fullmatch(path):
        return _stations(int(match[1]), int(match[2]), source)
    match = OBSERVATIONS.fullmatch(path)
    spot = stations.find(source, match[1]) if match else None
    if match is None or spot is None or spot.code != "US":
        return error(404)
    latest = floor_time(now, _HOUR)
    if match[2]:
        return 200, _observation(match[1], spot, source.weather(spot, latest), latest)
    times = _times(query, latest)
    if times is None:
        return error(400)
    return 200, {
        "type": "FeatureCollection",
        "features": [_observation(match[1], spot, source.weather(spot, at), at) for at in times],
    }


def point_of(path: str) -> tuple[float | None, float | None]:
    """Latitude and longitude of a path; None without them."""
    if match := POINT.fullmatch(path):
        return _degrees(match[1], 90), _degrees(match[2], 180)
    match = OBSERVATIONS.fullmatch(path)
    return (stations.place_of(match[1]) if match else None) or (None, None)


def error(status: int) -> Reply:
    """The problem document with an HTTP status."""
    title = _TITLES.get(status, "Error")
    kind = f"{_HOST}/problems/{title.replace(' ', '')}"
    return status, {"correlationId": "0", "title": title, "type": kind, "status": status, "detail": title, "instance": _HOST}


def _degrees(text: str, limit: float) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) <= limit else None


def _point(north: str, east: str, source: Source) -> Reply:
    latitude, longitude = _degrees(north, 90), _degrees(east, 180)
    spot = None if latitude is None or longitude is None else source.find(latitude, longitude)
    if latitude is None or longitude is None or spot is None or spot.code != "US":
        return error(404)
    x, y = round((longitude + 180) / stations.STEP), round((latitude + 90) / stations.STEP)
    grid, zones = f"{_HOST}/gridpoints/SIM/{x},{y}", f"{_HOST}/zones"
    properties = {
        "@id": f"{_HOST}/points/{north},{east}",
        "@type": "wx:Point",
        "cwa": "SIM",
        "forecastOffice": f"{_HOST}/offices/SIM",
        "gridId": "SIM",
        "gridX": x,
        "gridY": y,
        "forecast": f"{grid}/forecast",
        "forecastHourly": f"{grid}/forecast/hourly",
        "forecastGridData": grid,
        "observationStations": f"{grid}/stations",
        "forecastZone": f"{zones}/forecast/SIM001",
        "county": f"{zones}/county/SIM001",
        "fireWeatherZone": f"{zones}/fire/SIM001",
        "timeZone": spot.zone,
        "radarStation": "KSIM",
    }
    geometry = {"type": "Point", "coordinates": [longitude, latitude]}
    return 200, {"id": properties["@id"], "type": "Feature", "geometry": geometry, "properties": properties}


def _stations(x: int, y: int, source: Source) -> Reply:
    latitude, longitude = y * stations.STEP - 90, x * stations.STEP - 180
    names = stations.within(source, latitude - 1, longitude - 1, latitude + 1, longitude + 1)
    spots = [(name, spot) for name in names if (spot := stations.find(source, name)) and spot.code == "US"]
    spots.sort(key=lambda one: abs(one[1].coordinates.latitude - latitude) + abs(one[1].coordinates.longitude - longitude))
    features = [_station(name, spot) for name, spot in spots]
    links = [feature["id"] for feature in features]
    return 200, {"type": "FeatureCollection", "features": features, "observationStations": links}


def _station(name: str, spot: Spot) -> dict[str, Any]:
    properties = {
        "@id": f"{_HOST}/stations/{name}",
        "@type": "wx:ObservationStation",
        "elevation": {"unitCode": "wmoUnit:m", "value": spot.elevation},
        "stationIdentifier": name,
        "name": spot.name,
        "timeZone": spot.zone,
    }
    return {"id": f"{_HOST}/stations/{name}", "type": "Feature", "geometry": _geometry(spot), "properties": properties}


def _geometry(spot: Spot) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [spot.coordinates.longitude, spot.coordinates.latitude]}


def _times(query: Mapping[str, str], latest: datetime) -> list[datetime] | None:
    """The times of the observations, newest first; None for an invalid query."""
    try:
        start, end = (datetime.fromisoformat(query[name]) if name in query else None for name in ("start", "end"))
        limit = int(query.get("limit", _MOST))
        times = [latest - number * _HOUR for number in range(_PAST // _HOUR)]
        return [at for at in times if (start is None or at >= start) and (end is None or at <= end)][: min(limit, _MOST)]
    except (ValueError, TypeError):
        return None


def _quantity(unit: str, value: float | None, decimals: int = 2) -> dict[str, Any]:
    known = None if value is None else round(value, decimals)
    return {"unitCode": f"wmoUnit:{unit}", "value": known, "qualityControl": "Z" if value is None else "V"}


def _times_factor(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _observation(name: str, spot: Spot, weather: Weather, at: datetime) -> dict[str, Any]:
    stamp = at.isoformat()
    identifier = f"{_HOST}/stations/{name}/observations/{stamp}"
    cover = metar.report(name, spot, weather, at).get("cover")
    properties = {
        "@id": identifier,
        "@type": "wx:ObservationStation",
        "elevation": {"unitCode": "wmoUnit:m", "value": spot.elevation},
        "station": f"{_HOST}/stations/{name}",
        "timestamp": stamp,
        "rawMessage": metar.raw(name, weather, at),
        "textDescription": weather.condition.owm_description.title() if weather.condition else "",
        "icon": None,
        "presentWeather": [],
        "temperature": _quantity("degC", weather.temperature),
        "dewpoint": _quantity("degC", dew_point(weather.temperature, weather.humidity)),
        "windDirection": _quantity("degree_(angle)", weather.wind_direction),
        "windSpeed": _quantity("km_h-1", _times_factor(weather.wind_speed, 3.6)),
        "windGust": _quantity("km_h-1", _times_factor(weather.wind_gust, 3.6)),
        "barometricPressure": _quantity("Pa", _times_factor(station_pressure(weather.pressure, spot.elevation), 100), 0),
        "seaLevelPressure": _quantity("Pa", _times_factor(weather.pressure, 100), 0),
        "visibility": _quantity("m", weather.visibility),
        "maxTemperatureLast24Hours": {"unitCode": "wmoUnit:degC", "value": None},
        "minTemperatureLast24Hours": {"unitCode": "wmoUnit:degC", "value": None},
        "precipitationLastHour": _quantity("mm", weather.precipitation),
        "precipitationLast3Hours": _quantity("mm", None),
        "precipitationLast6Hours": _quantity("mm", None),
        "relativeHumidity": _quantity("percent", weather.humidity),
        "windChill": _quantity("degC", None),
        "heatIndex": _quantity("degC", None),
        "cloudLayers": [] if cover is None else [{"base": {"unitCode": "wmoUnit:m", "value": 910}, "amount": cover}],
    }
    return {"id": identifier, "type": "Feature", "geometry": _geometry(spot), "properties": properties}
