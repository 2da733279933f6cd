"""What the rows before tell of a row: small series written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from meteorograph.quality.row_checks import Flags
from meteorograph.quality.time_checks import PastState, compare_with_past
from support import NOON


def run(values: Sequence[Any], name: str = "temperature", every: float = 1.0, **more: Any) -> list[list[str]]:
    """The words that each value of a series gets, with another quantity that always moves."""
    state: PastState | None = None
    words = []
    for number, value in enumerate(values):
        row = {"due_at": NOON + timedelta(hours=every * number), "provider": "a", "cloud_cover": number % 7, name: value, **more}
        state, flags = compare_with_past(row, state)
        words.append(flags.get(name, []))
    return words


@pytest.mark.parametrize(
    ("name", "usual", "step"),
    [
        ("temperature", 10.0, 12.1),
        ("dew_point", 5.0, -19.5),
        ("humidity", 80.0, -51.0),
        ("pressure", 1010.0, 10.1),
        ("altimeter_setting", 1010.0, -10.1),
        ("wind_speed", 5.0, 20.1),
    ],
)
def test_a_spike_is_a_step_and_the_way_back_is_none(name: str, usual: float, step: float) -> None:
    assert run([usual, usual + step, usual + 0.1, usual], name) == [[], ["step"], [], []]
    assert run([usual, usual + step * 0.9, usual], name) == [[], [], []]


def test_a_new_level_is_taken_over_after_three_hours() -> None:
    assert run([10.0, 60.0, 60.1, 60.2, 60.3, 60.4]) == [[], ["step"], ["step"], ["step"], [], []]


def test_more_change_is_allowed_over_more_hours_and_none_is_told_after_three() -> None:
    assert run([10.0, 33.0], every=2) == [[], []]
    assert run([10.0, 35.0], every=2) == [[], ["step"]]
    assert run([10.0, 50.0], every=3.5) == [[], []]
    assert run([10.0, 22.5], every=1 / 60) == [[], ["step"]]


def test_a_value_that_is_out_of_range_is_nothing_to_compare_with() -> None:
    first, _ = compare_with_past({"due_at": NOON, "provider": "a", "pressure": 1_008_371.0}, None, ["pressure"])
    _, flags = compare_with_past({"due_at": NOON + timedelta(hours=1), "provider": "a", "pressure": 1012.0}, first)
    assert flags == {}


@pytest.mark.parametrize(
    ("name", "value", "hours", "more"),
    [
        ("temperature", 10.3, 24, {}),
        ("temperature", 10.0, 40, {}),
        ("pressure", 1012.4, 24, {}),
        ("pressure", 1012.0, 40, {}),
        ("humidity", 80.0, 30, {}),
        ("humidity", 97.0, 38, {}),
        ("wind_speed", 4.1, 24, {}),
        ("wind_direction", 241.0, 24, {"wind_speed": 3.0}),
        ("wind_direction", 240.0, 48, {"wind_speed": 3.0}),
        ("precipitation", 0.2, 24, {}),
    ],
)
def test_a_value_that_stands_still_too_long(name: str, value: float, hours: int, more: dict[str, float]) -> None:
    words = run([value] * (hours + 1), name, **more)
    assert [number for number, found in enumerate(words) if "persistence" in found] == [hours - 1, hours]


@pytest.mark.parametrize(
    ("name", "value", "more"),
    [
        ("humidity", 100.0, {}),
        ("wind_speed", 0.0, {}),
        ("wind_direction", 241.0, {"wind_speed": 0.2}),
        ("precipitation", 0.0, {}),
        ("visibility", 10000.0, {}),
    ],
)
def test_a_value_that_may_stand_still_for_days(name: str, value: float, more: dict[str, float]) -> None:
    assert not any("persistence" in found for found in run([value] * 200, name, **more))


def test_the_same_value_at_a_few_times_of_the_day_is_no_stuck_sensor() -> None:
    assert not any(run([10.3] * 23, every=24))
    assert run([10.3] * 24, every=24)[-1] == ["persistence"]


def answers(*changed: int, rows: int = 10, every: float = 1.0, provider: str = "a", **more: Any) -> list[Flags]:
    """The flags of rows whose answer is new in the rows of these numbers, and else the one before."""
    state, temperature, found = None, 10.0, []
    for number in range(rows):
        temperature += 0.1 if number in changed else 0
        due_at = NOON + timedelta(hours=every * number)
        same = {"humidity": 80, "pressure": 1012.0, "precipitation": 0.0, "temperature": temperature}
        state, flags = compare_with_past({"due_at": due_at, "provider": provider, "observed_at": due_at, **same, **more}, state)
        found.append(flags)
    return found


def test_an_answer_that_does_not_change_for_six_hours_is_stale_until_it_does() -> None:
    found = answers(8)
    assert [number for number, flags in enumerate(found) if flags] == [6, 7]
    assert found[6] == {name: ["stale"] for name in ("temperature", "humidity", "pressure", "precipitation")}


def test_three_rows_make_an_answer_stale_at_the_earliest() -> None:
    assert [bool(flags) for flags in answers(rows=4, every=12)] == [False, False, True, True]


def test_few_values_that_are_the_same_are_no_stale_answer() -> None:
    assert answers(humidity=None, rows=20) == [{}] * 20


def test_another_provider_with_the_same_values_is_another_answer() -> None:
    values = {"temperature": 10.0, "humidity": 80, "pressure": 1012.0, "precipitation": 0.0}
    state = None
    for hour in range(12):
        row = {"due_at": NOON + timedelta(hours=hour), "provider": "a" if hour < 6 else "b", **values}
        state, flags = compare_with_past(row, state)
        assert flags == {}, hour


def test_the_same_time_again_is_a_duplicate() -> None:
    state, _ = compare_with_past({"due_at": NOON, "observed_at": NOON, "provider": "a", "temperature": 10.0}, None)
    later = {"due_at": NOON + timedelta(hours=1), "observed_at": NOON, "temperature": 10.0}
    assert compare_with_past({**later, "provider": "a"}, state)[1] == {"observed_at": ["duplicate"]}
    assert compare_with_past({**later, "provider": "b"}, state)[1] == {}
    assert compare_with_past({**later, "provider": "a", "observed_at": None}, state)[1] == {}


def test_another_provider_begins_anew_and_only_for_its_quantities() -> None:
    first = {"due_at": NOON, "provider": "a", "temperature": 10.0, "pressure": 1010.0}
    state, _ = compare_with_past(first, None)
    later = {"due_at": NOON + timedelta(hours=1), "temperature": 30.0, "pressure": 1030.0}
    assert compare_with_past({**later, "provider": "a"}, state)[1] == {"temperature": ["step"], "pressure": ["step"]}
    assert compare_with_past({**later, "provider": "b"}, state)[1] == {}
    mixed = {**later, "provider": "a", "providers": {"pressure": "b"}}
    assert compare_with_past(mixed, state)[1] == {"temperature": ["step"]}


def test_the_state_before_is_left_as_it_was() -> None:
    state, _ = compare_with_past({"due_at": NOON, "provider": "a", "temperature": 10.0}, None)
    kept = repr(state)
    compare_with_past({"due_at": NOON + timedelta(hours=1), "provider": "a", "temperature": 11.0, "humidity": 50}, state)
    assert repr(state) == kept
