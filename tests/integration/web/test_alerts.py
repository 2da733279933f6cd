"""``/api/alerts`` and the page ``/alerts``: rules, incidents, channels; no answer shows an address."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from meteorograph import create_app, get_db_session
from meteorograph.alerts.service import evaluate_rules
from meteorograph.config.loading import get_settings, load_settings
from meteorograph.model.clock import DrivenClock
from meteorograph.storage.models import Incident, Location
from pages import Page, add, page
from receivers import HttpReceiver, http_receiver
from support import NOON

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

SECRET = "topic-nobody-may-see"
WHSEC = "whsec_" + base64.b64encode(b"a secret of twenty-four bytes").decode()


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpReceiver]:
    with http_receiver() as running:
        address = f"127.0.0.1:{running.port}"
        monkeypatch.setenv("METEOROGRAPH_ALERT_CHANNELS", f"phone=json://{address}/{SECRET}")
        monkeypatch.setenv("METEOROGRAPH_WEBHOOKS", f"log=http://{address}/{SECRET}/hook")
        monkeypatch.setenv("METEOROGRAPH_WEBHOOK_SECRETS", f"log={WHSEC}")
        yield running


@pytest.fixture
def client(database: str, receiver: HttpReceiver, driven: DrivenClock) -> FlaskClient:
    return create_app(load_settings(scheduler_enabled=False)).test_client()


def test_a_rule_from_its_birth_to_its_end(client: FlaskClient) -> None:
    add("Oslo", {"temperature": -5.0, "observed_at": NOON}, tags=["north"])
    rule = {"name": "frost / north", "kind": "frost", "limit": -1, "tag": "north", "hold": "0s", "repeat": "6h"}
    response = client.post("/api/alerts", json=rule)
    assert (response.status_code, response.headers["Location"]) == (201, "/api/alerts/frost%20/%20north")
    assert client.post("/api/alerts", json=rule).status_code == 409
    evaluate_rules(get_settings(), NOON)
    [listed] = client.get("/api/alerts").get_json()["rules"]
    assert (listed["condition"], listed["open_incidents"], listed["firing"]) == ("temperature of -1 °C or less", 1, 1)
    [incident] = client.get("/api/alerts/incidents?state=open").get_json()["data"]
    assert (incident["subjects"], incident["detail"]) == (["Oslo"], "-5.0 °C at 2026-03-01 12:00 UTC")
    assert [(one["channel"], one["state"]) for one in incident["deliveries"]] == [("phone", "waiting"), ("log", "waiting")]
    silenced = client.post("/api/alerts/silence/frost / north", json={"until": "2h"}).get_json()
    assert silenced["rule"]["silenced_until"] == "2026-03-01T14:00:00+00:00"
    shown = page(client, "/alerts")
    assert ["frost / north", "firing silent until 14:00 UTC"] == [cell.strip() for cell in shown.rows[1][:2]]
    assert shown.runs() == []
    assert 'meteorograph_alert_incidents_open{kind="frost",rule="frost / north"} 1.0' in client.get("/metrics").text
    assert client.delete("/api/alerts/frost / north").status_code == 200
    assert client.delete("/api/alerts/frost / north").status_code == 404
    assert [one["state"] for one in client.get("/api/alerts/incidents").get_json()["data"]] == ["resolved"]
    texts = [client.get(path).text for path in ("/api/alerts", "/api/alerts/incidents", "/alerts", "/health", "/metrics")]
    assert not [text for text in texts if SECRET in text or WHSEC[6:] in text]


def test_times_and_values_are_in_the_zone_and_the_units_of_the_reader(client: FlaskClient) -> None:
    add("Oslo", {"temperature": -5.0, "observed_at": NOON})
    for name, more in {"frost": {"kind": "frost", "limit": -1}, "rain": {"kind": "rain", "limit": 25.4, "hours": 24}}.items():
        assert client.post("/api/alerts", json={"name": name, "hold": "0s", **more}).status_code == 201
    evaluate_rules(get_settings(), NOON)
    with get_db_session() as session:
        session.add(_incident("gaps", cause="provider_error: weatherstack: HTTP 500", detail=""))
        session.add(_incident("wet", cause="", detail="12.7 mm from 2026-02-28 23:30 to 2026-03-01 11:30 UTC"))
        session.add(_incident("falls", cause="", detail="from 1010.0 to 1000.0 hPa between 09:00 and 12:00 UTC"))
    shown = page(client, "/alerts?units=imperial&zone=America/New_York")
    rules, incidents = _tables(shown)
    assert rules["frost"][2] == "temperature of 30.2 °F or less"
    assert rules["rain"][2] == "1.00 in of precipitation or more in 24 h"
    assert rules["frost"][5] == "2026-03-01 07:00"
    assert incidents["frost"][0] == "2026-03-01 07:00"
    assert incidents["frost"][4] == "23.0 °F at 2026-03-01 07:00 EST"
    assert incidents["wet"][4] == "0.50 in from 2026-02-28 18:30 to 2026-03-01 06:30 EST"
    assert incidents["falls"][4] == "from 29.83 to 29.53 inHg between 09:00 and 12:00 UTC"
    assert incidents["gaps"][4] == "the provider failed: weatherstack: HTTP 500"
    rules, incidents = _tables(page(client, "/alerts?units=metric&zone=place"))
    assert rules["frost"][2] == "temperature of -1 °C or less"
    assert incidents["wet"][4] == "12.7 mm from 2026-02-28 23:30 to 2026-03-01 11:30 UTC"


def _incident(rule: str, **texts: str) -> Incident:
    times = {"began_at": NOON, "opened_at": NOON, "resolved_at": NOON}
    return Incident(rule=rule, kind="rain", state="resolved", subjects=["Oslo"], subject_count=1, **times, **texts)


def _tables(shown: Page) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The rows of the rules, and those of the incidents, by the name of their rule."""
    rows = [[cell.strip() for cell in row] for row in shown.rows]
    return {row[0]: row for row in rows if len(row) == 7}, {row[2]: row for row in rows if len(row) == 6}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "snow"}, "kind"),
        ({"kind": "wind"}, "limit"),
        ({"limit": "cold"}, "options"),
        ({"limit": 999}, "limit"),
        ({"clear_limit": -3}, "clear_limit"),
        ({"hours": 3}, "hours"),
        ({"kind": "rain", "limit": 5, "hours": 2}, "hours"),
        ({"hold": "soon"}, "hold"),
        ({"repeat": "10s"}, "repeat"),
        ({"quiet": "night"}, "quiet"),
        ({"zone": "Mars"}, "zone"),
        ({"channels": ["fax"]}, "channels"),
        ({"locations": ["Atlantis"]}, "locations"),
        ({"locations": ["a\0"]}, "locations"),
        ({"kind": "clock", "tag": "x"}, "tag"),
        ({"colour": "red"}, "options"),
        ({"name": ""}, "name"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_field(client: FlaskClient, change: dict[str, object], field: str) -> None:
    response = client.post("/api/alerts", json={"name": "mine", "kind": "frost", **change})
    assert response.status_code == 400
    assert field in [error["field"] for error in response.get_json()["errors"]], response.text


def test_the_test_of_a_channel_says_what_came_of_it(client: FlaskClient, receiver: HttpReceiver) -> None:
    assert client.post("/api/alerts/test", json={"channel": "phone"}).get_json()["accepted"] is True
    assert receiver.posts[0].json["title"] == "Meteorograph: test of this channel"
    assert client.post("/api/alerts/test", json={"channel": "log"}).get_json()["error"] is None
    receiver.status = 500
    failed = client.post("/api/alerts/test", json={"channel": "phone"}).get_json()
    assert (failed["accepted"], SECRET in failed["error"]) == (False, False)
    assert client.post("/api/alerts/test", json={"channel": "fax"}).status_code == 400


def test_changes_need_a_token_of_the_scope_admin(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_API_TOKENS", "sixteen-letters-and-more")
    application = create_app(load_settings(scheduler_enabled=False)).test_client()
    for method, path in (("POST", ""), ("DELETE", "/x"), ("POST", "/silence/x"), ("POST", "/test")):
        assert application.open(f"/api/alerts{path}", method=method, json={}).status_code == 401, path


def test_a_renamed_place_is_named_as_the_fault_of_its_rule(client: FlaskClient) -> None:
    add("Oslo")
    client.post("/api/alerts", json={"name": "mine", "kind": "frost", "locations": ["Oslo"]})
    with get_db_session() as session:
        session.query(Location).update({"name": "Bergen"})
    evaluate_rules(get_settings(), NOON)
    assert client.get("/api/alerts").get_json()["rules"][0]["failure"] == "no location is named 'Oslo'"


def test_a_rule_whose_tag_no_place_has_is_not_called_well(client: FlaskClient) -> None:
    add("Oslo", tags=["valley"], state="paused")
    for tag in ("valley", "vally"):
        client.post("/api/alerts", json={"name": tag, "kind": "frost", "tag": tag})
    evaluate_rules(get_settings(), NOON)
    failures = [rule["failure"] for rule in client.get("/api/alerts").get_json()["rules"]]
    assert failures == [None, "no location has the tag 'vally'"]
