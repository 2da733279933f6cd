"""The database is away: collection goes on beside it, and what was collected is in it when it is back, in order and once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from acceptance.holds import away
from meteorograph import WeatherData, get_db_session, init_db
from meteorograph.collecting import run
from meteorograph.config.loading import get_settings
from meteorograph.errors import StoreError
from meteorograph.failover.database_file import fallback_path
from meteorograph.ledger import past_slots
from meteorograph.locations import repository
from meteorograph.model.clock import DrivenClock
from meteorograph.model.schedule import DEFAULT_SCHEDULE, Interval
from meteorograph.scheduler import scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage import engine
from meteorograph.storage.models import Location, Missed, Quota, Run
from support import NOON

HOUR = timedelta(hours=1)


@pytest.fixture
def places(database: str, driven: DrivenClock, collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr("meteorograph.failover.call.AWAY_SECONDS", 0.0)
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


def test_the_default_place_is_added_to_the_database_also_when_it_was_away_at_first(
    database: str, driven: DrivenClock, places: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduled_ingest()
    monkeypatch.setenv("METEOROGRAPH_DEFAULT_LATITUDE", "59.91")
    monkeypatch.setenv("METEOROGRAPH_DEFAULT_LONGITUDE", "10.75")
    driven.advance(HOUR)
    with away(database):
        scheduled_ingest()
    driven.advance(HOUR)
    scheduled_ingest()
    with get_db_session(read_only=True) as session:
        assert session.scalars(select(Location.latitude).where(Location.longitude == 10.75)).all() == [59.91]


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


def test_a_run_that_another_machine_has_recorded_as_missed_meanwhile(
    database: str, driven: DrivenClock, places: Simulator
) -> None:
    scheduled_ingest()
    driven.advance(HOUR)
    with away(database):
        scheduled_ingest()
    driven.advance(HOUR)
    assert not past_slots.account_for_past(driven(), DEFAULT_SCHEDULE, Interval(HOUR))  # the other one, which is back first
    assert _runs()[1:] == [(NOON + HOUR, "missed", 0)]
    scheduled_ingest()
    assert _runs() == [(NOON + number * HOUR, "succeeded", 3) for number in range(3)]
    with get_db_session(read_only=True) as session:
        assert [run.reason for run in session.scalars(select(Run))] == [None] * 3
        assert session.scalars(select(Missed)).all() == []


def test_a_location_that_was_removed_meanwhile_stops_nothing(database: str, driven: DrivenClock, places: Simulator) -> None:
    scheduled_ingest()
    driven.advance(HOUR)
    with away(database):
        scheduled_ingest()
    with get_db_session() as session:
        repository.remove_location(session, "p1", "delete")
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


def _sixty_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_OWM_CALLS_PER_MINUTE", "40")  # two of which are left to collection on demand
    with get_db_session() as session:
        for number in range(60):
            at = {"latitude": number / 2, "longitude": 20.0, "created_at": NOON - HOUR}
            session.add(Location(name=f"q{number}", state="active", **at))


def _at_calls(places: Simulator, monkeypatch: pytest.MonkeyPatch, acts: dict[int, Callable[[], object]]) -> None:
    """Do something once when so many calls have come."""
    told = places._routes._clock

    def clock() -> datetime:
        for number in [number for number in acts if places.count() >= number]:
            acts.pop(number)()
        return told()

    monkeypatch.setattr(places._routes, "_clock", clock)


def _charged() -> int:
    with get_db_session(read_only=True) as session:
        return session.scalars(select(Quota.used).where(Quota.window == "month")).one()


def test_the_stand_in_knows_what_was_charged_in_the_minute_in_which_the_database_went(
    database: str, driven: DrivenClock, places: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    _sixty_more(monkeypatch)
    scheduled_ingest()
    assert places.count() == 38
    driven.advance(HOUR)
    with ExitStack() as outage:
        _at_calls(places, monkeypatch, {38 + 20: lambda: outage.enter_context(away(database))})
        scheduled_ingest()
        scheduled_ingest()
        assert places.count() == 2 * 38
    scheduled_ingest()
    assert places.count() == 2 * 38
    assert _charged() == 2 * 38


def test_the_database_knows_what_was_charged_while_it_was_away_for_a_moment(
    database: str, driven: DrivenClock, places: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    _sixty_more(monkeypatch)
    scheduled_ingest()
    driven.advance(HOUR)
    outage = ExitStack()
    acts: dict[int, Callable[[], object]] = {38 + 10: lambda: outage.enter_context(away(database)), 38 + 25: outage.close}
    _at_calls(places, monkeypatch, acts)
    scheduled_ingest()
    assert not acts
    assert places.count() == 2 * 38
    scheduled_ingest()
    assert _charged() == 2 * 38


def test_a_run_tells_the_calls_made_with_and_without_the_database(
    database: str, driven: DrivenClock, places: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_OWM_CALLS_PER_MINUTE", "1000")
    with get_db_session() as session:
        for number in range(60):
            at = {"latitude": number / 2, "longitude": 20.0, "created_at": NOON - HOUR}
            session.add(Location(name=f"q{number}", state="active", **at))
    scheduled_ingest()
    driven.advance(HOUR)
    places.set_faults("kind=status code=503 p=0.1")
    with ExitStack() as outage:
        _at_calls(places, monkeypatch, {63 + 20: lambda: outage.enter_context(away(database))})
        for _ in range(3):  # the run is interrupted, and continued in the fallback database
            scheduled_ingest()
            driven.advance(timedelta(minutes=5))
        places.set_faults("")
    for _ in range(2):  # it is back, and the rest of the run is collected in it
        scheduled_ingest()
        driven.advance(timedelta(minutes=15))
    assert _runs() == [(NOON, "succeeded", 63), (NOON + HOUR, "succeeded", 63)]
    with get_db_session(read_only=True) as session:
        assert sum(session.scalars(select(Run.calls))) == places.count()
    scheduled_ingest()
    with get_db_session(read_only=True) as session:
        assert sum(session.scalars(select(Run.calls))) == places.count(), "told twice"


def test_a_stand_in_that_another_process_is_about_to_make_is_none_yet(
    driven: DrivenClock, places: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    path = fallback_path(get_settings())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    scheduled_ingest()
    driven.advance(HOUR)
    scheduled_ingest()
    assert places.count() == 6
    assert [record for record in caplog.records if record.levelname in ("ERROR", "WARNING")] == []


def test_where_nothing_can_stand_in_collection_goes_on_with_the_database(
    database: str, driven: DrivenClock, places: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_JOURNAL_DIR", str(tmp_path / "full"))
    get_settings()
    (tmp_path / "full").touch()  # after the settings were read, which refuse it
    for _ in range(2):
        scheduled_ingest()
        scheduled_ingest()
        driven.advance(HOUR)
    assert places.count() == 6
    assert [state for _, state, _ in _runs()] == ["succeeded", "succeeded"]


def test_a_run_is_not_finished_while_its_rows_wait_in_the_fallback_database(
    database: str, driven: DrivenClock, places: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was away for the moment of storing only: the run was counted as succeeded with 0 of 0."""
    scheduled_ingest()
    driven.advance(HOUR)
    store, failures = run.store_rows, [StoreError("the connection was cut")]

    def fail_once(rows: Any) -> Any:
        if failures:
            raise failures.pop()
        return store(rows)

    monkeypatch.setattr(run, "store_rows", fail_once)
    scheduled_ingest()
    assert not failures
    assert _runs() == [(NOON, "succeeded", 3), (NOON + HOUR, "succeeded", 3)]
    assert _rows() == [(NOON + slot * HOUR, place) for slot in range(2) for place in (1, 2, 3)]


def test_a_run_whose_rows_cannot_be_moved_back_stays_open(
    database: str, driven: DrivenClock, places: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduled_ingest()
    driven.advance(HOUR)
    monkeypatch.setattr(run, "store_results", lambda *_: None)  # the rows are nowhere
    scheduled_ingest()
    assert _runs() == [(NOON, "succeeded", 3), (NOON + HOUR, "pending", 0)]
