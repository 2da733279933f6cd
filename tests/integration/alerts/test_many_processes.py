"""Any number of processes, of which some are lost, open one incident and send its message once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from meteorograph import get_db_session
from meteorograph.alerts import deliveries, evaluation, looks, rules, sending
from meteorograph.alerts.places import PlaceReader
from meteorograph.config.loading import get_settings
from meteorograph.model import clock
from meteorograph.model.clock import DrivenClock
from meteorograph.storage.models import Delivery, Incident
from pages import add
from receivers import HttpReceiver
from support import NOON

from .conftest import Step

AddRule = Callable[..., rules.Rule]

pytestmark = [pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True), pytest.mark.usefixtures("database")]


def count(model: Any) -> int:
    with get_db_session(read_only=True) as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_four_processes_that_evaluate_at_once_open_one_incident(receiver: HttpReceiver, step: Step, add_rule: AddRule) -> None:
    add("Oslo", {"temperature": -5.0, "observed_at": NOON})
    add_rule("frost")
    settings = get_settings()
    with get_db_session(read_only=True) as session:
        [rule] = rules.list_rules(session)
        findings = looks.find_all(PlaceReader(session, NOON), settings, rule, ())
    threads = [  # each has read the rule before any of them writes
        threading.Thread(target=evaluation.apply_findings, args=(settings, rule, {}, findings, NOON)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (count(Incident), count(Delivery)) == (1, 1)
    senders = [threading.Thread(target=sending.send_waiting, args=(settings, "phone", threading.Event())) for _ in range(4)]
    for thread in senders:
        thread.start()
    for thread in senders:
        thread.join()
    assert receiver.titles == ["Frost: Oslo"]
    for _ in range(20):  # as after so many restarts: nothing is kept but the rows
        step()
    assert receiver.titles == ["Frost: Oslo"]


def test_a_lost_process_leaves_its_message_to_another_one(
    receiver: HttpReceiver, step: Step, add_rule: AddRule, driven: DrivenClock
) -> None:
    add("Oslo", {"temperature": -5.0, "observed_at": NOON})
    add_rule("frost")
    step(sends=False)
    [lost] = deliveries.take_next("phone", clock.now())
    step()
    assert receiver.posts == [], "a message that another process sends was sent"
    driven.advance(deliveries.LEASE_LENGTH)
    step()
    assert receiver.titles == ["Frost: Oslo"]
    assert deliveries.record_sent([lost], clock.now()) is False, "an expired take has recorded something"
    assert deliveries.record_failure(lost, "late", clock.now(), None) is False
