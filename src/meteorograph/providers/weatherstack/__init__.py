"""Weatherstack: blended weather at a point, with a key. ``current.py`` parses its answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ..base import Provider
from .current import parse, request
from .refusals import NAME

PROVIDER: Final = Provider(
    name=NAME,
    title="Weatherstack",
    documentation="https://weatherstack.com/documentation",
    attribution="Weather data by Weatherstack (https://weatherstack.com/)",
    licence="Weatherstack terms of service",
    method="blended",
    quantities={
        "temperature": "°C",
        "humidity": "%",
        "pressure": "hPa",
        "wind_speed": "km/h",
        "wind_direction": "degree",
        "cloud_cover": "%",
        "uv_index": "1",
        "weather_code": "code",
        "visibility": "km",
        "precipitation": "mm",
    },
    setting="WEATHERSTACK",
    base_url="https://api.weatherstack.com",
    windows={"month": 100},
    key_setting="WEATHERSTACK_API_KEY",
    max_age=timedelta(hours=2),  # it gives the time of the call, so an older answer is one that stands still
    request=request,
    parse=parse,
)
