"""Rows to a real broker, and the locations in Home Assistant's discovery."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from integration.integrations.conftest import HOUR, store_row, waiting
from meteorograph import create_app, get_db_session
from meteorograph.config.loading import get_settings, load_settings, pin_settings
from meteorograph.integrations import channel, mqtt, mqtt_client
from meteorograph.integrations.sender import SENDER
from meteorograph.locations.repository import remove_location
from meteorograph.storage.models import Location
from mosquitto import PASSWORD, Broker, Listener, mosquitto
from support import wait_until

pytestmark = [pytest.mark.usefixtures("locations"), pytest.mark.parametrize("database", ["sqlite"], indirect=True)]


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    """A broker, and the settings to publish to it."""
    monkeypatch.setattr(channel, "_FIRST_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(channel, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(channel, "MAX_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(mqtt, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(mqtt, "MAX_ANNOUNCE_DELAY", 0.1)
    monkeypatch.setattr(mqtt_client, "TIMEOUT_SECONDS", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = int(found.getsockname()[1])
    with mosquitto(tmp_path, port) as broker:
        monkeypatch.setenv("METEOROGRAPH_MQTT_URL", broker.url)
        yield broker
        SENDER.stop()


def _config(listener: Listener, location_id: int) -> Any:
    text = listener.last(f"homeassistant/device/meteorograph_{location_id}/config")
    return json.loads(text) if text else text


def _state(listener: Listener, location_id: int) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(listener.last(f"meteorograph/{location_id}/state") or "{}")
    return state


def _is_announced(listener: Listener, location_id: int = 1) -> bool:
    last = listener.last(f"meteorograph/{location_id}/availability")
    return bool(_config(listener, location_id)) and last == "online" and listener.last("meteorograph/status") == "online"


def test_locations_are_devices_with_fresh_values_and_each_row_arrives(slot: datetime, broker: Broker) -> None:
    store_row(1, slot, 7.5)
    with Listener(broker, "#") as listener:
        SENDER.start(get_settings())
        wait_until(lambda: _is_announced(listener), 20)
        assert _config(listener, 1)["device"]["name"] == "Lucan"
        assert _state(listener, 1)["temperature"] == 7.5, "what was stored before is the state at once"
        assert listener.last("meteorograph/2/availability") == "offline", "without a row of its last slots"
        store_row(1, slot - 30 * HOUR, 1.0)  # healed
        store_row(2, slot, 9.0)
        wait_until(lambda: waiting("mqtt") == 0 and _is_announced(listener, 2), 20)
        rows = [json.loads(payload) for topic, payload in listener.messages if topic.endswith("/rows")]
        assert [(row["location"], row["temperature"]) for row in rows] == [("Lucan", 1.0), ("St. Mary, by the sea", 9.0)]
        assert (_state(listener, 1)["temperature"], _state(listener, 2)["temperature"]) == (7.5, 9.0)
        SENDER.stop()
        wait_until(lambda: listener.last("meteorograph/status") == "offline", 10)


def test_broker_and_home_assistant_may_restart_and_rows_wait(
    slot: datetime, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store_row(1, slot, 7.0)
    SENDER.start(get_settings())
    with Listener(broker, "#") as listener:
        wait_until(lambda: _is_announced(listener), 20)
        count = len(listener.messages)
        listener.publish("homeassistant/status", "online")
        wait_until(lambda: any(topic.endswith("_1/config") for topic, _ in listener.messages[count:]), 10)
        wait_until(lambda: any(topic == "meteorograph/1/state" for topic, _ in listener.messages[count:]), 10)
    broker.stop()  # and loses all that it has retained
    for hours in range(24):
        store_row(1, slot - hours * HOUR, float(hours))
    wait_until(lambda: "cannot send" in caplog.text, 10)
    problems = create_app(load_settings(scheduler_enabled=False)).test_client().get("/health").get_json()["problems"]
    assert any(text.startswith("mqtt has got nothing since ") for text in problems), problems
    broker.start()
    with Listener(broker, "#") as listener:
        wait_until(lambda: _is_announced(listener) and waiting("mqtt") == 0, 20)
        got = {json.loads(payload)["temperature"] for topic, payload in listener.messages if topic.endswith("/rows")}
    with Listener(broker, "meteorograph/#", "homeassistant/device/#") as late:  # only what is retained
        wait_until(lambda: _is_announced(late) and _state(late, 1).get("temperature") == 0.0, 10)
        assert not [topic for topic, _ in late.messages if topic.endswith("/rows")], "no replay of the past"
    assert got <= {float(hours) for hours in range(24)}
    assert caplog.text.count("cannot send") == 1
    assert PASSWORD not in caplog.text + str(problems)


def test_a_removed_location_does_not_come_back(slot: datetime, broker: Broker) -> None:
    with Listener(broker, "#") as listener:
        listener.publish("meteorograph/99/availability", "online", retain=True)  # of a location that was removed meanwhile
        listener.publish("homeassistant/device/meteorograph_99/config", "{}", retain=True)
        store_row(1, slot)
        SENDER.start(get_settings())
        wait_until(lambda: _is_announced(listener), 20)
        wait_until(lambda: listener.last("meteorograph/99/availability") == "", 10)
        with get_db_session() as session:
            remove_location(session, "Oslo", data="delete")
            session.get_one(Location, 2).name = "Cork"
        wait_until(lambda: listener.last("meteorograph/3/availability") == "", 10)
        wait_until(lambda: _config(listener, 2)["device"]["name"] == "Cork", 10)
    with Listener(broker, "#") as late:
        wait_until(lambda: _is_announced(late), 10)
        assert not [topic for topic, _ in late.messages if "/3/" in topic or "99" in topic or "_3/" in topic]


def test_a_refused_password_is_told_and_not_shown(broker: Broker, monkeypatch: pytest.MonkeyPatch, slot: datetime) -> None:
    monkeypatch.setenv("METEOROGRAPH_MQTT_URL", broker.url.replace(PASSWORD, "wrong-secret-pass"))
    SENDER.start(get_settings())
    client = create_app(load_settings(scheduler_enabled=False)).test_client()

    def _problem() -> str:
        found = [text for text in client.get("/health").get_json()["problems"] if text.startswith("mqtt ")]
        return found[0] if found else ""

    wait_until(lambda: _problem().endswith(f"0 rows wait: 127.0.0.1:{broker.port}: Not authorized"), 20)
    pin_settings(None)
    monkeypatch.setenv("METEOROGRAPH_MQTT_URL", broker.url)  # a corrected setting is taken without a restart
    store_row(1, slot)
    wait_until(lambda: not _problem() and waiting("mqtt") == 0, 20)
