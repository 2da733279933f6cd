"""OpenWeatherMap, current weather. Stop 6 of the walk: takes a payload, gives an observation in canonical units.

Contract: https://openweathermap.org/current and https://openweathermap.org/faq#error401
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from ...model.flags import Flag
from ...model.values import Observation, Payload, Request, RequestPoint
from ..base import UNREADABLE, Amount, degrees, from_unix, place_at
from ..lenient import LenientDecoder
from .common import (
    NAME,
    SNOWFALL,
    Condition,
    describe,
    has_measured_values,
    make_flags,
    read_precipitation,
    read_snowfall,
    read_weather_code,
    refusal,
    to_celsius,
    to_metres_per_second,
    unexpected_body,
)


class _Main(msgspec.Struct, gc=False):
    temp: float | None = None
    humidity: float | None = None
    pressure: float | None = None
    sea_level: float | None = None
    grnd_level: float | None = None


class _Wind(msgspec.Struct, gc=False):
    speed: float | None = None
    deg: float | None = None
    gust: float | None = None


class _Clouds(msgspec.Struct, gc=False):
    all: float | None = None


class _Point(msgspec.Struct, gc=False):
    lat: float | None = None
    lon: float | None = None


class _Body(msgspec.Struct, gc=False):
    main: _Main | None = None
    dt: float | None = None
    coord: _Point | None = None
    wind: _Wind | None = None
    clouds: _Clouds | None = None
    visibility: float | None = None
    rain: Amount | None = None
    snow: Amount | None = None
    weather: list[Condition | None] | None = None
    name: str | None = None


_body = LenientDecoder(_Body)

#: Path of a member → the quantity that it gives. ``common.read_precipitation`` reads the amounts.
_FIELDS: Final = {
    "main.temp": "temperature",
    "main.humidity": "humidity",
    "main.pressure": "pressure",
    "main.sea_level": "pressure",
    "main.grnd_level": "station_pressure",
    "wind.speed": "wind_speed",
    "wind.deg": "wind_direction",
    "wind.gust": "wind_gust",
    "clouds.all": "cloud_cover",
    "visibility": "visibility",
    "weather": "weather_code",
    **SNOWFALL,
    "dt": "observed_at",
}


#: A ``pressure`` from here on is taken for that at sea level, which is its meaning since 2019 [hPa].
_SURELY_SEA_LEVEL: Final = 1000.0


def request(base_url: str, points: Sequence[RequestPoint], key: str) -> Request:
    """The request for the current weather at the point, in metric units (the default unit of temperature is kelvin)."""
    (point,) = points
    return Request(
        provider=NAME,
        url=f"{base_url.rstrip('/')}/data/2.5/weather",
        params={"lat": degrees(point.latitude), "lon": degrees(point.longitude), "units": "metric"},
        secrets={"appid": key},
    )


def parse(payload: Payload) -> list[Observation | None]:
    """Parse an answer to ``request``. The body does not name its units, so those of the request are assumed.

    Raises:
        QuotaExceededError: 429, the account is blocked.
        RetryableFetchError: 408 and 5xx.
        AccountError: 401, the key is wrong, not active yet, or its plan does not include this product.
        PermanentFetchError: Any other refusal, with the provider's own words.
        PayloadError: Not a body of current weather.
    """
    if payload.status != 200:
        raise refusal(payload, payload.status)
    try:
        body, odd = _body.decode(payload)
    except UNREADABLE as error:
        raise unexpected_body(payload, error) from None
    units = payload.request.params.get("units", "standard")
    main, wind, coord = body.main or _Main(), body.wind or _Wind(), body.coord or _Point()
    precipitation = read_precipitation(body.rain, body.snow, odd)
    observation = Observation(
        provider=NAME,
        fetched_at=payload.fetched_at,
        observed_at=from_unix(body.dt),
        temperature=None if main.temp is None else to_celsius(main.temp, units),
        humidity=main.humidity,
        # `pressure` of bodies from before 2019 is the pressure at the station; `sea_level` never is.
        pressure=main.pressure if main.sea_level is None else main.sea_level,
        station_pressure=main.grnd_level,
        wind_speed=to_metres_per_second(wind.speed, units),
        wind_direction=wind.deg,
        wind_gust=to_metres_per_second(wind.gust, units),
        cloud_cover=body.clouds.all if body.clouds else None,
        visibility=body.visibility,
        precipitation=precipitation.amount,
        precipitation_period=precipitation.period,
        snowfall_water_equivalent=read_snowfall(body.snow, odd),
        condition=describe(body.weather),
        weather_code=read_weather_code(body.weather),
        flags=_level_flags(main) | make_flags(precipitation, body.visibility, odd, _FIELDS),
        place=place_at(coord.lat, coord.lon, body.name),
    )
    if main.temp is None and not has_measured_values(observation):
        raise unexpected_body(payload, ValueError("no value in main or in any other member"))
    return [observation]


def _level_flags(main: _Main) -> dict[str, list[str]]:
    """The flag of a pressure that may be that at the station: ``pressure`` alone, and not usual at sea level."""
    if main.pressure is None or main.sea_level is not None or main.pressure >= _SURELY_SEA_LEVEL:
        return {}
    return {"pressure": [Flag.LEVEL_UNKNOWN]}
