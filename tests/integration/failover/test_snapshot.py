"""The fallback database has the locations of the database, and only those that differ are written again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import delete, event, select, update

from meteorograph import get_db_session
from meteorograph.config.loading import get_settings
from meteorograph.failover import database_file, snapshot
from meteorograph.failover.state import get_state
from meteorograph.model.clock import DrivenClock
from meteorograph.storage.engine import get_engine
from meteorograph.storage.models import CheckState, Location
from meteorograph.storage.upsert import table_of
from support import NOON

PLACES = 5

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def _copied(database: str, driven: DrivenClock) -> None:
    with get_db_session() as session:
        session.add_all(_place(number) for number in range(PLACES))
    snapshot.take_snapshot(get_settings())


def _place(number: int) -> Location:
    place = {"latitude": number, "longitude": 10.5, "tags": ["north", f"n{number}"]}
    return Location(name=f"p{number}", state="active", created_at=NOON, due_since=NOON, **place)


def _locations() -> Sequence[Any]:
    with get_db_session(read_only=True) as session:
        return session.execute(select(table_of(Location)).order_by(Location.id)).all()


def _take_snapshot() -> int:
    """Take a snapshot as a process does that has just started; gives the number of locations that it wrote."""
    get_state().snapshots.clear()
    written = 0

    def count(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        nonlocal written
        if statement.startswith("INSERT INTO locations "):
            written += len(parameters) if isinstance(parameters, list) else 1

    with database_file.create_fallback(get_settings()):
        engine = get_engine()
    event.listen(engine, "before_cursor_execute", count)
    try:
        snapshot.take_snapshot(get_settings())
    finally:
        event.remove(engine, "before_cursor_execute", count)
    with database_file.create_fallback(get_settings()):
        copied = _locations()
    assert copied == _locations()
    return written


def test_what_has_not_changed_is_not_written_again() -> None:
    assert _take_snapshot() == 0


def test_changed_new_and_removed_locations_are_copied() -> None:
    with get_db_session() as session:
        session.execute(update(Location).where(Location.name == "p0").values(name="other", elevation=12.5))
        session.execute(update(Location).where(Location.name == "p3").values(name="p0", tags=None))
        session.execute(delete(Location).where(Location.name == "p1"))
        session.add(_place(PLACES))
    assert _take_snapshot() == 3


def test_the_last_locations_may_have_been_removed() -> None:
    with database_file.create_fallback(get_settings()), get_db_session() as fallback:
        fallback.add(CheckState(location_id=PLACES, due_at=NOON, state=""))
    with get_db_session() as session:
        session.execute(delete(Location).where(Location.id > 2))
    assert _take_snapshot() == 0
    with database_file.create_fallback(get_settings()), get_db_session(read_only=True) as fallback:
        assert fallback.scalars(select(CheckState.location_id)).all() == []


def test_many_differences_are_copied_with_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "MAX_DIFFERING", 2)
    with get_db_session() as session:
        session.execute(update(Location).where(Location.id > 2).values(longitude=11))
    assert _take_snapshot() == PLACES
