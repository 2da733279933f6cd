"""A server whose database is a replica, which takes no writes, shows everything and refuses what would change it."""

from __future__ import annotations

import pytest

import past
from meteorograph import create_app
from meteorograph.storage.engine import ENGINES

PATHS = (
    *(
        "/",
        "/location?name=Athens",
        "/coverage",
        "/runs",
        "/alerts",
        "/jobs",
        "/locations",
        "/settings",
        "/chart.svg?location=Athens",
    ),
    *(
        "/data/latest",
        "/data?limit=2",
        "/data/aggregate?bucket=day",
        "/api/quota",
        "/api/runs",
        "/api/locations",
        "/api/coverage",
    ),
    *("/health", "/readyz", "/livez", "/metrics"),
)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_server_of_a_replica_shows_all_and_changes_nothing(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    past.fill(past.now(), places=2, days=2)
    ENGINES.reset()
    join = "&" if "?" in database else "?"
    monkeypatch.setenv("DATABASE_URL", f"{database}{join}options=-c%20default_transaction_read_only%3Don")
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    client = create_app().test_client()
    assert {path: client.get(path).status_code for path in PATHS} == dict.fromkeys(PATHS, 200)
    refused = client.post("/api/locations", json={"name": "Kiruna", "latitude": 67.86, "longitude": 20.23})
    assert refused.status_code == 503
    assert "Kiruna" not in client.get("/api/locations").text
