"""Open-Meteo, current weather. Stop 6 of the walk: takes a payload, gives observations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ...errors import PayloadError
from ...model.values import Observation, Payload, Request, RequestPoint
from ..base import unreadable
from ..lenient import Unreadable, flag_unreadable, read_number, unreadable_below
from .bodies import Body, Value, decode_bodies
from .common import CURRENT_VARIABLES, NAME, PRECIPITATION, make_request
from .values import Precipitation, convert, flags_of_section, make_observation, nothing_readable, parse_time

_QUARTER: Final = 900  # [s]
#: Quarters of an hour that are summed.
_QUARTERS: Final = 4


def request(base_url: str, points: Sequence[RequestPoint], key: str) -> Request:
    """The request for the current weather at the points, and for the precipitation of the last quarters of an hour.

    Variables are counted over all sections, so precipitation is only requested in one: then a call costs no more than one.
    """
    variables = {
        "current": ",".join(CURRENT_VARIABLES),
        "minutely_15": PRECIPITATION,
        "past_minutely_15": str(_QUARTERS),
        "forecast_minutely_15": "1",
        "forecast_days": "1",
    }
    return make_request(base_url, "/v1/forecast", points, variables)


def parse(payload: Payload) -> list[Observation | PayloadError | None]:
    """Parse an answer to ``request``: an object for one point, a list for several points; ``location_id`` starts at 0.

    An element of the list that cannot be read is the ``PayloadError`` of its point alone.

    Raises:
        QuotaExceededError: 429, until the end of the minute, hour, day or month that the text names.
        RetryableFetchError: 5xx, too many concurrent calls, and a failure while the body was sent.
        AccountError: 401 and 403, from an address that needs a key or another plan.
        PermanentFetchError: Any other refusal; one invalid point fails the whole request.
        PayloadError: Not a body of current weather for these points, or none that can be read.
    """
    bodies, odd = decode_bodies(payload)
    outcomes: list[Observation | PayloadError | None] = [None] * (payload.request.params["latitude"].count(",") + 1)
    if not bodies or len(bodies) > len(outcomes):
        raise unreadable(NAME, payload)
    indexes: set[int] = set()
    for position, body in enumerate(bodies):
        # Answers are in the order of the points, and all but the first have a number.
        index = position if body is None or body.location_id is None else body.location_id
        if index in indexes or not 0 <= index < len(outcomes):
            index = position if index not in indexes else index
            outcomes[index] = unreadable(NAME, payload, ValueError("two answers for a point, or an answer for no point"))
        else:
            outcomes[index] = _read_point(payload, body, unreadable_below(odd, str(position)))
        indexes.add(index)
    failures = [outcome for outcome in outcomes if isinstance(outcome, PayloadError)]
    if len(failures) == len(outcomes):
        raise failures[0]
    return outcomes


def _read_point(payload: Payload, body: Body | None, odd: Unreadable) -> Observation | PayloadError | None:
    if body is None or body.current is None or body.error:
        reason = (body and body.reason) or "an answer for a point without current weather"
        return unreadable(NAME, payload, ValueError(reason))
    current = body.current
    at = parse_time(current.get("time"), body)
    flags = flags_of_section(odd, "current")
    if at is None and (time := current.get("time")) is not None:
        flags["observed_at"] = [flag_unreadable(payload, time)]
    precipitation = _last_hour(payload, body, at, odd, flags) or _last_interval(payload, body, current, flags)
    observation = make_observation(payload, body, current, body.current_units, at, precipitation, flags)
    return nothing_readable(payload, flags) if observation is None and flags else observation


def _last_hour(
    payload: Payload, body: Body, at: datetime | None, odd: Unreadable, flags: dict[str, list[str]]
) -> Precipitation | None:
    """The sum of the last quarters of an hour, of which the last one ends at ``at``; fewer than four if others are null."""
    section = body.minutely_15 or {}
    times, amounts = section.get("time") or [], section.get(PRECIPITATION) or []
    own: dict[str, list[str]] = {}
    total, quarters = 0.0, 0
    if len(times) != len(amounts):
        own["precipitation"] = [flag_unreadable(payload, f"{len(amounts)} amounts at {len(times)} times")]
    elif at is not None:
        by_time = {_seconds(time, body): amount for time, amount in zip(times, amounts, strict=True)}
        end = at.timestamp()
        for quarter in range(_QUARTERS):
            amount = convert(payload, PRECIPITATION, by_time.get(end - quarter * _QUARTER), body.minutely_15_units, own)
            if amount is None:
                break
            total, quarters = total + amount, quarters + 1
    if quarters < _QUARTERS:
        flags |= flags_of_section(odd, "minutely_15") or own
    return Precipitation(round(total, 4), quarters * _QUARTER) if quarters else None


def _seconds(time: Value, body: Body) -> float | None:
    """The Unix time [s] of a time."""
    if not isinstance(time, str):
        return time
    at = parse_time(time, body)
    return at.timestamp() if at is not None else None


def _last_interval(
    payload: Payload, body: Body, current: dict[str, float | str | None], flags: dict[str, list[str]]
) -> Precipitation | None:
    """The amount of the interval of the current weather, of bodies in which the quarters of an hour are missing."""
    amount = convert(payload, PRECIPITATION, current.get(PRECIPITATION), body.current_units, flags)
    interval = current.get("interval")
    interval = read_number(interval) if isinstance(interval, str) else interval
    is_known = interval is not None and body.current_units.get("interval") == "seconds" and 1 <= interval <= 86400
    return Precipitation(amount, int(interval) if is_known and interval else None) if amount is not None else None
