"""Weatherstack, current weather. Stop 6 of the walk: takes a payload, gives an observation in canonical units.

Contract: https://weatherstack.com/documentation
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from ...model.flags import Flag
from ...model.units import (
    INCH,
    KILOMETRE,
    KILOMETRE_PER_HOUR,
    MILE_PER_HOUR,
    STATUTE_MILE,
    fahrenheit_to_celsius,
    kelvin_to_celsius,
    scale,
)
from ...model.values import Observation, Payload, Request, RequestPoint
from ..base import UNREADABLE, degrees, from_unix, has_values, one_line, place_at, unreadable
from ..lenient import LenientDecoder, Unreadable, flags_of_unreadable, read_number
from ..weather_codes import WEATHERSTACK
from .refusals import NAME, Failure, refusal

#: The largest visibility of most answers [km]; larger ones are rare. In miles, rounding hides the limit.
_VISIBILITY_CAP: Final = 10.0

_UNITS: Final = {"m", "s", "f"}


class _Current(msgspec.Struct, gc=False):
    observation_time: str | None = None
    temperature: float | None = None
    wind_speed: float | None = None
    wind_degree: float | None = None
    pressure: float | None = None
    precip: float | None = None
    humidity: float | None = None
    cloudcover: float | None = None
    visibility: float | None = None
    uv_index: float | None = None
    weather_code: float | None = None
    weather_descriptions: list[str | None] | None = None


class _Location(msgspec.Struct, gc=False):
    name: str | None = None
    lat: float | str | None = None
    lon: float | str | None = None
    localtime_epoch: float | None = None
    utc_offset: float | str | None = None


class _RequestEcho(msgspec.Struct, gc=False):
    unit: str | None = None


class _Body(msgspec.Struct, gc=False):
    success: bool | None = None
    error: Failure | str | None = None
    message: str | None = None
    request: _RequestEcho | None = None
    location: _Location | None = None
    current: _Current | None = None


_body = LenientDecoder(_Body)

#: Path of a member → the quantity that it gives.
_FIELDS: Final = {
    "current.temperature": "temperature",
    "current.humidity": "humidity",
    "current.pressure": "pressure",
    "current.wind_speed": "wind_speed",
    "current.wind_degree": "wind_direction",
    "current.cloudcover": "cloud_cover",
    "current.visibility": "visibility",
    "current.precip": "precipitation",
    "current.uv_index": "uv_index",
    "current.weather_code": "weather_code",
    "current.observation_time": "observed_at",
    "location.localtime_epoch": "observed_at",
    "location.utc_offset": "observed_at",
}


def request(base_url: str, points: Sequence[RequestPoint], key: str) -> Request:
    """The request for the current weather at the point, in units ``m`` (°C, km/h, mb, mm, km)."""
    (point,) = points
    return Request(
        provider=NAME,
        url=f"{base_url.rstrip('/')}/current",
        params={"query": f"{degrees(point.latitude)},{degrees(point.longitude)}", "units": "m"},
        secrets={"access_key": key},
    )


def parse(payload: Payload) -> list[Observation | None]:
    """Parse an answer to ``request``. Errors usually have HTTP status 200, so the body is checked before the status.

    Raises:
        QuotaExceededError: 104 until the month ends, 429 and 106 for a minute or what ``Retry-After`` says.
        RetryableFetchError: 408, 5xx and 615.
        AccountError: 101, 102 and 105, the account or its key is refused.
        PermanentFetchError: Any other refusal, with the provider's own words.
        PayloadError: Not a body of current weather, or unknown units.
    """
    try:
        body, odd = _body.decode(payload)
    except UNREADABLE as error:
        raise unreadable(NAME, payload, error) if payload.status == 200 else refusal(payload, None, None) from None
    if body.success is False or body.error is not None or payload.status != 200:
        raise refusal(payload, body.error, body.message)
    unit = (body.request and body.request.unit) or payload.request.params.get("units", "m")
    if unit not in _UNITS:
        raise unreadable(NAME, payload, ValueError(f"units {unit[:40]!r}"))
    current, location = body.current or _Current(), body.location or _Location()
    is_imperial = unit == "f"
    observation = Observation(
        provider=NAME,
        fetched_at=payload.fetched_at,
        observed_at=_observed_at(current, location),
        temperature=_celsius(current.temperature, unit),
        humidity=current.humidity,
        pressure=current.pressure,
        wind_speed=scale(current.wind_speed, MILE_PER_HOUR if is_imperial else KILOMETRE_PER_HOUR),
        wind_direction=current.wind_degree,
        cloud_cover=current.cloudcover,
        visibility=scale(current.visibility, STATUTE_MILE if is_imperial else KILOMETRE),
        precipitation=scale(current.precip, INCH if is_imperial else 1),
        flags=_flags(current, odd, is_imperial=is_imperial),
        uv_index=current.uv_index,
        weather_code=None if current.weather_code is None else WEATHERSTACK.get(int(current.weather_code)),
        condition=_words(current.weather_descriptions),
        place=place_at(_number(location.lat), _number(location.lon), location.name),
    )
    if not has_values(observation):
        raise unreadable(NAME, payload, ValueError("no value of any quantity"))
    return [observation]


def _flags(current: _Current, odd: Unreadable, *, is_imperial: bool) -> dict[str, list[str]]:
    flags = flags_of_unreadable(odd, _FIELDS) if odd else {}
    if current.visibility == _VISIBILITY_CAP and not is_imperial:
        flags["visibility"] = [Flag.AT_LEAST]
    return flags


def _observed_at(current: _Current, location: _Location) -> datetime | None:
    """The hour and minute of ``observation_time`` (UTC, without a date), on the day nearest to the time of the answer.

    ``localtime_epoch`` is the local wall clock as if it were UTC, so the offset is subtracted.
    """
    offset_hours, epoch = _number(location.utc_offset), location.localtime_epoch
    if epoch is None or offset_hours is None:
        return None
    answered_at = from_unix(epoch - offset_hours * 3600)
    if answered_at is None or not current.observation_time:
        return answered_at
    try:
        time = datetime.strptime(current.observation_time.strip(), "%I:%M %p").replace(tzinfo=UTC)
    except ValueError:
        return answered_at
    same_day = time.replace(year=answered_at.year, month=answered_at.month, day=answered_at.day)
    try:
        return min((same_day + timedelta(days=days) for days in (-1, 0, 1)), key=lambda at: abs(at - answered_at))
    except OverflowError:  # the first or last day of the calendar
        return answered_at


def _celsius(value: float | None, unit: str) -> float | None:
    if value is None:
        return None
    match unit:
        case "f":
            return fahrenheit_to_celsius(value)
        case "s":
            return kelvin_to_celsius(value)
    return round(value, 4)


def _number(value: float | str | None) -> float | None:
    return read_number(value) if isinstance(value, str) else value


def _words(descriptions: list[str | None] | None) -> str | None:
    return ", ".join(words.lower() for word in descriptions or () if (words := one_line(word))) or None
