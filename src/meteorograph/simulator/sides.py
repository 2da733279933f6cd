"""The simulated providers side by side: where each answers, what call a query is, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from . import onecall, open_meteo, open_meteo_query, openweathermap, weatherstack
from .tally import ONE_CALL, OPEN_METEO, OPENWEATHERMAP, WEATHERSTACK, Call
from .weather import Source

#: Path → the provider that answers there.
PATHS = {
    openweathermap.PATH: OPENWEATHERMAP,
    onecall.TIMELINE: ONE_CALL,
    onecall.TIMEMACHINE: ONE_CALL,
    weatherstack.PATH: WEATHERSTACK,
    open_meteo_query.FORECAST: OPEN_METEO,
    open_meteo_query.ARCHIVE: OPEN_METEO,
}

Reply = tuple[int, Any]


class Keys(NamedTuple):
    """Which keys are good: any, where none is named; and which have One Call 3.0 and 4.0: every good one, where None."""

    good: frozenset[str]
    one_call: frozenset[str] | None
    one_call_4: frozenset[str] | None


def call_of(path: str, query: Mapping[str, str], now: datetime) -> Call:
    """The call that a query to one of ``PATHS`` is."""
    provider = PATHS[path]
    if provider == OPEN_METEO:
        points, weight = open_meteo.points_of(query, path, now)
        latitude, longitude = points[0] if points else (None, None)
        return Call(provider, "", latitude, longitude, now, points[1:], weight)
    module = weatherstack if provider == WEATHERSTACK else openweathermap
    latitude, longitude = module.point_of(query)
    return Call(provider, module.key_of(query), latitude, longitude, now)


def error(provider: str, status: int) -> Reply:
    """The provider's answer of that HTTP status."""
    if provider == OPEN_METEO:
        return open_meteo.error(status)
    return weatherstack.error(status) if provider == WEATHERSTACK else openweathermap.error(status)


def reply(path: str, query: Mapping[str, str], call: Call, over: str | None, keys: Keys, source: Source) -> Reply:
    """The proper answer to a call; ``over`` is the window of its quota that is used up, if any."""
    key, now = call.key, call.at
    if call.provider == OPEN_METEO:
        return open_meteo.exceeded(over) if over else open_meteo.reply(path, query, source, now)
    good = key in keys.good if keys.good else bool(key)
    if call.provider == WEATHERSTACK:
        if not good:
            return weatherstack.refusal("invalid_access_key" if key else "missing_access_key")
        return weatherstack.refusal("usage_limit_reached") if over else weatherstack.reply(query, source, now)
    if not good or over:
        return openweathermap.error(429 if good else 401)
    if call.provider == OPENWEATHERMAP:
        return openweathermap.reply(query, source, now)
    having = keys.one_call_4 if path == onecall.TIMELINE else keys.one_call
    if having is not None and key not in having:
        return onecall.lacking(path)
    return onecall.reply(path, query, source, now)
