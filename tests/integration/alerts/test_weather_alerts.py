"""Rules on the weather, from stored rows to the messages that a receiver gets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from meteorograph.alerts.rules import Rule
from pages import add
from receivers import HttpReceiver
from rows import insert_rows
from support import NOON

from .conftest import Step

pytestmark = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)

HOUR = timedelta(hours=1)


def store(place: int, hour: int, **values: Any) -> None:
    """A row of a place at an hour after noon."""
    at = NOON + hour * HOUR
    row = {"location_id": place, "due_at": at, "observed_at": at, "fetched_at": at, "provider": "openweathermap", **values}
    insert_rows([row])


@pytest.mark.usefixtures("database")
def test_frost_is_told_once_and_its_end_once(receiver: HttpReceiver, step: Step, add_rule: Callable[..., Rule]) -> None:
    add("Oslo")
    add("Rome")
    add_rule("frost", "frost tonight", limit=0)
    for hour, temperature in enumerate((2.0, -1.5, -3.0, 0.5, 1.5, 1.2)):
        store(1, hour, temperature=temperature)
        store(2, hour, temperature=15.0)
        step(HOUR if hour else timedelta(0))
        step()
    assert receiver.titles == ["Frost tonight: Oslo", "Over: frost tonight: Oslo"]
    first, last = (post.json["message"] for post in receiver.posts)
    assert first.split("\n") == [
        "What: temperature of 0 °C or less.",
        "Since: 2026-03-01 13:00 UTC.",
        "Where: Oslo.",
        "Values: -1.5 °C at 2026-03-01 13:00 UTC.",
        "Next: Another message follows when it is over.",
        "Rule 'frost tonight', message incident-1-opened",
    ]
    assert "From 2026-03-01 13:00 UTC to 2026-03-01 17:00 UTC (4 h)." in last
