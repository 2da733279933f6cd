"""OpenWeatherMap's One Call: report and time machine of 3.0, current weather and timelines of 4.0, the hourly one by pages.

Source: https://openweathermap.org/api/one-call-4 and https://openweathermap.org/api/one-call-3
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from .geography import Spot
from .onecall_records import day, minute, of_now, record
from .openweathermap import Reply, point_of
from .refusals import refuse_values
from .weather import Source

TIMELINE = "/data/4.0/onecall/timeline/1h"
TIMEMACHINE = "/data/3.0/onecall/timemachine"
REPORT = "/data/3.0/onecall"
CURRENT = "/data/4.0/onecall/current"
MINUTES = "/data/4.0/onecall/timeline/1min"
DAYS = "/data/4.0/onecall/timeline/1day"
PATHS = (TIMELINE, TIMEMACHINE, REPORT, CURRENT, MINUTES, DAYS)
#: Records on a page.
PAGE_LENGTH = 20
_HOUR = timedelta(hours=1)
_FIRST = datetime(1979, 1, 1, tzinfo=UTC)
#: How far into the future each path goes.
_FORECAST_RANGE = {TIMELINE: timedelta(hours=48), TIMEMACHINE: timedelta(days=4)}
#: Records of the report, and of the timelines without pages.
_MINUTES, _HOURS, _DAYS = 60, 48, 8
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)
_HOST = "https://api.openweathermap.org"


_NOT_FOUND: Reply = (404, {"cod": "404", "message": "city not found"})


def missing_subscription(path: str) -> Reply:
    """The answer for a key without the subscription."""
    product = "4.0" if path.startswith("/data/4.0") else "3.0"
    message = (
        f"Please note that using One Call {product} requires a separate subscription to the One Call by Call plan. "
        "Learn more here https://openweathermap.org/price. If you have a valid subscription to the One Call by Call plan, "
        "but still receive this error, then please see https://openweathermap.org/faq#error401 for more info."
    )
    return 401, {"cod": 401, "message": message}


def _refused(message: str, parameter: str) -> Reply:
    return 400, {"cod": 400, "message": message, "parameters": [parameter]}


def reply(path: str, query: Mapping[str, str], source: Source, now: datetime) -> Reply:
    """The answer for a valid key with the subscription, within its quota."""
    refuse_values(query, lang=("en",))
    latitude, longitude = point_of(query)
    if latitude is None:
        return _refused("wrong latitude", "lat")
    if longitude is None:
        return _refused("wrong longitude", "lon")
    spot = source.find(latitude, longitude)
    body: dict[str, Any] = {
        "lat": round(latitude, 4),
        "lon": round(longitude, 4),
        "timezone": spot.zone if spot else "",
        "timezone_offset": int(spot.utc_offset(now).total_seconds()) if spot else 0,
    }
    if path in _FORECAST_RANGE:
        return _past(path, query, source, spot, now, body)
    if spot is None:
        return _NOT_FOUND
    sections = _sections(source, spot, now, query.get("units", "standard"))
    if path == REPORT:
        excluded = query.get("exclude", "").split(",")
        return 200, body | {name: make() for name, make in sections.items() if name not in excluded}
    data = sections[{CURRENT: "current", MINUTES: "minutely", DAYS: "daily"}[path]]()
    return 200, {**body, "data": data if isinstance(data, list) else [data]}


def _sections(source: Source, spot: Spot, now: datetime, units: str) -> dict[str, Callable[[], Any]]:
    """The sections of a report, each made on demand."""
    first = now - (now - _FIRST) % _HOUR
    noon = datetime.combine((now + spot.utc_offset(now)).date(), time(12), UTC) - spot.utc_offset(now)
    return {
        "current": lambda: of_now(source.weather(spot, now), spot, now, units),
        "minutely": lambda: [minute(source, spot, now.replace(second=0) + number * _MINUTE) for number in range(_MINUTES)],
        "hourly": lambda: [
            record(source.weather(spot, at), spot, at, units, has_probability=True)
            for at in (first + number * _HOUR for number in range(_HOURS))
        ],
        "daily": lambda: [day(source, spot, noon + number * _DAY, units) for number in range(_DAYS)],
    }


def _past(path: str, query: Mapping[str, str], source: Source, spot: Spot | None, now: datetime, body: dict[str, Any]) -> Reply:
    """The answers that begin at an instant of the query."""
    parameter = "start" if path == TIMELINE else "dt"
    try:
        at = now if path == TIMELINE and parameter not in query else datetime.fromtimestamp(int(query.get(parameter, "")), UTC)
    except (ValueError, OverflowError, OSError):
        return _refused("Invalid date format", parameter)
    if not _FIRST <= at <= now + _FORECAST_RANGE[path]:
        return 400, {"cod": "400", "message": "requested time is out of allowed range"}
    if spot is None:
        return _NOT_FOUND
    units = query.get("units", "standard")
    if path == TIMEMACHINE:
        return 200, {**body, "data": [record(source.weather(spot, at), spot, at, units)]}
    first = at + (_FIRST - at) % _HOUR
    times = [first + hours * _HOUR for hours in range(PAGE_LENGTH)]
    within = [at for at in times if at <= now + _FORECAST_RANGE[path]]
    data = [record(source.weather(spot, at), spot, at, units, has_probability=True) for at in within]
    return 200, {**body, "data": data, **_links(query, first, now)}


def _links(query: Mapping[str, str], first: datetime, now: datetime) -> dict[str, str]:
    """The addresses of the previous and the next page, which contain the key."""
    starts = {"prev": first - PAGE_LENGTH * _HOUR, "next": first + PAGE_LENGTH * _HOUR}
    return {
        name: f"{_HOST}{TIMELINE}?{urlencode({**query, 'start': int(start.timestamp())})}"
        for name, start in starts.items()
        if _FIRST <= start <= now + _FORECAST_RANGE[TIMELINE]
    }
