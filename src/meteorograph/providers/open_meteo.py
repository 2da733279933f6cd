"""Open-Meteo, keyless: the weather of models, now and in past hours. Stop 6 of the walk: takes a payload, gives observations.

Contract: https://open-meteo.com/en/docs, https://open-meteo.com/en/docs/historical-weather-api and
https://open-meteo.com/en/pricing
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from ..model.values import Observation, Payload, Request, RequestPoint
from .base import History, Page, Provider, degrees, unreadable
from .open_meteo_body import CODE, NAME, VARIABLES, Body, bodies, instant, observation

_NOW: Final = (*VARIABLES, CODE)
#: The archive's models have no visibility.
_ARCHIVED: Final = tuple(name for name in _NOW if name != "visibility")

#: No default is relied on: that of the wind is km/h, and times would be local.
_UNITS: Final = {
    "temperature_unit": "celsius",
    "wind_speed_unit": "ms",
    "precipitation_unit": "mm",
    "timeformat": "unixtime",
    "timezone": "GMT",
}

#: What one call covers: so many variables over so long.
_VARIABLES_OF_A_CALL: Final = 10
_SPAN_OF_A_CALL: Final = timedelta(days=14)


def _request(base_url: str, path: str, points: Sequence[RequestPoint], params: dict[str, str]) -> Request:
    where = {
        "latitude": ",".join(degrees(point.latitude) for point in points),
        "longitude": ",".join(degrees(point.longitude) for point in points),
    }
    return Request(NAME, f"{base_url.rstrip('/')}{path}", {**where, **params, **_UNITS})


def request(base_url: str, points: Sequence[RequestPoint], key: str) -> Request:
    """The request for the weather at the points now."""
    return _request(base_url, "/v1/forecast", points, {"current": ",".join(_NOW), "forecast_days": "1"})


def parse(payload: Payload) -> list[Observation | None]:
    """Read an answer to ``request``: an object for one point, a list for several, in which ``location_id`` counts from 0.

    Raises:
        QuotaExceededError: 429, until the minute, hour, day or month that the text names is over.
        RetryableFetchError: 5xx, too many calls at once, and a failure while the body was sent.
        AccountError: 401 and 403, from an address that wants a key or another plan.
        PermanentFetchError: Any other refusal; one bad point fails all.
        PayloadError: Not a body of current weather for these points, or one in units that are not known.
    """
    found: list[Observation | None] = [None] * (payload.request.params["latitude"].count(",") + 1)
    seen: set[int] = set()
    for position, body in enumerate(bodies(payload)):
        index = position if body.location_id is None else body.location_id
        if body.current is None or index in seen or not 0 <= index < len(found):
            raise unreadable(NAME, payload)
        seen.add(index)
        found[index] = _current(payload, body, body.current)
    if not seen:
        raise unreadable(NAME, payload)
    return found


def _current(payload: Payload, body: Body, current: dict[str, float | str | None]) -> Observation | None:
    interval = current.get("interval")
    seconds = interval if isinstance(interval, float) and body.current_units.get("interval") == "seconds" else None
    return observation(payload, body, current, body.current_units, instant(current.get("time"), body), seconds)


def _hours(start: datetime, end: datetime) -> dict[str, str]:
    return {"start_hour": f"{start:%Y-%m-%dT%H}:00", "end_hour": f"{end:%Y-%m-%dT%H}:00"}


def _request_recent(base_url: str, point: RequestPoint, start: datetime, end: datetime, key: str) -> Request:
    return _request(base_url, "/v1/forecast", [point], {"hourly": ",".join(_NOW), **_hours(start, end)})


def _request_archived(base_url: str, point: RequestPoint, start: datetime, end: datetime, key: str) -> Request:
    days = {"start_date": f"{start:%Y-%m-%d}", "end_date": f"{end:%Y-%m-%d}"}  # which its documentation asks for
    return _request(base_url, "/v1/archive", [point], {"hourly": ",".join(_ARCHIVED), **days, **_hours(start, end)})


def parse_hours(payload: Payload) -> Page:
    """Read hours, each with the precipitation of the hour before it. Hours without any value, and to come, are left out.

    Raises:
        FetchError: As ``parse``.
        PayloadError: Not a body of hours for one point, or one in units that are not known.
    """
    (body, *others) = bodies(payload) or [Body()]
    hourly = body.hourly
    if others or hourly is None:
        raise unreadable(NAME, payload)
    times = [instant(told, body) for told in hourly.get("time", ())]
    columns = {name: column for name, column in hourly.items() if name in _NOW}
    if any(len(column) != len(times) for column in columns.values()):
        raise unreadable(NAME, payload, ValueError("columns of different lengths"))
    found: list[Observation] = []
    last = None
    for index, at in enumerate(times):
        if at is None or (last is not None and at <= last):
            raise unreadable(NAME, payload, ValueError("times that do not go on"))
        last = at
        row = {name: column[index] for name, column in columns.items()}
        one = observation(payload, body, row, body.hourly_units, at, 3600)
        if one is not None and at <= payload.fetched_at:
            found.append(one)
    return Page(found)


def _cost(start: datetime, end: datetime) -> int:
    return max(1, ceil((end - start) / _SPAN_OF_A_CALL))


PROVIDER: Final = Provider(
    name=NAME,
    title="Open-Meteo",
    documentation="https://open-meteo.com/en/docs",
    attribution="Weather data by Open-Meteo.com (https://open-meteo.com/)",
    licence="CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)",
    method="modelled",
    quantities={quantity: next(iter(units)) for quantity, units in VARIABLES.values()},
    setting="OPEN_METEO",
    base_url="https://api.open-meteo.com",
    windows={"minute": 600, "hour": 5000, "day": 10_000},
    request=request,
    parse=parse,
    most=1000,
    cost=max(1.0, len(_NOW) / _VARIABLES_OF_A_CALL),
    at_once=2,  # it works on one for an address at a time, and refuses what comes while more than five wait
    terms=(
        "Open-Meteo's free service is for non-commercial use only, up to 10,000 calls a day from one address; "
        "show its attribution with the data (https://open-meteo.com/en/terms)"
    ),
    history=(
        History(
            account=NAME,
            request=_request_recent,
            parse=parse_hours,
            cost=_cost,
            span=_SPAN_OF_A_CALL,
            reach=timedelta(days=92),
        ),
        History(
            account=NAME,
            request=_request_archived,
            parse=parse_hours,
            cost=_cost,
            span=_SPAN_OF_A_CALL,
            delay=timedelta(days=5),
            setting="OPEN_METEO_ARCHIVE",
            base_url="https://archive-api.open-meteo.com",
        ),
    ),
)
