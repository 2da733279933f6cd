"""Missed slots are filled from a history: newest first, within what live collection leaves, each hour at most so often."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text

from engines import take_jobs, tick
from histories import Archive, give, history
from meteorograph import WeatherData, get_db_session, init_db
from meteorograph.config.loading import get_settings
from meteorograph.healing import budget, missed_slots, rounds
from meteorograph.healing.filler import HealingResult
from meteorograph.ledger import claims, coverage
from meteorograph.ledger.gaps import list_gaps
from meteorograph.model.clock import DrivenClock
from meteorograph.model.quantities import QUANTITIES
from meteorograph.model.schedule import DEFAULT_SCHEDULE, Interval
from meteorograph.model.states import Origin
from meteorograph.model.values import Observation
from meteorograph.scheduler import scheduled_healing, scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage import leases
from meteorograph.storage.models import Location, Missed, Quota
from meteorograph.storage.observations import store, write_rows
from meteorograph.storage.observations import to_row as row_of
from meteorograph.storage.queues import Queue
from support import NOON

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def archive(collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """OpenWeatherMap has a history, on the account of its current weather, that tells the simulator's truth."""
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    made = Archive(collecting.truth)
    with made.served():
        give(monkeypatch, "openweathermap", history(made, "openweathermap", "openweathermap"))
        yield made


def _add(number: int, **values: Any) -> None:
    with get_db_session() as session:
        for index in range(number):
            session.add(Location(name=f"p{index:02}", latitude=index, longitude=10, state="active", created_at=NOON, **values))


def _outage(driven: DrivenClock, hours: int) -> None:
    """A slot that is collected, so many that nobody ran for, and one that is collected again."""
    scheduled_ingest()
    driven.advance((hours + 1) * HOUR)
    scheduled_ingest()


def _tick() -> HealingResult | None:
    return rounds.heal_once(get_settings(), threading.Event())


def _all(model: type[Any], *order: Any) -> Sequence[Any]:
    with get_db_session(read_only=True) as session:
        return session.scalars(select(model).order_by(*order)).all()


