"""The database is away: collection goes on beside it, and what was collected is in it when it is back, in order and once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.engine import make_url

from acceptance.holds import held
from meteorograph import WeatherData, db, get_db_session, init_db, locations
from meteorograph.clock import DrivenClock
from meteorograph.scheduler import scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.tables import Location, Missed, Quota, Run
from support import NOON

HOUR = timedelta(hours=1)


@contextmanager
def away(database: str) -> Iterator[None]:
    """The server takes no connection for the database; the file of SQLite is locked for longer than anybody waits."""
    if database.startswith("sqlite"):
        with held(database):
            yield
        return
    name = make_url(database).database
    with psycopg.connect(database.replace(f"/{name}", "/postgres"), autocommit=True) as server:
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        try:
            yield
        finally:
            server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


@pytest.fixture
def places(database: str, driven: DrivenClock, collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    monkeypatch.setattr(db, "BUSY_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr("meteorograph.standin.AWAY_SECONDS", 0.0)
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    init_db()
    with get_db_session() as session:
        for number in range(3):
            at = {"latitude": 40.0 + number, "longitude": 10.0, "created_at": NOON - HOUR}
            session.add(Location(name=f"p{number}", state="active", **at))
    return collecting


def _rows() -> list[tuple[object, int]]:
    with get_db_session(read_only=True) as session:
        query = select(WeatherData.due_at, WeatherData.location_id)
        return list(session.execute(query.order_by(WeatherData.due_at, WeatherData.location_id)))


def _runs() -> list[tuple[object, str, int]]:
    with get_db_session(read_only=True) as session:
        return list(session.execute(select(Run.due_at, Run.state, Run.stored).order_by(Run.due_at)))


def test_an_outage_of_the_database_loses_no_slot(database: str, driven: DrivenClock, places: Simulator) -> None:
    scheduled_ingest()
    assert places.count() == 3
    with ExitStack() as outage:
        outage.enter_context(away(database))
        for _ in range(2):
            driven.advance(HOUR)
            scheduled_ingest()
            scheduled_ingest()  # nothing is collected twice in the stand-in either
    assert places.count() == 9
    assert len(_rows()) == 3
    driven.advance(HOUR)
    scheduled_ingest()
    assert places.count() == 12
    assert [(due_at, state, stored) for due_at, state, stored in _runs()] == [
        (NOON + number * HOUR, "succeeded", 3) for number in range(4)
    ]
    assert _rows() == [(NOON + slot * HOUR, place) for slot in range(4) for place in (1, 2, 3)]
    with get_db_session(read_only=True) as session:
        assert session.scalars(select(Missed)).all() == []
        assert session.scalars(select(Quota.used).where(Quota.window == "month")).one() == 12


def test_it_is_back_within_the_slot(database: str, driven: DrivenClock, places: Simulator) -> None:
    scheduled_ingest()
    driven.advance(HOUR)
    with away(database):
        scheduled_ingest()
    assert places.count() == 6
    driven.advance(timedelta(minutes=1))
    scheduled_ingest()
    assert places.count() == 6, "what is here already is not asked for again"
    assert [state for _, state, _ in _runs()] == ["succeeded", "succeeded"]
    assert len(_rows()) == 6


def test_a_location_that_was_removed_meanwhile_stops_nothing(database: str, driven: DrivenClock, places: Simulator) -> None:
    scheduled_ingest()
    driven.advance(HOUR)
    with away(database):
        scheduled_ingest()
    with get_db_session() as session:
        locations.remove(session, "p1", "delete")
    driven.advance(HOUR)
    scheduled_ingest()
    assert [place for due_at, place in _rows() if due_at == NOON + HOUR] == [1, 3]


@pytest.mark.usefixtures("driven")
def test_without_a_stand_in_nothing_is_collected(database: str, places: Simulator) -> None:
    with away(database):
        scheduled_ingest()
    assert places.count() == 0


def test_a_second_outage_is_outlived_too(database: str, driven: DrivenClock, places: Simulator) -> None:
    for _ in range(2):
        scheduled_ingest()
        driven.advance(HOUR)
        with away(database):
            scheduled_ingest()
        driven.advance(HOUR)
        scheduled_ingest()
        with get_db_session() as session:  # which the stand-in is to know by the next time
            where = {"latitude": 50.0, "longitude": driven().hour, "created_at": driven()}
            session.add(Location(name=f"new at {driven().hour}", state="active", **where))
        driven.advance(HOUR)
    assert [(state, stored) for _, state, stored in _runs()] == [("succeeded", many) for many in (3, 3, 3, 4, 4, 4)]


def test_the_stand_in_knows_what_was_charged_in_the_minute_in_which_the_database_went(
    database: str, driven: DrivenClock, places: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_OWM_CALLS_PER_MINUTE", "40")
    with get_db_session() as session:
        for number in range(60):
            at = {"latitude": number / 2, "longitude": 20.0, "created_at": NOON - HOUR}
            session.add(Location(name=f"q{number}", state="active", **at))
    scheduled_ingest()
    assert places.count() == 38  # two of forty are left to collection on demand
    driven.advance(HOUR)
    with ExitStack() as outage:
        told = places._routes._clock

        def clock() -> datetime:
            if places.count() >= 38 + 20 and not gone.is_set():
                gone.set()
                outage.enter_context(away(database))
            return told()

        gone = threading.Event()
        monkeypatch.setattr(places._routes, "_clock", clock)
        scheduled_ingest()
        scheduled_ingest()
        assert places.count() == 2 * 38
    scheduled_ingest()
    assert places.count() == 2 * 38
    with get_db_session(read_only=True) as session:
        assert session.scalars(select(Quota.used).where(Quota.window == "month")).one() == 2 * 38


def test_where_nothing_can_stand_in_collection_goes_on_with_the_database(
    database: str, driven: DrivenClock, places: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").touch()
    monkeypatch.setenv("METEOROGRAPH_JOURNAL_DIR", str(tmp_path / "full"))
    for _ in range(2):
        scheduled_ingest()
        scheduled_ingest()
        driven.advance(HOUR)
    assert places.count() == 6
    assert [state for _, state, _ in _runs()] == ["succeeded", "succeeded"]
