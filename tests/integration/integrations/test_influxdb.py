"""Rows to a receiver that speaks InfluxDB's HTTP interface, and to a file for Telegraf."""

from __future__ import annotations

import logging
import socket
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from line_protocol_parser import parse_line
from sqlalchemy.orm import Session

from integration.integrations.conftest import HOUR, InfluxServer, served, store_row, waiting
from meteorograph import create_app, get_db_session, scheduler
from meteorograph.config.loading import get_settings, load_settings
from meteorograph.errors import ConfigurationError, StoreError
from meteorograph.integrations import channel, influxdb_file
from meteorograph.integrations.sender import SENDER
from meteorograph.model import clock
from meteorograph.storage import outbox
from meteorograph.storage.leases import take_lease
from meteorograph.storage.models import Lease
from meteorograph.storage.outbox import delete_entries
from support import wait_until

TOKEN = "influx-token-0123456789abcdef"


@pytest.fixture(autouse=True)
def _sender(locations: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(channel, "_FIRST_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(channel, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(channel, "MAX_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(channel, "_LOOK_SECONDS", 0.1)
    yield
    SENDER.stop()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _start(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Send to a server that may not be there yet, and wait until rows are noted for it."""
    monkeypatch.setenv("METEOROGRAPH_INFLUXDB_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("METEOROGRAPH_INFLUXDB_ORG", "home")
    monkeypatch.setenv("METEOROGRAPH_INFLUXDB_TOKEN", TOKEN)
    SENDER.start(get_settings())
    wait_until(_is_set_up, 10)


def _is_set_up() -> bool:
    with get_db_session(read_only=True) as session:
        return bool(outbox.read_states(session))


def _health() -> tuple[dict[str, Any], str, FlaskClient]:
    client = create_app(load_settings(scheduler_enabled=False)).test_client()
    return client.get("/health").get_json(), client.get("/metrics").get_data(as_text=True), client


def test_a_receiver_that_was_away_gets_everything_once_and_corrections_too(
    slot: datetime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    port = _free_port()
    _start(monkeypatch, port)
    for hours in range(24):
        store_row(1, slot - (24 - hours) * HOUR, float(hours))
    wait_until(lambda: len(_failures(caplog)) == 1, 10)
    report, metrics, _ = _health()
    assert report["integrations"]["influxdb"]["waiting"] == 24
    problem = next(text for text in report["problems"] if text.startswith("influxdb has got nothing since "))
    assert problem.endswith(f", 24 rows wait: 127.0.0.1:{port}: Connection refused")
    assert 'meteorograph_integration_up{integration="influxdb"} 0.0' in metrics
    server = InfluxServer()
    with served(server, port):
        wait_until(lambda: waiting("influxdb") == 0, 10)
        store_row(1, slot - HOUR, 99.0)
        store_row(2, slot - 300 * HOUR)
        wait_until(lambda: len(server.points) == 26, 10)
        wait_until(lambda: waiting("influxdb") == 0, 10)
    expected = {("Lucan", int((slot - (24 - hours) * HOUR).timestamp())): float(hours) for hours in range(23)}
    expected[("Lucan", int((slot - HOUR).timestamp()))] = 99.0
    expected[("St. Mary, by the sea", int((slot - 300 * HOUR).timestamp()))] = 8.0
    assert server.values() == expected
    assert set(server.requests) == {("/api/v2/write?bucket=meteorograph&precision=ns&org=home", f"Token {TOKEN}")}
    assert len(_failures(caplog)) == 1, "a failure is logged once per state"
    report, metrics, _ = _health()
    assert report["integrations"]["influxdb"] | {"failures": 0} == {
        "waiting": 0, "sent": 26, "refused": 0, "failures": 0, "failing_since": None, "reason": None,
    }  # fmt: skip
    assert 'meteorograph_integration_rows_total{integration="influxdb",outcome="sent"} 26.0' in metrics
    assert TOKEN not in caplog.text + str(report) + metrics


def _failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if "cannot send" in record.getMessage()]


def test_a_refused_row_is_counted_and_shown_and_does_not_hold_the_others(slot: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    server = InfluxServer()
    server.refused = "Oslo"
    with served(server) as port:
        _start(monkeypatch, port)
        for number in range(9):
            store_row(1 + number % 3, slot - number * HOUR)
        wait_until(lambda: waiting("influxdb") == 0, 10)
    assert {place for place, _ in server.values()} == {"Lucan", "St. Mary, by the sea"}
    assert len(server.values()) == 6
    report, _, _ = _health()
    assert (report["integrations"]["influxdb"]["sent"], report["integrations"]["influxdb"]["refused"]) == (6, 3)
    assert "influxdb has refused 3 rows, the last one with 400: partial write: field type conflict" in report["problems"], report[
        "problems"
    ]


def test_a_row_whose_arrival_is_not_recorded_comes_again(slot: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after the end of a process between the two."""
    tries = Counter[str]()

    def _delete(session: Session, ids: Sequence[int]) -> None:
        tries["deleted"] += 1
        if tries["deleted"] == 1:
            raise StoreError("the database is gone")
        delete_entries(session, ids)

    monkeypatch.setattr(outbox, "delete_entries", _delete)
    server = InfluxServer()
    with served(server) as port:
        _start(monkeypatch, port)
        store_row(1, slot)
        wait_until(lambda: waiting("influxdb") == 0, 10)
    assert len(server.points) == 2
    assert len(server.values()) == 1


@pytest.mark.parametrize("status", [401, 404, 429, 500])
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_answer_that_is_not_about_the_rows_keeps_them(status: int, slot: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    server = InfluxServer()
    server.status = status
    with served(server) as port:
        _start(monkeypatch, port)
        store_row(1, slot)
        wait_until(lambda: len(server.requests) > 2, 10)
        assert waiting("influxdb") == 1
        wait_until(lambda: f"answers {status}: not now" in str(_health()[0]["problems"]), 10)
        server.status = 204
        wait_until(lambda: waiting("influxdb") == 0, 10)
    assert len(server.points) == 1


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_file_has_whole_lines_and_is_set_aside_when_it_is_long(
    slot: datetime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "out" / "weather.lp"
    monkeypatch.setenv("METEOROGRAPH_INFLUXDB_FILE", str(path))
    path.parent.mkdir()
    path.write_text("weather,location=Luc")  # cut by a crash
    SENDER.start(get_settings())
    wait_until(_is_set_up, 10)
    store_row(2, slot, 4.0)
    wait_until(lambda: path.read_text().endswith("\n"), 10)
    cut, line = path.read_text().splitlines()
    assert cut == "weather,location=Luc"
    assert parse_line(line)["fields"]["temperature"] == 4.0
    wait_until(lambda: waiting("influxdb_file") == 0, 10)
    monkeypatch.setattr(influxdb_file, "MAX_BYTES", 10)
    store_row(2, slot, 5.0)
    wait_until(lambda: waiting("influxdb_file") == 0, 10)
    assert [parse_line(line)["fields"]["temperature"] for line in path.read_text().splitlines()] == [5.0]
    assert Path(f"{path}.1").read_text().splitlines() == [cut, line]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_process_sends_only_with_the_lease_and_takes_it_over(slot: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    with get_db_session() as session:
        outbox.subscribe(session, "influxdb", clock.now())
        session.add(Lease(name="integration influxdb", holder="another", expires_at=clock.now() + HOUR))
    store_row(1, slot)
    tries = Counter[str]()

    def _take(name: str, now: datetime) -> bool:
        tries["taken"] += 1
        return take_lease(name, now)

    monkeypatch.setattr(channel, "take_lease", _take)
    server = InfluxServer()
    with served(server) as port:
        _start(monkeypatch, port)
        wait_until(lambda: tries["taken"] > 2, 10)
        assert (server.requests, waiting("influxdb")) == ([], 1)
        with get_db_session() as session:
            session.get_one(Lease, "integration influxdb").expires_at = clock.now() - HOUR
        wait_until(lambda: waiting("influxdb") == 0, 10)
    assert len(server.points) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INFLUXDB_URL", "influx:8086"),
        ("INFLUXDB_URL", "http://user:pass@influx:8086"),
        ("MQTT_URL", "tcp://broker"),
        ("MQTT_URL", "mqtt://user:p@ss@broker"),
        ("MQTT_TOPIC", "weather/#"),
        ("MQTT_DISCOVERY", "/home"),
    ],
)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_wrong_setting_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"METEOROGRAPH_{name}", value)
    with pytest.raises(ConfigurationError, match=f"METEOROGRAPH_{name}"):
        get_settings()


def test_the_scheduler_starts_and_stops_the_sender(monkeypatch: pytest.MonkeyPatch, slot: datetime) -> None:
    monkeypatch.setenv("METEOROGRAPH_HEALING", "false")
    server = InfluxServer()
    with served(server) as port:
        monkeypatch.setenv("METEOROGRAPH_INFLUXDB_URL", f"http://127.0.0.1:{port}")
        scheduler.start(get_settings())
        wait_until(_is_set_up, 10)
        store_row(1, slot - HOUR)
        wait_until(lambda: waiting("influxdb") == 0, 10)
        scheduler.stop()
        store_row(1, slot - 2 * HOUR)
        assert waiting("influxdb") == 1
    assert len(server.points) == 1
