"""MET Norway's Locationforecast 2.0, the forecast for now. Stop 6 of the walk: takes a payload, gives an observation.

Contract: https://api.met.no/weatherapi/locationforecast/2.0/documentation and https://api.met.no/doc/TermsOfService
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from ..model.values import Observation, Payload, Request, RequestPoint
from .base import UNREADABLE, Provider, degrees, from_iso, place_of, unreadable
from .http_errors import error_for_status

NAME: Final = "met-norway"

#: The forecast of the first days is hourly; an entry older than this is not the current one.
HOUR: Final = timedelta(hours=1)

#: The units of the contract. A value is left out if the body says that it has another unit.
_UNITS: Final = {
    "air_temperature": "celsius",
    "relative_humidity": "%",
    "air_pressure_at_sea_level": "hPa",
    "wind_speed": "m/s",
    "wind_from_direction": "degrees",
    "cloud_area_fraction": "%",
    "precipitation_amount": "mm",
}

_WORDS: Final = re.compile("light|heavy|partly|clear|fair|fog|cloudy|sky|rain|sleet|snow|showers|and|thunder")


class _Summary(msgspec.Struct, gc=False):
    symbol_code: str | None = None


class _Period(msgspec.Struct, gc=False):
    summary: _Summary | None = None
    details: dict[str, float | None] | None = None


class _Instant(msgspec.Struct, gc=False):
    details: dict[str, float | None]


class _Data(msgspec.Struct, gc=False):
    instant: _Instant
    next_1_hours: _Period | None = None


class _Entry(msgspec.Struct, gc=False):
    time: str
    data: _Data


class _Meta(msgspec.Struct, gc=False):
    units: dict[str, str | None] | None = None


class _Properties(msgspec.Struct, gc=False):
    timeseries: list[_Entry]
    meta: _Meta | None = None


class _Geometry(msgspec.Struct, gc=False):
    coordinates: list[float | None] | None = None


class _Body(msgspec.Struct, gc=False):
    properties: _Properties
    geometry: _Geometry | None = None


_body = msgspec.json.Decoder(_Body)


def request(base_url: str, points: Sequence[RequestPoint], key: str) -> Request:
    """The request for the forecast at the point; the provider refuses coordinates with more than four decimals."""
    (point,) = points
    return Request(
        provider=NAME,
        url=f"{base_url.rstrip('/')}/weatherapi/locationforecast/2.0/compact",
        params={"lat": degrees(point.latitude), "lon": degrees(point.longitude)},
    )


def parse(payload: Payload) -> list[Observation | None]:
    """Parse an answer to ``request``: the forecast for the full hour at or before ``Payload.fetched_at``.

    Raises:
        QuotaExceededError: 429, mostly because the caller does not identify itself.
        RetryableFetchError: 408 and 5xx.
        AccountError: 403, the caller is blocked or does not identify itself.
        PermanentFetchError: Any other refusal; 422 for a point without a forecast.
        PayloadError: Not a forecast, or a forecast without the current hour.
    """
    if payload.status not in (200, 203):
        raise error_for_status(NAME, payload)
    try:
        body = _body.decode(payload.body)
    except UNREADABLE as error:
        raise unreadable(NAME, payload, error) from None
    by_time = {at: entry.data for entry in body.properties.timeseries if (at := from_iso(entry.time))}
    now = max((at for at in by_time if at <= payload.fetched_at), default=None)
    if now is None or payload.fetched_at - now >= HOUR:
        raise unreadable(NAME, payload, ValueError("no entry for this hour"))
    units = (body.properties.meta and body.properties.meta.units) or {}
    values = _in_known_units(by_time[now].instant.details, units)
    following, amount = by_time[now].next_1_hours, _amount_before(now, by_time, units)
    observation = Observation(
        provider=NAME,
        fetched_at=payload.fetched_at,
        observed_at=now,
        temperature=values.get("air_temperature"),
        humidity=values.get("relative_humidity"),
        pressure=values.get("air_pressure_at_sea_level"),
        wind_speed=values.get("wind_speed"),
        wind_direction=values.get("wind_from_direction"),
        cloud_cover=values.get("cloud_area_fraction"),
        precipitation=amount,
        precipitation_period=None if amount is None else 3600,
        condition=_condition(following),
        place=place_of(body.geometry.coordinates if body.geometry else None, None, 3),
    )
    return [observation]


def _in_known_units(details: dict[str, float | None], units: dict[str, str | None]) -> dict[str, float | None]:
    """The details that have the unit of the contract."""
    return {name: value for name, value in details.items() if units.get(name, _UNITS.get(name)) == _UNITS.get(name)}


def _amount_before(now: datetime, by_time: dict[datetime, _Data], units: dict[str, str | None]) -> float | None:
    """Precipitation of the hour that ends at ``now`` [mm]: the amount of an entry falls in the hour after it."""
    previous = by_time.get(now - HOUR)
    if previous is None or previous.next_1_hours is None:
        return None
    return _in_known_units(previous.next_1_hours.details or {}, units).get("precipitation_amount")


def _condition(period: _Period | None) -> str | None:
    """The words for a symbol such as ``lightrainshowers_day``; the symbol of an entry is for the hour after it."""
    code = (period and period.summary and period.summary.symbol_code) or ""
    return " ".join(_WORDS.findall(code.partition("_")[0])) or None


def notice(payload: Payload) -> str | None:
    """A warning for the operator: status 203 marks a version of the interface that will be switched off."""
    return "MET Norway answers 203: this version of its interface will be switched off" if payload.status == 203 else None


PROVIDER: Final = Provider(
    name=NAME,
    title="MET Norway",
    documentation="https://api.met.no/weatherapi/locationforecast/2.0/documentation",
    attribution="Data from MET Norway (https://www.met.no/)",
    licence="CC BY 4.0 or NLOD 2.0",
    method="forecast",
    quantities={
        "temperature": "°C",
        "humidity": "%",
        "pressure": "hPa",
        "wind_speed": "m/s",
        "wind_direction": "degree",
        "cloud_cover": "%",
        "precipitation": "mm",
    },
    setting="MET_NORWAY",
    base_url="https://api.met.no",
    windows={"minute": 1200},
    max_age=timedelta(hours=2),  # the forecast for the current hour is used
    request=request,
    parse=parse,
    terms=(
        "MET Norway refuses callers that do not identify themselves: put your domain or e-mail address "
        "into METEOROGRAPH_USER_AGENT; its values are a forecast, not a measurement"
    ),
    caches=True,
    notice=notice,
)
