"""A run through the scheduler's own entry: what is stored, what is missed and why, on both databases."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, select

from meteorograph import WeatherData, get_db_session, ledger, scheduler
from meteorograph.clock import DrivenClock
from meteorograph.collect import collect
from meteorograph.db import engine
from meteorograph.scheduler import scheduled_ingest
from meteorograph.settings import get_settings
from meteorograph.simulator import Simulator
from meteorograph.store import row, store
from meteorograph.tables import Location, Missed, Run
from meteorograph.values import Observation
from support import NOON

HOUR = timedelta(hours=1)


@pytest.fixture
def places(database: str, collecting: Simulator, driven: DrivenClock) -> int:
    """Twenty active locations, Weatherstack off."""
    with get_db_session() as session:
        for number in range(20):
            session.add(Location(name=f"p{number:02}", latitude=number, longitude=10, state="active", created_at=NOON))
    return 20


@pytest.fixture(autouse=True)
def _one_provider(collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEATHERSTACK_API_KEY")


def _all(model: type[Any], *order: Any) -> Sequence[Any]:
    with get_db_session(read_only=True) as session:
        return session.scalars(select(model).order_by(*order)).all()


def _count() -> int:
    with get_db_session(read_only=True) as session:
        return session.scalar(select(func.count()).select_from(WeatherData)) or 0


def test_every_due_location_is_collected_once_a_slot(places: int, collecting: Simulator, driven: DrivenClock) -> None:
    for _ in range(3):
        scheduled_ingest()
    assert _count() == places == collecting.count()
    [run] = _all(Run)
    assert (run.state, run.due, run.stored, run.failed) == ("succeeded", 20, 20, 0)
    driven.advance(HOUR)
    scheduled_ingest()
    assert _count() == collecting.count() == 40


@pytest.mark.usefixtures("database", "driven")
def test_with_no_location_the_default_place_is_collected(collecting: Simulator) -> None:
    scheduled_ingest()
    assert [location.name for location in _all(Location)] == ["London"]
    assert _count() == 1


@pytest.mark.usefixtures("places")
def test_a_default_place_the_user_chose_is_added_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_DEFAULT_LATITUDE", "37.98")
    monkeypatch.setenv("METEOROGRAPH_DEFAULT_LONGITUDE", "23.73")
    monkeypatch.setenv("METEOROGRAPH_DEFAULT_LOCATION", "Athens")
    scheduled_ingest()
    assert _count() == 21
    with get_db_session() as session:
        session.query(Location).filter_by(name="Athens").one().state = "paused"
    scheduler._defaults_ensured.clear()
    scheduled_ingest()
    with get_db_session(read_only=True) as session:
        assert session.query(Location).filter_by(name="Athens").one().state == "paused"


def test_each_failure_is_one_location_and_has_its_reason(places: int, collecting: Simulator) -> None:
    collecting.set_faults(
        "kind=status code=500 place=0,10; kind=status code=429 place=1,10; kind=truncated place=2,10; kind=reset place=3,10"
    )
    scheduled_ingest()
    assert _count() == places - 4
    missed = {row.location_id: row for row in _all(Missed)}
    assert Counter(row.reason for row in missed.values()) == {"provider_error": 2, "quota": 1, "payload_error": 1}
    assert all(row.detail for row in missed.values())
    [run] = _all(Run)
    assert (run.state, run.stored, run.failed) == ("partial", 16, 4)
    scheduled_ingest()
    assert collecting.count() == places


def test_a_provider_that_is_down_fails_the_run_and_the_next_one_is_well(
    places: int, collecting: Simulator, driven: DrivenClock
) -> None:
    collecting.set_faults("kind=status code=503")
    scheduled_ingest()
    collecting.set_faults("")
    driven.advance(HOUR)
    scheduled_ingest()
    assert [run.state for run in _all(Run, Run.due_at)] == ["failed", "succeeded"]
    assert _count() == places


def test_one_that_never_answers_delays_no_other(places: int, collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_HTTP_TIMEOUT_SECONDS", "1")
    monkeypatch.setenv("METEOROGRAPH_CONCURRENCY", "4")
    collecting.set_faults("kind=timeout place=0,10")
    scheduled_ingest()
    assert _count() == places - 1
    [row] = _all(Missed)
    assert row.reason == "provider_error"


def test_a_run_that_is_told_to_stop_gives_back_what_it_has_not_done(
    places: int, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_CONCURRENCY", "2")
    stop = threading.Event()
    claim = ledger.claim(NOON, HOUR)
    assert claim
    stop.set()
    assert collect(claim, get_settings(), stop) == "pending"
    begun = _count()
    assert 0 < begun < places
    scheduled_ingest()
    assert _count() == places == collecting.count()
    assert [run.state for run in _all(Run)] == ["succeeded"]


def test_a_run_that_another_process_took_is_left_to_it(
    places: int, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_INTERVAL", "2s")  # a lease of one second, renewed every third of it
    collecting.set_faults("kind=timeout")
    claim = ledger.claim(NOON, timedelta(seconds=2))
    assert claim
    with get_db_session() as session:
        session.get_one(Run, claim.run_id).holder = "another:1"
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    monkeypatch.setattr("meteorograph.collect.PATIENCE", timedelta(0))
    assert collect(claim, get_settings(), stop) == "pending"
    with get_db_session(read_only=True) as session:
        assert session.get_one(Run, claim.run_id).holder == "another:1"


@pytest.mark.usefixtures("places")
def test_without_a_key_nothing_is_claimed_and_it_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("OWM_API_KEY")
    monkeypatch.setattr(scheduler, "_complaint", ("", 0.0))
    with caplog.at_level(logging.ERROR):
        scheduled_ingest()
        scheduled_ingest()
    assert caplog.text.count("OWM_API_KEY (or") == 1
    assert _all(Run) == []


@pytest.mark.usefixtures("places")
def test_nothing_reaches_the_scheduler(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("of the test")

    monkeypatch.setattr(ledger, "claim", broken)
    with caplog.at_level(logging.ERROR):
        scheduled_ingest()
    assert "RuntimeError: of the test" in caplog.text
    monkeypatch.setattr(scheduler, "get_settings", broken)
    scheduled_ingest()


def test_a_parser_that_breaks_costs_its_location_only(
    places: int, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    from meteorograph.providers import openweathermap

    real = openweathermap.parse
    body_of_zero = "'lat': '0.0'"

    def broken(payload: Any) -> Any:
        if body_of_zero in repr(payload.request):
            raise ZeroDivisionError
        return real(payload)

    object.__setattr__(openweathermap.PROVIDER, "parse", broken)
    try:
        scheduled_ingest()
    finally:
        object.__setattr__(openweathermap.PROVIDER, "parse", real)
    assert _count() == places - 1
    assert [row.reason for row in _all(Missed)] == ["payload_error"]


def test_a_location_that_goes_away_during_the_run_costs_itself_only(
    places: int, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = ledger.claim(NOON, HOUR)
    assert claim
    due = ledger.due_locations(NOON)
    with get_db_session() as session:
        session.delete(session.get_one(Location, due[0].id))
    monkeypatch.setattr(ledger, "due_locations", lambda _: due)
    monkeypatch.setattr(ledger, "record_missed", lambda rows: None)
    assert collect(claim, get_settings(), threading.Event()) == "succeeded"
    assert _count() == places - 1


def test_the_number_of_statements_does_not_grow_with_locations(places: int, driven: DrivenClock) -> None:
    with get_db_session() as session:
        for number in range(200):
            session.add(Location(name=f"q{number:03}", latitude=-number / 4, longitude=10, state="active", created_at=NOON))
    scheduled_ingest()
    driven.advance(HOUR)
    statements: list[str] = []
    event.listen(engine(), "before_cursor_execute", lambda *args: statements.append(args[2]))
    scheduled_ingest()
    assert _count() == 2 * (places + 200)
    assert len(statements) < 60, statements


def test_an_idle_tick_asks_two_questions_and_writes_nothing(places: int) -> None:
    scheduled_ingest()
    statements: list[str] = []
    event.listen(engine(), "before_cursor_execute", lambda *args: statements.append(args[2]))
    scheduled_ingest()
    assert [statement.split()[0] for statement in statements if statement != "BEGIN"] == ["SELECT", "SELECT"]


@pytest.mark.usefixtures("places")
def test_a_text_the_database_does_not_take_costs_its_own_row_only(database: str) -> None:
    rows = [
        row(location.id, NOON, Observation(provider="x", fetched_at=NOON, observed_at=NOON, condition=f"nul {char}"))
        for location, char in zip(ledger.due_locations(NOON), "a\0b", strict=False)
    ]
    refused = store(rows)
    assert len(refused) == (1 if database.startswith("postgresql") else 0)
    assert _count() == len(rows) - len(refused)
