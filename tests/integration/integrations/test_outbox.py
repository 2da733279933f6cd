"""Every row that is stored or changed gets into the outbox, in whatever order transactions commit; without integration, none."""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Thread

import pytest
from sqlalchemy import text, update

from integration.integrations.conftest import HOUR, store_row
from meteorograph import get_db_session
from meteorograph.integrations.stored_rows import read_batch
from meteorograph.locations.repository import remove_location
from meteorograph.model import clock
from meteorograph.model.flags import Flag
from meteorograph.model.values import Observation
from meteorograph.storage import outbox
from meteorograph.storage.flag_updates import change_flags
from meteorograph.storage.models import WeatherData
from meteorograph.storage.observations import store, to_row, write_rows
from meteorograph.storage.upsert import table_of
from rows import insert_rows
from support import wait_until

pytestmark = pytest.mark.usefixtures("locations")

WEATHER = table_of(WeatherData)


def _subscribe(name: str = "a") -> None:
    with get_db_session() as session:
        outbox.subscribe(session, name, clock.now())


def _take(name: str = "a") -> set[tuple[int, datetime]]:
    """The rows that wait for an integration, which has got them then."""
    with get_db_session() as session:
        ids, rows = read_batch(session, name, 10_000)
        outbox.delete_entries(session, ids)
    return {(row.location_id, row.values["due_at"]) for row in rows}


def test_without_an_integration_nothing_is_written(slot: datetime) -> None:
    store_row(1, slot)
    _subscribe()
    with get_db_session() as session:
        outbox.unsubscribe(session, "a")
    store_row(1, slot, 9.0)
    with get_db_session() as session:
        assert session.scalar(text("SELECT count(*) FROM outbox")) == 0
        assert not outbox.is_subscribed(session, "a")


def test_every_way_of_writing_is_seen(slot: datetime) -> None:
    _subscribe("a")
    _subscribe("b")
    many = [slot - 2 * HOUR + timedelta(seconds=number) for number in range(60)]  # enough for COPY on PostgreSQL
    rows = [to_row(1, at, Observation(provider="p", fetched_at=at, observed_at=at, temperature=8.0)) for at in many]
    assert store(rows) == []
    assert _take() == {(1, at) for at in many}
    store(rows[:55])  # as after a correction: each replaces its row
    assert _take() == {(1, at) for at in many[:55]}
    with get_db_session() as session:  # a backfill leaves what is there
        backfilled = to_row(2, slot, Observation(provider="p", fetched_at=slot, observed_at=slot, temperature=7.0))
        write_rows(session, [rows[0], backfilled], replace=False)
    assert _take() == {(2, slot)}
    with get_db_session() as session:  # a later check changes flags
        change_flags(session, 2, WEATHER.c.due_at == slot, lambda _: {"temperature": [Flag.STALE]}, clock.now())
    assert _take() == {(2, slot)}
    with get_db_session() as session:  # SQL of the user's own
        session.execute(update(WEATHER).where(WEATHER.c.location_id == 2).values(temperature=6.5))
    assert _take() == {(2, slot)}
    insert_rows([{**rows[0], "location_id": 3}])
    assert _take() == {(3, many[0])}
    assert _take("b") == {(1, at) for at in many} | {(2, slot), (3, many[0])}


def test_a_row_that_changes_while_it_is_sent_comes_again(slot: datetime) -> None:
    _subscribe()
    store_row(1, slot)
    with get_db_session(read_only=True) as session:
        ids, _ = read_batch(session, "a", 10)
    store_row(1, slot, 9.0)
    with get_db_session() as session:
        outbox.delete_entries(session, ids)
        _, rows = read_batch(session, "a", 10)
    assert [row.values["temperature"] for row in rows] == [9.0]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # SQLite has one writer at a time
def test_a_transaction_that_commits_late_is_not_skipped(slot: datetime) -> None:
    """Its entry has a lower number than those that were taken before it was seen."""
    _subscribe()
    with get_db_session() as early:
        insert = WEATHER.insert().values(location_id=1, due_at=slot, fetched_at=slot, provider="p", temperature=1.0)
        early.execute(insert)
        store_row(2, slot)
        assert _take() == {(2, slot)}
    assert _take() == {(1, slot)}


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # SQLite has one writer at a time
def test_a_transaction_that_is_open_at_the_set_up_is_waited_for(slot: datetime) -> None:
    """Otherwise it would commit rows of which the outbox knows nothing, after the integration has begun."""
    _subscribe("a")  # the triggers are there
    subscriber = Thread(target=_subscribe, args=("b",))
    with get_db_session() as early:
        insert = WEATHER.insert().values(location_id=1, due_at=slot, fetched_at=slot, provider="p", temperature=1.0)
        early.execute(insert)
        subscriber.start()
        waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'ShareRowExclusiveLock'")

        def _is_waiting() -> object:
            with get_db_session(read_only=True) as session:
                return session.scalar(waits)

        wait_until(_is_waiting, 10)
    subscriber.join()
    store_row(2, slot)
    assert _take("b") == {(2, slot)}


def test_rows_of_a_location_that_is_gone_do_not_wait_for_ever(slot: datetime) -> None:
    _subscribe()
    store_row(1, slot)
    with get_db_session() as session:
        remove_location(session, "Lucan", data="delete")
    with get_db_session() as session:
        ids, rows = read_batch(session, "a", 10)
    assert (len(ids), rows) == (1, [])


def test_stored_rows_are_marked_again_and_unused_integrations_are_forgotten(slot: datetime) -> None:
    for hours in range(5):
        store_row(1, slot - hours * HOUR)
    store_row(2, slot)
    _subscribe()
    with get_db_session() as session:
        assert outbox.mark_again(session, "a", slot - 2 * HOUR, slot + HOUR, 1) == 3
        assert outbox.unsubscribe_unused(session, clock.now()) == []
    assert _take() == {(1, slot - hours * HOUR) for hours in range(3)}
    with get_db_session() as session:
        assert outbox.unsubscribe_unused(session, clock.now() + timedelta(days=8)) == ["a"]
        assert outbox.read_states(session) == []
