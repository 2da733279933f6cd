"""Every slot has a row, a reason or an open run, whatever has happened to the runs: on both databases."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from acceptance.holds import away
from meteorograph import get_db_session, init_db
from meteorograph.cli.main import cli
from meteorograph.ledger import audit, claims, heartbeat, past_slots
from meteorograph.ledger.gaps import list_gaps
from meteorograph.model.clock import DrivenClock
from meteorograph.model.schedule import DEFAULT_SCHEDULE, Interval
from meteorograph.model.states import MissedReason
from meteorograph.scheduler import scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage import engine
from meteorograph.storage.models import AccountedUntil, Location, Missed, Run, WeatherData
from meteorograph.tick import TICK_MEMORY
from support import NOON

HOUR = timedelta(hours=1)
HOURLY = [(DEFAULT_SCHEDULE, Interval(HOUR))]


@pytest.fixture(autouse=True)
def upstream(database: str, driven: DrivenClock, collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """Three locations, and the providers that collection calls."""
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr("meteorograph.failover.call.AWAY_SECONDS", 0.0)
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    init_db()
    with get_db_session() as session:
        for number in range(3):
            at = {"latitude": 40.0 + number, "longitude": 10.0, "created_at": NOON - HOUR, "due_since": NOON - HOUR}
            session.add(Location(name=f"p{number}", state="active", **at))
    yield collecting
    TICK_MEMORY.reset()


#: A pooler lets its clients wait while the database is away.
NOT_POOLED = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


def missed() -> Counter[tuple[datetime, str]]:
    """How many locations missed each slot, by reason."""
    with get_db_session(read_only=True) as session:
        return Counter((due_at, reason) for due_at, reason in session.execute(select(Missed.due_at, Missed.reason)))


@NOT_POOLED
def test_slots_of_a_sleep_that_ends_while_the_database_is_away(database: str, driven: DrivenClock, upstream: Simulator) -> None:
    scheduled_ingest()
    driven.advance(9 * HOUR)
    with away(database):
        scheduled_ingest()
    driven.advance(HOUR)
    scheduled_ingest()
    assert upstream.count() == 9, "the slot at hand was collected beside the database"
    assert missed() == {(NOON + hour * HOUR, "down"): 3 for hour in range(1, 9)}
    assert audit.audit(driven(), HOURLY) == []


def test_the_slot_at_hand_is_collected_before_a_long_absence_is_recorded(
    driven: DrivenClock, upstream: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduled_ingest()
    driven.advance(400 * HOUR)
    steps: list[int] = []
    record = past_slots.record_reasons

    def record_and_note(session: Session, holes: Sequence[past_slots.Hole]) -> None:
        steps.append(upstream.count())
        record(session, holes)

    monkeypatch.setattr(past_slots, "record_reasons", record_and_note)
    scheduled_ingest()
    assert steps[0] == 6, "the calls of the slot at hand came first"
    assert len(steps) >= 2, "the past is recorded in steps"
    assert len(missed()) == 399
    with get_db_session(read_only=True) as session:
        until = session.scalars(select(AccountedUntil.until_at)).one()
    assert until == NOON + 399 * HOUR


def test_nothing_was_missed_before_a_service_ran(driven: DrivenClock) -> None:
    driven.advance(30 * HOUR)
    scheduled_ingest()
    assert missed() == {}


def test_a_new_schedule_whose_process_died_before_its_first_slot(driven: DrivenClock, upstream: Simulator) -> None:
    scheduled_ingest()
    with get_db_session() as session:
        session.add(Location(name="new", latitude=1, longitude=2, state="active", schedule="2h", created_at=NOON, due_since=NOON))
    driven.advance(5 * HOUR)
    scheduled_ingest()
    with get_db_session(read_only=True) as session:
        new = session.scalars(select(Location.id).where(Location.name == "new")).one()
        slots = session.scalars(select(Missed.due_at).where(Missed.location_id == new).order_by(Missed.due_at)).all()
    assert slots == [NOON + 2 * HOUR]
    assert upstream.count() == 7, "the slot at hand is collected, although it began an hour ago"


@pytest.mark.parametrize("is_stopped", [True, False])
def test_a_process_that_was_stopped_in_order_was_not_down(driven: DrivenClock, is_stopped: bool) -> None:
    scheduled_ingest()
    heartbeat.record_heartbeat(driven())
    if is_stopped:
        heartbeat.record_stop(driven())
    driven.advance(3 * HOUR)
    scheduled_ingest()
    assert {reason for _, reason in missed()} == {"stopped" if is_stopped else "down"}


@NOT_POOLED
def test_slots_of_a_process_whose_database_was_away_and_that_had_no_other(database: str, driven: DrivenClock) -> None:
    with get_db_session() as session:
        session.add(Run(schedule=DEFAULT_SCHEDULE, due_at=NOON, state="succeeded", ended_at=NOON))
    driven.advance(HOUR)
    with away(database):
        scheduled_ingest()
        driven.advance(HOUR)
        scheduled_ingest()
    driven.advance(HOUR)
    scheduled_ingest()
    assert missed() == {(NOON, "unrecorded"): 3} | {(NOON + hour * HOUR, "database"): 3 for hour in (1, 2)}


def _lose(driven: DrivenClock) -> None:
    """Three slots are collected; then one loses its rows, one its run and its rows."""
    for _ in range(4):
        scheduled_ingest()
        driven.advance(HOUR)
    driven.advance(-HOUR)
    with get_db_session() as session:
        session.execute(delete(WeatherData).where(WeatherData.due_at.in_((NOON + HOUR, NOON + 2 * HOUR))))
        session.execute(delete(Run).where(Run.due_at == NOON + 2 * HOUR))


def test_the_audit_finds_what_was_lost_and_records_it_once(driven: DrivenClock) -> None:
    _lose(driven)
    dry = audit.audit(driven(), HOURLY, repair=False)
    assert missed() == {}
    found = audit.audit(driven(), HOURLY)
    assert found == dry
    assert [(one.first_slot, one.slots, one.missing, one.reason) for one in found] == [
        (NOON + HOUR, 1, 3, MissedReason.UNRECORDED),
        (NOON + 2 * HOUR, 1, 3, MissedReason.DOWN),
    ]
    assert missed() == {(NOON + HOUR, "unrecorded"): 3, (NOON + 2 * HOUR, "down"): 3}
    assert audit.audit(driven(), HOURLY) == []
    with get_db_session(read_only=True) as session:
        gaps, _ = list_gaps(session, NOON, driven() + HOUR)
        run = session.scalars(select(Run).where(Run.due_at == NOON + HOUR)).one()
    assert sum(gap.slots for gap in gaps) == 6
    assert (run.state, run.stored, run.failed) == ("failed", 0, 3)


def test_an_open_run_is_no_hole(driven: DrivenClock) -> None:
    assert claims.claim_run(driven(), *HOURLY[0])
    driven.advance(timedelta(minutes=59))
    assert audit.audit(driven(), HOURLY) == []


def test_the_command(driven: DrivenClock) -> None:
    _lose(driven)
    runner = CliRunner()
    dry = runner.invoke(cli, ["audit", "--dry-run"])
    assert (dry.exit_code, "unrecorded" in dry.stdout) == (1, True)
    assert missed() == {}
    assert runner.invoke(cli, ["audit", "--start", "yesterday"]).exit_code == 2
    assert runner.invoke(cli, ["audit", "--start", "30m"]).exit_code == 0, "the holes are older"
    found = runner.invoke(cli, ["audit"])
    assert found.exit_code == 1
    assert "6 slots of locations were not accounted for; their reasons are recorded now" in found.stderr
    assert runner.invoke(cli, ["audit"]).output == "Every slot has a row, a reason or an open run.\n"
    assert runner.invoke(cli, ["audit", "--json"]).output == "[]\n"


def test_two_processes_account_for_the_same_past(driven: DrivenClock) -> None:
    scheduled_ingest()
    driven.advance(50 * HOUR)
    threads = [threading.Thread(target=scheduled_ingest) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missed() == {(NOON + hour * HOUR, "down"): 3 for hour in range(1, 50)}


def test_a_run_of_a_clock_of_1970_does_not_make_the_audit_look_at_half_a_century(driven: DrivenClock) -> None:
    with get_db_session() as session:
        session.add(Run(schedule=DEFAULT_SCHEDULE, due_at=datetime(1970, 1, 1, 1, tzinfo=UTC), state="succeeded"))
        since = past_slots.due_from(session, DEFAULT_SCHEDULE, driven(), driven())
    assert since > NOON - 48 * HOUR
    scheduled_ingest()
    assert audit.audit(driven(), HOURLY) == []
    assert missed() == {}


def test_slots_that_a_clock_ahead_wrote_off_are_accounted_for_again(driven: DrivenClock) -> None:
    """The misses of the future were deleted, but the ledger still took the slots for accounted ones."""
    scheduled_ingest()
    driven.advance(6 * HOUR)
    scheduled_ingest()
    driven.advance(-5 * HOUR)
    with get_db_session(read_only=True) as session:
        assert session.scalars(select(AccountedUntil.until_at)).one() == NOON + 5 * HOUR
    assert claims.claim_run(driven(), *HOURLY[0]), "its slot had been written off"
    driven.advance(4 * HOUR)
    past_slots.account_for_past(driven(), *HOURLY[0])
    assert missed() == {(NOON + hour * HOUR, "down"): 3 for hour in (2, 3, 4)}


def test_a_clock_that_goes_behind_forgets_no_missed_slot(driven: DrivenClock) -> None:
    scheduled_ingest()
    driven.advance(4 * HOUR)
    scheduled_ingest()
    before = missed()
    assert len(before) == 3
    claims.claim_run(NOON - 24 * HOUR, *HOURLY[0], is_clock_trusted=False)
    assert missed() == before
    claims.claim_run(NOON, *HOURLY[0], is_clock_trusted=True)
    assert not missed().keys() & before.keys(), "a clock that was ahead has recorded them"
