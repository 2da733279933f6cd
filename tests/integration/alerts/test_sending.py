"""Sending: channels do not wait for each other, no log has an address, and runs reach webhooks once."""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from meteorograph import get_db_session
from meteorograph.alerts import deliveries, rules, sending, service
from meteorograph.alerts.run_messages import put_run_messages
from meteorograph.config.loading import get_settings, load_settings
from meteorograph.logs import setup_logging
from meteorograph.model import clock
from meteorograph.storage.models import Delivery, Run
from pages import add
from receivers import HttpReceiver, http_receiver
from support import NOON, wait_until

from .conftest import Step

AddRule = Callable[..., rules.Rule]

pytestmark = [pytest.mark.parametrize("database", ["sqlite"], indirect=True), pytest.mark.usefixtures("database")]

WHSEC = "whsec_" + base64.b64encode(b"a secret of twenty-four bytes").decode()
SECRET = "topic-nobody-may-see"


def test_a_channel_that_hangs_does_not_hold_the_others(
    step: Step, receiver: HttpReceiver, add_rule: AddRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_receiver() as hanging:
        address = f"a=json://127.0.0.1:{hanging.port}/x b=json://127.0.0.1:{receiver.port}/x"
        monkeypatch.setenv("METEOROGRAPH_ALERT_CHANNELS", address)
        hanging.release.clear()
        add("Oslo", {"temperature": -5.0, "observed_at": NOON})
        add_rule("frost")
        step(sends=False)
        alerts, stop = service.AlertService(), threading.Event()
        alerts._send(get_settings(), stop)
        wait_until(lambda: receiver.posts and hanging.posts, 20, "both messages")
        wait_until(lambda: "sent" in _states(), 20, "the record of the one that was accepted")
        assert sorted(_states()) == ["sent", "waiting"]
        stop.set()


def _states() -> list[str]:
    with get_db_session(read_only=True) as session:
        return list(session.scalars(select(Delivery.state)))


def test_no_log_has_a_part_of_an_address(
    step: Step,
    receiver: HttpReceiver,
    add_rule: AddRule,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = f"127.0.0.1:{receiver.port}"
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("METEOROGRAPH_ALERT_CHANNELS", f"a=json://user:hunter2pass@{place}/{SECRET} b=json://{place}/{SECRET}")
    monkeypatch.setenv("METEOROGRAPH_WEBHOOKS", f"log=http://{place}/{SECRET}")
    monkeypatch.setenv("METEOROGRAPH_WEBHOOK_SECRETS", f"log={WHSEC}")
    setup_logging(load_settings())
    try:
        add("Oslo", {"temperature": -5.0, "observed_at": NOON})
        add_rule("frost")
        receiver.status = 500
        step()
        receiver.status = 200
        step(timedelta(hours=1))
    finally:
        root = logging.getLogger()
        for handler in [one for one in root.handlers if getattr(one, "of_meteorograph", False)]:
            root.removeHandler(handler)
            handler.close()
        root.setLevel(logging.WARNING)
    output = "".join(capsys.readouterr())
    assert "message sent" in output
    assert not [word for word in (SECRET, "hunter2pass", WHSEC[6:]) if word in output], output


def test_each_run_reaches_a_webhook_once_also_one_that_ends_out_of_order(
    receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_ALERT_CHANNELS", "")
    monkeypatch.setenv("METEOROGRAPH_WEBHOOKS", f"log=http://127.0.0.1:{receiver.port}/hook")
    monkeypatch.setenv("METEOROGRAPH_WEBHOOK_SECRETS", f"log={WHSEC}")

    def add_run(hour: int, state: str) -> None:
        at = NOON + timedelta(hours=hour)
        with get_db_session() as session:
            session.add(
                Run(schedule="default", due_at=at, state=state, due=3, stored=3, ended_at=at if state != "running" else None)
            )

    def look() -> None:
        put_run_messages(get_settings(), clock.now())
        sending.send_waiting(get_settings(), "log", threading.Event())

    add_run(0, "succeeded")  # before the webhook was set
    look()
    add_run(1, "running")
    add_run(2, "partial")
    add_run(3, "missed")
    look()
    look()
    assert [post.json["data"]["state"] for post in receiver.posts] == ["partial", "missed"]
    with get_db_session() as session:
        session.query(Run).filter(Run.state == "running").update({"state": "succeeded", "ended_at": NOON})
    look()
    look()
    assert [post.json["type"] for post in receiver.posts] == ["run.ended"] * 3
    assert len({post.headers["webhook-id"] for post in receiver.posts}) == 3
    assert receiver.posts[2].json["data"]["stored"] == 3


def test_deliveries_are_kept_for_a_while_and_those_that_wait_for_ever() -> None:
    ages = {"new": 5, "of a run": 8, "waiting": 100}
    with get_db_session() as session:
        for key, days in ages.items():
            state, at = "waiting" if key == "waiting" else "sent", NOON - timedelta(days=days)
            session.add(Delivery(key=key, channel="log", title="t", body="b", state=state, created_at=at, due_at=at))
        session.flush()
        deliveries.delete_old(session, NOON)
        assert set(session.scalars(select(Delivery.key))) == {"new", "waiting"}
