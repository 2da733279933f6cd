"""A batch of rows: order, past, and how the flags of all checks come together."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from meteorograph.quality.check_batch import LocationPast, check_batch
from support import NOON

START = int(NOON.timestamp())
SPREAD = {"humidity": 80.0, "pressure": 1012.0, "wind_speed": 3.0}


def _row(location_id: int, hours: float, **values: Any) -> dict[str, Any]:
    due_at = NOON + timedelta(hours=hours)
    return {"location_id": location_id, "due_at": due_at, "fetched_at": due_at, "provider": "a", **values}


def _flags(rows: list[dict[str, Any]], past: dict[int, LocationPast] | None = None) -> list[Any]:
    return [row.get("flags") for row in check_batch(rows, past or {1: LocationPast(53.3, None)}).rows]


def test_rows_are_compared_in_the_order_of_time_and_returned_in_their_own() -> None:
    rows = [_row(1, 2, temperature=10.2), _row(2, 1, temperature=9.0), _row(1, 1, temperature=40.0), _row(1, 0, temperature=10.0)]
    batch = check_batch(rows, {1: LocationPast(10.0, None), 2: LocationPast(10.0, None)})
    assert [row.get("flags") for row in batch.rows] == [None, None, {"temperature": ["step"]}, None]
    assert [row["due_at"] for row in batch.rows] == [row["due_at"] for row in rows]
    assert batch.rows[0] is rows[0]
    assert {id_: (state.at - START, state.last_trusted["temperature"].value) for id_, state in batch.states.items()} == {
        1: (7200, 10.2),
        2: (3600, 9.0),
    }
    assert batch.stale == []


def test_the_climate_needs_the_latitude_and_the_state_needs_the_location() -> None:
    rows = [_row(1, 0, temperature=41.0), _row(2, 0, temperature=41.0), _row(2, 1, temperature=10.0)]
    batch = check_batch(rows, {1: LocationPast(53.3, None)})
    assert [row.get("flags") for row in batch.rows] == [{"temperature": ["climate"]}, None, {"temperature": ["step"]}]
    assert batch.states.keys() == {1}


@pytest.mark.parametrize(("flag", "is_compared"), [("range", False), ("rejected", False), ("climate", True), ("at_least", True)])
def test_a_value_with_a_flag_of_the_provider(flag: str, is_compared: bool) -> None:
    rows = [_row(1, 0, temperature=40.0, flags={"temperature": [flag]}), _row(1, 1, temperature=10.0, humidity=50)]
    assert _flags(rows, {1: LocationPast(10.0, None)})[1] == ({"temperature": ["step"]} if is_compared else None)


def test_the_flags_of_all_checks_come_together_without_duplicates() -> None:
    parsed = {"temperature": ["at_least", "climate"], "visibility": ["at_least"]}
    rows = [_row(1, 0, temperature=10.0), _row(1, 1, temperature=45.0, visibility=10_000.0, flags=parsed)]
    assert _flags(rows)[1] == {"temperature": ["at_least", "climate", "step"], "visibility": ["at_least"]}
    assert parsed == {"temperature": ["at_least", "climate"], "visibility": ["at_least"]}
    assert rows[1]["flags"] is parsed


def test_older_rows_are_compared_with_each_other_and_leave_the_state_alone() -> None:
    state = check_batch([_row(1, 10, temperature=40.0)], {1: LocationPast(10.0, None)}).states[1]
    past = {1: LocationPast(10.0, state)}
    rows = [_row(1, 8, temperature=10.0), _row(1, 9, temperature=40.0), _row(1, 10, temperature=10.5)]
    batch = check_batch(rows, past)
    assert [row.get("flags") for row in batch.rows] == [None, {"temperature": ["step"]}, None]
    assert (batch.states, batch.stale) == ({}, [])
    mixed = check_batch([*rows, _row(1, 10 + 1 / 3600, temperature=10.0)], past)
    assert mixed.rows[3]["flags"] == {"temperature": ["step"]}  # against the state, not against the older rows
    assert mixed.states[1].at == state.at + 1


@pytest.mark.parametrize("is_older", [False, True])
def test_a_value_out_of_range_is_not_compared_with_the_next_one(is_older: bool) -> None:
    state = check_batch([_row(1, 10, temperature=40.0)], {1: LocationPast(10.0, None)}).states[1]
    rows = [_row(1, 8, temperature=60.0), _row(1, 9, temperature=10.0), _row(1, 9.5, temperature=40.0)]
    assert _flags(rows, {1: LocationPast(10.0, state if is_older else None)}) == [
        {"temperature": ["range"]},
        None,
        {"temperature": ["step"]},
    ]


def test_an_answer_becomes_stale_once() -> None:
    rows = [_row(1, hour, temperature=10.0, **SPREAD) for hour in range(9)]
    whole = check_batch(rows, {1: LocationPast(10.0, None)})
    assert [bool(row.get("flags")) for row in whole.rows] == [False] + [True] * 8, "only the first answer was new"
    assert [state.at for state in whole.stale] == [START + 6 * 3600]
    first = check_batch(rows[:7], {1: LocationPast(10.0, None)})
    assert len(first.stale) == 1
    rest = check_batch(rows[7:], {1: LocationPast(10.0, first.states[1])})
    assert rest.stale == []
    assert rest.states[1] == whole.states[1]


def test_an_empty_batch() -> None:
    assert check_batch([], {1: LocationPast(10.0, None)}) == ([], {}, [], [], set())


def test_each_provider_has_its_age_and_an_old_value_is_not_compared_with_the_next_one() -> None:
    def observed(hours: float, age: float, **values: Any) -> dict[str, Any]:
        return _row(1, hours, **values) | {"observed_at": NOON + timedelta(hours=hours - age)}

    rows = [observed(0, 2, temperature=9.0), observed(1, 2, temperature=9.1, provider="b")]
    rows += [
        observed(2, 500, temperature=31.0),
        observed(3, 0.5, temperature=9.2),
        observed(4, 13, temperature=9.3, provider="c"),
    ]
    batch = check_batch(rows, {}, {"a": timedelta(hours=3), "b": timedelta(hours=1)})
    old = {"temperature": ["old"]}
    assert [row.get("flags") for row in batch.rows] == [None, old, old, None, old]
