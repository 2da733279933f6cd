"""Which locations of a schedule have their turn with the calls of a month."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from meteorograph import get_db_session
from meteorograph.accounts import quota
from meteorograph.accounts.monthly_spread import Slot, _locations_in_turn, allot_locations
from meteorograph.model.account import Account
from meteorograph.storage.models import Location

HOUR = timedelta(hours=1)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _locations(database: str) -> None:
    with get_db_session() as session:
        for id_, schedule, state in ((1, "6h", "active"), (2, None, "active"), (3, "6h", "active"), (4, "6h", "paused")):
            session.add(
                Location(id=id_, name=f"p{id_}", latitude=id_, longitude=0, schedule=schedule, state=state, created_at=MARCH)
            )
        session.add(Location(id=5, name="p5", latitude=5, longitude=0, schedule="6h", state="active", created_at=MARCH))


@pytest.mark.parametrize(
    ("schedule", "first", "calls", "ids"),
    [
        ("6h", 0, 1, {1}),
        ("6h", 1, 1, {3}),
        ("6h", 1, 2, {3, 5}),
        ("6h", 2, 2, {5, 1}),
        ("6h", 3, 1, {1}),
        ("6h", 7, 99, {1, 3, 5}),
        ("default", 7, 99, {2}),
        ("2h", 0, 1, set()),
    ],
)
def test_turns_rotate_over_the_active_locations_of_a_schedule(schedule: str, first: int, calls: int, ids: set[int]) -> None:
    assert _locations_in_turn(schedule, first, calls) == ids


def test_each_account_with_a_month_rotates_by_the_calls_that_were_spent() -> None:
    now = MARCH + 8 * HOUR
    none, account = Account("none", {"minute": 5}, "UTC"), Account("small", {"month": 100}, "UTC")
    quota.spend(account, 1, MARCH)
    assert allot_locations([none, account], Slot("6h", now, HOUR), now) == {"small": {3}}
    assert allot_locations([account, none], Slot("default", now, HOUR), now) == {"small": {2}}
    quota.spend(account, 1, MARCH)
    assert allot_locations([account], Slot("6h", now, HOUR), now) == {"small": set()}
