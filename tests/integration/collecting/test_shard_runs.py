"""A run in shards, through the scheduler's own entry: every location is requested once, whatever becomes of a shard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
import stamina
from sqlalchemy import select, update

from engines import on_both_engines, tick
from meteorograph import WeatherData, get_db_session
from meteorograph.collecting import run
from meteorograph.errors import StoreError
from meteorograph.model.clock import DrivenClock
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Location, Missed, Run, Shard
from support import NOON

HOUR = timedelta(hours=1)
PLACES = 35

pytestmark = on_both_engines("database")


@pytest.fixture(autouse=True)
def _places(
    database: str, engine: str, collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """More locations than three shards hold; one provider; attempts follow each other at once."""
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    monkeypatch.setenv("METEOROGRAPH_SHARD_SIZE", "10")
    monkeypatch.setenv("METEOROGRAPH_CONCURRENCY", "4")
    with get_db_session() as session:
        for number in range(PLACES):
            session.add(Location(name=f"p{number:02}", latitude=number, longitude=10, state="active", created_at=NOON))
    with stamina.set_testing(True, attempts=3):
        yield


def _all(model: type[Any], *order: Any) -> Sequence[Any]:
    with get_db_session(read_only=True) as session:
        return session.scalars(select(model).order_by(*order)).all()


def _ends() -> list[tuple[str, int, int, int]]:
    return [(one.state, one.due, one.stored, one.failed) for one in _all(Run, Run.due_at)]


def test_all_shards_are_collected_and_every_location_is_requested_once(collecting: Simulator, driven: DrivenClock) -> None:
    for _ in range(2):
        tick()
        tick()
        driven.advance(HOUR)
    assert _ends() == [("succeeded", PLACES, PLACES, 0)] * 2
    assert [one.calls for one in _all(Run)] == [PLACES] * 2
    assert set(Counter(call.latitude for call in collecting.calls()).values()) == {2}
    assert _all(Shard) == []


def test_a_location_that_fails_holds_back_its_shard_alone(collecting: Simulator, driven: DrivenClock) -> None:
    collecting.set_faults("kind=status code=503 place=12,10")
    tick()
    assert [one.state for one in _all(Shard, Shard.number)] == ["done", "pending", "done", "done"]
    assert [(one.state, one.reason, one.lease_expires_at) for one in _all(Run)] == [
        ("pending", "provider_error", NOON + timedelta(seconds=30))
    ]
    collecting.set_faults("")
    driven.advance(timedelta(seconds=30))
    tick()
    assert _ends() == [("succeeded", PLACES, PLACES, 0)]
    assert collecting.count() == PLACES + 3, "three attempts failed; no other location was requested again"


def test_a_failure_that_lasts_is_missed_when_the_slot_ends(collecting: Simulator, driven: DrivenClock) -> None:
    collecting.set_faults("kind=status code=503 place=12,10")
    for _ in range(12):
        tick()
        driven.advance(timedelta(minutes=4, seconds=50))
    assert _ends() == [("partial", PLACES, PLACES - 1, 1)]
    assert [one.reason for one in _all(Missed)] == ["provider_error"]


def test_what_a_process_received_before_it_died_is_not_requested_again(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[int] = []
    store = run.store_results

    def die_after_some(hold: Any, rows: Any, failed: Any) -> None:
        if len(stored) + len(rows) > 15:
            raise StoreError("the database is away")
        store(hold, rows, failed)
        stored.extend(one.row["location_id"] for one in rows)

    monkeypatch.setattr("meteorograph.collecting.worker_pool.ROWS_PER_TRANSACTION", 5)
    with monkeypatch.context() as patched:
        patched.setattr(run, "store_results", die_after_some)
        tick()
    begun = collecting.count()
    assert 0 < len(stored) < begun
    assert "running" in [one.state for one in _all(Shard)]
    driven.advance(timedelta(seconds=31))
    tick()
    assert _ends() == [("succeeded", PLACES, PLACES, 0)]
    assert collecting.count() <= PLACES + 4, "only calls under way are made again: the journal has the other answers"
    assert [one.calls for one in _all(Run)] == [collecting.count()]


def test_the_rows_of_a_shard_that_another_process_took_are_not_stored(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, taken = run.store_rows, list[Any]()

    def take_and_store(rows: Any) -> Any:
        if not taken and min(one.row["location_id"] for one in rows) <= first_end:
            taken.append(rows)
            until = driven() + timedelta(seconds=20)
            values = {"token": Shard.token + 1, "holder": "b:2", "lease_expires_at": until}
            with get_db_session() as session:
                session.execute(update(Shard).where(Shard.number == 0).values(**values))
        return store(rows)

    first_end = _all(Location, Location.id)[8].id  # 35 locations in four shards: the first one has nine
    monkeypatch.setattr("meteorograph.collecting.worker_pool.GATHER_SECONDS", 600.0)  # one transaction for all shards
    with monkeypatch.context() as patched:
        patched.setattr(run, "store_rows", take_and_store)
        tick()
    lost, *others = [(one.state, one.holder, one.token) for one in _all(Shard, Shard.number)]
    assert lost == ("running", "b:2", 2)
    with get_db_session(read_only=True) as session:
        first = session.scalars(select(Shard).where(Shard.number == 0)).one()
        rows = session.scalars(select(WeatherData.location_id)).all()
    assert rows
    assert min(rows) > first.last_id
    assert {state for state, *_ in others} <= {"done", "pending"}
    assert _ends()[0][0] == "running", "another process works on it"
    driven.advance(timedelta(seconds=31))
    tick()
    assert _ends() == [("succeeded", PLACES, PLACES, 0)]


def test_rows_that_went_to_the_fallback_database_are_counted(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick()
    driven.advance(HOUR)
    store, failures = run.store_rows, [StoreError("the connection was cut")]

    def fail_once(rows: Any) -> Any:
        if failures:
            raise failures.pop()
        return store(rows)

    monkeypatch.setattr("meteorograph.failover.call.AWAY_SECONDS", 0.0)
    monkeypatch.setattr("meteorograph.collecting.worker_pool.ROWS_PER_TRANSACTION", 5)
    monkeypatch.setattr(run, "store_rows", fail_once)
    tick()
    assert not failures
    assert _ends() == [("succeeded", PLACES, PLACES, 0)] * 2
    assert collecting.count() == 2 * PLACES


def test_locations_that_become_due_later_are_collected_later(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_SPREAD_SECONDS", "600")
    counts = []
    for _ in range(12):
        tick()
        counts.append(collecting.count())
        driven.advance(timedelta(minutes=1))
    assert counts == sorted(counts)
    assert 0 < counts[1] < counts[5] < PLACES
    assert counts[-1] == PLACES
    assert _ends() == [("succeeded", PLACES, PLACES, 0)]


def test_a_provider_that_is_closed_holds_back_the_whole_run(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_OWM_CALLS_PER_MINUTE", "12")
    tick()
    begun = collecting.count()
    assert 0 < begun < PLACES
    (waiting,) = _all(Run)
    assert (waiting.state, waiting.reason, waiting.lease_expires_at) == ("pending", "quota", NOON + timedelta(minutes=1))
    driven.advance(timedelta(seconds=59))
    tick()
    assert collecting.count() == begun
    while _ends()[0][0] == "pending":
        driven.advance(timedelta(minutes=1))
        tick()
    assert _ends() == [("succeeded", PLACES, PLACES, 0)]
    assert collecting.count() == PLACES
