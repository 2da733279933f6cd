"""Open-Meteo, past hours: recent ones from the forecast API, older ones from the archive."""

from __future__ import annotations

from datetime import datetime
from math import ceil

from ...model.values import Observation, Payload, Request, RequestPoint
from ..base import Page, unreadable
from .common import (
    ARCHIVE_VARIABLES,
    CURRENT_VARIABLES,
    NAME,
    SPAN_PER_CALL,
    Body,
    decode_bodies,
    make_observation,
    make_request,
    parse_time,
)


def _hours(start: datetime, end: datetime) -> dict[str, str]:
    return {"start_hour": f"{start:%Y-%m-%dT%H}:00", "end_hour": f"{end:%Y-%m-%dT%H}:00"}


def request_recent(base_url: str, point: RequestPoint, start: datetime, end: datetime, key: str) -> Request:
    """The request for hours of the last weeks, to the forecast API."""
    return make_request(base_url, "/v1/forecast", [point], {"hourly": ",".join(CURRENT_VARIABLES), **_hours(start, end)})


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
    (body, *others) = decode_bodies(payload) or [Body()]
    hourly = body.hourly
    if others or hourly is None:
        raise unreadable(NAME, payload)
    times = [parse_time(time, body) for time in hourly.get("time", ())]
    columns = {name: column for name, column in hourly.items() if name in CURRENT_VARIABLES}
    if any(len(column) != len(times) for column in columns.values()):
        raise unreadable(NAME, payload, ValueError("columns of different lengths"))
    observations: list[Observation] = []
    last = None
    for index, at in enumerate(times):
        if at is None or (last is not None and at <= last):
            raise unreadable(NAME, payload, ValueError("times that do not ascend"))
        last = at
        row = {name: column[index] for name, column in columns.items()}
        observation = make_observation(payload, body, row, body.hourly_units, at, 3600)
        if observation is not None and at <= payload.fetched_at:
            observations.append(observation)
    return Page(observations)


def cost(start: datetime, end: datetime) -> int:
    """Calls that the provider charges for the hours from ``start`` to ``end``."""
    return max(1, ceil((end - start) / SPAN_PER_CALL))
