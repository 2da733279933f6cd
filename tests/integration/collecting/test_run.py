"""A run through the scheduler's own entry: what is stored, what is missed and why, on both databases."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
import stamina
from sqlalchemy import event, func, select
from sqlalchemy.exc import ProgrammingError

from meteorograph import WeatherData, get_db_session, scheduler, tick
from meteorograph.collecting.event_loop import run_async
from meteorograph.collecting.lease_keeper import LeaseKeeper
from meteorograph.collecting.observation import observe_from
from meteorograph.collecting.run import collect
from meteorograph.config.loading import get_settings
from meteorograph.errors import StoreError
from meteorograph.ledger import claims, closing, conditions
from meteorograph.ledger.call_counts import CallRecorder
from meteorograph.model.clock import DrivenClock
from meteorograph.model.schedule import DEFAULT_SCHEDULE, Interval
from meteorograph.model.values import Observation
from meteorograph.scheduler import scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage.engine import get_engine
from meteorograph.storage.models import Location, Missed, Run
from meteorograph.storage.observations import store, to_row
from support import KEY, NOON

HOUR = timedelta(hours=1)


def _claim() -> conditions.Claim:
    claim = claims.claim_run(NOON, DEFAULT_SCHEDULE, Interval(get_settings().interval))
    assert claim
    return claim


def _collect(claim: conditions.Claim, stop: threading.Event) -> str:
    return run_async(collect(claim, get_settings(), stop))


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


@pytest.fixture
def _no_waiting() -> Iterator[None]:
    """Attempts follow each other at once."""
    with stamina.set_testing(True, attempts=3):
        yield


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
    tick.TICK_MEMORY.reset()
    scheduled_ingest()
    with get_db_session(read_only=True) as session:
        assert session.query(Location).filter_by(name="Athens").one().state == "paused"


def test_what_a_run_that_broke_off_had_been_answered_is_stored_when_its_slot_is_over(
    places: int, collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("meteorograph.collecting.worker_pool.GATHER_SECONDS", 600.0)  # until all have been answered
        patched.setattr("meteorograph.collecting.run.store_results", _away)
        scheduled_ingest()
    assert (_count(), collecting.count()) == (0, places)
    collecting.set_faults("kind=html code=404 place=0,10")
    driven.advance(HOUR)
    scheduled_ingest()
    assert collecting.count() == 2 * places
    assert [(run.state, run.stored, run.failed) for run in _all(Run, Run.due_at)] == [("succeeded", 20, 0), ("partial", 19, 1)]
    assert Counter(row.due_at for row in _all(WeatherData)) == {NOON: places, NOON + HOUR: places - 1}
    assert [row.due_at for row in _all(Missed)] == [NOON + HOUR]


def _away(*_: object) -> None:
    raise StoreError("the database is away")


@pytest.mark.usefixtures("_no_waiting")
def test_locations_are_read_a_page_at_a_time(
    places: int, collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meteorograph.collecting.location_queue.PAGE_SIZE", 6)
    collecting.set_faults("kind=status code=503 place=4,10")  # the location stays due, and must not come again in this run
    scheduled_ingest()
    assert _count() == places - 1
    assert collecting.count() == places - 1 + 3
    collecting.set_faults("")
    driven.advance(timedelta(minutes=2))
    scheduled_ingest()
    assert _count() == places


def test_in_a_batch_only_those_whose_turn_it_is_ask_for_their_rain(
    places: int, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "open-meteo")
    monkeypatch.setenv("METEOROGRAPH_OPEN_METEO_BASE_URL", collecting.url)
    monkeypatch.setenv("METEOROGRAPH_PRECIPITATION_PROVIDERS", "weatherstack,open-meteo")
    monkeypatch.setenv("WEATHERSTACK_API_KEY", KEY)
    monkeypatch.setenv("METEOROGRAPH_WEATHERSTACK_CALLS_PER_MONTH", "100")
    scheduled_ingest()
    assert _count() == places
    assert collecting.count("open-meteo") == collecting.count("weatherstack") == 1


@pytest.mark.parametrize("fault", [TypeError("of the test"), ProgrammingError("SELECT", {}, Exception("of the test"))])
def test_a_fault_of_our_own_is_internal_and_costs_its_location_only(
    places: int, fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = observe_from

    async def observe(fetcher: Any, context: Any, rank: int, locations: Sequence[Any]) -> Any:
        if locations[0].name == "p03":
            raise fault
        return await real(fetcher, context, rank, locations)

    monkeypatch.setattr("meteorograph.collecting.worker_pool.observe_from", observe)
    scheduled_ingest()
    assert _count() == places - 1
    [missed] = _all(Missed)
    assert (missed.reason, missed.detail) == ("internal", f"unexpected {type(fault).__name__}")


def test_each_failure_that_will_not_heal_is_one_location_and_has_its_reason(places: int, collecting: Simulator) -> None:
    collecting.set_faults("kind=html code=404 place=0,10; kind=types place=1,10; kind=truncated place=2,10")
    scheduled_ingest()
    assert _count() == places - 3
    missed = {row.location_id: row for row in _all(Missed)}
    assert Counter(row.reason for row in missed.values()) == {"provider_error": 1, "payload_error": 2}
    assert all(row.detail for row in missed.values())
    [run] = _all(Run)
    assert (run.state, run.stored, run.failed, run.calls) == ("partial", 17, 3, 20)
    scheduled_ingest()
    assert collecting.count() == places


@pytest.mark.usefixtures("_no_waiting")
def test_what_may_heal_is_tried_again_while_the_slot_lasts(places: int, collecting: Simulator, driven: DrivenClock) -> None:
    collecting.set_faults("kind=status code=500 place=0,10; kind=reset place=3,10")
    scheduled_ingest()
    assert _count() == places - 2
    assert [run.state for run in _all(Run)] == ["pending"]
    assert collecting.count() == places - 2 + 2 * 3
    scheduled_ingest()
    assert collecting.count() == places - 2 + 2 * 3, "not before its time"
    collecting.set_faults("kind=status code=500 place=0,10")
    driven.advance(timedelta(seconds=31))
    scheduled_ingest()
    assert _count() == places - 1
    collecting.set_faults("")
    driven.advance(timedelta(seconds=31))
    scheduled_ingest()
    assert _count() == places
    assert [run.state for run in _all(Run)] == ["succeeded"]
    assert _all(Missed) == []


@pytest.mark.usefixtures("_no_waiting")
def test_what_never_heals_is_missed_with_its_reason_and_costs_few_calls(
    places: int, collecting: Simulator, driven: DrivenClock
) -> None:
    collecting.set_faults("kind=status code=500 place=0,10")
    for _ in range(240):
        scheduled_ingest()
        driven.advance(timedelta(seconds=15))
    assert _count() == 2 * places - 2 or _count() == places - 1
    [row] = _all(Missed)
    assert (row.reason, row.due_at) == ("provider_error", NOON)
    assert "500" in row.detail
    assert collecting.count() < places + 30


@pytest.mark.usefixtures("_no_waiting")
def test_a_provider_that_is_down_is_left_alone_and_the_slot_waits_for_it(
    places: int, collecting: Simulator, driven: DrivenClock
) -> None:
    collecting.set_faults("kind=status code=503")
    for _ in range(20):  # five minutes
        scheduled_ingest()
        driven.advance(timedelta(seconds=15))
    spent = collecting.count()
    assert spent < 64 + 10, "the calls under way when it went down, and one probe at a time"
    collecting.set_faults("")
    for _ in range(20):
        driven.advance(timedelta(seconds=15))
        scheduled_ingest()
    assert _count() == places
    assert [run.state for run in _all(Run)] == ["succeeded"]


def test_a_quota_that_is_used_up_closes_the_provider_until_its_window_ends(
    places: int, collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_CONCURRENCY", "1")
    collecting.set_faults("kind=status code=429 retry_after=600 count=1 place=5,10")
    scheduled_ingest()
    assert (_count(), collecting.count()) == (5, 6)
    for _ in range(39):
        driven.advance(timedelta(seconds=15))
        scheduled_ingest()
    assert collecting.count() == 6
    driven.advance(timedelta(seconds=15))
    scheduled_ingest()
    assert _count() == places
    assert _all(Missed) == []


def test_a_refused_key_is_tried_again_slowly_and_recovers(places: int, collecting: Simulator, driven: DrivenClock) -> None:
    collecting.set_faults(f"kind=status code=401 until={(NOON + timedelta(minutes=90)):%Y-%m-%dT%H:%MZ}")
    for _ in range(3 * 240):
        scheduled_ingest()
        driven.advance(timedelta(seconds=15))
    assert Counter((row.reason, row.due_at) for row in _all(Missed)) == {("provider_error", NOON): places}
    assert _count() == 2 * places
    refused = collecting.count() - 2 * places
    assert refused <= 6


def test_a_key_that_changes_while_the_run_is_released_is_tried_at_once(places: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings may be read again when the end of the wait is known already, and is not yet in the database."""
    monkeypatch.setenv("OWM_API_KEY", "an-old-key-that-is-refused")

    @event.listens_for(get_engine(), "before_cursor_execute")
    def change_key(*statement: Any) -> None:
        values = statement[3].values() if isinstance(statement[3], dict) else statement[3]
        if statement[2].startswith("UPDATE runs SET state") and next(iter(values)) == "pending":
            monkeypatch.setenv("OWM_API_KEY", KEY)

    scheduled_ingest()
    event.remove(get_engine(), "before_cursor_execute", change_key)
    assert [(run.state, run.lease_expires_at) for run in _all(Run)] == [("pending", None)]
    scheduled_ingest()
    assert _count() == places


