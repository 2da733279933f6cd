"""The US National Weather Service, observations of stations. Stop 6 of the walk: takes a payload, gives an observation.

Contract: https://www.weather.gov/documentation/services-web-api
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import msgspec

from ..errors import PermanentFetchError
from ..model.flags import Flag
from ..model.units import (
    KILOMETRE,
    KILOMETRE_PER_HOUR,
    KNOT,
    METRE_OF_WATER,
    PASCAL,
    STATUTE_MILE,
    fahrenheit_to_celsius,
    kelvin_to_celsius,
)
from ..model.values import Coordinates, Observation, Payload, Request, RequestPoint, Station
from .aviation import is_saturated, parse_cloud_cover
from .base import UNREADABLE, Provider, Stations, degrees, from_iso, has_values, one_line, place_of, unreadable
from .http_errors import error_for_status

NAME: Final = "nws"

#: Failed a check, questioned by a check, or marked bad by a person: https://madis.ncep.noaa.gov/madis_sfc_qc_notes.shtml
_BAD: Final = frozenset("XQB")

#: Unit → conversion to the canonical unit. Each quantity has its own table, so that a value of another quantity is refused.
_Units = Mapping[str, Callable[[float], float]]
_TEMPERATURE: Final[_Units] = {"degC": float, "degF": fahrenheit_to_celsius, "K": kelvin_to_celsius}
_SPEED: Final[_Units] = {"km_h-1": lambda v: v * KILOMETRE_PER_HOUR, "m_s-1": float, "kt": lambda v: v * KNOT}
_PRESSURE: Final[_Units] = {"Pa": lambda v: v * PASCAL, "hPa": float}
_LENGTH: Final[_Units] = {"m": float, "km": lambda v: v * KILOMETRE}
_AMOUNT: Final[_Units] = {"mm": float, "m": lambda v: v * METRE_OF_WATER}
_PERCENT: Final[_Units] = {"percent": float}
_ANGLE: Final[_Units] = {"degree_(angle)": float}

_FIELDS: Final[dict[str, tuple[str, _Units]]] = {
    "temperature": ("temperature", _TEMPERATURE),
    "dew_point": ("dewpoint", _TEMPERATURE),
    "humidity": ("relativeHumidity", _PERCENT),
    "pressure": ("seaLevelPressure", _PRESSURE),
    "altimeter_setting": ("barometricPressure", _PRESSURE),
    "wind_speed": ("windSpeed", _SPEED),
    "wind_direction": ("windDirection", _ANGLE),
    "wind_gust": ("windGust", _SPEED),
    "visibility": ("visibility", _LENGTH),
}
#: The amounts overlap: only the one of the shortest period is used.
_AMOUNTS: Final = (("precipitationLastHour", 1), ("precipitationLast3Hours", 3), ("precipitationLast6Hours", 6))

#: Automatic stations report no visibility above ten miles [m], which the service gives as 16090, 16093 or 16093.44:
#: ASOS User's Guide (1998), chapter 3.
_VISIBILITY_CAP: Final = 10 * STATUTE_MILE
_VISIBILITY_ROUNDING: Final = 5.0

_STATIONS: Final = re.compile(r"https?://[^/]+(/gridpoints/[A-Z]{3}/[0-9]{1,4},[0-9]{1,4}/stations)")
_AERODROME: Final = re.compile(r"[A-Z]{4}")


class _Value(msgspec.Struct, gc=False):
    unitCode: str | None = None
    value: float | None = None
    qualityControl: str | None = None


class _Layer(msgspec.Struct, gc=False):
    amount: str | None = None


class _Properties(msgspec.Struct, gc=False):
    station: str | None = None
    stationName: str | None = None
    timestamp: str | None = None
    textDescription: str | None = None
    temperature: _Value | None = None
    dewpoint: _Value | None = None
    relativeHumidity: _Value | None = None
    seaLevelPressure: _Value | None = None
    barometricPressure: _Value | None = None
    windSpeed: _Value | None = None
    windDirection: _Value | None = None
    windGust: _Value | None = None
    visibility: _Value | None = None
    precipitationLastHour: _Value | None = None
    precipitationLast3Hours: _Value | None = None
    precipitationLast6Hours: _Value | None = None
    cloudLayers: list[_Layer] | None = None


class _Geometry(msgspec.Struct, gc=False):
    coordinates: list[float | None] | None = None


class _Body(msgspec.Struct, gc=False):
    properties: _Properties
    geometry: _Geometry | None = None


class _PointLinks(msgspec.Struct, gc=False):
    observationStations: str


class _PointBody(msgspec.Struct, gc=False):
    properties: _PointLinks


class _StationName(msgspec.Struct, gc=False):
    stationIdentifier: str
    name: str | None = None


class _Feature(msgspec.Struct, gc=False):
    properties: _StationName
    geometry: _Geometry


class _Features(msgspec.Struct, gc=False):
    features: list[_Feature]


_body = msgspec.json.Decoder(_Body)
_point = msgspec.json.Decoder(_PointBody)
_features = msgspec.json.Decoder(_Features)


def request(base_url: str, points: Sequence[RequestPoint], key: str) -> Request:
    """The request for the latest observation of the point's station."""
    (point,) = points
    return _request(f"{base_url.rstrip('/')}/stations/{point.station}/observations/latest")


