"""What the tests of alerts share: a database, a receiver, and time in steps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from meteorograph import get_db_session
from meteorograph.alerts import rules, sending, service, signals
from meteorograph.alerts.channels import channel_names
from meteorograph.config.loading import get_settings
from meteorograph.model import clock
from meteorograph.model.clock import DrivenClock
from receivers import HttpReceiver, http_receiver

Step = Callable[..., None]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpReceiver]:
    """A receiver of the channel ``phone``."""
    with http_receiver() as running:
        monkeypatch.setenv("METEOROGRAPH_ALERT_CHANNELS", f"phone=json://127.0.0.1:{running.port}/notify")
        yield running


@pytest.fixture
def step(driven: DrivenClock) -> Step:
    """Let time pass, and let one process look at the rules and send what is due, as its thread does."""

    def pass_time(by: timedelta = timedelta(0), *, evaluates: bool = True, sends: bool = True) -> None:
        driven.advance(by)
        settings = get_settings()
        if evaluates:
            with get_db_session() as session:
                signals.record_signals(session, signals.own_signals(settings), clock.now())
            service.evaluate_rules(settings, clock.now())
        if sends:
            for channel in channel_names(settings):
                sending.send_waiting(settings, channel, threading.Event())

    return pass_time


@pytest.fixture
def add_rule() -> Callable[..., rules.Rule]:
    """Add a rule by its kind, which is its name too."""

    def add(kind: str, name: str | None = None, **options: Any) -> rules.Rule:
        with get_db_session() as session:
            return rules.add_rule(session, name or kind, kind, options, channel_names(get_settings()), clock.now())

    return add
