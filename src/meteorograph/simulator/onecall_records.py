"""Records of One Call: the weather of an instant, a minute, a day."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from ..model import sun
from .geography import Spot
from .openweathermap import compact, condition_of, in_degrees, in_speed, without_none
from .weather import Source, Weather, apparent_temperature, dew_point, uv_index

_HOUR = timedelta(hours=1)
#: Part of the day → hour after the local midnight.
_PARTS = {"morn": 6, "day": 12, "eve": 18, "night": 23}


def record(weather: Weather, spot: Spot, at: datetime, units: str, *, has_probability: bool = False) -> dict[str, Any]:
    """The weather of an instant; forecasts have a probability of precipitation."""
    place = spot.coordinates
    feels_like = apparent_temperature(weather.temperature, weather.humidity, weather.wind_speed)
    return without_none(
        {
            "dt": int(at.timestamp()),
            "temp": in_degrees(weather.temperature, units),
            "feels_like": in_degrees(feels_like, units),
            "pressure": compact(weather.pressure),
            "humidity": compact(weather.humidity),
            "dew_point": in_degrees(dew_point(weather.temperature, weather.humidity), units),
            "uvi": uv_index(spot, at),
            "clouds": None if weather.cloud_cover is None else round(weather.cloud_cover),
            "visibility": None if weather.visibility is None else min(10000, round(weather.visibility)),
            "wind_speed": in_speed(weather.wind_speed, units),
            "wind_deg": compact(weather.wind_direction),
            "wind_gust": in_speed(weather.wind_gust, units),
            "pop": (1 if weather.precipitation else 0) if has_probability else None,
            "rain": {"1h": weather.rain} if weather.rain else None,
            "snow": {"1h": weather.snow} if weather.snow else None,
            "weather": condition_of(weather, place.latitude, place.longitude),
        }
    )


def of_now(weather: Weather, spot: Spot, at: datetime, units: str) -> dict[str, Any]:
    """The current weather, with the times of the sun; ``dt`` is the request, not the data."""
    return {"dt": int(at.timestamp()), **_sun_times(spot, at), **record(weather, spot, at, units)}


def minute(source: Source, spot: Spot, at: datetime) -> dict[str, Any]:
    """The precipitation of a minute, as a rate [mm/h]."""
    hour_end = at + (_HOUR - timedelta(minutes=at.minute, seconds=at.second, microseconds=at.microsecond))
    return {"dt": int(at.timestamp()), "precipitation": source.weather(spot, hour_end).precipitation or 0}


def day(source: Source, spot: Spot, noon: datetime, units: str) -> dict[str, Any]:
    """The weather of a local day."""
    midnight = noon - 12 * _HOUR
    hours = [source.weather(spot, midnight + number * _HOUR) for number in range(25)]
    celsius = [hour.temperature for hour in hours if hour.temperature is not None]
    parts = {name: hours[number] for name, number in _PARTS.items()}
    rain, snow = (round(sum(getattr(hour, name) or 0 for hour in hours[1:]), 2) for name in ("rain", "snow"))
    instant = record(hours[12], spot, noon, units)
    temperatures = {name: in_degrees(hour.temperature, units) for name, hour in parts.items()}
    extremes = {"min": in_degrees(min(celsius), units), "max": in_degrees(max(celsius), units)} if celsius else {}
    feelings = {
        name: in_degrees(apparent_temperature(hour.temperature, hour.humidity, hour.wind_speed), units)
        for name, hour in parts.items()
    }
    return {
        **_sun_times(spot, noon),
        **{name: value for name, value in instant.items() if name != "visibility"},
        "temp": temperatures | extremes,
        "feels_like": feelings,
        "pop": 1 if rain or snow else 0,
        "summary": "Simulated weather",
        "rain": rain,
        "snow": snow,
    }


def _sun_times(spot: Spot, at: datetime) -> dict[str, int]:
    """Sunrise and sunset; neither in polar day and polar night."""
    times = sun.rise_and_set(spot.coordinates.latitude, spot.coordinates.longitude, at)
    return {"sunrise": int(times[0].timestamp()), "sunset": int(times[1].timestamp())} if times else {}
