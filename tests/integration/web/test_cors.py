"""Pages of other sites: refused, unless a setting names them."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from meteorograph import create_app

pytestmark = [
    pytest.mark.usefixtures("database", "collecting"),
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
]

OURS = "https://weather.example.org"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    monkeypatch.setenv("METEOROGRAPH_CORS_ORIGINS", f"{OURS},http://localhost:3000")
    return create_app().test_client()


@pytest.mark.parametrize("path", ["/data", "/data/latest", "/health", "/api/locations", "/api/nothing"])
def test_a_named_site_may_read(client: FlaskClient, path: str) -> None:
    response = client.get(path, headers={"Origin": OURS})
    assert response.headers["Access-Control-Allow-Origin"] == OURS
    assert "Access-Control-Allow-Credentials" not in response.headers
    assert "Origin" in ", ".join(response.headers.getlist("Vary"))
    assert "X-Request-ID" in response.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", f"{OURS}.evil.example", f"{OURS}:8443", "http://weather.example.org", "null"]
)
def test_another_site_may_not(client: FlaskClient, origin: str) -> None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    for response in (client.get("/data", headers=headers), client.options("/ingest", headers=headers)):
        assert "Access-Control-Allow-Origin" not in response.headers
    assert client.post("/ingest", json={}, headers={"Origin": origin, "Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_a_named_site_may_collect_with_a_token(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_API_TOKENS", "a-token-long-enough")
    headers = {"Origin": OURS, "Sec-Fetch-Site": "cross-site"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type, x-api-key"}
    preflight = client.options("/ingest", headers=headers | asked)
    assert preflight.status_code == 200
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert {"content-type", "x-api-key"} <= set(preflight.headers["Access-Control-Allow-Headers"].lower().split(", "))
    assert client.post("/ingest", json={}, headers=headers).status_code == 401
    assert client.post("/ingest", json={}, headers={**headers, "X-API-Key": "a-token-long-enough"}).status_code == 200


def test_the_token_in_either_header(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALID_API_KEYS", "a-token-long-enough,another-token-long-enough")
    for headers in ({"X-API-Key": "another-token-long-enough"}, {"Authorization": "Bearer a-token-long-enough"}):
        assert client.post("/ingest", headers=headers).status_code == 200
    for headers in ({"X-API-Key": "a-token"}, {"X-API-Key": ""}, {"X-API-Key": "a-tökèn-long-enough"}, {}):
        assert client.post("/ingest", headers=headers).status_code == 401
