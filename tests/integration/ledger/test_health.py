"""What the ledger says of the health of the service: freshness, stale locations, the last run, the heartbeat."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from meteorograph import get_db_session
from meteorograph.ledger.health import LedgerHealth, read_health
from meteorograph.ledger.heartbeat import record_heartbeat
from meteorograph.model.schedule import Interval
from meteorograph.storage.models import Heartbeat, Location, Run, WeatherData
from meteorograph.storage.process import process_name
from rows import insert_rows
from support import NOON

pytestmark = pytest.mark.usefixtures("database")

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def _add(name: str, *rows: datetime, **values: Any) -> None:
    with get_db_session() as session:
        fields = {"latitude": 1, "longitude": len(name), "state": "active", "created_at": NOON - 24 * HOUR, **values}
        location = Location(name=name, **fields)
        session.add(location)
        session.flush()
        id_ = location.id
    columns = {column.name: None for column in WeatherData.__table__.columns} | {"origin": "live"}
    if rows:
        insert_rows([columns | {"location_id": id_, "due_at": at, "fetched_at": at, "provider": "a"} for at in rows])


def _health(now: datetime) -> LedgerHealth:
    with get_db_session(read_only=True) as session:
        return read_health(session, now, Interval(HOUR))


def test_an_empty_ledger() -> None:
    assert _health(NOON) == LedgerHealth({}, [], None, {})


def test_the_newest_row_decides_and_rows_of_the_future_do_not_count() -> None:
    _add("b", NOON - 3 * HOUR, NOON - HOUR, NOON + HOUR)
    _add("a", NOON)
    _add("none")
    _add("paused", state="paused")
    _add("unscheduled", NOON, state="unscheduled")
    assert list(_health(NOON).freshness.items()) == [("a", 0.0), ("b", 3600.0), ("none", None)]
    assert _health(NOON + timedelta(seconds=90)).freshness["a"] == 90.0


@pytest.mark.parametrize(
    ("newest", "now", "is_stale"),
    [
        (NOON - HOUR, NOON + MINUTE, False),  # the slot of noon is being collected
        (NOON - HOUR, NOON + 60 * MINUTE, False),
        (NOON - HOUR, NOON + 61 * MINUTE, True),  # noon is the slot before the current one
        (NOON, NOON + 61 * MINUTE, False),
        (NOON - 2 * HOUR, NOON, False),  # a minute to collect the slot of noon is not over
        (NOON - 2 * HOUR, NOON + MINUTE - timedelta(microseconds=1), False),
        (NOON - 2 * HOUR, NOON + MINUTE, True),
    ],
)
def test_a_location_without_the_row_of_the_slot_before_is_stale(newest: datetime, now: datetime, is_stale: bool) -> None:
    _add("a", newest)
    assert _health(now).stale == (["a"] if is_stale else [])


def test_a_location_is_not_stale_for_slots_from_before_it_was_due() -> None:
    now = NOON + MINUTE  # the row of 11:00 must be there
    _add("new", created_at=NOON - HOUR)
    _add("older", created_at=NOON - HOUR - MINUTE)
    _add("resumed", NOON - 9 * HOUR, due_since=NOON - HOUR)
    _add("resumed without a row", due_since=NOON - HOUR)
    _add("resumed before", NOON - 9 * HOUR, due_since=NOON - HOUR - MINUTE)
    assert _health(now).stale == ["older", "resumed before"]


def test_each_location_has_its_schedule() -> None:
    _add("default", NOON - 2 * HOUR)
    _add("every 6 h", NOON - 6 * HOUR, schedule="6h")
    _add("every 6 h, late", NOON - 7 * HOUR, schedule="6h")
    _add("every 10 min", NOON - 20 * MINUTE, schedule="10m")
    _add("never due", NOON - 12 * HOUR, schedule="0 0 29 2 *")
    assert _health(NOON + MINUTE).stale == ["default", "every 10 min", "every 6 h, late"]


def test_the_last_run_is_the_newest_that_was_not_missed_and_the_newest_heartbeat_counts() -> None:
    counts = {"shard": 0, "due": 0, "stored": 0, "failed": 0, "calls": 0}
    with get_db_session() as session:
        for hours, state in ((-2, "succeeded"), (-1, "partial"), (0, "missed")):
            session.add(Run(schedule="default", due_at=NOON + hours * HOUR, state=state, **counts))
        session.add(Heartbeat(holder="other", beat_at=NOON - 5 * MINUTE))
    record_heartbeat(NOON - MINUTE)
    health = _health(NOON)
    assert health.last_run is not None
    assert (health.last_run.due_at, health.last_run.state) == (NOON - HOUR, "partial")
    assert health.heartbeats == {"other": 300.0, process_name(): 60.0}
    with get_db_session() as session:
        session.query(Heartbeat).delete()
    assert _health(NOON).heartbeats == {}
