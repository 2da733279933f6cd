"""Rows in bulk on both databases: by whatever way they go in, what is there afterwards is the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import DataError, IntegrityError

from meteorograph import WeatherData, get_db_session
from meteorograph.model.clock import DrivenClock, driven_by
from meteorograph.model.values import Observation
from meteorograph.storage.engine import get_engine
from meteorograph.storage.models import Heartbeat, Location, Missed
from meteorograph.storage.observations import store, to_row
from meteorograph.storage.upsert import MIN_ROWS_FOR_COPY, insert_or_replace
from rows import insert_rows
from support import NOON

pytestmark = pytest.mark.usefixtures("database")

MANY = 3 * MIN_ROWS_FOR_COPY + 7


@pytest.fixture(autouse=True)
def _locations(database: str) -> None:
    with get_db_session() as session:
        session.add_all(
            Location(id=number, name=f"p{number}", latitude=0, longitude=number / 10, state="active", created_at=NOON)
            for number in range(1, MANY + 1)
        )


@pytest.fixture
def statements(database: str) -> list[str]:
    """What is sent to the database, past a COPY's rows."""
    told: list[str] = []
    event.listen(get_engine(), "before_cursor_execute", lambda *args: told.append(args[2]))
    return told


def _rows(count: int, **more: Any) -> list[dict[str, Any]]:
    return [
        to_row(number, NOON, Observation(provider="x", fetched_at=NOON, **{"observed_at": None, **more}))
        for number in range(1, count + 1)
    ]


def _stored() -> list[dict[str, Any]]:
    with get_db_session(read_only=True) as session:
        stored = session.scalars(select(WeatherData).order_by(WeatherData.location_id, WeatherData.due_at)).all()
        return [{name: getattr(one, name) for name in _rows(1)[0]} for one in stored]


@pytest.mark.parametrize("count", [1, MIN_ROWS_FOR_COPY - 1, MIN_ROWS_FOR_COPY, MANY])
def test_rows_come_back_as_they_went_in_and_replace_what_was_there(count: int) -> None:
    first = _rows(count, temperature=1, condition="before", flags={"humidity": ["implausible"]})
    insert_rows(first)
    assert _stored() == first
    values: dict[str, Any] = {
        "observed_at": datetime(1969, 12, 31, 23, 59, 59, 250000, tzinfo=UTC),
        "temperature": -0.1 - 0.2,
        "pressure": 1e-300,
        "precipitation": 0,
        "precipitation_period": 3600,
        "condition": 'Žluťoučký\tkůň\n"\\N" 🌧',
        "providers": {"precipitation": "weatherstack"},
    }
    second = _rows(count, **values)
    insert_rows(second)
    assert _stored() == second


@pytest.mark.parametrize("are_old", [True, False])
def test_old_and_new_rows_in_one_batch_go_in_either_way(are_old: bool) -> None:
    insert_rows(_rows(MANY, temperature=1)[::3])
    rows = _rows(MANY, temperature=2)
    with get_db_session() as session:
        insert_or_replace(session, WeatherData, rows, are_old=are_old)
        insert_or_replace(session, WeatherData, rows[: MANY // 2], are_old=not are_old)
    assert _stored() == rows


def test_of_two_rows_with_one_key_the_last_one_stays() -> None:
    insert_rows([*_rows(MANY, temperature=1), *_rows(MANY, temperature=2)])
    assert {one["temperature"] for one in _stored()} == {2}
    assert len(_stored()) == MANY


def test_one_transaction_takes_several_batches_also_of_other_columns() -> None:
    later = [{**one, "due_at": NOON + timedelta(hours=1)} for one in _rows(MANY, temperature=2)]
    few = [
        {name: one[name] for name in ("provider", "due_at", "location_id", "fetched_at", "humidity")}
        for one in _rows(MIN_ROWS_FOR_COPY)
    ]
    with get_db_session() as session:
        insert_or_replace(session, WeatherData, _rows(MANY, temperature=1))
        insert_or_replace(session, WeatherData, later)
        insert_or_replace(session, WeatherData, [{**one, "humidity": 50} for one in few])
        insert_or_replace(session, WeatherData, [])
    kept = [(one["temperature"], one["humidity"]) for one in _stored() if one["due_at"] == NOON]
    assert kept == [(1, 50)] * MIN_ROWS_FOR_COPY + [(1, None)] * (MANY - MIN_ROWS_FOR_COPY)
    assert len(_stored()) == 2 * MANY


def test_a_batch_that_is_rolled_back_leaves_nothing_behind() -> None:
    with get_db_session() as session:
        insert_or_replace(session, WeatherData, _rows(MANY, temperature=1))
        session.rollback()
    assert _stored() == []
    insert_rows(_rows(MIN_ROWS_FOR_COPY, temperature=2))
    assert len(_stored()) == MIN_ROWS_FOR_COPY


@pytest.mark.parametrize(
    ("wrong", "only_on_postgresql"),
    [({"humidity": -5.0}, False), ({"location_id": 10**6}, False), ({"condition": "nul \0"}, True), ({"provider": None}, False)],
)
def test_one_bad_row_among_many_costs_itself_only(wrong: dict[str, Any], only_on_postgresql: bool, database: str) -> None:
    rows = _rows(MANY, temperature=1)
    rows[70].update(wrong)
    refused = store(rows)
    expected = 0 if only_on_postgresql and database.startswith("sqlite") else 1
    assert [one for one, _ in refused] == [rows[70]] * expected
    assert len(_stored()) == MANY - expected


@pytest.mark.parametrize(
    ("wrong", "error"),
    [({"provider": "x" * 65}, DataError), ({"location_id": 2**40}, DataError), ({"provider": None}, IntegrityError)],
)
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_errors_of_a_copy_are_those_of_any_statement(wrong: dict[str, Any], error: type[Exception]) -> None:
    rows = _rows(MANY)
    rows[70].update(wrong)
    with pytest.raises(error), get_db_session() as session:
        insert_or_replace(session, WeatherData, rows)


def test_other_tables_go_the_same_way() -> None:
    missed = [{"location_id": one, "due_at": NOON, "reason": "quota", "detail": None} for one in range(1, MANY + 1)]
    beats = [{"holder": f"h:{number}", "beat_at": NOON} for number in range(MANY)]
    with get_db_session() as session:
        insert_or_replace(session, Missed, missed)
        insert_or_replace(session, Missed, [{**one, "reason": "late", "detail": "x"} for one in missed])
        insert_or_replace(session, Heartbeat, beats)
    with get_db_session(read_only=True) as session:
        assert {(one.reason, one.detail) for one in session.scalars(select(Missed))} == {("late", "x")}
        assert len(session.scalars(select(Heartbeat)).all()) == MANY


@pytest.mark.parametrize(("are_new", "most"), [(True, 9), (False, 12)])
def test_many_rows_take_few_statements(are_new: bool, most: int, statements: list[str], database: str) -> None:
    with driven_by(DrivenClock(NOON)):
        store(_rows(MANY))
        rows = _rows(MANY)
        if are_new:
            rows = [{**row, "due_at": NOON + timedelta(minutes=5)} for row in rows]
        statements.clear()
        store(rows)
    # Two of them are those of the rolled up days, four those of the states. Those that replace rows are first copied in vain.
    assert len([statement for statement in statements if not statement.startswith("BEGIN")]) <= most
    if database.startswith("postgresql"):
        assert (
            any(statement.startswith("CREATE TEMPORARY TABLE IF NOT EXISTS weather") for statement in statements) is not are_new
        )
