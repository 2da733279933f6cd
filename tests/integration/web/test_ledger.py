"""``/api/runs``, ``/api/gaps`` and ``/api/coverage``: answers, pages and parameters, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from meteorograph import create_app, get_db_session
from meteorograph.ledger import claims, closing
from meteorograph.model.clock import DrivenClock
from meteorograph.model.schedule import DEFAULT_SCHEDULE, Interval
from meteorograph.storage.models import Location, Missed, WeatherData
from meteorograph.web import ledger
from rows import insert_rows
from support import NOON

HOUR = timedelta(hours=1)

pytestmark = pytest.mark.usefixtures("database", "driven")

ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    return create_app().test_client()


@pytest.fixture
def six_hours(database: str, driven: DrivenClock) -> None:
    """Six hourly slots up to noon of four locations; each slot is missed by one of them, by turns."""
    with get_db_session() as session:
        for number, name in enumerate(("Athens", "Bergen", "Cork", "Århus")):
            session.add(Location(name=name, latitude=number, longitude=9, state="active", created_at=NOON - 9 * HOUR))
    empty = {column.name: None for column in WeatherData.__table__.columns} | {"origin": "live"}
    for back in reversed(range(6)):
        at = NOON - back * HOUR
        claim = claims.claim_run(at, DEFAULT_SCHEDULE, Interval(HOUR))
        assert claim
        due = claims.due_locations(claim, at)[0]
        lost = due.pop(back % 4)
        reason = "quota" if back % 2 else "provider_error"
        closing.record_missed([{"location_id": lost.id, "due_at": at, "reason": reason, "detail": None}])
        insert_rows(
            [empty | {"location_id": one.id, "due_at": at, "fetched_at": at, "provider": "openweathermap"} for one in due]
        )
        closing.finish_run(claim, 4, at + timedelta(seconds=9))


def _get(client: FlaskClient, path: str, **query: str) -> Any:
    response = client.get(path, query_string=query)
    assert response.status_code == 200, response.text
    body = response.json
    assert body
    assert body["request_id"] == response.headers["X-Request-ID"]
    return body


@pytest.mark.usefixtures("six_hours")
def test_runs(client: FlaskClient) -> None:
    body = _get(client, "/api/runs")
    assert body["next"] is None
    assert [run["due_at"] for run in body["data"]] == [(NOON - back * HOUR).isoformat() for back in range(6)]
    assert body["data"][0] == {
        "schedule": "default",
        "due_at": "2026-03-01T12:00:00+00:00",
        "state": "partial",
        "reason": None,
        "due": 4,
        "stored": 3,
        "failed": 1,
        "failed_by_reason": {"provider_error": 1},
        "calls": 4,
        "started_at": "2026-03-01T12:00:00+00:00",
        "ended_at": "2026-03-01T12:00:09+00:00",
    }
    assert len(_get(client, "/api/runs", start="2h")["data"]) == 3
    assert len(_get(client, "/api/runs", start="2026-03-01T10:00+02:00", end="2026-03-01T10:00")["data"]) == 2
    assert client.get("/api/runs?start=2026-03-01T10:00+02:00&end=2026-03-01T10:00").json["data"]  # type: ignore[index]
    assert _get(client, "/api/runs", state="missed")["data"] == _get(client, "/api/runs", schedule="6\0h")["data"] == []


@pytest.mark.usefixtures("six_hours")
def test_gaps(client: FlaskClient) -> None:
    body = _get(client, "/api/gaps", location="Bergen")
    at = [(NOON - back * HOUR).isoformat() for back in (1, 5)]
    assert [(gap["from"], gap["to"], gap["slots"], gap["reason"], gap["detail"]) for gap in body["data"]] == [
        (each, each, 1, "quota", None) for each in at
    ]
    assert len(_get(client, "/api/gaps", reason="provider_error")["data"]) == 3
    assert len(_get(client, "/api/gaps", start="90m")["data"]) == 2


@pytest.mark.usefixtures("six_hours")
def test_coverage(client: FlaskClient) -> None:
    whole = _get(client, "/api/coverage")["data"]
    assert {entry["location"]: entry["missed_by_reason"] for entry in whole} == {
        "Athens": {"provider_error": 2},
        "Bergen": {"quota": 2},
        "Cork": {"provider_error": 1},
        "Århus": {"quota": 1},
    }
    [athens] = _get(client, "/api/coverage", location="Athens")["data"]
    assert (athens["due"], athens["stored"], athens["missed"], athens["pending"], athens["coverage"]) == (6, 4, 2, 0, 4 / 6)
    [day] = _get(client, "/api/coverage", by="day")["data"]
    assert (day["day"], day["due"], day["stored"]) == ("2026-03-01", 24, 18)
    both = _get(client, "/api/coverage", by="location,day")["data"]
    assert [{key: value for key, value in entry.items() if key != "day"} for entry in both] == whole
    [none] = _get(client, "/api/coverage", location="Athens", end="2026-02-01")["data"]
    assert (none["due"], none["coverage"]) == (0, None)


@pytest.mark.usefixtures("six_hours")
@pytest.mark.parametrize("path", ["/api/runs", "/api/gaps", "/api/coverage", "/api/coverage?by=location,day"])
def test_pages_have_every_entry_once(client: FlaskClient, path: str) -> None:
    path, _, by = path.partition("?by=")
    query = {"by": by} if by else {}
    whole = _get(client, path, **query)["data"]
    pages, cursor = [], ""
    while True:
        page = _get(client, path, limit="1", **query, **({"cursor": cursor} if cursor else {}))
        assert len(page["data"]) == 1
        pages += page["data"]
        cursor = page["next"]
        if cursor is None:
            break
    assert pages == whole


@ONE_DATABASE
@pytest.mark.parametrize(
    ("path", "field", "value", "allowed"),
    [
        ("/api/runs", "limit", "1001", "must be a whole number from 1 to 1000"),
        ("/api/runs", "start", "soon", "must be an ISO 8601 time such as"),
        ("/api/runs", "start", "2026-04-01", "must be before the end, 2026-03-01T12:00:00+00:00"),
        ("/api/runs", "state", "lost", "must be one of pending, running, succeeded, partial, failed, missed"),
        ("/api/runs", "cursor", "x", "must be the `next` of a previous answer"),
        ("/api/runs", "location", "Athens", "is unknown; use start, end, schedule, state, limit, cursor"),
        ("/api/gaps", "reason", "rain", "must be one of down, stopped, database, internal, unrecorded, quota"),
        ("/api/gaps", "end", "0001-01-01T00:00+14:00", "must be an ISO 8601 time such as"),
        ("/api/gaps", "cursor", "MjAyNi8x", "must be the `next` of a previous answer"),
        ("/api/coverage", "by", "month", "must be one of location; day; location,day"),
        ("/api/coverage", "cursor", "AA", "must be the `next` of a previous answer"),
        ("/api/coverage?by=day", "limit", "5", "is unknown; use start, end, location, by"),
    ],
)
def test_a_wrong_parameter_is_named(client: FlaskClient, path: str, field: str, value: str, allowed: str) -> None:
    path, _, by = path.partition("?by=")
    response = client.get(path, query_string={field: value, **({"by": by} if by else {})})
    assert response.status_code == 400
    assert response.content_type == "application/problem+json"
    body = response.json
    assert body
    [error] = body["errors"]
    assert (error["field"], error["value"]) == (field, value)
    assert error["allowed"].startswith(allowed)


@pytest.mark.parametrize("path", ["/api/gaps", "/api/coverage"])
@pytest.mark.parametrize("name", ["Atlantis", "Atl\0ntis"])
def test_a_location_that_is_not_there(client: FlaskClient, path: str, name: str) -> None:
    assert client.get(path, query_string={"location": name}).status_code == 404


@pytest.mark.usefixtures("six_hours")
def test_missed_slots_are_asked_for_again(client: FlaskClient) -> None:
    with get_db_session() as session:
        for missed in session.scalars(select(Missed)):
            missed.closed_at = missed.next_try_at = NOON + timedelta(days=1)
            missed.tries = 3
    gaps = client.get("/api/gaps").get_json()["data"]
    assert {gap["unrecoverable"] for gap in gaps} == {True}
    told = client.post("/api/gaps/retry?location=Bergen").get_json()
    assert told["slots"] == sum(gap["slots"] for gap in gaps if gap["location"] == "Bergen") > 0
    assert told["heals"] is True
    again = client.get("/api/gaps").get_json()["data"]
    assert {gap["location"] for gap in again if not gap["unrecoverable"]} == {"Bergen"}
    assert client.post("/api/gaps/retry?location=Nowhere").status_code == 404
    assert client.post("/api/gaps/retry?start=x").status_code == 400


@pytest.mark.usefixtures("six_hours")
def test_coverage_counts_a_bounded_number_of_slots(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MAX_SLOTS", 12)
    answer = client.get("/api/coverage?by=day&start=7d")
    assert answer.status_code == 400
    [error] = answer.json["errors"] if answer.json else []
    assert (error["field"], error["value"]) == ("start", "7d")
    assert error["allowed"].startswith("must be 2026-03-01T09:00:01Z or later with this end")
    assert sum(day["stored"] for day in _get(client, "/api/coverage", by="day", start="2026-03-01T09:00:01Z")["data"]) == 9
    assert _get(client, "/api/coverage", by="day", start="7d", location="Cork")["data"]
    monkeypatch.setattr("meteorograph.ledger.coverage._MAX_PAGE_SLOTS", 12)
    page = _get(client, "/api/coverage", start="7d")
    assert [entry["location"] for entry in page["data"]] == ["Athens", "Bergen"]
    assert page["next"]
