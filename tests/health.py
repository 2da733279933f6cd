"""Answers of ``/health``, and the locations that it speaks of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient

from meteorograph import WeatherData, get_db_session
from meteorograph.storage.models import Location
from support import NOON


def health(client: FlaskClient, status: int) -> dict[str, Any]:
    response = client.get("/health")
    body: dict[str, Any] = response.get_json()
    assert response.status_code == status, body
    assert body["status"] in (("ok", "degraded") if status == 200 else ("starting", "failing"))
    assert bool(body["problems"]) == (body["status"] != "ok")
    assert body["request_id"] == response.headers["X-Request-ID"]
    return body


def add_location(
    name: str,
    *,
    newest: timedelta | None = None,
    made: timedelta = timedelta(0),
    state: str = "active",
    schedule: str | None = None,
    **values: Any,
) -> None:
    """A location made ``made`` ago, whose newest row is ``newest`` old and has these values."""
    with get_db_session() as session:
        location = Location(name=name, latitude=1, longitude=len(name), state=state, schedule=schedule, created_at=NOON - made)
        session.add(location)
        session.flush()
        if newest is not None:
            due_at = NOON - newest
            columns: dict[str, Any] = {"fetched_at": due_at, "provider": "openweathermap", **values}
            session.add(WeatherData(location_id=location.id, due_at=due_at, **columns))
