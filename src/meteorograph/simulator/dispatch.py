"""Dispatch a query to its simulated provider."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from . import met_norway, metar, nws, onecall, open_meteo, open_meteo_query, openweathermap, owm_forecast, weatherstack
from .tally import MET_NORWAY, METAR, NWS, ONE_CALL, OPEN_METEO, OPENWEATHERMAP, WEATHERSTACK, Call
from .weather import Source

#: Path → provider.
PATHS = {
    openweathermap.PATH: OPENWEATHERMAP,
    owm_forecast.PATH: OPENWEATHERMAP,
    **dict.fromkeys(onecall.PATHS, ONE_CALL),
    weatherstack.PATH: WEATHERSTACK,
    open_meteo_query.FORECAST: OPEN_METEO,
    open_meteo_query.ARCHIVE: OPEN_METEO,
    met_norway.COMPACT: MET_NORWAY,
    met_norway.COMPLETE: MET_NORWAY,
    metar.PATH: METAR,
}
#: Those without keys that have one kind of error each.
_KEYLESS = {MET_NORWAY: met_norway.error, NWS: nws.error, METAR: metar.error, OPEN_METEO: open_meteo.error}

Reply = tuple[int, Any]


class Keys(NamedTuple):
    """The valid keys (any key if empty), and the keys with One Call 3.0 and 4.0 (all valid keys if None)."""

    good: frozenset[str]
    one_call: frozenset[str] | None
    one_call_4: frozenset[str] | None


def provider_of(path: str) -> str | None:
    """The provider that has a path; None for an unknown path."""
    return PATHS.get(path) or (NWS if nws.is_path(path) else None)


def parse_call(path: str, query: Mapping[str, str], now: datetime) -> Call:
    """The call of a query to a path that has a provider."""
    provider = provider_of(path) or ""
    if provider in (NWS, METAR):
        latitude, longitude = nws.point_of(path) if provider == NWS else metar.point_of(query)
        return Call(provider, "", latitude, longitude, now)
    if provider == OPEN_METEO:
        points, weight = open_meteo.points_of(query, path, now)
        latitude, longitude = points[0] if points else (None, None)
        return Call(provider, "", latitude, longitude, now, points[1:], weight)
    module = weatherstack if provider == WEATHERSTACK else openweathermap
    latitude, longitude = module.point_of(query)
    return Call(provider, module.key_of(query), latitude, longitude, now)


def error(provider: str, status: int) -> Reply:
    """The provider's answer with this HTTP status."""
    if provider in _KEYLESS:
        return _KEYLESS[provider](status)
    return weatherstack.error(status) if provider == WEATHERSTACK else openweathermap.error(status)


def reply(path: str, query: Mapping[str, str], call: Call, exceeded: str | None, keys: Keys, source: Source) -> Reply:
    """The correct answer to a call; ``exceeded`` is the exceeded window of its quota, if any."""
    key, now = call.key, call.at
    if call.provider == OPEN_METEO:
        return open_meteo.exceeded(exceeded) if exceeded else open_meteo.reply(path, query, source, now)
    if call.provider == MET_NORWAY:
        return met_norway.reply(path, query, source, now)
    if call.provider == METAR:
        return metar.reply(query, source, now)
    if call.provider == NWS:
        return nws.reply(path, query, source, now)
    good = key in keys.good if keys.good else bool(key)
    if call.provider == WEATHERSTACK:
        if not good:
            return weatherstack.refusal("invalid_access_key" if key else "missing_access_key")
        return weatherstack.refusal("usage_limit_reached") if exceeded else weatherstack.reply(query, source, now)
    if not good or exceeded:
        return openweathermap.error(429 if good else 401)
    if call.provider == OPENWEATHERMAP:
        answer = owm_forecast.reply if path == owm_forecast.PATH else openweathermap.reply
        return answer(query, source, now)
    subscribed = keys.one_call_4 if path.startswith("/data/4.0") else keys.one_call
    if subscribed is not None and key not in subscribed:
        return onecall.missing_subscription(path)
    return onecall.reply(path, query, source, now)
