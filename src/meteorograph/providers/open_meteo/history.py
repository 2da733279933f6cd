"""Open-Meteo, past hours: recent ones from the forecast API, older ones from the archive."""

from __future__ import annotations

from datetime import datetime
from math import ceil

from ...model.values import Observation, Payload, Request, RequestPoint
from ..base import Page, unreadable
from ..lenient import Unreadable, unreadable_below
from .bodies import decode_bodies
from .common import ARCHIVE_VARIABLES, HOURLY_VARIABLES, NAME, PRECIPITATION, SPAN_PER_CALL, make_request
from .values import Precipitation, convert, flags_of_section, make_observation, nothing_readable, parse_time


def _hours(start: datetime, end: datetime) -> dict[str, str]:
    return {"start_hour": f"{start:%Y-%m-%dT%H}:00", "end_hour": f"{end:%Y-%m-%dT%H}:00"}


def request_recent(base_url: str, point: RequestPoint, start: datetime, end: datetime, key: str) -> Request:
    """The request for hours of the last weeks, to the forecast API."""
    return make_request(base_url, "/v1/forecast", [point], {"hourly": ",".join(HOURLY_VARIABLES), **_hours(start, end)})


def request_archived(base_url: str, point: RequestPoint, start: datetime, end: datetime, key: str) -> Request:
    """The request for older hours, to the archive."""
    days = {"start_date": f"{start:%Y-%m-%d}", "end_date": f"{end:%Y-%m-%d}"}  # the documentation requires the days too
    return make_request(base_url, "/v1/archive", [point], {"hourly": ",".join(ARCHIVE_VARIABLES), **days, **_hours(start, end)})


def parse_hours(payload: Payload) -> Page:
    """Parse hours, each with the precipitation of the hour before it. Hours without a value and future hours are left out.

    Raises:
        FetchError: As ``parse``.
        PayloadError: Not a body of hours for one point, or unknown units.
    """
    bodies, all_odd = decode_bodies(payload)
    body = bodies[0] if len(bodies) == 1 else None
    hours = None if body is None or body.hourly is None else body.hourly.get("time")
    if body is None or body.hourly is None or hours is None:
        raise unreadable(NAME, payload)
    odd = unreadable_below(all_odd, "0")
    times = [parse_time(time, body) for time in hours]
    if times and not any(times):
        raise unreadable(NAME, payload, ValueError("no time of an hour"))
    columns = {name: column for name in HOURLY_VARIABLES if (column := body.hourly.get(name)) is not None}
    if times and not columns:
        raise unreadable(NAME, payload, ValueError("hours without any of the requested variables"))
    if any(len(column) != len(times) for column in columns.values()):
        raise unreadable(NAME, payload, ValueError("columns of different lengths"))
    observations: list[Observation] = []
    last, all_flags = None, dict[str, list[str]]()
    for index, at in enumerate(times):
        if at is None:
            continue  # no hour that the values could belong to
        if last is not None and at <= last:
            raise unreadable(NAME, payload, ValueError("times that do not ascend"))
        last = at
        row = {name: column[index] for name, column in columns.items()}
        flags = _flags_of_hour(odd, index)
        amount = convert(payload, PRECIPITATION, row.get(PRECIPITATION), body.hourly_units, flags)
        precipitation = Precipitation(amount, 3600) if amount is not None else None
        observation = make_observation(payload, body, row, body.hourly_units, at, precipitation, flags)
        all_flags |= flags
        if observation is not None and at <= payload.fetched_at:
            observations.append(observation)
    if all_flags and not observations:
        raise nothing_readable(payload, all_flags)
    return Page(observations)


def _flags_of_hour(odd: Unreadable, index: int) -> dict[str, list[str]]:
    """The flags of an hour: of whole columns, and of the hour's own values, that cannot be read."""
    if not odd:
        return {}
    end = f".{index}"
    own = {
        path.removesuffix(end) if path.count(".") == 2 else path: what
        for path, what in odd.items()
        if path.count(".") < 2 or path.endswith(end)
    }
    return flags_of_section(own, "hourly")


def cost(start: datetime, end: datetime) -> int:
    """Calls that the provider charges for the hours from ``start`` to ``end``."""
    return max(1, ceil((end - start) / SPAN_PER_CALL))
