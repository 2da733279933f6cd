"""OpenWeatherMap, past hours: One Call 4.0 by the page and 3.0 by the hour, both of the subscription "One Call by Call".

Contract: https://openweathermap.org/api/one-call-4 and https://openweathermap.org/api/one-call-3
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from ..errors import PayloadError
from ..flags import IMPLIED_ZERO
from ..values import Observation, Payload, Point, Request
from .base import UNREADABLE, Amount, History, Page, degrees, from_unix, place_at
from .openweathermap_body import NAME, Condition, celsius, metres_per_second, misfit, precipitation, refusal, words

ACCOUNT: Final = f"{NAME}-onecall"
WINDOWS: Final[Mapping[str, int]] = {"day": 1000}

#: Records of a page of the hourly timeline.
PAGE: Final = 20
_HOUR: Final = timedelta(hours=1)

_TIMELINE: Final = "/data/4.0/onecall/timeline/1h"
_TIMEMACHINE: Final = "/data/3.0/onecall/timemachine"
_PRODUCTS: Final = {_TIMELINE: "One Call 4.0", _TIMEMACHINE: "One Call 3.0"}


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
    weather: list[Condition] | None = None


class _Body(msgspec.Struct, gc=False):
    data: list[_Record]
    lat: float | None = None
    lon: float | None = None
    #: The address of the next page. It carries the key, so nothing of it is kept but that there is one.
    next: str | None = None


_body = msgspec.json.Decoder(_Body)


def _request_page(base_url: str, point: Point, start: datetime, end: datetime, key: str) -> Request:
    return _request(_TIMELINE, base_url, point, {"start": str(int(start.timestamp()))}, key)


def _request_hour(base_url: str, point: Point, start: datetime, end: datetime, key: str) -> Request:
    return _request(_TIMEMACHINE, base_url, point, {"dt": str(int(start.timestamp()))}, key)


def _request(path: str, base_url: str, point: Point, when: dict[str, str], key: str) -> Request:
    where = {"lat": degrees(point.latitude), "lon": degrees(point.longitude)}
    return Request(NAME, f"{base_url.rstrip('/')}{path}", {**where, **when, "units": "metric"}, {"appid": key})


def parse(payload: Payload) -> Page:
    """Read an answer of either product. Hours that are not over yet are forecasts, and left out.

    Raises:
        QuotaExceededError: 429, the account is blocked.
        RetryableFetchError: 408 and 5xx.
        AccountError: 401: the key is wrong (``invalid``), or lacks the subscription (``plan_missing``).
        PermanentFetchError: Any other refusal, with the provider's own words.
        PayloadError: Not a body of past hours.
    """
    product = next((name for path, name in _PRODUCTS.items() if payload.request.url.endswith(path)), "One Call")
    if payload.status != 200:
        raise refusal(payload, payload.status, product)
    try:
        body = _body.decode(payload.body)
    except UNREADABLE as error:
        raise misfit(payload, error, product) from None
    read = [_observation(record, body, payload) for record in body.data]
    past = [one for at, one in read if at <= payload.fetched_at]
    last = max((at for at, _ in read), default=None)
    goes_on = body.next is not None and last is not None and last < payload.fetched_at
    return Page(past, last + _HOUR if last is not None and goes_on else None)


def _observation(record: _Record, body: _Body, payload: Payload) -> tuple[datetime, Observation]:
    units = payload.request.params.get("units", "standard")
    at = from_unix(record.dt)
    if at is None:
        raise PayloadError(NAME, f"dt {record.dt:g} is in no calendar", payload.body)
    amount, period = precipitation(record.rain, record.snow)
    return at, Observation(
        provider=NAME,
        fetched_at=payload.fetched_at,
        observed_at=at,
        temperature=None if record.temp is None else celsius(record.temp, units),
        humidity=record.humidity,
        pressure=record.pressure,
        wind_speed=metres_per_second(record.wind_speed, units),
        wind_direction=record.wind_deg,
        wind_gust=metres_per_second(record.wind_gust, units),
        cloud_cover=record.clouds,
        visibility=record.visibility,
        precipitation=0.0 if amount is None else amount,
        precipitation_period=3600 if amount is None else period,
        condition=words(record.weather),
        flags={"precipitation": [IMPLIED_ZERO]} if amount is None else {},
        place=place_at(body.lat, body.lon, None),
    )


def _hours(start: datetime, end: datetime) -> int:
    return (end - start) // _HOUR + 1


HISTORY: Final = (
    History(
        account=ACCOUNT,
        request=_request_page,
        parse=parse,
        cost=lambda start, end: -(-_hours(start, end) // PAGE),
        span=(PAGE - 1) * _HOUR,
        setting="OWM_ONECALL",
        windows=WINDOWS,
    ),
    History(
        account=ACCOUNT,
        request=_request_hour,
        parse=parse,
        cost=_hours,
        span=timedelta(0),
        setting="OWM_ONECALL",
        windows=WINDOWS,
    ),
)
