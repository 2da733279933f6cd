"""Badges, and the files of the pages that browsers keep."""

from __future__ import annotations

import re
from datetime import timedelta
from xml.etree import ElementTree

import pytest
from flask.testing import FlaskClient

from health import add_location
from meteorograph import WeatherData, create_app, get_db_session
from meteorograph.ledger import heartbeat
from meteorograph.model.clock import DrivenClock
from support import NOON

HOUR = timedelta(hours=1)

pytestmark = [
    pytest.mark.usefixtures("database", "collecting"),
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
]


@pytest.fixture
def client(driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    return create_app().test_client()


def _badge(client: FlaskClient, query: str = "") -> tuple[str, str]:
    """Its text, and its colour."""
    response = client.get(f"/badge.svg?{query}")
    assert (response.status_code, response.mimetype) == (200, "image/svg+xml")
    root = ElementTree.fromstring(response.data)  # noqa: S314  # it is our own
    assert (response.headers["Cross-Origin-Resource-Policy"], response.headers["Cache-Control"]) == ("cross-origin", "max-age=60")
    rectangle = root.find("{*}rect")
    assert rectangle is not None
    return root.attrib["aria-label"], rectangle.attrib["fill"]


GOOD, LATE, BAD, UNKNOWN = "#187547", "#8a5a00", "#b3261e", "#566573"


def test_the_badge_of_a_place_says_how_old_its_values_are(client: FlaskClient, driven: DrivenClock) -> None:
    add_location("A & <B>", newest=20 * timedelta(minutes=1), made=10 * HOUR)
    assert _badge(client, "location=A %26 <B>") == ("A & <B>: 20 min old", GOOD)
    driven.advance(5 * HOUR)
    assert _badge(client, "location=A %26 <B>") == ("A & <B>: 5 h old", LATE)
    assert client.get("/badge.svg?location=Nowhere").status_code == 404


def test_the_badge_of_a_temperature_says_its_unit_its_age_and_doubt(client: FlaskClient) -> None:
    add_location("Athens", newest=10 * timedelta(minutes=1), made=10 * HOUR, temperature=20.0)
    assert _badge(client, "location=Athens&show=temperature") == ("Athens: 20.0 °C, 10 min old", GOOD)
    assert _badge(client, "location=Athens&show=temperature&units=imperial") == ("Athens: 68.0 °F, 10 min old", GOOD)
    with get_db_session() as session:
        session.query(WeatherData).one().flags = {"temperature": ["step"]}
    assert _badge(client, "location=Athens&show=temperature") == ("Athens: 20.0 °C, suspect, 10 min old", LATE)
    assert client.get("/badge.svg?show=temperature").status_code == 400


def test_the_badge_of_the_service_is_not_green_without_a_collector(client: FlaskClient, driven: DrivenClock) -> None:
    assert _badge(client) == ("weather: no places", UNKNOWN)
    heartbeat.record_heartbeat(NOON)
    add_location("Athens", newest=timedelta(minutes=1), made=10 * HOUR)
    assert _badge(client) == ("weather: 1 of 1 up to date", GOOD)
    driven.advance(timedelta(minutes=2))
    assert _badge(client) == ("weather: failing", BAD)


def test_files_of_pages_are_kept_until_they_change(client: FlaskClient) -> None:
    page = client.get("/").text
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(addresses) > 3
    for address in addresses:
        assert re.search(r"\?v=[0-9a-f]{16}$", address), address
        with client.get(address) as kept:
            assert kept.headers["Cache-Control"] == "public, max-age=31536000, immutable", address
        with client.get(address[:-1]) as other:
            assert "immutable" not in other.headers["Cache-Control"]
    with client.get("/static/manifest.webmanifest") as manifest:
        assert manifest.get_json(force=True)["start_url"] == "../"
