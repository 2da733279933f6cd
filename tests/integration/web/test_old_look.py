"""With many locations a page shows the last look at the database, and says how old it is; the start makes the first one."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from meteorograph import create_app, get_db_session
from meteorograph.config.loading import load_settings
from meteorograph.ledger import heartbeat
from meteorograph.model.clock import DrivenClock
from meteorograph.storage.models import Location, Missed
from meteorograph.web import database_look
from meteorograph.web.warm_up import warm_up
from pages import add, page
from support import NOON

pytestmark = [
    pytest.mark.usefixtures("database", "driven"),
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setattr(database_look, "_MANY", 0)
    database_look._LOOK.reset()
    return create_app(load_settings(scheduler_enabled=False)).test_client()


def _make_older(seconds: float) -> None:
    last = database_look._LOOK._last
    assert last is not None
    database_look._LOOK._last = last[0], time.monotonic() - seconds


def test_an_older_state_says_its_age_and_a_much_older_one_is_not_shown(client: FlaskClient) -> None:
    heartbeat.record_heartbeat(NOON)
    add("Athens", {"temperature": 1.0})
    assert "1 place is up to date." in page(client, "/").text
    assert "As of" not in page(client, "/").text
    add("Oslo", {"temperature": 2.0})
    _make_older(150)
    shown = page(client, "/").text
    assert "1 place is up to date." in shown
    assert 'As of <time datetime="2026-' in shown
    assert "2 min ago</time>." in shown
    assert "Oslo" in shown, "the rows are those of now"
    database_look._LOOK.get(30)
    assert client.get("/map.json").get_json()["seen_at"] is None
    _make_older(150)
    assert client.get("/map.json").get_json()["seen_at"].startswith("2026-")
    database_look._LOOK.get(30)
    _make_older(601)
    shown = page(client, "/").text
    assert "All 2 places are up to date." in shown
    assert "As of" not in shown


def test_a_database_that_has_gone_is_seen_although_the_last_look_is_recent(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("Athens", {"temperature": 1.0})
    page(client, "/")
    assert database_look._LOOK._last is not None
    monkeypatch.setattr("meteorograph.web.database_look._is_of_many", lambda _: True)
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:9/x")
    other = create_app(load_settings(scheduler_enabled=False)).test_client()
    for path in ("/", "/?view=map"):
        assert "The database does not answer" in page(other, path).text


def test_missed_slots_are_those_of_the_look(client: FlaskClient, driven: DrivenClock) -> None:
    add("Athens", {"temperature": 1.0})
    with get_db_session() as session:
        place = session.query(Location).one()
        for back in (2, 3, 30):
            session.add(Missed(location_id=place.id, due_at=NOON - timedelta(hours=back), reason="down", closed_at=NOON))
    shown = page(client, "/").text
    assert "<dd>2<small>slots" in shown
    # /health says the same number, although no history has these slots.
    assert "2 slots of the last 24 hours were missed: down 2" in client.get("/health").get_json()["problems"]


def test_the_start_makes_the_first_look_and_the_first_page(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    add("Athens", {"temperature": 1.0})
    app = client.application
    database_look._LOOK.reset()
    warm_up(app)
    deadline = time.monotonic() + 30
    while database_look._LOOK._last is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert database_look._LOOK._last is not None
    assert app.jinja_env.cache is not None
    assert any("overview.html" in key for _, key in app.jinja_env.cache)
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:9/x")
    warm_up(create_app(load_settings(scheduler_enabled=False)))  # raises nothing
