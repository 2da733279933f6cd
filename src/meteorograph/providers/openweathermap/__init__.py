"""OpenWeatherMap. ``current.py`` parses current weather, ``history.py`` One Call."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ..base import Provider
from .common import NAME
from .current import parse, request
from .history import HISTORY

PROVIDER: Final = Provider(
    name=NAME,
    title="OpenWeatherMap",
    documentation="https://openweathermap.org/current",
    attribution="Weather data provided by OpenWeather (https://openweathermap.org/)",
    licence="ODbL 1.0",
    method="blended",
    quantities={
        "temperature": "°C",
        "humidity": "%",
        "pressure": "hPa",
        "station_pressure": "hPa",
        "weather_code": "id",
        "wind_speed": "m/s",
        "wind_direction": "degree",
        "wind_gust": "m/s",
        "cloud_cover": "%",
        "visibility": "m",
        "precipitation": "mm",
        "snowfall_water_equivalent": "mm",
    },
    setting="OWM",
    base_url="https://api.openweathermap.org",
    windows={"minute": 60, "month": 1_000_000},
    key_setting="OWM_API_KEY",
    max_age=timedelta(hours=3),  # on the free plan, data are renewed about every two hours
    request=request,
    parse=parse,
    history=HISTORY,
)
