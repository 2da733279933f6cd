"""Open-Meteo, current weather. Stop 6 of the walk: takes a payload, gives observations."""

from __future__ import annotations

from collections.abc import Sequence

from ...model.values import Observation, Payload, Request, RequestPoint
from ..base import unreadable
from .common import CURRENT_VARIABLES, NAME, Body, decode_bodies, make_observation, make_request, parse_time


def request(base_url: str, points: Sequence[RequestPoint], key: str) -> Request:
    """The request for the current weather at the points."""
    return make_request(base_url, "/v1/forecast", points, {"current": ",".join(CURRENT_VARIABLES), "forecast_days": "1"})


def parse(payload: Payload) -> list[Observation | None]:
    """Parse an answer to ``request``: an object for one point, a list for several points; ``location_id`` starts at 0.

    Raises:
        QuotaExceededError: 429, until the end of the minute, hour, day or month that the text names.
        RetryableFetchError: 5xx, too many concurrent calls, and a failure while the body was sent.
        AccountError: 401 and 403, from an address that needs a key or another plan.
        PermanentFetchError: Any other refusal; one invalid point fails the whole request.
        PayloadError: Not a body of current weather for these points, or unknown units.
    """
    observations: list[Observation | None] = [None] * (payload.request.params["latitude"].count(",") + 1)
    indexes: set[int] = set()
    for position, body in enumerate(decode_bodies(payload)):
        index = position if body.location_id is None else body.location_id
        if body.current is None or index in indexes or not 0 <= index < len(observations):
            raise unreadable(NAME, payload)
        indexes.add(index)
        observations[index] = _current(payload, body, body.current)
    if not indexes:
        raise unreadable(NAME, payload)
    return observations


def _current(payload: Payload, body: Body, current: dict[str, float | str | None]) -> Observation | None:
    interval = current.get("interval")
    seconds = interval if isinstance(interval, float) and body.current_units.get("interval") == "seconds" else None
    return make_observation(payload, body, current, body.current_units, parse_time(current.get("time"), body), seconds)
