"""Bodies of Open-Meteo: the answers for points, and refusals."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from ...errors import AccountError, FetchError, PermanentFetchError, QuotaExceededError, RetryableFetchError
from ...model.states import KeyState
from ...model.values import Payload
from ..base import UNREADABLE, quoted, unreadable
from ..lenient import LenientDecoder, Unreadable
from .common import NAME

#: End of a body with status 200 if the server fails while it sends the body.
_STREAM_FAILURE: Final = b"Unexpected error while streaming data"

Value = float | str | None


class Body(msgspec.Struct, gc=False):
    """The answer for one point, or an error for all points."""

    error: bool | None = None
    reason: str | None = None
    #: Centre of the grid cell that contains the point.
    latitude: float | None = None
    longitude: float | None = None
    #: Index in the list of points; the first point has none.
    location_id: int | None = None
    utc_offset_seconds: float | None = None
    current: dict[str, Value] | None = None
    current_units: dict[str, str | None] = {}
    minutely_15: dict[str, list[Value] | None] | None = None
    minutely_15_units: dict[str, str | None] = {}
    hourly: dict[str, list[Value] | None] | None = None
    hourly_units: dict[str, str | None] = {}


_decoder: LenientDecoder[Body | list[Body | None]] = LenientDecoder(Body | list[Body | None])


def decode_bodies(payload: Payload) -> tuple[list[Body | None], Unreadable]:
    """Decode the answers in the payload, one for each point, None for one that cannot be read; and the odd members.

    The paths of the odd members start with the index of the answer, also if there is only one.

    Raises:
        FetchError: A refusal, or a failure while the body was sent.
        PayloadError: Not a body of Open-Meteo.
    """
    try:
        decoded, odd = _decoder.decode(payload)
    except UNREADABLE as error:
        if payload.status != 200 or _STREAM_FAILURE in payload.body:
            failure = payload.body[payload.body.find(_STREAM_FAILURE) :] if payload.status == 200 else b""
            raise refusal(payload, failure.decode(errors="replace")) from None
        raise unreadable(NAME, payload, error) from None
    if isinstance(decoded, Body):
        decoded, odd = [decoded], {f"0.{path}": what for path, what in odd.items()}
    if payload.status != 200 or (decoded and all(body is not None and body.error for body in decoded)):
        raise refusal(payload, next((body.reason for body in decoded if body and body.reason), None))
    return decoded, odd


def refusal(payload: Payload, reason: str | None) -> FetchError:
    """The error for a refusal; the provider says how long to wait only in its words."""
    message = quoted(payload, reason)
    status, lowered = payload.status, message.lower()
    text = f"{status}: {message}" if message else f"HTTP {status} without a message"
    if "too many concurrent" in lowered:
        return RetryableFetchError(NAME, text, status=status, wait=payload.wait)
    if status == 429 or "limit exceeded" in lowered:
        wait = _end_of_window(lowered.partition(" ")[0], payload.fetched_at) - payload.fetched_at
        return QuotaExceededError(NAME, text, retry_at=payload.retry_at(wait), status=status)
    if status in (401, 403):
        return AccountError(NAME, text, key_state=KeyState.INVALID if status == 401 else KeyState.PLAN_MISSING, status=status)
    # An error with status 200 is one of the server; a wrong request gets a 400.
    if status >= 500 or status in (200, 408):
        return RetryableFetchError(NAME, text, status=status, wait=payload.wait)
    return PermanentFetchError(NAME, text, status=status)


def _end_of_window(window: str, now: datetime) -> datetime:
    """When the provider resets the count of a window: at whole minutes, hours, days and months of UTC."""
    minute = now.replace(second=0, microsecond=0)
    match window:
        case "hourly":
            return minute.replace(minute=0) + timedelta(hours=1)
        case "daily":
            return minute.replace(hour=0, minute=0) + timedelta(days=1)
        case "monthly":
            return (minute.replace(day=1, hour=0, minute=0) + timedelta(days=32)).replace(day=1)
        case _:
            return minute + timedelta(minutes=1)
