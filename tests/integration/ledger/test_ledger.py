"""The ledger: who gets a slot, what becomes of slots nobody finished, on both databases."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from meteorograph import get_db_session
from meteorograph.ledger import claims, closing, conditions, heartbeat, past_slots
from meteorograph.model import clock
from meteorograph.model.schedule import DEFAULT_SCHEDULE, Interval
from meteorograph.model.states import MissedReason
from meteorograph.model.values import DueLocation
from meteorograph.storage.models import Heartbeat, Location, Missed, Run, WeatherData
from rows import insert_rows
from support import NOON

HOUR = timedelta(hours=1)


def _claim(now: datetime, length: timedelta = HOUR) -> conditions.Claim | None:
    claim = claims.claim_run(now, DEFAULT_SCHEDULE, Interval(length))
    while past_slots.account_for_past(now, DEFAULT_SCHEDULE, Interval(length)):
        pass
    return claim


def _due(claim: conditions.Claim | None) -> list[DueLocation]:
    assert claim
    return claims.due_locations(claim, claim.due_at)[0]


@pytest.fixture(autouse=True)
def _five_locations(database: str) -> None:
    with get_db_session() as session:
        for number, state in enumerate(("active", "active", "paused", "unscheduled", "active")):
            session.add(Location(name=f"place {number}", latitude=number, longitude=0, state=state, created_at=NOON))


def _as(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Be another process."""
    monkeypatch.setattr("meteorograph.storage.process._process_name", lambda _: name)


def _runs() -> Sequence[Run]:
    with get_db_session(read_only=True) as session:
        return session.scalars(select(Run).order_by(Run.due_at)).all()


def _missed() -> Sequence[Missed]:
    with get_db_session(read_only=True) as session:
        return session.scalars(select(Missed).order_by(Missed.due_at, Missed.location_id)).all()


def _store(due: DueLocation, at: datetime = NOON) -> None:
    columns = {column.name: None for column in WeatherData.__table__.columns} | {"origin": "live"}
    insert_rows([columns | {"location_id": due.id, "due_at": at, "fetched_at": at, "provider": "openweathermap"}])


def _finish(claim: conditions.Claim, now: datetime) -> str:
    """Store a row of each location that is left, and finish the run."""
    for due in _due(claim):
        _store(due, claim.due_at)
    return closing.finish_run(claim, 0, now)


def test_a_slot_is_claimed_once_and_the_next_one_again() -> None:
    first = _claim(NOON + timedelta(minutes=7))
    assert first is not None
    assert (first.due_at, first.taken_over) == (NOON, False)
    assert _claim(NOON + timedelta(minutes=7, seconds=20)) is None
    assert _finish(first, NOON + timedelta(minutes=8)) == "succeeded"
    assert _claim(NOON + timedelta(minutes=59)) is None
    second = _claim(NOON + HOUR)
    assert second is not None
    assert second.due_at == NOON + HOUR


def test_of_many_at_once_one_gets_it() -> None:
    barrier = threading.Barrier(8)
    claims: list[conditions.Claim | None] = []
    errors: list[BaseException] = []

    def contend() -> None:
        try:
            for slot in range(5):
                barrier.wait()
                claims.append(_claim(NOON + slot * HOUR))
        except BaseException as error:
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=contend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(claim.due_at for claim in claims if claim) == [NOON + slot * HOUR for slot in range(5)]
    assert len(_runs()) == 5


def test_only_active_locations_are_due_until_stored_or_missed() -> None:
    claim = _claim(NOON)
    due = _due(claim)
    assert [location.name for location in due] == ["place 0", "place 1", "place 4"]
    _store(due[0])
    closing.record_missed([{"location_id": due[1].id, "due_at": NOON, "reason": "provider_error", "detail": "x"}])
    assert [location.name for location in _due(claim)] == ["place 4"]
    assert len(_due(_claim(NOON + HOUR))) == 3


def test_a_run_is_counted_as_it_ends() -> None:
    claim = _claim(NOON)
    assert claim
    due = _due(claim)
    _store(due[0])
    closing.record_missed([{"location_id": one.id, "due_at": NOON, "reason": "quota", "detail": None} for one in due[1:]])
    assert closing.finish_run(claim, 0, NOON + timedelta(seconds=9)) == "partial"
    [run] = _runs()
    assert (run.state, run.due, run.stored, run.failed) == ("partial", 3, 1, 2)
    assert (run.started_at, run.ended_at, run.holder, run.lease_expires_at) == (NOON, NOON + timedelta(seconds=9), None, None)
    assert closing.count_reasons(NOON) == {"quota": 2}


def test_a_run_without_anything_stored_has_failed() -> None:
    claim = _claim(NOON)
    assert claim
    for one in _due(claim):
        closing.record_missed([{"location_id": one.id, "due_at": NOON, "reason": "payload_error", "detail": None}])
    assert closing.finish_run(claim, 0, NOON) == "failed"


