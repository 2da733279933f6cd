"""MET Norway's Locationforecast 2.0, the forecast for now. Stop 6 of the walk: takes a payload, gives an observation.

Contract: https://api.met.no/weatherapi/locationforecast/2.0/documentation and https://api.met.no/doc/TermsOfService
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import msgspec

from ..model.values import Observation, Payload, Request, RequestPoint
from .base import UNREADABLE, Provider, degrees, from_iso, place_of, unreadable
from .http_errors import error_for_status
from .lenient import LenientDecoder, flag_unreadable, flags_of_unreadable, unreadable_below
from .weather_codes import code_of_symbol

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
    details: dict[str, float | None] | None = None


class _Data(msgspec.Struct, gc=False):
    instant: _Instant | None = None
    next_1_hours: _Period | None = None


class _Entry(msgspec.Struct, gc=False):
    time: str
    data: _Data


class _Meta(msgspec.Struct, gc=False):
    units: dict[str, str | None] | None = None


class _Properties(msgspec.Struct, gc=False):
    #: An odd entry is None.
    timeseries: list[_Entry | None]
    meta: _Meta | None = None


class _Geometry(msgspec.Struct, gc=False):
    coordinates: list[float | None] | None = None


class _Body(msgspec.Struct, gc=False):
    properties: _Properties
    geometry: _Geometry | None = None


_body = LenientDecoder(_Body)

#: Detail of an entry → the quantity that it gives.
_DETAILS: Final = {
    "air_temperature": "temperature",
    "relative_humidity": "humidity",
    "air_pressure_at_sea_level": "pressure",
    "wind_speed": "wind_speed",
    "wind_from_direction": "wind_direction",
    "cloud_area_fraction": "cloud_cover",
}
#: Path of a member below an entry → the quantity that it gives: of the current entry, and of the one before it.
_FIELDS: Final = {f"data.instant.details.{detail}": quantity for detail, quantity in _DETAILS.items()} | {
    "data.next_1_hours.summary.symbol_code": "weather_code"
}
_FIELDS_BEFORE: Final = {"data.next_1_hours.details.precipitation_amount": "precipitation"}


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
        body, odd = _body.decode(payload)
    except UNREADABLE as error:
        raise unreadable(NAME, payload, error) from None
    entries = {
        at: index for index, entry in enumerate(body.properties.timeseries) if entry is not None and (at := from_iso(entry.time))
    }
    now = max((at for at in entries if at <= payload.fetched_at), default=None)
    if now is None or payload.fetched_at - now >= HOUR:
        raise unreadable(NAME, payload, ValueError("no entry for this hour"))
    units = (body.properties.meta and body.properties.meta.units) or {}
    series = body.properties.timeseries
    entry, flags = series[entries[now]], dict[str, list[str]]()
    previous = series[entries[now - HOUR]] if now - HOUR in entries else None
    if odd:
        flags = flags_of_unreadable(unreadable_below(odd, f"properties.timeseries.{entries[now]}"), _FIELDS)
        if previous is not None:
            odd_before = unreadable_below(odd, f"properties.timeseries.{entries[now - HOUR]}")
            flags |= flags_of_unreadable(odd_before, _FIELDS_BEFORE)
    instant = entry.data.instant if entry is not None else None
    values = {
        quantity: value
        for detail, quantity in _DETAILS.items()
        if (value := _in_known_unit(payload, detail, quantity, instant.details if instant else None, units, flags)) is not None
    }
    # The amount of an entry falls in the hour after it.
    before = previous.data.next_1_hours if previous is not None else None
    amount = _in_known_unit(payload, "precipitation_amount", "precipitation", before.details if before else None, units, flags)
    if not values and amount is None:
        raise unreadable(NAME, payload, ValueError("no value for this hour"))
    symbol = _symbol(entry.data.next_1_hours if entry is not None else None)
    observation = Observation(
        provider=NAME,
        fetched_at=payload.fetched_at,
        observed_at=now,
        temperature=values.get("temperature"),
        humidity=values.get("humidity"),
        pressure=values.get("pressure"),
        wind_speed=values.get("wind_speed"),
        wind_direction=values.get("wind_direction"),
        cloud_cover=values.get("cloud_cover"),
        precipitation=amount,
        precipitation_period=None if amount is None else 3600,
        condition=_condition(symbol),
        weather_code=None if symbol is None else code_of_symbol(symbol),
        flags=flags,
        place=place_of(body.geometry.coordinates if body.geometry else None, None, 3),
    )
    return [observation]


def _in_known_unit(
    payload: Payload,
    detail: str,
    quantity: str,
    details: dict[str, float | None] | None,
    units: dict[str, str | None],
    flags: dict[str, list[str]],
) -> float | None:
    """A detail in the unit of the contract; None for null, and in another unit, which adds a flag to ``flags``."""
    value, unit = (details or {}).get(detail), units.get(detail) or _UNITS[detail]
    if value is not None and unit != _UNITS[detail]:
        flags[quantity] = [flag_unreadable(payload, f"{value:g} in {unit}")]
        return None
    return value


def _symbol(period: _Period | None) -> str | None:
    """The symbol of an entry, which is for the hour after it."""
    return (period and period.summary and period.summary.symbol_code) or None


def _condition(symbol: str | None) -> str | None:
    """The words for a symbol such as ``lightrainshowers_day``."""
    return " ".join(_WORDS.findall((symbol or "").partition("_")[0])) or None


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
        "weather_code": "symbol",
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
