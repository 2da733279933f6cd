"""The checks of batches, with their states in a real database."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from meteorograph import get_db_session
from meteorograph.locations.repository import remove_location
from meteorograph.model.values import Observation
from meteorograph.quality.state_text import decode_state
from meteorograph.storage.check_states import check_rows
from meteorograph.storage.models import CheckState, Location
from meteorograph.storage.observations import Row, to_row
from support import NOON

pytestmark = pytest.mark.usefixtures("database")

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _two_locations(database: str) -> None:
    with get_db_session() as session:
        for number in (1, 2):
            at = {"latitude": 53.3, "longitude": -6.4}
            session.add(Location(id=number, name=f"place {number}", state="active", created_at=NOON, **at))


def made(hour: float, temperature: float = 8.0, location_id: int = 1, **values: Any) -> Row:
    at = NOON + hour * HOUR
    changing = {"humidity": 60 + hour % 30, "pressure": 1010.0, "wind_speed": 4.0}
    given = {"provider": "a", "fetched_at": at, "observed_at": at, "temperature": temperature, **changing, **values}
    return to_row(location_id, at, Observation(**given))


def check(rows: Sequence[Row]) -> list[Row]:
    with get_db_session() as session:
        return check_rows(session, rows)


def newest(location_id: int = 1) -> datetime | None:
    with get_db_session(read_only=True) as session:
        return session.scalar(select(CheckState.due_at).where(CheckState.location_id == location_id))


def test_rows_come_back_in_their_order_with_only_flags_changed() -> None:
    rows = [made(0, location_id=2), made(1, 30.0), made(0), made(2, 8.4, flags={"precipitation": ["implied_zero"]})]
    found = check(rows)
    assert [one["flags"] for one in found] == [None, {"temperature": ["step"]}, None, {"precipitation": ["implied_zero"]}]
    assert [{**one, "flags": None} for one in found] == [{**one, "flags": None} for one in rows]
    assert found[0] is rows[0]


def test_the_past_is_remembered_from_batch_to_batch() -> None:
    check([made(0), made(0, location_id=2)])
    assert check([made(1, 30.0)])[0]["flags"] == {"temperature": ["step"]}
    assert check([made(2, 9.0), made(1, 9.0, location_id=2)]) == [made(2, 9.0), made(1, 9.0, location_id=2)]
    assert (newest(), newest(2)) == (NOON + 2 * HOUR, NOON + HOUR)


def test_words_are_added_to_those_that_are_there() -> None:
    found = check([made(0, humidity=0, flags={"humidity": ["disagrees"], "pressure": ["implied_zero"]})])
    assert found[0]["flags"] == {"humidity": ["disagrees", "inconsistent"], "pressure": ["implied_zero"]}


def test_what_the_provider_rejects_is_nothing_to_compare_with() -> None:
    found = check([made(0), made(1, 9.5, flags={"temperature": ["rejected"]}), made(2, 24.0)])
    assert [one["flags"] for one in found] == [None, {"temperature": ["rejected"]}, None]
    found = check([made(3, 60.0, flags={"temperature": ["rejected"]}), made(4, 22.0)])
    assert [one["flags"] for one in found] == [{"temperature": ["rejected", "range"]}, None]


def test_an_older_row_is_checked_beside_its_like_and_leaves_the_state_alone() -> None:
    check([made(10)])
    back = check([made(3, 30.0), made(2, 8.0), made(4, 70.0)])
    assert [one["flags"] for one in back] == [{"temperature": ["step"]}, None, {"temperature": ["range"]}]
    assert newest() == NOON + 10 * HOUR
    assert check([made(11, 30.0)])[0]["flags"] == {"temperature": ["step"]}  # still held against the row of hour 10


def test_a_slot_that_is_stored_once_more_is_not_its_own_past() -> None:
    check([made(0)])
    assert check([made(0, 30.0)])[0]["flags"] is None
    assert check([made(1, 9.0)])[0]["flags"] is None


def test_a_batch_that_is_rolled_back_leaves_no_past() -> None:
    def fail() -> None:
        with get_db_session() as session:
            check_rows(session, [made(0)])
            raise KeyError("no")

    with pytest.raises(KeyError, match="no"):
        fail()
    assert newest() is None


def test_stale_answers_are_flagged_and_said_once(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    for hour in range(10):
        rows = [made(hour, humidity=60, location_id=number) for number in (1, 2)]
        found = check(rows)
        assert [bool(one["flags"]) for one in found] == [hour >= 6] * 2
    said = capsys.readouterr()
    assert (said.out + said.err + caplog.text).count("answers no longer change") == 1


def test_a_place_has_its_climate() -> None:
    with get_db_session() as session:
        session.add(Location(id=3, name="Khartoum", state="active", created_at=NOON, latitude=15.5, longitude=32.5))
    found = check([made(0, 45.0, humidity=20), made(0, 45.0, location_id=3, humidity=20)])
    assert [one["flags"] for one in found] == [{"temperature": ["climate"]}, None]


def test_a_location_that_is_gone_is_left_to_who_stores_its_row() -> None:
    assert [one["flags"] for one in check([made(0), made(0, location_id=99)])] == [None, None]
    assert (newest(), newest(99)) == (NOON, None)


def test_nothing_to_check() -> None:
    assert check([]) == []


def test_a_removed_location_takes_its_state_along() -> None:
    check([made(0)])
    with get_db_session() as session:
        remove_location(session, "place 1", "delete")
        assert session.scalar(select(func.count()).select_from(CheckState)) == 0


def test_many_locations_in_one_batch() -> None:
    with get_db_session() as session:
        at = {"latitude": 0.0, "longitude": 0.0, "created_at": datetime(2026, 1, 1, tzinfo=UTC)}
        session.add_all(Location(id=number, name=f"place {number}", **at) for number in range(3, 2503))
    ids = range(1, 2503)
    check([made(0, location_id=number) for number in ids])
    found = check([made(1, 30.0, location_id=number) for number in ids])
    assert all(one["flags"] == {"temperature": ["step"]} for one in found)


def test_a_state_in_the_form_before_this_one_is_read_and_written_in_this_one() -> None:
    check([made(0), made(1, 8.5)])
    with get_db_session() as session:
        stored = session.get_one(CheckState, 1)
        assert stored.levels is not None
        state = decode_state(stored.state, stored.levels)
        stored.state, stored.levels = msgspec.json.encode(state).decode(), None
    assert check([made(2, 30.0)])[0]["flags"] == {"temperature": ["step"]}
    with get_db_session(read_only=True) as session:
        assert session.get_one(CheckState, 1).levels is not None
    assert check([made(3, 9.0)])[0]["flags"] is None