def test_the_lease_of_a_dead_process_runs_out_and_another_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    _as(monkeypatch, "dead:1")
    claim = _claim(NOON)
    assert claim
    _store(_due(claim)[0])
    _as(monkeypatch, "alive:2")
    assert _claim(NOON + timedelta(seconds=29)) is None
    again = _claim(NOON + timedelta(seconds=31))
    assert again == conditions.Claim(claim.run_id, DEFAULT_SCHEDULE, NOON, NOON + HOUR, HOUR, taken_over=True)
    assert len(_due(claim)) == 2
    _as(monkeypatch, "dead:1")
    assert not claims.renew_run(claim.run_id, NOON + HOUR)


def test_a_process_that_lost_its_lease_does_not_close_the_run_of_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the next one is killed too, the locations would have neither a row nor a reason."""
    _as(monkeypatch, "slow:1")
    claim = _claim(NOON)
    assert claim
    _as(monkeypatch, "other:2")
    assert _claim(NOON + timedelta(seconds=31))
    _as(monkeypatch, "slow:1")
    _store(_due(claim)[0])
    assert closing.finish_run(claim, 1, NOON + timedelta(seconds=32)) == "pending"
    (run,) = _runs()
    assert (run.state, run.holder, run.calls) == ("running", "other:2", 1)


def test_a_lease_that_is_renewed_does_not_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    _as(monkeypatch, "slow:1")
    claim = _claim(NOON)
    assert claim
    assert claims.renew_run(claim.run_id, NOON + timedelta(seconds=60))
    _as(monkeypatch, "other:2")
    assert _claim(NOON + timedelta(seconds=59)) is None


def test_a_run_that_is_given_back_is_free_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    _as(monkeypatch, "stopping:1")
    claim = _claim(NOON)
    assert claim
    closing.release_run(claim, 0)
    _as(monkeypatch, "other:2")
    again = _claim(NOON + timedelta(seconds=1))
    assert again
    assert again.taken_over


def test_slots_while_nothing_ran_are_recorded_as_down() -> None:
    claim = _claim(NOON)
    assert claim
    _finish(claim, NOON + timedelta(minutes=1))
    assert _claim(NOON + 4 * HOUR)
    assert [(run.due_at, run.state, run.reason) for run in _runs()] == [
        (NOON, "succeeded", None),
        (NOON + HOUR, "missed", "down"),
        (NOON + 2 * HOUR, "missed", "down"),
        (NOON + 3 * HOUR, "missed", "down"),
        (NOON + 4 * HOUR, "running", None),
    ]
    assert _runs()[1].due == 3
    assert Counter(row.reason for row in _missed()) == {"down": 9}


def test_slots_while_a_run_was_still_at_work_are_recorded_as_late() -> None:
    claim = _claim(NOON)
    assert claim
    _finish(claim, NOON + timedelta(hours=2, minutes=30))
    assert _claim(NOON + timedelta(hours=2, minutes=31))
    assert [(run.state, run.reason) for run in _runs()] == [("succeeded", None), ("missed", "late"), ("running", None)]


def test_slots_after_a_run_whose_process_died_were_not_late_but_down() -> None:
    assert _claim(NOON)
    assert _claim(NOON + timedelta(hours=2, minutes=31))
    assert [(run.state, run.reason) for run in _runs()] == [("failed", None), ("missed", "down"), ("running", None)]


def test_what_a_dead_process_left_of_an_earlier_slot_is_missed() -> None:
    claim = _claim(NOON)
    due = _due(claim)
    _store(due[0])
    closing.record_missed([{"location_id": due[1].id, "due_at": NOON, "reason": "quota", "detail": None}])
    assert _claim(NOON + HOUR)
    assert (_runs()[0].state, _runs()[0].stored, _runs()[0].failed) == ("partial", 1, 2)
    assert [(row.location_id, row.reason) for row in _missed()] == [(due[1].id, "quota"), (due[2].id, "down")]


def test_a_clock_that_steps_back_claims_nothing_twice() -> None:
    for hour in range(3):
        claim = _claim(NOON + hour * HOUR)
        assert claim
        _finish(claim, NOON + hour * HOUR)
    for hour in (0, 1, 2):
        assert _claim(NOON + hour * HOUR + timedelta(minutes=5)) is None
    assert len(_runs()) == 3


def test_a_shorter_interval_goes_on_from_the_last_slot() -> None:
    claim = _claim(NOON)
    assert claim
    _finish(claim, NOON)
    quarter = timedelta(minutes=15)
    assert _claim(NOON + timedelta(minutes=16), quarter)
    assert [run.due_at for run in _runs()] == [NOON, NOON + quarter]


def test_heartbeats_are_one_row_a_process_and_those_of_yesterday_go(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, at in (("a:1", NOON), ("a:1", NOON + HOUR), ("b:2", NOON + 25 * HOUR)):
        _as(monkeypatch, name)
        heartbeat.record_heartbeat(at)
    with get_db_session(read_only=True) as session:
        beats = session.scalars(select(Heartbeat).order_by(Heartbeat.holder)).all()
    assert [(beat.holder, beat.beat_at) for beat in beats] == [("a:1", NOON + HOUR), ("b:2", NOON + 25 * HOUR)]


def test_a_clock_that_was_ahead_once_stops_nothing() -> None:
    ahead = _claim(NOON + timedelta(days=1))
    assert ahead
    _finish(ahead, NOON + timedelta(days=1))
    claimed = [hour for hour in range(27) if _claim(NOON + hour * HOUR)]
    assert claimed == [hour for hour in range(27) if hour != 24], "the run of the future accounts for no slot but its own"


def test_a_location_owes_no_slot_of_before_it_was_resumed() -> None:
    claim = _claim(NOON)
    assert claim
    _finish(claim, NOON)
    with clock.driven_by(lambda: NOON + timedelta(hours=5, minutes=30)), get_db_session() as session:
        session.query(Location).filter_by(name="place 2").one().state = "active"
    assert _claim(NOON + 7 * HOUR)
    lost = [row.due_at for row in _missed() if row.location_id == 3]
    assert lost == [NOON + 6 * HOUR]
    assert len(_missed()) == 3 * 6 + 1


def test_a_run_whose_schedule_nobody_follows_any_more_is_closed() -> None:
    assert claims.claim_run(NOON, "6h", Interval(timedelta(hours=6)))
    closing.close_orphans(NOON + timedelta(minutes=59), [DEFAULT_SCHEDULE])
    assert [run.state for run in _runs()] == ["running"]
    closing.close_orphans(NOON + timedelta(minutes=61), [DEFAULT_SCHEDULE])
    assert [run.state for run in _runs()] == ["succeeded"]


def test_a_long_downtime_is_written_off_in_several_transactions() -> None:
    claim = _claim(NOON, timedelta(minutes=1))
    assert claim
    _finish(claim, NOON)
    assert _claim(NOON + timedelta(minutes=500), timedelta(minutes=1))
    assert Counter(run.state for run in _runs()) == {"succeeded": 1, "missed": 499, "running": 1}


@pytest.mark.parametrize(
    ("length", "chosen", "grace"),
    [(24, None, 12), (4, None, 4), (1, None, 1), (24, "1h", 1), (4, "90m", 1.5), (1, "2h", 1)],
)
def test_a_slot_is_over_after_its_grace(length: int, chosen: str | None, grace: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The grace is the interval, an hour at least and twelve at most, unless it is chosen; the next slot ends it anyway."""
    if chosen:
        monkeypatch.setenv("METEOROGRAPH_GRACE", chosen)
    interval, midnight, ends_at = length * HOUR, NOON - 12 * HOUR, NOON - 12 * HOUR + grace * HOUR
    claim = _claim(midnight, interval)
    assert claim
    assert claim.ends_at == ends_at
    minute = timedelta(minutes=1)
    closing.release_run(claim, 1, until=ends_at - 2 * minute, reason=MissedReason.PROVIDER_ERROR)
    claim = _claim(ends_at - minute, interval)
    assert claim
    closing.release_run(claim, 1, until=ends_at + 2 * minute, reason=MissedReason.PROVIDER_ERROR)
    later = _claim(ends_at + minute, interval)
    assert (later is None) == (grace < length)
    assert _runs()[0].state == "failed"
    assert {row.reason for row in _missed()} == {"provider_error"}


def test_a_spread_window_gives_each_location_its_offset_and_leaves_time() -> None:
    with get_db_session() as session:
        for number in range(300):
            session.add(Location(name=f"spread {number}", latitude=number / 4, longitude=1, state="active", created_at=NOON))
    claim = _claim(NOON)
    assert claim
    sizes = []
    for minute in (0, 15, 30, 48):
        due, more = claims.due_locations(claim, NOON + timedelta(minutes=minute), HOUR)
        sizes.append(len(due))
        assert more == (minute < 48)
    assert sizes == sorted(sizes)
    assert sizes[0] < 30
    assert 60 < sizes[1] < 130
    assert sizes[-1] == 303


@pytest.mark.parametrize("spread", [timedelta(0), HOUR])
def test_by_a_clock_that_was_set_back_behind_the_slot_nothing_is_divided_by_zero(spread: timedelta) -> None:
    claim = _claim(NOON)
    assert claim
    due, has_later = claims.due_locations(claim, NOON - HOUR, spread)
    assert (len(due), has_later) == ((0, True) if spread else (3, False))
