"""``/ingest``: collect one point now."""

from __future__ import annotations

import threading
from typing import Any, Final

from flask import Blueprint, g, request
from werkzeug.exceptions import BadRequest, ServiceUnavailable, UnsupportedMediaType

from ..collecting.on_demand import ingest_data
from ..config.loading import get_settings
from ..errors import BadInputError
from ..model.states import TokenScope
from .access import needs_scope

blueprint = Blueprint("ingest", __name__)

#: Largest absolute value of each coordinate [degree].
_LIMITS: Final = {"lat": 90, "lon": 180}

#: Requests that collect at the same time in one process. They wait for providers, and all other requests need threads too.
MAX_AT_ONCE: Final = 4

_turns: Final = threading.BoundedSemaphore(MAX_AT_ONCE)

#: How long a request waits for its turn, and what a client that gets none should wait [s].
_MAX_WAIT: Final = 0.9
_RETRY_AFTER: Final = 5


@blueprint.get("/ingest")
def usage() -> dict[str, Any]:
    """How to use this route."""
    return {
        "usage": 'POST /ingest with the JSON body {"lat": 51.5, "lon": -0.13}; without a body it collects the default place',
        "lat": "number from -90 to 90 [degree north]",
        "lon": "number from -180 to 180 [degree east]",
        "default": {"lat": get_settings().default_latitude, "lon": get_settings().default_longitude},
        "request_id": g.request_id,
    }


@blueprint.post("/ingest")
@needs_scope(TokenScope.INGEST)
def collect() -> dict[str, Any]:
    """Collect the weather at a point now."""
    lat, lon = _point(_body())
    if not _turns.acquire(timeout=_MAX_WAIT):
        raise ServiceUnavailable("As many requests as possible collect already. Try again later.", retry_after=_RETRY_AFTER)
    try:
        return {"message": "stored", "data": ingest_data(lat, lon), "request_id": g.request_id}
    finally:
        _turns.release()


def _body() -> dict[str, Any]:
    data = request.get_data()
    if data and not request.is_json:
        # A page of another site can send a form, but not JSON.
        raise UnsupportedMediaType("The body must be JSON, sent as 'Content-Type: application/json'.")
    if not data and not request.is_json:
        return {}
    try:
        body = request.get_json()
    except (BadRequest, UnsupportedMediaType, RecursionError):
        raise BadInputError("body", data.decode(errors="replace"), 'must be JSON such as {"lat": 51.5, "lon": -0.13}') from None
    if not isinstance(body, dict):
        raise BadInputError("body", body, 'must be a JSON object such as {"lat": 51.5, "lon": -0.13}')
    return body


def _point(body: dict[str, Any]) -> tuple[float | None, float | None]:
    for name, value in body.items():
        if name not in _LIMITS:
            raise BadInputError(name, value, "is unknown; use lat and lon")
    if body.get("lat") is None and body.get("lon") is None:
        return None, None
    for name, limit in _LIMITS.items():
        value = body.get(name)
        if value is None:
            raise BadInputError(name, None, f"must be a number from -{limit} to {limit}, because the other coordinate is given")
        if isinstance(value, bool) or not isinstance(value, int | float) or not -limit <= value <= limit:
            raise BadInputError(name, value, f"must be a number from -{limit} to {limit}")
    return float(body["lat"]), float(body["lon"])
