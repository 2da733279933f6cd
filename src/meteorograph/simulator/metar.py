"""Simulated METAR reports of aviationweather.gov, hourly.

Source: https://aviationweather.gov/data/api/
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from . import stations
from .geography import Spot
from .model import floor_time
from .openweathermap import without_none
from .refusals import refuse_values
from .weather import Source, Weather, dew_point

PATH = "/api/data/metar"
KNOT = 1852 / 3600  # [m/s]
_MILE = 1609.344  # [m]
_HOUR = timedelta(hours=1)
#: Cover → upper limit [%]; base of the clouds [feet].
_COVERS = (("CLR", 6), ("FEW", 31), ("SCT", 56), ("BKN", 94), ("OVC", 101))
_BASE = 3000
_PHENOMENA = {
    **{500: "-RA", 501: "RA", 502: "+RA", 600: "-SN", 601: "SN", 602: "+SN", 616: "RASN", 701: "BR"},
}

Reply = tuple[int, Any]


def reply(query: Mapping[str, str], source: Source, now: datetime) -> Reply:
    """The reports of the stations in ``ids`` or ``bbox``, of the last ``hours``, newest first; 204 without any."""
    refuse_values(query, format=("raw", "json"))
    hours = query.get("hours", "1")
    try:
        identifiers = _identifiers(query, source)
        count = min(max(1, int(float(hours))), 360)
    except (ValueError, OverflowError):
        return error(400)
    latest = floor_time(now, _HOUR)
    spots = [(name, spot) for name in identifiers if (spot := stations.find(source, name))]
    reports = [report(name, spot, source.weather(spot, at), at) for name, spot in spots for at in _times(latest, count)]
    if not reports:
        return 204, b""
    if query.get("format") != "json":  # raw when left out
        return 200, "".join(f"{one['rawOb']}\n" for one in reports).encode()
    return 200, reports


def error(status: int) -> Reply:
    """The answer with an HTTP status other than 200."""
    return status, {"status": "error", "error": f"status {status}"}


def point_of(query: Mapping[str, str]) -> tuple[float | None, float | None]:
    """Latitude and longitude of the first station; None without one."""
    return stations.place_of(query.get("ids", "").split(",")[0].strip().upper()) or (None, None)


def _times(latest: datetime, count: int) -> list[datetime]:
    return [latest - number * _HOUR for number in range(count)]


def _identifiers(query: Mapping[str, str], source: Source) -> list[str]:
    if "bbox" in query:
        south, west, north, east = map(float, query["bbox"].split(","))
        return stations.within(source, south, west, north, east)
    return [name.strip().upper() for name in query.get("ids", "").split(",") if name.strip()]


def report(name: str, spot: Spot, weather: Weather, at: datetime) -> dict[str, Any]:
    """The report of a station. Only those of the United States have tenths of a degree and precipitation."""
    is_american = spot.code == "US"
    decimals = 1 if is_american else 0
    temperature, dew = (
        _rounded(weather.temperature, decimals),
        _rounded(dew_point(weather.temperature, weather.humidity), decimals),
    )
    cover = None if weather.cloud_cover is None else next(word for word, limit in _COVERS if weather.cloud_cover < limit)
    miles = None if weather.visibility is None else weather.visibility / _MILE
    values = {
        "icaoId": name,
        "receiptTime": f"{at + timedelta(minutes=4):%Y-%m-%dT%H:%M:%S.000Z}",
        "obsTime": int(at.timestamp()),
        "reportTime": f"{at:%Y-%m-%dT%H:%M:%S.000Z}",
        "temp": temperature,
        "dewp": dew,
        "wdir": None if weather.wind_direction is None else _tens(weather.wind_direction),
        "wspd": _knots(weather.wind_speed),
        "wgst": _knots(weather.wind_gust),
        "visib": None if miles is None else "6+" if miles > 6 else round(miles, 2),
        "altim": _rounded(weather.pressure, 1 if is_american else 0),
        "slp": weather.pressure if is_american else None,
        "precip": None if not is_american or weather.precipitation is None else round(weather.precipitation / 25.4, 4),
        "wxString": _PHENOMENA.get(weather.condition.owm_id) if weather.condition else None,
        "qcField": 0,
        "metarType": "METAR",
        "rawOb": raw(name, weather, at),
        "lat": spot.coordinates.latitude,
        "lon": spot.coordinates.longitude,
        "elev": round(spot.elevation),
        "name": spot.name,
        "cover": cover,
        "clouds": None if cover is None else [{"cover": cover} if cover == "CLR" else {"cover": cover, "base": _BASE}],
    }
    return without_none(values)


def raw(name: str, weather: Weather, at: datetime) -> str:
    """The report as it is sent (WMO-No. 306, FM 15)."""
    wind = gust = None
    if weather.wind_speed is not None and weather.wind_direction is not None:
        gust = "" if weather.wind_gust is None else f"G{_knots(weather.wind_gust):02d}"
        wind = f"{_tens(weather.wind_direction):03d}{_knots(weather.wind_speed):02d}{gust}KT"
    dew = dew_point(weather.temperature, weather.humidity)
    phenomenon = _PHENOMENA.get(weather.condition.owm_id) if weather.condition else None
    cover = None if weather.cloud_cover is None else next(word for word, limit in _COVERS if weather.cloud_cover < limit)
    parts = (
        f"METAR {name} {at:%d%H%MZ}",
        wind,
        None if weather.visibility is None else f"{min(9999, round(weather.visibility / 100) * 100):04d}",
        phenomenon,
        None if cover is None else cover if cover == "CLR" else f"{cover}{_BASE // 100:03d}",
        None if weather.temperature is None or dew is None else f"{_signed(weather.temperature)}/{_signed(dew)}",
        None if weather.pressure is None else f"Q{round(weather.pressure):04d}",
    )
    return " ".join(part for part in parts if part)


def _rounded(value: float | None, decimals: int) -> float | int | None:
    return None if value is None else round(value, decimals) if decimals else round(value)


def _tens(degrees: float) -> int:
    """A direction in tens of degrees; north is 360."""
    return round(degrees / 10) * 10 or 360


def _knots(metres_per_second: float | None) -> int | None:
    return None if metres_per_second is None else round(metres_per_second / KNOT)


def _signed(celsius: float) -> str:
    value = round(celsius)
    return f"M{-value:02d}" if value < 0 else f"{value:02d}"
