"""OpenWeatherMap, past hours: pages of One Call 4.0 and single hours of One Call 3.0, both in the plan "One Call by Call".

Contract: https://openweathermap.org/api/one-call-4 and https://openweathermap.org/api/one-call-3
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from ...model.values import Observation, Payload, Request, RequestPoint
from ..base import UNREADABLE, Amount, History, Page, degrees, from_unix, place_at, unreadable
from ..lenient import LenientDecoder, Unreadable, unreadable_below
from .common import (
    NAME,
    SNOWFALL,
    Condition,
    describe,
    make_flags,
    read_precipitation,
    read_snowfall,
    read_weather_code,
    refusal,
    to_celsius,
    to_metres_per_second,
    unexpected_body,
)

ACCOUNT: Final = f"{NAME}-onecall"
WINDOWS: Final[Mapping[str, int]] = {"day": 1000}

#: Records on a page of the hourly timeline.
PAGE_LENGTH: Final = 20
_HOUR: Final = timedelta(hours=1)

_TIMELINE: Final = "/data/4.0/onecall/timeline/1h"
_TIMEMACHINE: Final = "/data/3.0/onecall/timemachine"


class _Record(msgspec.Struct, gc=False):
    dt: float
    temp: float | None = None
    pressure: float | None = None
    humidity: float | None = None
    clouds: float | None = None
    visibility: float | None = None
    wind_speed: float | None = None
    wind_deg: float | None = None
    wind_gust: float | None = None
    rain: Amount | None = None
    snow: Amount | None = None
    weather: list[Condition | None] | None = None


class _Body(msgspec.Struct, gc=False):
    #: An odd record is None.
    data: list[_Record | None]
    lat: float | None = None
    lon: float | None = None
    #: Address of the next page. It contains the key, so only its existence is used.
    next: str | None = None


_body = LenientDecoder(_Body)

#: Path of a member of a record → the quantity that it gives. ``common.read_precipitation`` reads the amounts.
_FIELDS: Final = {
    "temp": "temperature",
    "humidity": "humidity",
    "pressure": "pressure",
    "wind_speed": "wind_speed",
    "wind_deg": "wind_direction",
    "wind_gust": "wind_gust",
    "clouds": "cloud_cover",
    "visibility": "visibility",
    "weather": "weather_code",
    **SNOWFALL,
}


def _request_page(base_url: str, point: RequestPoint, start: datetime, end: datetime, key: str) -> Request:
    return _request(_TIMELINE, base_url, point, {"start": str(int(start.timestamp()))}, key)


def _request_hour(base_url: str, point: RequestPoint, start: datetime, end: datetime, key: str) -> Request:
    return _request(_TIMEMACHINE, base_url, point, {"dt": str(int(start.timestamp()))}, key)


def _request(path: str, base_url: str, point: RequestPoint, when: dict[str, str], key: str) -> Request:
    where = {"lat": degrees(point.latitude), "lon": degrees(point.longitude)}
    return Request(NAME, f"{base_url.rstrip('/')}{path}", {**where, **when, "units": "metric"}, {"appid": key})


def parse_page(payload: Payload) -> Page:
    """Parse a page of One Call 4.0; the next page starts an hour after the last record. Future hours are left out.

    Raises:
        QuotaExceededError: 429, the account is blocked.
        RetryableFetchError: 408 and 5xx.
        AccountError: 401: the key is wrong (``invalid``), or lacks the subscription (``plan_missing``).
        PermanentFetchError: Any other refusal, with the provider's own words.
        PayloadError: Not a body of past hours.
    """
    observations, last, body = _read(payload, "One Call 4.0")
    has_next = body.next is not None and last is not None and last + _HOUR <= payload.fetched_at
    return Page(observations, last + _HOUR if last is not None and has_next else None)


def parse_hour(payload: Payload) -> Page:
    """Parse the single hour of an answer of One Call 3.0; the next page is the next hour, up to the current one.

    Raises:
        FetchError: As ``parse_page``.
        PayloadError: Not a body of a past hour.
    """
    hour = from_unix(int(payload.request.params["dt"]))
    observations, _, _ = _read(payload, "One Call 3.0")
    return Page(observations, hour + _HOUR if hour is not None and hour + _HOUR <= payload.fetched_at else None)


def _read(payload: Payload, product: str) -> tuple[list[Observation], datetime | None, _Body]:
    """The observations of past hours, the time of the last record, and the body."""
    if payload.status != 200:
        raise refusal(payload, payload.status, product)
    try:
        body, odd = _body.decode(payload)
    except UNREADABLE as error:
        raise unexpected_body(payload, error, product) from None
    observations: list[Observation] = []
    last = None
    for index, record in enumerate(body.data):
        at = from_unix(record.dt) if record is not None else None
        if record is None or at is None:
            continue  # no hour that the record could belong to
        if last is not None and at <= last:
            raise unreadable(NAME, payload, ValueError("times that do not ascend"))
        last = at
        if at <= payload.fetched_at:
            observations.append(_observation(record, at, body, payload, unreadable_below(odd, f"data.{index}")))
    if body.data and last is None:
        raise unexpected_body(payload, ValueError("no record with a time in dt"), product)
    return observations, last, body


def _observation(record: _Record, at: datetime, body: _Body, payload: Payload, odd: Unreadable) -> Observation:
    units = payload.request.params.get("units", "standard")
    precipitation = read_precipitation(record.rain, record.snow, odd)
    return Observation(
        provider=NAME,
        fetched_at=payload.fetched_at,
        observed_at=at,
        temperature=None if record.temp is None else to_celsius(record.temp, units),
        humidity=record.humidity,
        pressure=record.pressure,
        wind_speed=to_metres_per_second(record.wind_speed, units),
        wind_direction=record.wind_deg,
        wind_gust=to_metres_per_second(record.wind_gust, units),
        cloud_cover=record.clouds,
        visibility=record.visibility,
        precipitation=precipitation.amount,
        precipitation_period=precipitation.period,
        snowfall_water_equivalent=read_snowfall(record.snow, odd),
        condition=describe(record.weather),
        weather_code=read_weather_code(record.weather),
        flags=make_flags(precipitation, record.visibility, odd, _FIELDS),
        place=place_at(body.lat, body.lon, None),
    )


def _hours(start: datetime, end: datetime) -> int:
    return (end - start) // _HOUR + 1


HISTORY: Final = (
    History(
        account=ACCOUNT,
        request=_request_page,
        parse=parse_page,
        cost=lambda start, end: -(-_hours(start, end) // PAGE_LENGTH),
        span=(PAGE_LENGTH - 1) * _HOUR,
        setting="OWM_ONECALL",
        windows=WINDOWS,
    ),
    History(
        account=ACCOUNT,
        request=_request_hour,
        parse=parse_hour,
        cost=_hours,
        span=(PAGE_LENGTH - 1) * _HOUR,
        setting="OWM_ONECALL",
        windows=WINDOWS,
    ),
)