def test_one_that_never_answers_delays_no_other(places: int, collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_HTTP_TIMEOUT_SECONDS", "1")
    monkeypatch.setenv("METEOROGRAPH_CONCURRENCY", "4")
    monkeypatch.setattr("meteorograph.collecting.run_context.ATTEMPTS", 1)
    collecting.set_faults("kind=timeout place=0,10")
    scheduled_ingest()
    assert _count() == places - 1
    assert [run.state for run in _all(Run)] == ["pending"]


def test_a_run_that_is_told_to_stop_gives_back_what_it_has_not_done(
    places: int, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_CONCURRENCY", "2")
    stop = threading.Event()

    async def observe_and_stop(*args: Any) -> Any:
        stop.set()
        return await observe_from(*args)

    with monkeypatch.context() as patched:
        patched.setattr("meteorograph.collecting.worker_pool.observe_from", observe_and_stop)
        assert _collect(_claim(), stop) == "pending"
    begun = _count()
    assert begun == collecting.count()
    assert 0 < begun < places
    scheduled_ingest()
    assert _count() == places == collecting.count()
    assert [run.state for run in _all(Run)] == ["succeeded"]


def test_a_run_that_another_process_took_is_left_to_it(
    places: int, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_INTERVAL", "2s")  # a lease of one second, renewed every third of it
    collecting.set_faults("kind=timeout")
    claim = _claim()
    with get_db_session() as session:
        session.get_one(Run, claim.run_id).holder = "another:1"
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    monkeypatch.setattr("meteorograph.collecting.worker_pool.STOP_TIMEOUT", timedelta(0))
    assert _collect(claim, stop) == "pending"
    with get_db_session(read_only=True) as session:
        assert session.get_one(Run, claim.run_id).holder == "another:1"


@pytest.mark.usefixtures("places")
def test_without_a_key_nothing_is_claimed_and_it_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("OWM_API_KEY")
    tick.TICK_MEMORY.reset()
    with caplog.at_level(logging.ERROR):
        scheduled_ingest()
        scheduled_ingest()
    assert caplog.text.count("OWM_API_KEY (or") == 1
    assert _all(Run) == []


@pytest.mark.usefixtures("places")
def test_nothing_reaches_the_scheduler(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("of the test")

    monkeypatch.setattr(claims, "claim_run", broken)
    with caplog.at_level(logging.ERROR):
        scheduled_ingest()
    assert "RuntimeError: of the test" in caplog.text
    monkeypatch.setattr(scheduler, "get_settings", broken)
    scheduled_ingest()


def test_a_parser_that_breaks_costs_its_location_only(
    places: int, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    from meteorograph.providers import openweathermap
    from meteorograph.providers.openweathermap import current

    real = current.parse
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
    claim = _claim()
    due = claims.due_locations(claim, NOON)[0]
    with get_db_session() as session:
        session.delete(session.get_one(Location, due[0].id))
    monkeypatch.setattr(claims, "due_locations", lambda *_, **__: (due, False))
    monkeypatch.setattr(closing, "record_missed", lambda rows: None)
    assert _collect(claim, threading.Event()) == "succeeded"
    assert _count() == places - 1


def test_no_statement_is_for_one_location(places: int, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meteorograph.collecting.worker_pool.GATHER_SECONDS", 600.0)  # else slow answers make more batches
    monkeypatch.setenv("METEOROGRAPH_OWM_CALLS_PER_MINUTE", "1000000")
    statements: list[str] = []

    def taken_by(locations: int) -> int:
        with get_db_session() as session:
            first = session.scalar(select(func.count()).select_from(Location)) or 0
            session.add_all(
                Location(name=f"q{number}", latitude=number / 100, longitude=10, state="active", created_at=NOON)
                for number in range(first, locations)
            )
        scheduled_ingest()  # where the provider says that they are is news once
        driven.advance(HOUR)
        before = _count()
        statements.clear()
        scheduled_ingest()
        driven.advance(HOUR)
        count = len(statements)
        assert _count() == before + locations
        return count

    event.listen(get_engine(), "before_cursor_execute", lambda *args: statements.append(args[2]))
    few = taken_by(100)
    assert few < 66, statements
    assert taken_by(1000) < few + 30, statements  # SQLite takes a hundred rows in a statement


def test_an_idle_tick_writes_nothing(places: int) -> None:
    scheduled_ingest()
    statements: list[str] = []
    event.listen(get_engine(), "before_cursor_execute", lambda *args: statements.append(args[2]))
    scheduled_ingest()
    assert {statement.split()[0] for statement in statements if statement != "BEGIN"} == {"SELECT"}


@pytest.mark.usefixtures("places")
def test_a_text_the_database_does_not_take_costs_its_own_row_only(database: str) -> None:
    rows = [
        to_row(location.id, NOON, Observation(provider="x", fetched_at=NOON, observed_at=NOON, condition=f"nul {char}"))
        for location, char in zip(claims.due_locations(_claim(), NOON)[0], "a\0b", strict=False)
    ]
    refused = store(rows)
    assert len(refused) == (1 if database.startswith("postgresql") else 0)
    assert _count() == len(rows) - len(refused)


@pytest.mark.usefixtures("places")
def test_a_lease_is_lost_only_to_another_process() -> None:
    claim = claims.claim_run(NOON, DEFAULT_SCHEDULE, Interval(timedelta(seconds=1)))  # a short lease, which is looked at often
    assert claim
    own, other = (LeaseKeeper(claim, CallRecorder(claim, lambda: 0), threading.Event()) for _ in range(2))
    own.expect_close()
    closing.release_run(claim, 0)  # a renewal at this moment, before the run has ended in this process, finds it released
    own.renew()
    other.renew()
    assert (own.is_lost, other.is_lost) == (False, True)
