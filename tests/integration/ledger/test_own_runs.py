"""A process does not take a run that it works on, though the lease has run out; any other process does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from meteorograph import get_db_session
from meteorograph.ledger import claims, closing
from meteorograph.ledger.own_runs import OWN_RUNS
from meteorograph.model.schedule import DEFAULT_SCHEDULE, Interval
from meteorograph.storage.models import Location, Run
from support import NOON

HOUR = timedelta(hours=1)
HOURLY = (DEFAULT_SCHEDULE, Interval(HOUR))

pytestmark = pytest.mark.usefixtures("place")


@pytest.fixture
def place(database: str) -> Iterator[None]:
    with get_db_session() as session:
        session.add(Location(name="here", latitude=1.0, longitude=2.0, state="active", created_at=NOON - HOUR))
    yield
    OWN_RUNS.reset()


def _states() -> list[str]:
    with get_db_session(read_only=True) as session:
        return list(session.scalars(select(Run.state).order_by(Run.due_at)))


def test_a_slot_is_worked_on_by_one_thread_at_a_time() -> None:
    held = claims.hold_run(NOON, *HOURLY)
    assert held is not None
    late = NOON + timedelta(minutes=10)
    assert claims.hold_run(late, *HOURLY) is None
    held.slot.release()
    again = claims.hold_run(late, *HOURLY)
    assert again is not None
    assert again.claim.taken_over
    held.slot.release()  # the slot is that of the other claim now
    assert claims.hold_run(late + timedelta(minutes=10), *HOURLY) is None


def test_a_slot_that_could_not_be_claimed_is_not_held() -> None:
    assert claims.claim_run(NOON, *HOURLY)
    assert claims.hold_run(NOON, *HOURLY) is None
    assert claims.hold_run(NOON + timedelta(minutes=1), *HOURLY) is not None


def test_an_earlier_run_at_work_is_not_closed_by_its_own_process() -> None:
    held = claims.hold_run(NOON, *HOURLY)
    assert held is not None
    next_hour = NOON + HOUR
    assert closing.unfinished_slots(next_hour, [HOURLY]) == []
    closing.close_orphans(NOON + 3 * HOUR, [])
    later = claims.hold_run(next_hour, *HOURLY)
    assert later is not None
    assert _states() == ["running", "running"]
    held.slot.release()
    assert closing.unfinished_slots(next_hour, [HOURLY]) == [NOON]
    later.slot.release()
    assert claims.hold_run(next_hour + timedelta(minutes=1), *HOURLY) is not None
    assert _states() == ["failed", "running"]


def test_a_slot_too_old_to_be_collected_is_closed_by_the_tick_that_holds_it() -> None:
    daily = ("24h", Interval(timedelta(days=1)))
    midnight = NOON - 12 * HOUR
    with get_db_session() as session:
        session.query(Location).one().schedule = "24h"
    held = claims.hold_run(midnight, *daily)
    assert held is not None
    held.slot.release()
    assert claims.hold_run(midnight + 13 * HOUR, *daily) is None
    assert _states() == ["failed"]
