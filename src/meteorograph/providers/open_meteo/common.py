"""Open-Meteo: its variables with their units, and requests for them.

Contract: https://open-meteo.com/en/docs and the server's source, https://github.com/open-meteo/open-meteo
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from ...model.units import FAHRENHEIT_PER_CELSIUS, FOOT, INCH, KILOMETRE_PER_HOUR, KNOT, MILE_PER_HOUR
from ...model.values import Request, RequestPoint
from ..base import degrees

NAME: Final = "open-meteo"

_SPEED: Final = {"m/s": 1.0, "km/h": KILOMETRE_PER_HOUR, "mp/h": MILE_PER_HOUR, "kn": KNOT}

#: Variable → its quantity, and the factor to the canonical unit from each unit that the variable may have. ``precipitation`` is
#: the water equivalent of rain and snow; ``snowfall`` [cm of snow] is not requested. The dew point is not requested either:
#: the provider computes it from temperature and humidity, and with an eleventh variable a call would cost more than one.
VARIABLES: Final[Mapping[str, tuple[str, Mapping[str, float]]]] = {
    "temperature_2m": ("temperature", {"°C": 1.0, "°F": 1 / FAHRENHEIT_PER_CELSIUS}),
    "relative_humidity_2m": ("humidity", {"%": 1.0}),
    "pressure_msl": ("pressure", {"hPa": 1.0}),
    "wind_speed_10m": ("wind_speed", _SPEED),
    "wind_direction_10m": ("wind_direction", {"°": 1.0}),
    "wind_gusts_10m": ("wind_gust", _SPEED),
    "cloud_cover": ("cloud_cover", {"%": 1.0}),
    "visibility": ("visibility", {"m": 1.0, "ft": FOOT}),
    "precipitation": ("precipitation", {"mm": 1.0, "inch": INCH}),
}

PRECIPITATION: Final = "precipitation"

#: The tenth variable: the code of the weather.
WEATHER_CODE: Final = "weather_code"

HOURLY_VARIABLES: Final = (*VARIABLES, WEATHER_CODE)
#: ``current`` only has the precipitation of the last 15 minutes; ``minutely_15`` has that of the other three quarters too.
CURRENT_VARIABLES: Final = tuple(name for name in HOURLY_VARIABLES if name != PRECIPITATION)
#: The models of the archive have no visibility.
ARCHIVE_VARIABLES: Final = tuple(name for name in HOURLY_VARIABLES if name != "visibility")

#: All units are requested explicitly: by default wind is in km/h, and times are local.
_UNITS: Final = {
    "temperature_unit": "celsius",
    "wind_speed_unit": "ms",
    "precipitation_unit": "mm",
    "timeformat": "unixtime",
    "timezone": "GMT",
}

#: A request with more variables, or over a longer time, is charged as several calls.
VARIABLES_PER_CALL: Final = 10
SPAN_PER_CALL: Final = timedelta(days=14)


def make_request(base_url: str, path: str, points: Sequence[RequestPoint], params: dict[str, str]) -> Request:
    coordinates = {
        "latitude": ",".join(degrees(point.latitude) for point in points),
        "longitude": ",".join(degrees(point.longitude) for point in points),
    }
    return Request(NAME, f"{base_url.rstrip('/')}{path}", {**coordinates, **params, **_UNITS})
