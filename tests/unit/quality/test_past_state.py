"""What the checks remember of a location: the exact state after a row, and the last values without a flag."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from meteorograph.quality.persistence import LastTrustedValue
from meteorograph.quality.time_checks import PastState, compare_with_past
from support import NOON

HOUR = 3600
START = int(NOON.timestamp())


def _row(hours: float, **values: Any) -> dict[str, Any]:
    return {"due_at": NOON + timedelta(hours=hours), "provider": "a", **values}


def _state(*rows: dict[str, Any], untrusted: tuple[str, ...] = ()) -> PastState:
    state: PastState | None = None
    for row in rows:
        state, _ = compare_with_past(row, state, untrusted)
    assert state is not None
    return state


def _flags(*rows: dict[str, Any]) -> dict[str, list[str]]:
    return compare_with_past(rows[-1], _state(*rows[:-1]))[1]


@pytest.mark.parametrize(
    ("rows", "name", "last"),
    [
        ([_row(0, temperature=10.0)], "temperature", (10.0, 0, 0, 1)),
        ([_row(0, temperature=10.0), _row(1, temperature=11.0)], "temperature", (11.0, 1, 1, 1)),
        ([_row(0, temperature=10.0), _row(1, temperature=10.0)], "temperature", (10.0, 1, 0, 2)),
        ([_row(hour, temperature=10.0) for hour in range(3)], "temperature", (10.0, 2, 0, 3)),
        ([_row(0, temperature=10.0), _row(1, temperature=30.0)], "temperature", (10.0, 0, 0, 1)),  # a step is not trusted
        ([_row(0, temperature=10.0), _row(1)], "temperature", (10.0, 0, 0, 1)),
        ([_row(0), _row(1, temperature=10.0)], "temperature", (10.0, 1, 1, 1)),
        ([_row(0, temperature=10.0), _row(1, temperature=10.0, provider="b")], "temperature", (10.0, 1, 1, 1)),
        ([_row(hour, wind_direction=240, wind_speed=0.5) for hour in range(3)], "wind_direction", (240, 2, 2, 1)),  # calm
        ([_row(hour, wind_direction=240, wind_speed=0.5) for hour in range(2)], "wind_direction", (240, 1, 1, 1)),
        ([_row(hour, wind_direction=240, wind_speed=0.6) for hour in range(3)], "wind_direction", (240, 2, 0, 3)),
        ([_row(hour, wind_direction=240) for hour in range(3)], "wind_direction", (240, 2, 0, 3)),
        ([_row(hour, wind_gust=0.4, wind_speed=0.4) for hour in range(3)], "wind_gust", (0.4, 2, 0, 3)),
    ],
)
def test_last_trusted_value(rows: list[dict[str, Any]], name: str, last: tuple[float, int, int, int]) -> None:
    value, at, unchanged_since, unchanged_rows = last
    expected = LastTrustedValue(value, START + at * HOUR, START + unchanged_since * HOUR, unchanged_rows)
    assert _state(*rows).last_trusted[name] == expected


def test_an_untrusted_value_is_not_remembered_and_does_not_hide_the_others() -> None:
    values = {"temperature": 10.0, "humidity": 80.0, "pressure": 1e6, "wind_speed": 3.0}
    for rows in ([_row(0, **values)], [_row(0), _row(1, **values)]):
        assert _state(*rows, untrusted=("pressure",)).last_trusted.keys() == {"temperature", "humidity", "wind_speed"}


def test_the_whole_state_after_each_row() -> None:
    values = {"temperature": 10.0, "humidity": 80.0, "pressure": 1012.0, "wind_speed": 3.0}
    first = _state(_row(0, **values, observed_at=NOON, providers={"pressure": "b"}))
    assert (first.at, first.observed_at, first.provider, first.providers) == (START, START, "a", {"pressure": "b"})
    assert (first.unchanged_since, first.unchanged_rows) == (START, 1)
    assert first.checksum != 0
    same = _state(_row(0, **values), _row(1, **values), _row(2, **values))
    assert (same.at, same.observed_at, same.providers) == (START + 2 * HOUR, None, None)
    assert (same.unchanged_since, same.unchanged_rows, same.checksum) == (START, 3, first.checksum)
    changed = _state(_row(0, **values), _row(1, **values), _row(2, **values | {"humidity": 81.0}))
    assert (changed.unchanged_since, changed.unchanged_rows) == (START + 2 * HOUR, 1)
    assert changed.checksum not in (0, first.checksum)
    other = _state(_row(0, **values), _row(1, **values | {"provider": "b"}))
    assert (other.unchanged_since, other.unchanged_rows, other.provider) == (START + HOUR, 1, "b")


def test_an_answer_with_three_values_has_no_checksum() -> None:
    few = {"temperature": 10.0, "humidity": 80.0, "pressure": 1012.0}
    assert [_state(_row(0, **few)).checksum, _state(_row(0, **few), _row(1, **few)).unchanged_rows] == [0, 1]


@pytest.mark.parametrize(
    ("hours", "rows", "is_stale"), [(6, 3, True), (6 - 1 / HOUR, 3, False), (6, 2, False), (48, 2, False), (48, 30, True)]
)
def test_an_answer_is_stale_after_six_hours_and_three_rows(hours: float, rows: int, is_stale: bool) -> None:
    state = PastState(START + round(hours * HOUR), None, "a", None, 1, START, rows, {})
    assert state.is_stale is is_stale


@pytest.mark.parametrize(
    ("name", "value", "hours", "flagged"),
    [
        ("temperature", 22.0, 1, False),  # 12 °C in an hour
        ("temperature", 22.1, 1, True),
        ("temperature", -2.0, 1, False),
        ("temperature", 34.0, 2, False),  # 24 °C in two hours
        ("temperature", 34.001, 2, True),
        ("temperature", 46.0, 3, False),
        ("temperature", 46.1, 3, True),
        ("temperature", 46.1, 3 + 1 / HOUR, False),  # the value before is too old
        ("temperature", 22.0, 0.5, False),  # in less than an hour, the limit is that of an hour
        ("temperature", 22.1, 0.5, True),
        ("cloud_cover", 100.0, 1, False),
    ],
)
def test_the_largest_change_without_a_flag(name: str, value: float, hours: float, flagged: bool) -> None:
    assert _flags(_row(0, **{name: 10.0}), _row(hours, **{name: value})) == ({name: ["step"]} if flagged else {})


def test_only_the_sources_of_a_quantity_decide_whether_it_is_compared() -> None:
    before = _row(0, temperature=10.0, pressure=1000.0, providers={"pressure": "b"})
    after = {"temperature": 30.0, "pressure": 1030.0}
    flagged = {"temperature": ["step"], "pressure": ["step"]}
    assert _flags(before, _row(1, **after, providers={"pressure": "b"})) == flagged
    assert _flags(before, _row(1, **after, providers={"pressure": "b", "humidity": "c"})) == flagged
    assert _flags(before, _row(1, **after, providers={"pressure": "c"})) == {"temperature": ["step"]}
    assert _flags(before, _row(1, **after)) == {"temperature": ["step"]}
    assert _flags(before, _row(1, **after, provider="b")) == {"pressure": ["step"]}


def _hours_until_persistent(name: str, value: float, **more: Any) -> int | None:
    """The number of hourly rows with the same value until the flag."""
    state: PastState | None = None
    for hour in range(130):
        state, flags = compare_with_past(_row(hour, **{name: value}, **more), state)
        if flags.get(name) == ["persistence"]:
            return hour + 1
    return None


@pytest.mark.parametrize(
    ("name", "value", "more", "hours"),
    [
        ("temperature", 11.0, {}, 40),
        ("temperature", 11.5, {}, 24),
        ("dew_point", 11.0, {}, 80),
        ("dew_point", 11.5, {}, 48),
        ("humidity", 95.9, {}, 30),
        ("humidity", 95.0, {}, 30),
        ("humidity", 96.0, {}, 38),
        ("humidity", 98.9, {}, 38),
        ("humidity", 99.0, {}, None),
        ("pressure", 1013.0, {}, 40),
        ("altimeter_setting", 1013.0, {}, 40),
        ("altimeter_setting", 1013.5, {}, 24),
        ("wind_speed", 0.5, {}, None),
        ("wind_speed", 0.6, {}, 24),
        ("wind_speed", 1.0, {}, 40),
        ("wind_gust", 0.5, {}, None),
        ("wind_gust", 0.6, {}, 24),
        ("wind_gust", 3.0, {}, 40),
        ("wind_direction", 230, {}, 48),
        ("wind_direction", 235, {}, 24),
        ("wind_direction", 230, {"wind_speed": 0.5}, None),
        ("wind_direction", 230, {"wind_speed": 1.0}, 48),
        ("precipitation", 0.1, {}, 24),
        ("precipitation", 3.0, {}, 24),
        ("cloud_cover", 50.0, {}, None),
    ],
)
def test_how_long_a_value_may_stay_constant(name: str, value: float, more: dict[str, float], hours: int | None) -> None:
    assert _hours_until_persistent(name, value, **more) == hours


def test_a_quantity_with_a_step_also_gets_the_flag_of_a_stale_answer() -> None:
    values = {"temperature": 10.0, "humidity": 80.0, "pressure": 1012.0, "wind_speed": 3.0}
    rows = [_row(0, temperature=40.0), *(_row(hour, **values) for hour in (0.1, 1, 2, 2.2))]
    state = _state(*rows)
    state.unchanged_since -= 6 * HOUR
    _, flags = compare_with_past(_row(2.4, **values), state)
    assert flags == {"temperature": ["step", "stale"], **{name: ["stale"] for name in ("humidity", "pressure", "wind_speed")}}
