"""METAR: measured weather at aerodromes. ``reports.py`` and ``stations.py`` parse the answers of aviationweather.gov."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ..base import Provider, Stations
from .reports import NAME, parse, request
from .stations import parse_stations, request_stations

PROVIDER: Final = Provider(
    name=NAME,
    title="METAR",
    documentation="https://aviationweather.gov/data/api/",
    attribution="Aerodrome reports from the Aviation Weather Center, NOAA/NWS (https://aviationweather.gov/)",
    licence="Public domain",
    method="measured",
    quantities={
        "temperature": "°C",
        "humidity": "%",
        "dew_point": "°C",
        "pressure": "hPa",
        "altimeter_setting": "hPa",
        "wind_speed": "kt",
        "wind_direction": "degree",
        "wind_gust": "kt",
        "cloud_cover": "eighths",
        "weather_code": "code",
        "visibility": "statute mile",
        "precipitation": "inch",
    },
    setting="METAR",
    base_url="https://aviationweather.gov",
    windows={"minute": 100},
    max_age=timedelta(hours=3),  # reports are hourly or half-hourly; one may be missing
    request=request,
    parse=parse,
    most=100,
    # Charged by call and not by station; a hundred stations share one.
    cost=0.01,
    stations=Stations(request_stations, parse_stations),
)
