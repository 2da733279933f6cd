"""``/ingest`` over HTTP: what is taken, what is refused with which words, and what a provider's failure becomes."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
import waitress.server
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from meteorograph import WeatherData, create_app, get_db_session
from meteorograph.config.settings import MAX_BODY_BYTES
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Location
from meteorograph.web import ingest
from support import KEY, NOON, RAIN_KEY, served, wait_until

pytestmark = pytest.mark.usefixtures("database", "driven")

#: For tests of what comes before any database.
ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

JSON = "application/json"


@pytest.fixture
def client(collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    return create_app().test_client()


def _stored() -> Sequence[WeatherData]:
    with get_db_session(read_only=True) as session:
        return session.scalars(select(WeatherData)).all()


def _names() -> list[str]:
    with get_db_session(read_only=True) as session:
        return sorted(session.scalars(select(Location.name)))


def _problem(response: TestResponse, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    body: dict[str, Any] = json.loads(response.text, parse_constant=lambda text: pytest.fail(f"{text} is not JSON"))
    assert (body["status"], body["request_id"]) == (status, response.headers["X-Request-ID"])
    assert body["title"]
    return body


def test_a_point_is_collected_and_stored(client: FlaskClient, collecting: Simulator) -> None:
    response = client.post("/ingest", json={"lat": 53.35, "lon": -6.26})
    body = response.get_json()
    assert response.status_code == 200
    assert set(body) == {"message", "data", "request_id"}
    assert body["request_id"] == response.headers["X-Request-ID"]
    data, truth = body["data"], collecting.truth(53.35, -6.26, NOON)
    assert data["temperature"] == pytest.approx(truth["temperature"], abs=0.01)
    assert data["humidity"] == pytest.approx(truth["humidity"], abs=0.5)
    assert data["timestamp"] == "2026-03-01T12:00:00+00:00"
    [row] = _stored()
    assert (row.temperature, row.precipitation) == (data["temperature"], data["precipitation"])


@pytest.mark.parametrize(
    ("body", "point"),
    [
        ("{}", (51.5074, -0.1278)),
        ('{"lat": null, "lon": null}', (51.5074, -0.1278)),
        ('{"lat": 48, "lon": 2}', (48, 2)),
        ('{"lat": -90, "lon": 180}', (-90, 180)),
        ('{"lat": 4.8e1, "lon": -0.0}', (48, 0)),
    ],
)
def test_what_is_taken(client: FlaskClient, body: str, point: tuple[float, float]) -> None:
    response = client.post("/ingest", data=body, content_type=JSON)
    assert response.status_code == 200, response.text
    data = response.get_json()["data"]
    assert (data["latitude"], data["longitude"]) == point
    assert len(_stored()) == 1


@ONE_DATABASE
@pytest.mark.parametrize("content_type", [JSON, "application/json; charset=utf-8", "application/ld+json"])
def test_content_types_of_json(client: FlaskClient, content_type: str) -> None:
    assert client.post("/ingest", data='{"lat": 1, "lon": 2}', content_type=content_type).status_code == 200


NUMBER_90 = "must be a number from -90 to 90"
NUMBER_180 = "must be a number from -180 to 180"
OBJECT = 'must be a JSON object such as {"lat": 51.5, "lon": -0.13}'
ANY_JSON = 'must be JSON such as {"lat": 51.5, "lon": -0.13}'
MISSING = ", because the other coordinate is given"


@ONE_DATABASE
@pytest.mark.parametrize(
    ("body", "field", "value", "allowed"),
    [
        ("", "body", "", ANY_JSON),
        ("{", "body", "{", ANY_JSON),
        ("lat=1", "body", "lat=1", ANY_JSON),
        (b"\xff\xfe\x00", "body", "��\0", ANY_JSON),
        ("[" * 20_000, "body", "[" * 200 + "…", ANY_JSON),
        ("1" * 5000, "body", "1" * 200 + "…", ANY_JSON),
        ("[]", "body", "[…]", OBJECT),
        ('["lat", "lon"]', "body", "[…]", OBJECT),
        ("null", "body", None, OBJECT),
        ("3", "body", 3, OBJECT),
        ("NaN", "body", "nan", OBJECT),
        ('"lat"', "body", "lat", OBJECT),
        ('{"lat": "51.5", "lon": 0}', "lat", "51.5", NUMBER_90),
        ('{"lat": 51.5, "lon": "0"}', "lon", "0", NUMBER_180),
        ('{"lat": true, "lon": 0}', "lat", True, NUMBER_90),
        ('{"lat": 0, "lon": false}', "lon", False, NUMBER_180),
        ('{"lat": [51.5], "lon": 0}', "lat", "[…]", NUMBER_90),
        ('{"lat": {"deg": 51.5}, "lon": 0}', "lat", "{…}", NUMBER_90),
        ('{"lat": 51.5}', "lon", None, NUMBER_180 + MISSING),
        ('{"lon": 0}', "lat", None, NUMBER_90 + MISSING),
        ('{"lat": null, "lon": 0}', "lat", None, NUMBER_90 + MISSING),
        ('{"lat": 90.0001, "lon": 0}', "lat", 90.0001, NUMBER_90),
        ('{"lat": 0, "lon": -181}', "lon", -181, NUMBER_180),
        ('{"lat": NaN, "lon": 0}', "lat", "nan", NUMBER_90),
        ('{"lat": 0, "lon": Infinity}', "lon", "inf", NUMBER_180),
        ('{"lat": 0, "lon": -Infinity}', "lon", "-inf", NUMBER_180),
        ('{"lat": 1e999, "lon": 0}', "lat", "inf", NUMBER_90),
        ('{"lat": 1' + "0" * 400 + ', "lon": 0}', "lat", "a number of 401 digits", NUMBER_90),
        ('{"lat": 0, "lon": -1' + "0" * 4000 + "}", "lon", "a number of 4002 digits", NUMBER_180),
        ('{"lat": 51.5, "lon": 0, "units": "K"}', "units", "K", "is unknown; use lat and lon"),
        ('{"latitude": 51.5, "longitude": 0}', "latitude", 51.5, "is unknown; use lat and lon"),
        ('{"' + "x" * 1000 + '": 1}', "x" * 200 + "…", 1, "is unknown; use lat and lon"),
        ('{"lat": ' + "[" * 900 + "]" * 900 + ', "lon": 0}', "lat", "[…]", NUMBER_90),
        ('{"lat": "\\ud800", "lon": 0}', "lat", "\ud800", NUMBER_90),
    ],
    ids=lambda value: str(value)[:30].encode("unicode_escape").decode() if isinstance(value, str | bytes) else None,
)
def test_what_is_refused_names_field_value_and_what_is_allowed(
    client: FlaskClient, collecting: Simulator, body: str | bytes, field: str, value: object, allowed: str
) -> None:
    response = client.post("/ingest", data=body, content_type=JSON)
    problem = _problem(response, 400)
    assert problem["errors"] == [{"field": field, "value": value, "allowed": allowed}]
    assert problem["detail"] == f"{field}: {allowed}"
    assert len(response.data) < 2000
    assert collecting.count() == 0
    assert _names() == []


@ONE_DATABASE
@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_body_that_another_sites_page_could_send_is_refused(
    client: FlaskClient, collecting: Simulator, content_type: str | None
) -> None:
    response = client.post("/ingest", data='{"lat": 1, "lon": 2}', content_type=content_type)
    assert "application/json" in _problem(response, 415)["detail"]
    assert collecting.count() == 0


@ONE_DATABASE
@pytest.mark.parametrize("how", [{}, {"json": {}}, {"data": "", "content_type": "application/x-www-form-urlencoded"}])
def test_without_a_body_it_is_the_default_location_under_its_name(
    client: FlaskClient, collecting: Simulator, how: dict[str, Any]
) -> None:
    response = client.post("/ingest", **how)
    assert response.status_code == 200, response.text
    assert response.get_json()["data"]["location"] == "London"
    assert collecting.count("openweathermap") == 1
    assert _names() == ["London"]


@ONE_DATABASE
def test_a_name_that_another_place_has_is_not_given_to_the_default_location(client: FlaskClient) -> None:
    client.post("/api/locations", json={"name": "London", "latitude": 42.98, "longitude": -81.25})
    assert client.post("/ingest").get_json()["data"]["location"] == "51.5074,-0.1278"


@ONE_DATABASE
@pytest.mark.parametrize(
    ("latitude", "longitude", "is_same"),
    [
        (53.3500, -6.2600, True),
        (53.3508, -6.2600, True),
        (53.3510, -6.2600, False),
        (53.3500, -6.2614, True),
        (53.35, -6.263, False),
    ],
)
def test_a_point_within_100_m_is_the_location(
    client: FlaskClient, collecting: Simulator, latitude: float, longitude: float, is_same: bool
) -> None:
    client.post("/api/locations", json={"name": "Dublin", "latitude": 53.35, "longitude": -6.26})
    data = client.post("/ingest", json={"lat": latitude, "lon": longitude}).get_json()["data"]
    assert (data["location"] == "Dublin") == is_same
    assert (data["latitude"], data["longitude"]) == ((53.35, -6.26) if is_same else (latitude, longitude))
    assert data["temperature"] == pytest.approx(
        collecting.truth(data["latitude"], data["longitude"], NOON)["temperature"], abs=0.01
    )


@ONE_DATABASE
def test_the_nearest_of_several_locations_is_taken(client: FlaskClient) -> None:
    for name, latitude in (("far", 10.0008), ("near", 10.0002), ("other", 10.0006)):
        client.post("/api/locations", json={"name": name, "latitude": latitude, "longitude": 20.0})
    assert client.post("/ingest", json={"lat": 10.0, "lon": 20.0}).get_json()["data"]["location"] == "near"


@ONE_DATABASE
def test_a_body_over_the_limit_is_refused(client: FlaskClient, collecting: Simulator) -> None:
    fits = b'{"lat": 1, "lon": 2' + b" " * (MAX_BODY_BYTES - 20) + b"}"
    assert client.post("/ingest", data=fits, content_type=JSON).status_code == 200
    _problem(client.post("/ingest", data=fits + b" ", content_type=JSON), 413)
    assert collecting.count("openweathermap") == 1


@ONE_DATABASE
def test_the_usage(client: FlaskClient, collecting: Simulator) -> None:
    body = client.get("/ingest").get_json()
    assert "POST /ingest" in body["usage"]
    assert body["default"] == {"lat": 51.5074, "lon": -0.1278}
    assert collecting.count() == 0


@ONE_DATABASE
@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer wrong-token-0123", "Basic Zmlyc3Q6dG9rZW4=", "first-token-0123", "Bearer \xff\xfe"]
)
def test_with_tokens_set_none_else_is_let_in(
    client: FlaskClient, collecting: Simulator, monkeypatch: pytest.MonkeyPatch, header: str | None
) -> None:
    monkeypatch.setenv("METEOROGRAPH_API_TOKENS", "first-token-0123,second-token-0123")
    response = client.post("/ingest", json={}, headers={} if header is None else {"Authorization": header})
    problem = _problem(response, 401)
    assert response.headers["WWW-Authenticate"] == "Bearer realm=meteorograph"
    assert "METEOROGRAPH_API_TOKENS" in problem["detail"]
    assert "token-0123" not in response.text
    assert collecting.count() == 0


@pytest.mark.parametrize("header", ["Bearer first-token-0123", "bearer second-token-0123"])
def test_either_token_lets_in(client: FlaskClient, monkeypatch: pytest.MonkeyPatch, header: str) -> None:
    monkeypatch.setenv("METEOROGRAPH_API_TOKENS", "first-token-0123,second-token-0123")
    assert client.post("/ingest", json={}, headers={"Authorization": header}).status_code == 200
    assert client.get("/data").status_code == client.get("/ingest").status_code == 200


def test_without_a_key_it_says_how_to_set_one(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OWM_API_KEY")
    assert "OWM_API_KEY" in _problem(client.post("/ingest", json={}), 503)["detail"]
    assert _names() == []


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        ("kind=status code=401", 502, "Invalid API key"),
        ("kind=status code=429", 503, "temporary blocked"),
        ("kind=status code=500", 502, "500"),
        ("kind=reset", 502, "127.0.0.1"),
        ("kind=timeout", 504, "in time"),
        ("kind=truncated", 502, "unexpected body"),
        ("kind=types", 502, "unexpected body"),
        ("kind=html", 502, "HTML"),
        ("kind=empty", 502, "empty"),
        ("kind=huge mb=10", 502, "longer than"),
    ],
)
def test_a_providers_failure_is_told_as_one(
    client: FlaskClient, collecting: Simulator, monkeypatch: pytest.MonkeyPatch, fault: str, status: int, said: str
) -> None:
    if status == 504:  # for the others a busy machine may need longer
        monkeypatch.setenv("METEOROGRAPH_HTTP_TIMEOUT_SECONDS", "0.3")
    collecting.set_faults(f"{fault} provider=openweathermap")
    response = client.post("/ingest", json={"lat": 53.35, "lon": -6.26})
    problem = _problem(response, status)
    assert problem["detail"].startswith("openweathermap: ")
    assert said in problem["detail"]
    assert ("Retry-After" in response.headers) == (status == 503)
    assert KEY not in response.text
    assert RAIN_KEY not in response.text
    assert _stored() == []
    assert _names() == []


def test_a_quota_that_is_used_up_says_when_to_come_back(client: FlaskClient, collecting: Simulator) -> None:
    collecting.set_faults("kind=status code=429 provider=openweathermap retry_after=120")
    response = client.post("/ingest", json={})
    assert response.headers["Retry-After"] == "120"
    assert _problem(response, 503)["retry_at"] == "2026-03-01T12:02:00+00:00"


@pytest.mark.parametrize("fault", ["kind=reset", "kind=status code=503"])
def test_a_failure_that_can_heal_is_tried_again(client: FlaskClient, collecting: Simulator, fault: str) -> None:
    collecting.set_faults(f"{fault} provider=openweathermap count=2")
    assert client.post("/ingest", json={}).status_code == 200
    assert collecting.count("openweathermap") == 3
    collecting.set_faults(f"{fault} provider=openweathermap count=3")
    assert client.post("/ingest", json={}).status_code == 502
    assert collecting.count("openweathermap") == 6
    assert client.post("/ingest", json={}).status_code == 200


@ONE_DATABASE
@pytest.mark.parametrize("fault", ["kind=status code=401", "kind=html", "kind=status code=503 retry_after=60"])
def test_a_failure_that_cannot_heal_at_once_is_not_tried_again(client: FlaskClient, collecting: Simulator, fault: str) -> None:
    collecting.set_faults(f"{fault} provider=openweathermap")
    assert client.post("/ingest", json={}).status_code in (502, 503)
    assert collecting.count("openweathermap") == 1


def _post(url: str, body: dict[str, float]) -> tuple[int, dict[str, Any]]:
    """Post, and again as long as the server has no thread for it."""
    while (answer := _post_once(url, body))[0] == 503:
        time.sleep(0.1)
    return answer


def _post_once(url: str, body: dict[str, float]) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        connection.request("POST", "/ingest", json.dumps(body), {"Content-Type": JSON, "Connection": "close"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_many_at_once_lose_nothing_and_mix_nothing_up(client: FlaskClient, collecting: Simulator) -> None:
    points = [{"lat": float(lat), "lon": 10.5} for lat in range(40, 48)]
    with served(client.application) as url, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda point: _post(url, point), points))
    assert [status for status, _ in answers] == [200] * 8
    assert [body["data"]["latitude"] for _, body in answers] == [point["lat"] for point in points]
    for point, (_, body) in zip(points, answers, strict=True):
        assert body["data"]["temperature"] == pytest.approx(collecting.truth(point["lat"], 10.5, NOON)["temperature"], abs=0.01)
    assert len({body["request_id"] for _, body in answers}) == len(_stored()) == len(_names()) == 8


def test_the_same_point_at_once_is_one_location_and_one_row(client: FlaskClient) -> None:
    with served(client.application) as url, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: _post(url, {"lat": 53.35, "lon": -6.26}), range(8)))
    assert [status for status, _ in answers] == [200] * 8
    assert _names() == ["53.35,-6.26"]
    assert len(_stored()) == 1


def test_a_provider_that_is_slow_keeps_no_other_request_waiting(client: FlaskClient, collecting: Simulator) -> None:
    """With any server: a request that gets no turn within a second is refused."""
    collecting.set_faults("kind=latency ms=60000")
    server = waitress.server.create_server(client.application, host="127.0.0.1", port=0, threads=8, ident=None)
    threading.Thread(target=server.run, daemon=True).start()
    url = f"http://127.0.0.1:{server.effective_port}"
    with ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(_post_once, url, {"lat": float(number), "lon": 1.5}) for number in range(12)]
        wait_until(lambda: sum(one.done() for one in waiting) == 12 - ingest.MAX_AT_ONCE, 30, "the refusals")
        refused = [one.result() for one in waiting if one.done()]
        collecting.set_faults("")
        server.task_dispatcher.shutdown()
        server.trigger.pull_trigger(server.close)
    assert {status for status, _ in refused} == {503}
    assert "Try again later" in refused[0][1]["detail"]
