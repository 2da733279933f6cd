"""The US National Weather Service: measured weather of stations. ``observations.py`` and ``stations.py`` parse its answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ..base import Provider, Stations
from .common import NAME
from .observations import parse, request
from .stations import parse_stations, request_stations

PROVIDER: Final = Provider(
    name=NAME,
    title="National Weather Service",
    documentation="https://www.weather.gov/documentation/services-web-api",
    attribution="Observations from the National Weather Service, NOAA (https://www.weather.gov/)",
    licence="Public domain",
    method="measured",
    quantities={
        "temperature": "°C",
        "humidity": "%",
        "dew_point": "°C",
        "pressure": "Pa",
        "altimeter_setting": "Pa",
        "wind_speed": "km/h",
        "wind_direction": "degree",
        "wind_gust": "km/h",
        "cloud_cover": "eighths",
        "weather_code": "code",
        "visibility": "m",
        "precipitation": "mm",
    },
    setting="NWS",
    base_url="https://api.weather.gov",
    windows={"minute": 120},
    max_age=timedelta(hours=3),  # reports are hourly; one may be missing, and the service may be late
    request=request,
    parse=parse,
    terms="The National Weather Service asks callers to put a domain or an e-mail address into METEOROGRAPH_USER_AGENT",
    stations=Stations(request_stations, parse_stations),
)
