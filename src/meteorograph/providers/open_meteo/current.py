"""Open-Meteo, current weather. Stop 6 of the walk: takes a payload, gives observations."""

from __future__ import annotations

from collections.abc import Sequence

from ...model.values import Observation, Payload, Request, RequestPoint
from ..base import unreadable
from .common import CURRENT_VARIABLES, NAME, Body, bodies, instant, make_request, observation


def request(base_url: str, points: Sequence[RequestPoint], key: str) -> Request:
    """The request for the weather at the points now."""
    return make_request(base_url, "/v1/forecast", points, {"current": ",".join(CURRENT_VARIABLES), "forecast_days": "1"})


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
