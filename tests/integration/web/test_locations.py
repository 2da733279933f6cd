"""``/api/locations`` over HTTP: what it answers, what it takes, and what it refuses with which words."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from meteorograph import WeatherData, create_app, get_db_session
from meteorograph.config.settings import MAX_BODY_BYTES, MAX_IMPORT_BYTES
from meteorograph.locations import file_rows, files, repository
from meteorograph.locations.importing import ImportPlan
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Location
from meteorograph.web import params
from support import NOON, served

pytestmark = pytest.mark.usefixtures("database", "driven")

#: For what does not depend on the database.
ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

CSV = {"Content-Type": "text/csv; charset=utf-8"}
HEADER = "name,latitude,longitude\n"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    return create_app().test_client()


def _problem(response: TestResponse, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    body: dict[str, Any] = json.loads(response.text)
    assert body["request_id"] == response.headers["X-Request-ID"]
    return body


def _add(client: FlaskClient, name: str, lat: float = 1, lon: float = 2, **more: object) -> TestResponse:
    return client.post("/api/locations", json={"name": name, "latitude": lat, "longitude": lon, **more})


def _store(name: str) -> None:
    with get_db_session() as session:
        key = repository.get_location(session, name).id
        session.add(WeatherData(location_id=key, due_at=NOON, fetched_at=NOON, provider="openweathermap"))


def _count() -> int:
    with get_db_session(read_only=True) as session:
        return session.scalar(select(func.count()).select_from(Location)) or 0


def test_a_location_is_added_listed_changed_and_removed(client: FlaskClient) -> None:
    made = _add(client, "Dublin", 53.35, -6.26, tags=["b", "a"], timezone="Europe/Dublin")
    assert (made.status_code, made.headers["Location"]) == (201, "/api/locations/Dublin")
    location = {
        "name": "Dublin", "latitude": 53.35, "longitude": -6.26, "elevation": None, "timezone": "Europe/Dublin", "schedule": None,
        "tags": ["a", "b"], "state": "active", "last_at": None, "resolved": None,
    }  # fmt: skip
    assert made.get_json() == {"location": location, "warnings": [], "request_id": made.headers["X-Request-ID"]}
    assert client.get("/api/locations").get_json()["locations"] == [location]
    assert client.get(made.headers["Location"]).get_json()["location"] == location
    changed = client.patch("/api/locations/Dublin", json={"state": "paused", "schedule": "15m", "tags": None})
    location |= {"state": "paused", "schedule": "15m", "tags": []}
    assert (changed.status_code, changed.get_json()["location"]) == (200, location)
    removed = client.delete("/api/locations/Dublin")
    assert removed.get_json() == {
        "removed": "Dublin", "rows_deleted": 0, "rows_kept": 0, "request_id": removed.headers["X-Request-ID"],
    }  # fmt: skip
    assert client.get("/api/locations").get_json()["locations"] == []


def test_the_list_by_state_and_tag_and_as_a_file(client: FlaskClient) -> None:
    _add(client, "A", tags=["x"])
    _add(client, "Å, B", 3, 4)
    client.patch("/api/locations/A", json={"state": "paused"})
    _store("A")
    [only] = client.get("/api/locations?state=paused&tag=x").get_json()["locations"]
    assert (only["name"], only["last_at"]) == ("A", "2026-03-01T12:00:00+00:00")
    assert client.get("/api/locations?state=active&tag=x").get_json()["locations"] == []
    csv = client.get("/api/locations?format=csv")
    assert csv.content_type.startswith("text/csv")
    assert csv.text == 'name,latitude,longitude,elevation,timezone,schedule,tags\nA,1.0,2.0,,,,x\n"Å, B",3.0,4.0,,,,\n'
    geojson = client.get("/api/locations?format=geojson")
    assert geojson.mimetype == "application/geo+json"
    assert [feature["geometry"]["coordinates"] for feature in json.loads(geojson.text)["features"]] == [[2, 1], [4, 3]]
    for answer in (csv, geojson):
        again = client.post("/api/locations/import", data=answer.data, content_type=answer.content_type)
        assert (again.status_code, again.get_json()["unchanged"]) == (200, 2), again.text


@pytest.mark.parametrize("name", ["a/b", "import", "東京 / Tokyo", "50% & ?#", "a//b", "ends/", "..x"])
def test_any_name_can_be_in_the_path(client: FlaskClient, name: str) -> None:
    place = _add(client, name).headers["Location"]
    assert place == f"/api/locations/{quote(name)}"
    assert client.get(place).get_json()["location"]["name"] == name
    assert client.patch(place, json={"elevation": 5}).get_json()["location"]["elevation"] == 5
    assert client.delete(place).get_json()["removed"] == name


def test_a_location_with_data_is_removed_only_when_that_is_said(client: FlaskClient) -> None:
    _add(client, "A")
    _store("A")
    told = _problem(client.delete("/api/locations/A"), 409)["detail"]
    assert told == "'A' has 1 row of data: data=delete deletes them, data=keep keeps them"
    assert client.delete("/api/locations/A?data=keep").get_json()["rows_kept"] == 1
    assert client.get("/api/locations/A").get_json()["location"]["state"] == "unscheduled"
    assert client.delete("/api/locations/A?data=delete").get_json()["rows_deleted"] == 1
    _problem(client.delete("/api/locations/A"), 404)
    _problem(client.patch("/api/locations/A", json={}), 404)
    _problem(client.get("/api/locations/a%00b"), 404)


def test_what_is_wrong_is_said_field_by_field(client: FlaskClient) -> None:
    body = _problem(_add(client, "", 191, 2, timezone="X", color="red"), 400)
    assert [(error["field"], error["value"]) for error in body["errors"]] == [
        ("name", ""), ("latitude", 191), ("timezone", "X"), ("color", "red"),
    ]  # fmt: skip
    assert body["errors"][1]["allowed"] == "must be a number from -90 to 90"
    assert _count() == 0
    _add(client, "A")
    assert "must be unique" in _problem(_add(client, "A", 5, 5), 409)["detail"]
    for wrong, field in (({"latitude": 3}, "latitude"), ({"state": "unscheduled"}, "state"), ({"tags": "x"}, "tags")):
        assert _problem(client.patch("/api/locations/A", json=wrong), 400)["errors"][0]["field"] == field
    assert _add(client, "B").get_json()["warnings"] == ["'B' is 0 m from 'A'"]
    assert "must be unique" in _problem(client.patch("/api/locations/B", json={"name": "A", "elevation": 1}), 409)["detail"]
    assert client.patch("/api/locations/B", json={"name": "C"}).get_json()["location"]["elevation"] is None
    assert client.get("/api/locations/C").status_code == 200


@ONE_DATABASE
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/locations?state=gone", "state"),
        ("/api/locations?format=xml", "format"),
        ("/api/locations?colour=red", "colour"),
        ("/api/locations?tag=a&tag=b", "tag"),
    ],
)
def test_unknown_parameters_are_refused(client: FlaskClient, path: str, field: str) -> None:
    assert _problem(client.get(path), 400)["errors"][0]["field"] == field


@ONE_DATABASE
def test_bodies_that_are_no_json_object_are_refused(client: FlaskClient) -> None:
    for method, path in (("POST", "/api/locations"), ("PATCH", "/api/locations/A")):
        _problem(client.open(path, method=method, data={"name": "A"}), 415)
        _problem(client.open(path, method=method, data="{}", content_type="text/plain"), 415)
        _problem(client.open(path, method=method, data="{", content_type="application/json"), 400)
        _problem(client.open(path, method=method, json=[1]), 400)
        _problem(client.open(path, method=method, data="[" * 60_000, content_type="application/json"), 400)
        _problem(client.open(path, method=method, data='{"a":' + "9" * 5000 + "}", content_type="application/json"), 400)
        _problem(client.open(path, method=method, data="x" * (MAX_BODY_BYTES + 1), content_type="application/json"), 413)
    _problem(client.post("/api/locations/import", data={"file": "x"}), 415)
    _problem(client.post("/api/locations/import", json={}), 415)


def test_a_near_duplicate_is_refused_where_that_is_asked_for(client: FlaskClient) -> None:
    near = "/api/locations?near=refuse"
    assert client.post(near, json={"name": "A", "latitude": 5, "longitude": 6}).status_code == 201
    body = {"name": "B", "latitude": 5.0005, "longitude": 6}
    assert "'B' is 56 m from 'A'" in _problem(client.post(near, json=body), 409)["detail"]
    assert _count() == 1
    assert client.post("/api/locations?near=accept", json=body).status_code == 201
    assert client.post(near, json={**body, "name": "C", "latitude": 5.002}).status_code == 201


def test_an_import_is_previewed_without_a_change(client: FlaskClient) -> None:
    _add(client, "Old", 5, 6)
    text = f"{HEADER}A,1,2\nB,95,2\nOld,5,7\n"
    before = client.get("/api/locations").get_json()["locations"]
    told = client.post("/api/locations/import?dry_run=1&update=1", data=text, headers=CSV).get_json()
    assert (told["added"], told["updated"], told["bad"]) == (1, 1, 1)
    assert told["changes"] == [
        {"name": "A", "change": "added", "fields": []},
        {"name": "Old", "change": "updated", "fields": ["longitude"]},
    ]
    assert client.get("/api/locations").get_json()["locations"] == before
    done = client.post("/api/locations/import?update=1&skip_bad=1", data=text, headers=CSV).get_json()
    assert done["changes"] == told["changes"]
    assert _count() == 2


@ONE_DATABASE
def test_places_are_found_by_name(client: FlaskClient, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_GEOCODING_BASE_URL", simulator.url)
    places = client.get("/api/places?name=athens").get_json()["places"]
    assert [(place["name"], place["country"], place["timezone"]) for place in places] == [
        ("Athens", "Greece", "Europe/Athens"),
        ("Athens", "United States", "America/New_York"),
        ("Athens", "United States", "America/New_York"),
    ]
    assert client.get("/api/places?name=Nowhere").get_json()["places"] == []
    for wrong in ("", "a", "a" * 101, "a%00b"):
        assert _problem(client.get(f"/api/places?name={wrong}"), 400)["errors"][0]["field"] == "name"


def test_an_import_is_all_or_nothing(client: FlaskClient) -> None:
    _add(client, "Old", 5, 6)
    text = f"{HEADER}A,1,2\nB,95,2\nOld,5,7\n"
    body = _problem(client.post("/api/locations/import", data=text, headers=CSV), 400)
    assert [(error["line"], error["reason"].split(":")[0]) for error in body["errors"]] == [
        (3, "latitude=95.0"),
        (4, "name='Old'"),
    ]
    assert body["detail"].endswith(
        "2 rows are wrong: nothing was changed; skip_bad=1 imports the others; update=1 updates existing locations"
    )
    assert _count() == 1
    done = client.post("/api/locations/import?skip_bad=1&update=1", data=text, headers=CSV)
    summary = done.get_json()
    assert (done.status_code, summary["added"], summary["updated"], summary["bad"]) == (200, 1, 1, 1)
    assert [error["line"] for error in summary["errors"]] == [3]
    again = client.post("/api/locations/import", data=f"{HEADER}A,1,2\n", headers=CSV).get_json()
    assert (again["added"], again["unchanged"], again["bad"]) == (0, 1, 0)
    empty = _problem(client.post("/api/locations/import", data="", headers=CSV), 400)
    assert empty["detail"].startswith("file: the file is empty")


def test_a_file_may_be_larger_than_other_bodies_and_has_a_limit_too(client: FlaskClient) -> None:
    text = HEADER + "".join(f"p{number},{number % 90},{number % 180}.{number}\n" for number in range(10_000))
    assert len(text) > 2 * MAX_BODY_BYTES
    assert client.post("/api/locations/import", data=text, headers=CSV).get_json()["added"] == 10_000
    _problem(client.post("/api/locations/import", data=b"x" * (MAX_IMPORT_BYTES + 1), headers=CSV), 413)
    many = HEADER + "".join(f"p{number},95,5\n" for number in range(5000))
    body = _problem(client.post("/api/locations/import", data=many, headers=CSV), 400)
    assert len(body["errors"]) == 1000
    assert "5000 rows are wrong" in body["detail"]


def test_changes_need_a_token_where_there_are_tokens(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    _add(client, "A")
    monkeypatch.setenv("METEOROGRAPH_API_TOKENS", "token-of-a-test-long-enough")
    _problem(_add(client, "B"), 401)
    _problem(client.patch("/api/locations/A", json={}), 401)
    _problem(client.delete("/api/locations/A"), 401)
    _problem(client.post("/api/locations/import", data=HEADER, headers=CSV), 401)
    assert client.get("/api/locations").status_code == 200
    headers = {"Authorization": "Bearer token-of-a-test-long-enough"}
    assert client.delete("/api/locations/A", headers=headers).status_code == 200
    assert _count() == 0


@ONE_DATABASE
def test_behind_the_real_server(client: FlaskClient) -> None:
    with served(client.application) as address:
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=300)
        text = HEADER + "".join(f"p{number},{number % 90},{number % 180}.{number}\n" for number in range(10_000))
        connection.request("POST", "/api/locations/import", text, CSV)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["added"]) == (200, 10_000)
        connection.request(
            "PATCH", "/api/locations/" + quote("p7", safe=""), '{"state": "paused"}', {"Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["location"]["state"]) == (200, "paused")
        connection.close()


def test_names_that_look_the_same_are_one_location(client: FlaskClient) -> None:
    body = {"name": "Zu\u0308rich\u200b", "latitude": 47.37, "longitude": 8.55}
    assert client.post("/api/locations", json=body).get_json()["location"]["name"] == "Z\u00fcrich"
    assert client.post("/api/locations", json={**body, "name": "Z\u00fcrich"}).status_code == 409
    for name in ("Z\u00fcrich", "Zu\u0308rich", "Z\u00fcrich\u200b"):
        assert client.get(f"/api/locations/{quote(name)}").status_code == 200
        assert client.get(f"/data?location={quote(name)}").status_code == 200
    rows = "name,latitude,longitude\nZu\u0308rich,47.37,8.55\n"
    imported = client.post("/api/locations/import", data=rows.encode(), content_type="text/csv").get_json()
    assert (imported["added"], imported["unchanged"]) == (0, 1)


def test_locations_come_page_by_page(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "CADB":
        _add(client, name, ord(name) - 64, tags=["x"] if name != "B" else [])
    first = client.get("/api/locations?limit=2").get_json()
    second = client.get(f"/api/locations?limit=2&cursor={first['next']}").get_json()
    assert [[place["name"] for place in page["locations"]] for page in (first, second)] == [["A", "B"], ["C", "D"]]
    assert second["next"] is client.get("/api/locations").get_json()["next"] is None
    tagged = client.get("/api/locations?limit=2&tag=x").get_json()
    assert [place["name"] for place in tagged["locations"]] == ["A", "C"]
    assert tagged["next"]
    table = client.get("/api/locations?limit=3&format=csv")
    assert ([line[0] for line in table.text.splitlines()], "cursor=" in table.headers["Link"]) == (["n", "A", "B", "C"], True)
    monkeypatch.setattr(params, "MAX_LIMIT", 2)
    assert [line[0] for line in client.get("/api/locations?format=csv&tag=x").text.splitlines()] == ["n", "A", "C", "D"]
    assert len(client.get("/api/locations?format=geojson").get_json()["features"]) == 4
    problem = _problem(client.get("/api/locations?limit=3"), 400)
    assert problem["errors"] == [{"field": "limit", "value": "3", "allowed": "must be a whole number from 1 to 2"}]


@ONE_DATABASE
def test_an_import_has_a_bound_of_rows_and_of_wrong_rows_that_it_keeps(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = HEADER + "".join(f"place {number},91,1\n" for number in range(file_rows.MAX_BAD_ROWS + 500)) + "good,1,1\n"
    problem = _problem(client.post("/api/locations/import", data=wrong, headers=CSV), 400)
    assert problem["detail"].startswith(f"file: {file_rows.MAX_BAD_ROWS + 500} rows are wrong")
    assert len(problem["errors"]) == file_rows.MAX_BAD_ROWS
    done = client.post("/api/locations/import?skip_bad=1", data=wrong, headers=CSV).get_json()
    assert (done["added"], done["bad"], len(done["errors"])) == (1, file_rows.MAX_BAD_ROWS + 500, file_rows.MAX_BAD_ROWS)
    plan = ImportPlan()
    for _ in range(file_rows.MAX_BAD_ROWS + 500):
        plan.add_bad(file_rows.BadRow(1, "wrong"))
    assert (len(plan.bad), plan.bad_count) == (file_rows.MAX_BAD_ROWS, file_rows.MAX_BAD_ROWS + 500)
    monkeypatch.setattr(files, "MAX_ROWS", 2)
    many = HEADER + "".join(f"place {number},1,1\n" for number in range(3))
    problem = _problem(client.post("/api/locations/import", data=many, headers=CSV), 400)
    assert "the file has more than 2 rows; divide it into several files" in problem["detail"]
    assert _count() == 1
