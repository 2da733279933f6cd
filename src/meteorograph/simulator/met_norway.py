"""Simulated Locationforecast 2.0 of MET Norway.

Source: https://api.met.no/weatherapi/locationforecast/2.0/documentation
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ..model import sun
from .geography import Spot
from .model import floor_time
from .openweathermap import point_of, without_none
from .weather import Source, Weather, dew_point, uv_index

COMPACT = "/weatherapi/locationforecast/2.0/compact"
COMPLETE = "/weatherapi/locationforecast/2.0/complete"
_HOUR = timedelta(hours=1)
#: Hourly entries, and then entries of six hours.
_HOURLY, _LONG = 54, 28
_UNITS = {
    "air_pressure_at_sea_level": "hPa",
    "air_temperature": "celsius",
    "cloud_area_fraction": "%",
    "precipitation_amount": "mm",
    "relative_humidity": "%",
    "wind_from_direction": "degrees",
    "wind_speed": "m/s",
}
_MORE_UNITS = {"dew_point_temperature": "celsius", "ultraviolet_index_clear_sky": "1", "wind_speed_of_gust": "m/s"}
#: OpenWeatherMap's number of a condition → symbol.
_SYMBOLS = {
    **{800: "clearsky", 801: "fair", 802: "partlycloudy", 803: "cloudy", 804: "cloudy", 701: "fog"},
    **{500: "lightrain", 501: "rain", 502: "heavyrain", 600: "lightsnow", 601: "snow", 602: "heavysnow", 616: "sleet"},
}
_BY_DAY = ("clearsky", "fair", "partlycloudy")

Reply = tuple[int, Any]


def reply(path: str, query: Mapping[str, str], source: Source, now: datetime) -> Reply:
    """The forecast of a point."""
    latitude, longitude = point_of(query)
    if latitude is None or longitude is None:
        return 400, {"error": "lat and lon must be degrees on the earth"}
    if any(len(query[name].partition(".")[2]) > 4 for name in ("lat", "lon")):
        return 403, {"error": "at most four decimals"}
    spot = source.find(latitude, longitude)
    if spot is None:
        return 422, {"error": "no data for this point"}
    first = floor_time(now, _HOUR)
    hours = [*range(_HOURLY), *range(_HOURLY, _HOURLY + 6 * _LONG, 6)]
    is_complete = path == COMPLETE
    height = query.get("altitude", "")
    return 200, {
        "type": "Feature",
        "geometry": {
            "type": "Point",
            "coordinates": [longitude, latitude, int(height) if height.isdecimal() else round(spot.elevation)],
        },
        "properties": {
            "meta": {"updated_at": f"{first:%Y-%m-%dT%H:%M:%SZ}", "units": _UNITS | (_MORE_UNITS if is_complete else {})},
            "timeseries": [_entry(source, spot, first + hour * _HOUR, hour, is_complete) for hour in hours],
        },
    }


def error(status: int) -> Reply:
    """The answer with an HTTP status other than 200."""
    return status, {"error": f"status {status}"}


def _entry(source: Source, spot: Spot, at: datetime, hour: int, is_complete: bool) -> dict[str, Any]:
    data: dict[str, Any] = {"instant": {"details": _details(source.weather(spot, at), spot, at, is_complete)}}
    for length in (1, 6) if hour < _HOURLY else (6,):
        # The amount of an hour is given at its end.
        amounts = [source.weather(spot, at + number * _HOUR).precipitation for number in range(1, length + 1)]
        known = [amount for amount in amounts if amount is not None]
        details = {"precipitation_amount": round(sum(known), 2)} if len(known) == length else {}
        data[f"next_{length}_hours"] = {"summary": {"symbol_code": _symbol(source, spot, at + _HOUR)}, "details": details}
    data["next_12_hours"] = {"summary": {"symbol_code": _symbol(source, spot, at + _HOUR)}}
    return {"time": f"{at:%Y-%m-%dT%H:%M:%SZ}", "data": data}


def _details(weather: Weather, spot: Spot, at: datetime, is_complete: bool) -> dict[str, Any]:
    details = {
        "air_pressure_at_sea_level": weather.pressure,
        "air_temperature": weather.temperature,
        "cloud_area_fraction": weather.cloud_cover,
        "relative_humidity": weather.humidity,
        "wind_from_direction": weather.wind_direction,
        "wind_speed": weather.wind_speed,
    }
    if is_complete:
        details |= {
            "dew_point_temperature": dew_point(weather.temperature, weather.humidity),
            "ultraviolet_index_clear_sky": uv_index(spot, at),
            "wind_speed_of_gust": weather.wind_gust,
        }
    return without_none(details)


def _symbol(source: Source, spot: Spot, at: datetime) -> str:
    condition = source.weather(spot, at).condition
    name = _SYMBOLS[condition.owm_id] if condition else "cloudy"
    is_day = sun.elevation(spot.coordinates.latitude, spot.coordinates.longitude, at) > sun.HORIZON
    return f"{name}_{'day' if is_day else 'night'}" if name in _BY_DAY else name