def _request(url: str) -> Request:
    return Request(provider=NAME, url=url, params={}, headers={"Accept": "application/geo+json"})


def parse(payload: Payload) -> list[Observation | None]:
    """Parse an answer to ``request``, where each value names its unit; None for a station without any value.

    Raises:
        QuotaExceededError: 429.
        RetryableFetchError: 408 and 5xx.
        AccountError: 403, the caller does not identify itself.
        PermanentFetchError: Any other refusal; 404 for a station without an observation.
        PayloadError: Not an observation.
    """
    body = _decode(_body, payload)
    properties: _Properties = body.properties
    values: dict[str, Any] = {}  # a float or None each
    flags: dict[str, list[str]] = {}
    for quantity, (name, units) in _FIELDS.items():
        values[quantity], is_rejected = _value(getattr(properties, name), units)
        if is_rejected:
            flags[quantity] = [Flag.REJECTED]
    visibility = values["visibility"]
    if visibility is not None and abs(visibility - _VISIBILITY_CAP) < _VISIBILITY_ROUNDING:
        flags.setdefault("visibility", []).append(Flag.AT_LEAST)
    identifier = (properties.station or "").rpartition("/")[2]
    if not _AERODROME.fullmatch(identifier):  # other stations may report the pressure at the station here
        values["altimeter_setting"] = None
        flags.pop("altimeter_setting", None)
    if (values["humidity"] or 0) > 100 and is_saturated(values["temperature"], values["dew_point"]):
        values["humidity"] = 100.0  # the service computes the humidity from the two
    values["precipitation"], period, is_rejected = _precipitation(properties)
    if is_rejected:
        flags["precipitation"] = [Flag.REJECTED]
    values["cloud_cover"], sky_words = parse_cloud_cover(layer.amount for layer in properties.cloudLayers or ())
    observed_at = from_iso(properties.timestamp)
    if observed_at is None:
        return [None]
    observation = Observation(
        provider=NAME,
        fetched_at=payload.fetched_at,
        observed_at=observed_at,
        precipitation_period=period,
        condition=(one_line(properties.textDescription) or sky_words or "").lower() or None,
        flags=flags,
        place=place_of(body.geometry.coordinates if body.geometry else None, properties.stationName or identifier),
        **values,
    )
    return [observation if has_values(observation) else None]


def _decode(decoder: msgspec.json.Decoder[Any], payload: Payload) -> Any:
    if payload.status != 200:
        raise error_for_status(NAME, payload)
    try:
        return decoder.decode(payload.body)
    except UNREADABLE as error:
        raise unreadable(NAME, payload, error) from None


def _value(entry: _Value | None, units: _Units) -> tuple[float | None, bool]:
    """The value in the canonical unit, None for an unknown unit; and whether the provider's quality control rejects it.

    Units have had the prefixes ``unit:``, ``wmoUnit:``, ``wmo:`` and ``uc:``; letters of quality control have ``qc:``.
    """
    if entry is None or entry.value is None:
        return None, False
    convert = units.get((entry.unitCode or "").rpartition(":")[2])
    if convert is None:
        return None, False
    return round(convert(entry.value), 4), (entry.qualityControl or "").rpartition(":")[2] in _BAD


def _precipitation(properties: _Properties) -> tuple[float | None, int | None, bool]:
    """Amount [mm], its period [s], and whether quality control rejects it."""
    for name, hours in _AMOUNTS:
        amount, is_rejected = _value(getattr(properties, name), _AMOUNT)
        if amount is not None:
            return amount, hours * 3600, is_rejected
    return None, None, False


def request_stations(base_url: str, point: Coordinates) -> Request:
    """The request for the links of a point."""
    return _request(f"{base_url.rstrip('/')}/points/{degrees(point.latitude)},{degrees(point.longitude)}")


def parse_stations(payload: Payload) -> Station | Request:
    """The request for the stations around the point; then the first of these stations, which is the nearest.

    Raises:
        PermanentFetchError: No station for the point; 404 outside of the United States.
    """
    base_url, points, _ = payload.request.url.partition("/points/")
    if points:
        # Only the path is taken from the body; the host is that of the settings.
        match = _STATIONS.fullmatch(_decode(_point, payload).properties.observationStations)
        if match is None:
            raise unreadable(NAME, payload, ValueError("no link to stations"))
        return _request(base_url + match[1])
    for feature in _decode(_features, payload).features:
        place = place_of(feature.geometry.coordinates, feature.properties.name)
        if place and re.fullmatch(r"[A-Z0-9]{3,12}", feature.properties.stationIdentifier):
            return Station(feature.properties.stationIdentifier, place)
    raise PermanentFetchError(NAME, "no station for this point", status=payload.status)


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
