"""OpenWeatherMap, current weather. Stop 6 of the walk: takes a payload, gives an observation in canonical units.

Contract: https://openweathermap.org/current and https://openweathermap.org/faq#error401
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import msgspec

from ..errors import AccountError, FetchError, PermanentFetchError, QuotaExceededError, RetryableFetchError
from ..flags import IMPLIED_ZERO
from ..values import Observation, Payload, Point, Request
from .base import (
    UNREADABLE,
    Amount,
    Provider,
    degrees,
    error_code,
    from_unix,
    one_line,
    place_at,
    quoted,
    unreadable,
)

NAME: Final = "openweathermap"

#: "repeat your request in 10 minutes": https://openweathermap.org/appid
BLOCKED_FOR: Final = timedelta(minutes=10)


class _Main(msgspec.Struct, gc=False):
    temp: float
    humidity: float | None = None
    pressure: float | None = None
    sea_level: float | None = None


class _Wind(msgspec.Struct, gc=False):
    speed: float | None = None
    deg: float | None = None
    gust: float | None = None


class _Clouds(msgspec.Struct, gc=False):
    all: float | None = None


class _Condition(msgspec.Struct, gc=False):
    description: str | None = None


class _Point(msgspec.Struct, gc=False):
    lat: float | None = None
    lon: float | None = None


class _Body(msgspec.Struct, gc=False):
    main: _Main
    dt: float | None = None
    coord: _Point | None = None
    wind: _Wind | None = None
    clouds: _Clouds | None = None
    visibility: float | None = None
    rain: Amount | None = None
    snow: Amount | None = None
    weather: list[_Condition] | None = None
    name: str | None = None


class _Error(msgspec.Struct, gc=False):
    cod: int | str | None = None
    message: str | None = None


_body = msgspec.json.Decoder(_Body)
_error = msgspec.json.Decoder(_Error)


def request(base_url: str, points: Sequence[Point], key: str) -> Request:
    """The request for the weather at the point now, in metric units (the default would be kelvin)."""
    (coordinates,) = points
    return Request(
        provider=NAME,
        url=f"{base_url.rstrip('/')}/data/2.5/weather",
        params={"lat": degrees(coordinates.latitude), "lon": degrees(coordinates.longitude), "units": "metric"},
        secrets={"appid": key},
    )


def parse(payload: Payload) -> list[Observation | None]:
    """Read an answer to ``request``; its units are those asked for, since the body does not say.

    Raises:
        QuotaExceededError: 429, the account is blocked.
        RetryableFetchError: 408 and 5xx.
        AccountError: 401, the key is wrong, not active yet, or of a plan without this product.
        PermanentFetchError: Any other refusal, with the provider's own words.
        PayloadError: Not a body of current weather.
    """
    if payload.status != 200:
        raise _refusal(payload, payload.status)
    try:
        body = _body.decode(payload.body)
    except UNREADABLE as error:
        raise _misfit(payload, error) from None
    units = payload.request.params.get("units", "standard")
    main, wind, coord = body.main, body.wind or _Wind(), body.coord or _Point()
    amount, period = _precipitation(body.rain, body.snow)
    found = Observation(
        provider=NAME,
        fetched_at=payload.fetched_at,
        observed_at=from_unix(body.dt),
        temperature=_celsius(main.temp, units),
        humidity=main.humidity,
        # Bodies of before 2019 have the station's pressure in `pressure`; `sea_level`, where given, never is.
        pressure=main.pressure if main.sea_level is None else main.sea_level,
        wind_speed=_metres_per_second(wind.speed, units),
        wind_direction=wind.deg,
        wind_gust=_metres_per_second(wind.gust, units),
        cloud_cover=body.clouds.all if body.clouds else None,
        visibility=body.visibility,
        precipitation=0.0 if amount is None else amount,
        precipitation_period=3600 if amount is None else period,
        condition=one_line(body.weather[0].description) if body.weather else None,
        flags={"precipitation": [IMPLIED_ZERO]} if amount is None else {},
        place=place_at(coord.lat, coord.lon, body.name),
    )
    return [found]


def _precipitation(rain: Amount | None, snow: Amount | None) -> tuple[float | None, int | None]:
    """Rain and snow (water equivalent) together [mm] and their period [s]; None when neither is given.

    Hourly and three-hourly amounts overlap and are never added: the hourly ones are taken where there are any.
    """
    given = [amount for amount in (rain, snow) if amount is not None]
    hourly = [amount.one_hour for amount in given if amount.one_hour is not None]
    if hourly:
        return sum(hourly), 3600
    longer = [amount.three_hours for amount in given if amount.three_hours is not None]
    return (sum(longer), 10800) if longer else (None, None)


def _celsius(value: float, units: str) -> float:
    if units == "metric":
        return value
    return round((value - 32) / 1.8 if units == "imperial" else value - 273.15, 4)


def _metres_per_second(value: float | None, units: str) -> float | None:
    return round(value * 0.44704, 4) if value is not None and units == "imperial" else value


def _misfit(payload: Payload, cause: Exception) -> Exception:
    """A 200 that is no weather: an error that came with the wrong status, or a body that cannot be read."""
    try:
        cod = error_code(_error.decode(payload.body).cod) or 0
    except UNREADABLE:
        cod = 0
    return _refusal(payload, cod) if cod >= 400 else unreadable(NAME, payload, cause)


def _refusal(payload: Payload, code: int) -> FetchError:
    try:
        said = quoted(payload, _error.decode(payload.body).message)
    except UNREADABLE:
        said = ""
    reason = f"{code}: {said}" if said else f"HTTP {payload.status} without a message"
    if code == 429:
        return QuotaExceededError(NAME, reason, retry_at=payload.retry_at(BLOCKED_FOR), status=payload.status)
    if code == 401:
        return AccountError(NAME, reason, key_state="invalid", status=payload.status)
    if 500 <= code < 600 or code == 408:
        return RetryableFetchError(NAME, reason, status=payload.status, wait=payload.wait)
    return PermanentFetchError(NAME, reason, status=payload.status)


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
        "wind_speed": "m/s",
        "wind_direction": "degree",
        "wind_gust": "m/s",
        "cloud_cover": "%",
        "visibility": "m",
        "precipitation": "mm",
    },
    setting="OWM",
    base_url="https://api.openweathermap.org",
    windows={"minute": 60, "month": 1_000_000},
    key_setting="OWM_API_KEY",
    request=request,
    parse=parse,
)
