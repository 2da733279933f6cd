"""Weatherstack, current weather. Stop 6 of the walk: takes a payload, gives an observation in canonical units.

Contract: https://weatherstack.com/documentation
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from ..errors import AccountError, FetchError, PermanentFetchError, QuotaExceededError, RetryableFetchError
from ..model.flags import Flag
from ..model.states import KeyState
from ..model.units import (
    INCH,
    KILOMETRE,
    KILOMETRE_PER_HOUR,
    MILE_PER_HOUR,
    STATUTE_MILE,
    fahrenheit_to_celsius,
    kelvin_to_celsius,
    scale,
)
from ..model.values import Observation, Payload, Request, RequestPoint
from .base import UNREADABLE, Provider, degrees, error_code, from_unix, one_line, place_at, quoted, unreadable

NAME: Final = "weatherstack"

#: Wait after a 429 without ``Retry-After``. All APILayer services throttle per second.
THROTTLED_FOR: Final = timedelta(minutes=1)

_ACCOUNT_CODES: Final = {
    101: KeyState.INVALID,
    401: KeyState.INVALID,
    102: KeyState.BLOCKED,
    105: KeyState.PLAN_MISSING,
    403: KeyState.PLAN_MISSING,
}
_RETRYABLE_CODES: Final = {408, 615}  # 615 request_failed: "please try again", but also the code for an unknown place

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
    weather_descriptions: list[str] | None = None


class _Location(msgspec.Struct, gc=False):
    name: str | None = None
    lat: float | str | None = None
    lon: float | str | None = None
    localtime_epoch: float | None = None
    utc_offset: float | str | None = None


class _RequestEcho(msgspec.Struct, gc=False):
    unit: str | None = None


class _Failure(msgspec.Struct, gc=False):
    code: int | str | None = None
    type: str | None = None
    info: str | None = None


class _Body(msgspec.Struct, gc=False):
    success: bool | None = None
    error: _Failure | None = None
    message: str | None = None
    request: _RequestEcho | None = None
    location: _Location | None = None
    current: _Current | None = None


_body = msgspec.json.Decoder(_Body)


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
        body = _body.decode(payload.body)
    except UNREADABLE as error:
        raise unreadable(NAME, payload, error) if payload.status == 200 else _refusal(payload, None) from None
    if body.success is False or body.error is not None or payload.status != 200:
        raise _refusal(payload, body)
    unit = (body.request and body.request.unit) or payload.request.params.get("units", "m")
    if body.current is None or body.current == _Current() or unit not in _UNITS:
        raise unreadable(NAME, payload)
    current, location = body.current, body.location or _Location()
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
        flags={"visibility": [Flag.AT_LEAST]} if current.visibility == _VISIBILITY_CAP and not is_imperial else {},
        condition=_words(current.weather_descriptions),
        place=place_at(_number(location.lat), _number(location.lon), location.name),
    )
    return [observation]


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
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def _words(descriptions: list[str] | None) -> str | None:
    return ", ".join(words.lower() for word in descriptions or () if (words := one_line(word))) or None


def _refusal(payload: Payload, body: _Body | None) -> FetchError:
    failure = (body and body.error) or _Failure()
    code = error_code(failure.code) or payload.status
    message = quoted(payload, failure.type, failure.info or (body.message if body else None))
    reason = f"{code}: {message}" if message else f"HTTP {payload.status} without a message"
    if code == 104 or failure.type == "usage_limit_reached":
        return QuotaExceededError(NAME, reason, retry_at=_next_month(payload.fetched_at), status=payload.status)
    if payload.status == 429 or code in (429, 106):
        retry_at = payload.retry_at(THROTTLED_FOR)
        return QuotaExceededError(NAME, reason, retry_at=retry_at, status=payload.status)
    if code in _ACCOUNT_CODES:
        return AccountError(NAME, reason, key_state=_ACCOUNT_CODES[code], status=payload.status)
    if code in _RETRYABLE_CODES or payload.status >= 500:
        return RetryableFetchError(NAME, reason, status=payload.status, wait=payload.wait)
    return PermanentFetchError(NAME, reason, status=payload.status)


def _next_month(now: datetime) -> datetime:
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


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