def _count(model: type[Any]) -> int:
    with get_db_session(read_only=True) as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_an_outage_of_twelve_hours_is_healed_with_one_request_a_location(
    archive: Archive, collecting: Simulator, driven: DrivenClock
) -> None:
    _add(3)
    _outage(driven, 12)
    assert (_count(WeatherData), _count(Missed)) == (6, 36)
    scheduled_healing()
    assert (_count(WeatherData), _count(Missed)) == (42, 0)
    assert len(archive.calls) == 3
    assert {(start, end) for _, start, end in archive.calls} == {(NOON + HOUR, NOON + 12 * HOUR)}
    healed = [row for row in _all(WeatherData) if row.origin == "backfill"]
    assert len(healed) == 36
    for one in healed:
        truth = collecting.truth(one.location_id - 1, 10, one.due_at)
        assert (one.provider, one.observed_at) == ("openweathermap", one.due_at)
        names = [each.name for each in QUANTITIES if each.name in truth]
        assert {name: getattr(one, name) for name in names} == {name: truth[name] for name in names}
    scheduled_healing()
    assert len(archive.calls) == 3


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_with_procrastinate_a_process_that_takes_jobs_heals_and_one_that_ticks_does_not(
    archive: Archive, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_ENGINE", "procrastinate")
    init_db()  # the queues
    _add(3)
    tick()
    driven.advance(13 * HOUR)
    tick()
    assert _count(Missed) == 36
    scheduled_healing()
    scheduled_healing()
    assert (archive.calls, _waiting()) == ([], ["healing"])
    with get_db_session() as session:  # a process that died with the job: its lease ends, and another job is deferred
        session.execute(text("UPDATE procrastinate_jobs SET status = 'doing' WHERE queueing_lock = 'healing'"))
    scheduled_healing()
    assert _waiting() == ["healing"]
    take_jobs(Queue.BACKFILL)
    assert (_count(WeatherData), _count(Missed), len(archive.calls)) == (42, 0, 3)
    scheduled_healing()
    assert _waiting() == []


def _waiting() -> list[str]:
    with get_db_session(read_only=True) as session:
        query = "SELECT queueing_lock FROM procrastinate_jobs WHERE status = 'todo' AND queue_name = 'backfill'"
        return list(session.scalars(text(query)))


def _miss(*slots: tuple[int, float]) -> None:
    """Locations (by number) with hours after noon at which they have nothing."""
    with get_db_session() as session:
        for number, hours in slots:
            session.add(Missed(location_id=number + 1, due_at=NOON + hours * HOUR, reason="down"))


def _missed(hours: float, number: int = 0) -> Missed | None:
    with get_db_session(read_only=True) as session:
        return session.get(Missed, (number + 1, NOON + hours * HOUR))


def _stored() -> list[tuple[int, float]]:
    """Number of the location and hour after noon of each row from a history."""
    rows = [row for row in _all(WeatherData, WeatherData.due_at, WeatherData.location_id) if row.origin == "backfill"]
    return [(row.location_id - 1, (row.due_at - NOON) / HOUR) for row in rows]


def _quota_left(driven: DrivenClock) -> dict[str, budget.WindowBudget]:
    settings = get_settings()
    with get_db_session(read_only=True) as session:
        account = settings.account("openweathermap")
        return {one.window: one for one in budget.read_window_budgets(session, settings, account, driven())}


def test_the_newest_slots_come_first_and_live_collection_keeps_what_it_needs(
    archive: Archive, collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(3)
    scheduled_ingest()
    driven.advance(24 * HOUR)
    _miss((0, 10), (1, 12), (2, 9), (2, 11))
    month = _quota_left(driven)["month"]
    assert month.used == 3
    assert month.live == 3 * (29 * 24 + 11)  # one call a location and slot until April begins
    monkeypatch.setenv("METEOROGRAPH_OWM_CALLS_PER_MONTH", str(3 + month.live + 50))
    assert _tick() is None
    assert archive.calls == []
    monkeypatch.setenv("METEOROGRAPH_OWM_CALLS_PER_MONTH", str(3 + month.live + 50 + 2))
    _tick()
    assert _stored() == [(2, 9), (2, 11), (1, 12)]
    assert _quota_left(driven)["month"].calls == 0
    before = collecting.count()
    scheduled_ingest()
    assert (collecting.count() - before, _count(Missed)) == (3, 3 * 23 - 3)


def test_while_a_run_is_to_collect_its_calls_are_left_to_it(archive: Archive, driven: DrivenClock) -> None:
    _add(2)
    before = _quota_left(driven)["minute"].live
    assert claims.claim_run(NOON, DEFAULT_SCHEDULE, Interval(HOUR))
    assert _quota_left(driven)["minute"].live == before + 2


def test_an_hour_without_data_is_closed_and_the_others_go_on(archive: Archive, driven: DrivenClock) -> None:
    _add(1)
    driven.advance(6 * HOUR)
    _miss((0, 1), (0, 2), (0, 3))
    archive.without = {NOON + 2 * HOUR}
    for tries in (1, 2, 3):
        _tick()
        _tick()
        driven.advance(DAY - HOUR)
        assert _tick() is None
        driven.advance(HOUR)
        row = _missed(2)
        assert row is not None
        assert (row.tries, row.closed_at is not None) == (tries, tries == 3)
    assert _stored() == [(0, 1), (0, 3)]
    assert len(archive.calls) == 3
    archive.without = set()
    _miss((0, 20))
    _tick()
    assert _stored() == [(0, 1), (0, 3), (0, 20)]
    assert len(archive.calls) == 4
    with get_db_session(read_only=True) as session:
        [gap] = list_gaps(session, NOON, driven())[0]
        [entry] = coverage.slot_coverage(session, NOON, driven())[0]
    assert (gap.first_slot, gap.is_unrecoverable) == (NOON + 2 * HOUR, True)
    assert (entry.missed, entry.unrecoverable, entry.missed_by_reason) == (1, 1, {"down": 1})


def test_coverage_tells_what_was_backfilled(archive: Archive, driven: DrivenClock) -> None:
    _add(2)
    _outage(driven, 30)
    archive.without = {NOON + 2 * HOUR}
    _tick()
    with get_db_session(read_only=True) as session:
        by_day = coverage.slot_coverage(session, NOON, driven() + HOUR, by="day")[0]
        whole = coverage.slot_coverage(session, NOON, driven() + HOUR)[0]
        both = coverage.slot_coverage(session, NOON, driven() + HOUR, by="location,day")[0]
    assert [(day.stored, day.backfilled, day.missed) for day in by_day] == [(22, 20, 2), (40, 38, 0)]
    assert [(one.due, one.stored, one.backfilled, one.missed) for one in whole] == [(32, 31, 29, 1)] * 2
    assert [one.backfilled for one in both] == [10, 19, 10, 19]


def test_a_history_that_fails_is_asked_again_after_waits_that_double(archive: Archive, driven: DrivenClock) -> None:
    _add(1)
    driven.advance(6 * HOUR)
    _miss((0, 1))
    archive.status = 503
    waits = []
    for _ in range(3):
        _tick()
        row = _missed(1)
        assert row is not None
        assert row.next_try_at is not None
        waits.append(row.next_try_at - driven())
        driven.advance(waits[-1] - timedelta(seconds=1))
        assert _tick() is None
        driven.advance(timedelta(seconds=1))
    assert waits == [timedelta(minutes=10), timedelta(minutes=20), timedelta(minutes=40)]
    assert row is not None
    assert (row.tries, len(archive.calls)) == (0, 3)
    archive.status = 200
    _tick()
    assert _stored() == [(0, 1)]


@pytest.fixture
def second(archive: Archive, collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """Another history of the same provider, on an account that only histories share."""
    other = Archive(collecting.truth)
    with other.served():
        mine = [history(one, "openweathermap", "openweathermap-past") for one in (archive, other)]
        give(monkeypatch, "openweathermap", *mine)
        yield other


def test_what_the_first_history_refuses_the_next_one_is_asked_and_the_first_a_day_later(
    archive: Archive, second: Archive, driven: DrivenClock
) -> None:
    _add(1)
    driven.advance(6 * HOUR)
    archive.status = 401
    for hours in (1, 2, 3):
        _miss((0, hours))
        _tick()
    assert _stored() == [(0, 1), (0, 2), (0, 3)]
    assert (len(archive.calls), len(second.calls)) == (1, 3)
    driven.advance(DAY)
    archive.status = 200
    _miss((0, 4))
    _tick()
    assert (len(archive.calls), len(second.calls)) == (2, 3)


def test_when_the_key_may_use_no_history_they_are_asked_once_a_day(
    archive: Archive, second: Archive, driven: DrivenClock
) -> None:
    _add(1)
    driven.advance(6 * HOUR)
    _miss((0, 1), (0, 2))
    archive.status = second.status = 401
    for _ in range(24):
        _tick()
        driven.advance(HOUR)
    assert (len(archive.calls), len(second.calls)) == (1, 1)
    driven.advance(HOUR)
    _tick()
    assert (len(archive.calls), len(second.calls)) == (2, 2)
    assert [row.tries for row in _all(Missed)] == [0, 0]


def test_what_the_first_history_does_not_have_comes_from_the_next_one(
    archive: Archive, second: Archive, driven: DrivenClock
) -> None:
    _add(1)
    driven.advance(12 * HOUR)
    _miss(*((0, hours) for hours in range(1, 7)))
    archive.without = {NOON + 2 * HOUR, NOON + 3 * HOUR}
    second.without = {NOON + 3 * HOUR}
    _tick()
    assert _stored() == [(0, hours) for hours in (1, 2, 4, 5, 6)]
    assert [call[1:] for call in second.calls] == [(NOON + 2 * HOUR, NOON + 3 * HOUR)]
    row = _missed(3)
    assert row is not None
    assert row.tries == 1


def test_data_that_are_yet_to_come_and_hours_out_of_reach(
    archive: Archive, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = history(archive, "openweathermap", "openweathermap", delay=5 * HOUR, reach=3 * DAY)
    give(monkeypatch, "openweathermap", limited)
    _add(1)
    driven.advance(7 * HOUR)
    _miss((0, -72), (0, 2), (0, 3))
    _tick()
    assert [call[1:] for call in archive.calls] == [(NOON + 2 * HOUR, NOON + 2 * HOUR)]
    far, soon = _missed(-72), _missed(3)
    assert far is not None
    assert soon is not None
    assert (far.closed_at, soon.closed_at) == (driven(), None)
    driven.advance(HOUR)
    _tick()
    assert _stored() == [(0, 2), (0, 3)]


def test_pages_are_followed_and_each_one_is_charged(archive: Archive, driven: DrivenClock) -> None:
    archive.page = 5
    _add(1)
    driven.advance(24 * HOUR)
    _miss(*((0, hours) for hours in range(1, 13)))
    _tick()
    assert len(_stored()) == 12
    assert [call[1] for call in archive.calls] == [NOON + hours * HOUR for hours in (1, 6, 11)]
    assert {row.used for row in _all(Quota)} == {3}


@pytest.mark.parametrize(("status", "tries"), [(400, 1), (422, 0)])  # the parser of the archive cannot read an answer of 422
def test_one_hour_that_the_provider_chokes_on_does_not_cost_the_others(
    archive: Archive, driven: DrivenClock, status: int, tries: int
) -> None:
    _add(1)
    driven.advance(24 * HOUR)
    _miss(*((0, hours) for hours in range(1, 13)))
    archive.refused = {NOON + 4 * HOUR: status}
    _tick()
    assert [hours for _, hours in _stored()] == [hours for hours in range(1, 13) if hours != 4]
    row = _missed(4)
    assert row is not None
    assert row.tries == tries
    assert row.next_try_at is not None


def test_slots_of_a_history_that_cannot_be_read_are_failures_and_stay_open(archive: Archive, driven: DrivenClock) -> None:
    _add(1)
    driven.advance(24 * HOUR)
    _miss((0, 1), (0, 2))
    archive.status = 422
    outcomes = []
    for _ in range(8):
        result = _tick()
        assert result is not None
        outcomes.append((result.filled, result.empty, result.closed, result.failed))
        driven.advance(DAY)
    assert outcomes == [(0, 0, 0, 2)] * 8
    assert [(row.tries, row.closed_at) for row in _all(Missed)] == [(0, None)] * 2
    archive.status = 200
    _tick()
    assert _stored() == [(0, 1), (0, 2)]


def test_an_unreadable_history_is_no_answer_beside_one_without_data(
    archive: Archive, second: Archive, driven: DrivenClock
) -> None:
    _add(1)
    driven.advance(6 * HOUR)
    _miss((0, 1))
    archive.status = 422
    second.without = {NOON + HOUR}
    for _ in range(5):
        result = _tick()
        assert result is not None
        assert (result.empty, result.failed) == (0, 1)
        driven.advance(DAY)
    assert [(row.tries, row.closed_at) for row in _all(Missed)] == [(0, None)]


def test_a_row_that_the_database_refuses_is_a_failure(
    archive: Archive, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(1)
    driven.advance(6 * HOUR)
    _miss((0, 1), (0, 2))

    def make_bad_row(location_id: int, due_at: datetime, *rest: Any) -> dict[str, Any]:
        return row_of(location_id, due_at, *rest) | ({"precipitation_period": -1} if due_at == NOON + HOUR else {})

    monkeypatch.setattr("meteorograph.healing.filler.to_row", make_bad_row)
    result = _tick()
    assert result is not None
    assert (result.filled, result.empty, result.failed) == (1, 0, 1)
    row = _missed(1)
    assert row is not None
    assert (row.tries, row.closed_at) == (0, None)


def test_hours_between_refused_ends_are_found(archive: Archive, driven: DrivenClock) -> None:
    _add(1)
    driven.advance(24 * HOUR)
    _miss(*((0, hours) for hours in range(1, 13)))
    archive.refused = {NOON + hours * HOUR: 400 for hours in (1, 9, 12)}
    _tick()
    assert [hours for _, hours in _stored()] == [hours for hours in range(1, 13) if hours not in (1, 9, 12)]
    assert [row.tries for row in _all(Missed)] == [1] * 3


def test_hours_nobody_asked_for_alone_are_not_counted_as_refused(archive: Archive, driven: DrivenClock) -> None:
    _add(1)
    driven.advance(24 * HOUR)
    _miss(*((0, hours) for hours in range(1, 13)))
    archive.refused = {NOON + hours * HOUR: 400 for hours in (1, 6, 7, 12)}
    _tick()
    assert len(archive.calls) == 4, "a stretch that is refused at both ends and in the middle is not taken apart at once"
    assert sorted(row.tries for row in _all(Missed)) == [0] * 9 + [1] * 3
    driven.advance(timedelta(minutes=10))
    _tick()
    assert [hours for _, hours in _stored()] == [2, 3, 4, 5, 8, 9, 10, 11]
    assert [row.tries for row in _all(Missed)] == [1] * 4


def test_a_stretch_that_is_refused_for_ever_costs_few_calls_and_is_closed_hour_by_hour(
    archive: Archive, driven: DrivenClock
) -> None:
    _add(1)
    driven.advance(24 * HOUR)
    _miss(*((0, hours) for hours in range(1, 13)))
    archive.refused = {NOON + hours * HOUR: 400 for hours in range(1, 13)}
    for number in range(6 * 8):
        _tick()
        driven.advance(3 * HOUR)
        if number == 8:
            assert len(archive.calls) < 24
    assert all(row.closed_at for row in _all(Missed))
    assert len(archive.calls) < 70


def test_only_one_process_heals_at_a_time(archive: Archive, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    _add(1)
    driven.advance(6 * HOUR)
    _miss((0, 1))
    with monkeypatch.context() as other:
        other.setattr(leases, "process_name", lambda: "elsewhere:1")
        assert leases.take_lease(rounds.LEASE_NAME, driven())
    assert _tick() is None
    driven.advance(leases.LEASE_LENGTH)
    assert _tick() is not None
    assert (_stored(), len(archive.calls)) == ([(0, 1)], 1)


def test_what_was_stored_meanwhile_is_left_as_it_is(archive: Archive, driven: DrivenClock) -> None:
    _add(1)
    driven.advance(6 * HOUR)
    _miss((0, 1), (0, 2))
    late = row_of(1, NOON + HOUR, Observation(provider="metar", fetched_at=driven(), observed_at=None, temperature=7.0))

    def store_late() -> None:
        store([late])

    archive.before_answer = store_late
    _tick()
    assert [(one.provider, one.origin) for one in _all(WeatherData, WeatherData.due_at)] == [
        ("metar", "live"),
        ("openweathermap", "backfill"),
    ]
    assert _count(Missed) == 0


def test_what_is_stored_while_it_stores_is_left_as_it_is_too(
    archive: Archive, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(1)
    driven.advance(6 * HOUR)
    _miss((0, 1), (0, 2))
    late = row_of(1, NOON + HOUR, Observation(provider="metar", fetched_at=driven(), observed_at=None, temperature=7.0))
    live = threading.Thread(target=store, args=([late],))

    def put_later(*args: Any, **how: Any) -> None:
        live.start()
        live.join(0.3)  # by then it is stored, or waits for the end of the transaction
        write_rows(*args, **how)

    monkeypatch.setattr("meteorograph.healing.missed_slots.write_rows", put_later)
    _tick()
    live.join()
    assert [one.provider for one in _all(WeatherData, WeatherData.due_at)] == ["metar", "openweathermap"]
    assert _count(Missed) == 0


def test_a_row_that_the_database_refuses_does_not_cost_the_others(archive: Archive, driven: DrivenClock) -> None:
    _add(1)
    _miss((0, 1), (0, 2))
    found = Observation(provider="openweathermap", fetched_at=driven(), observed_at=None, temperature=7.0)
    rows = {NOON + hours * HOUR: row_of(1, NOON + hours * HOUR, found, Origin.BACKFILL) for hours in (1, 2)}
    rows[NOON + HOUR]["precipitation_period"] = -1
    assert list(missed_slots.store_healed(1, rows)) == [NOON + HOUR]
    assert (_stored(), _missed(1) is None, _missed(2)) == ([(0, 2)], False, None)


@pytest.mark.parametrize(("name", "value"), [("HEALING", "false"), ("HEALING_DAYS", "1")])
def test_healing_can_be_switched_off_or_limited(
    archive: Archive, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"METEOROGRAPH_{name}", value)
    _add(1)
    driven.advance(30 * HOUR)
    _miss((0, 1))
    scheduled_healing()
    assert archive.calls == []


def test_slots_between_the_hours_get_the_nearest_hour(archive: Archive, driven: DrivenClock) -> None:
    _add(1)
    driven.advance(6 * HOUR)
    _miss((0, 1), (0, 1.25), (0, 1.5), (0, 1.75), (0, 2))
    _tick()
    observed = {(row.due_at - NOON) / HOUR: (row.observed_at - NOON) / HOUR for row in _all(WeatherData)}
    assert observed == {1: 1, 1.25: 1, 1.5: 1, 1.75: 2, 2: 2}
