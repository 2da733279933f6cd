"""The US National Weather Service, observations of stations. Stop 6 of the walk: takes a payload, gives an observation.

Contract: https://www.weather.gov/documentation/services-web-api
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from ...model.flags import Flag
from ...model.units import (
    KILOMETRE,
    KILOMETRE_PER_HOUR,
    KNOT,
    METRE_OF_WATER,
    PASCAL,
    STATUTE_MILE,
    fahrenheit_to_celsius,
    kelvin_to_celsius,
)
from ...model.values import Observation, Payload, Request, RequestPoint
from ..aviation import find_unknown_sky, is_automatic, is_clear_below, is_saturated, is_trace, parse_cloud_cover
from ..base import from_iso, has_values, one_line, place_of, unreadable
from ..lenient import LenientDecoder, Unreadable, flag_unreadable, flags_of_unreadable
from ..weather_codes import code_of_groups, code_of_sky
from .common import NAME, Geometry, decode_body, make_request

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

_AERODROME: Final = re.compile(r"[A-Z]{4}")


class _Value(msgspec.Struct, gc=False):
    unitCode: str | None = None
    value: float | None = None
    qualityControl: str | None = None


class _Layer(msgspec.Struct, gc=False):
    amount: str | None = None


class _Weather(msgspec.Struct, gc=False):
    #: The group of the report, such as ``-RA``.
    rawString: str | None = None


class _Properties(msgspec.Struct, gc=False):
    station: str | None = None
    stationName: str | None = None
    timestamp: str | None = None
    rawMessage: str | None = None
    textDescription: str | None = None
    presentWeather: list[_Weather | None] | None = None
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
    cloudLayers: list[_Layer | None] | None = None


class _Body(msgspec.Struct, gc=False):
    properties: _Properties
    geometry: Geometry | None = None


_body = LenientDecoder(_Body)

#: Path of a member → the quantity that it gives; without the amounts.
_PATHS: Final = {
    f"properties.{field}{member}": quantity for quantity, (field, _) in _FIELDS.items() for member in (".value", ".unitCode")
} | {"properties.cloudLayers": "cloud_cover", "properties.presentWeather": "weather_code"}


def request(base_url: str, points: Sequence[RequestPoint], key: str) -> Request:
    """The request for the latest observation of the point's station."""
    (point,) = points
    return make_request(f"{base_url.rstrip('/')}/stations/{point.station}/observations/latest")


def parse(payload: Payload) -> list[Observation | None]:
    """Parse an answer to ``request``, where each value names its unit; None for a station without any value.

    Raises:
        QuotaExceededError: 429.
        RetryableFetchError: 408 and 5xx.
        AccountError: 403, the caller does not identify itself.
        PermanentFetchError: Any other refusal; 404 for a station without an observation.
        PayloadError: Not an observation.
    """
    body, odd = decode_body(_body, payload)
    properties = body.properties
    flags = flags_of_unreadable(odd, _PATHS) if odd else {}
    observed_at = from_iso(properties.timestamp)
    if observed_at is None:
        # Without its time, an observation may be weeks old.
        if properties.timestamp or "properties.timestamp" in odd:
            raise unreadable(NAME, payload, ValueError(f"timestamp {properties.timestamp or odd['properties.timestamp']}"))
        return [None]
    values: dict[str, Any] = {  # a float or None each
        quantity: _read_value(payload, getattr(properties, name), units, quantity, flags)
        for quantity, (name, units) in _FIELDS.items()
    }
    if (visibility := values["visibility"]) is not None and abs(visibility - _VISIBILITY_CAP) < _VISIBILITY_ROUNDING:
        flags.setdefault("visibility", []).append(Flag.AT_LEAST)
    identifier = (properties.station or "").rpartition("/")[2] or _requested_station(payload)
    if not _AERODROME.fullmatch(identifier):  # other stations may report the pressure at the station here
        values["altimeter_setting"] = None
        flags.pop("altimeter_setting", None)
    if (values["humidity"] or 0) > 100 and is_saturated(values["temperature"], values["dew_point"]):
        values["humidity"] = 100.0  # the service computes the humidity from the two
    values["precipitation"], period = _read_precipitation(payload, properties, odd, flags)
    values["cloud_cover"], sky_words = _read_sky(payload, properties, flags)
    groups = (weather.rawString or "" for weather in properties.presentWeather or () if weather)
    values["weather_code"] = code_of_groups(groups) or code_of_sky(values["cloud_cover"])
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
    if has_values(observation):
        return [observation]
    if any(word.startswith(Flag.UNREADABLE) for words in flags.values() for word in words):
        raise unreadable(NAME, payload, ValueError("no value that can be read"))
    return [None]


def _requested_station(payload: Payload) -> str:
    return payload.request.url.partition("/stations/")[2].partition("/")[0]


def _read_value(
    payload: Payload, entry: _Value | None, units: _Units, quantity: str, flags: dict[str, list[str]]
) -> float | None:
    """The value in the canonical unit; its flags are added to ``flags``. A value in an unknown unit is left out with a flag.

    Units have had the prefixes ``unit:``, ``wmoUnit:``, ``wmo:`` and ``uc:``; letters of quality control have ``qc:``.
    """
    if entry is None or entry.value is None:
        return None
    unit = (entry.unitCode or "").rpartition(":")[2]
    convert = units.get(unit)
    if convert is None:
        flags[quantity] = [flag_unreadable(payload, f"{entry.value:g} in {unit or 'no unit'}")]
        return None
    if (entry.qualityControl or "").rpartition(":")[2] in _BAD:
        flags[quantity] = [Flag.REJECTED]
    return round(convert(entry.value), 4)


def _read_precipitation(
    payload: Payload, properties: _Properties, odd: Unreadable, flags: dict[str, list[str]]
) -> tuple[float | None, int | None]:
    """Amount [mm] and its period [s]: those of the shortest period that can be read."""
    for name, hours in _AMOUNTS:
        own: dict[str, list[str]] = {}
        amount = _read_value(payload, getattr(properties, name), _AMOUNT, "precipitation", own)
        if amount is None and odd:
            own = own or flags_of_unreadable(odd, {f"properties.{name}.value": "precipitation"})
        if amount is not None:
            flags.pop("precipitation", None)
            if hours == 1 and amount == 0 and is_trace(properties.rawMessage):
                own["precipitation"] = [*own.get("precipitation", []), Flag.TRACE]
            flags |= own
            return amount, hours * 3600
        flags |= own
    return None, None


def _read_sky(payload: Payload, properties: _Properties, flags: dict[str, list[str]]) -> tuple[float | None, str | None]:
    """Cloud cover [%] and its words; None if a layer cannot be read."""
    codes = [layer.amount for layer in properties.cloudLayers or () if layer]
    if (unknown := find_unknown_sky(codes)) is not None:
        flags["cloud_cover"] = [flag_unreadable(payload, unknown)]
    if "cloud_cover" in flags:
        return None, None
    # Values between the reports of an aerodrome have no coded report.
    if is_clear_below(codes, automatic=is_automatic(properties.rawMessage) is True):
        flags["cloud_cover"] = [Flag.CLEAR_BELOW]
    return parse_cloud_cover(codes)
