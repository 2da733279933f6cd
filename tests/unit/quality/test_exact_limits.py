"""The limits of the checks of a row, at the last value without a flag and the first with one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meteorograph.model.values import Observation
from meteorograph.quality.impossible_values import drop_impossible
from meteorograph.quality.provider_agreement import MAX_DIFFERENCE, flag_disagreements
from meteorograph.quality.row_checks import check_row, record_precipitation
from meteorograph.quality.time_checks import MAX_CHANGE_PER_HOUR
from support import NOON


def _row(**values: Any) -> dict[str, Any]:
    return {"due_at": NOON, "observed_at": NOON, "fetched_at": NOON, "provider": "a", **values}


def _observation(**values: Any) -> Observation:
    return Observation(**{"provider": "a", "fetched_at": NOON, "observed_at": NOON, **values})


@pytest.mark.parametrize(
    ("latitude", "values", "flags"),
    [
        (None, {"wind_gust": 114}, {}),
        (None, {"wind_gust": 114.01}, {"wind_gust": ["range"]}),
        (None, {"temperature": -90}, {}),
        (None, {"temperature": -90.01}, {"temperature": ["range"]}),
        (53.3, {"temperature": 57}, {"temperature": ["climate"]}),
        (53.3, {"temperature": 57.01}, {"temperature": ["range"]}),
        (53.3, {"temperature": -90}, {"temperature": ["climate"]}),
        (53.3, {"pressure": 940}, {}),
        (53.3, {"pressure": 939.9}, {"pressure": ["climate"]}),
        (44.5, {"pressure": 939.9}, {}),  # rounded to 44: a warmer zone
        (None, {"precipitation": 1870}, {}),
        (None, {"precipitation": 1870.1}, {"precipitation": ["range"]}),
        (None, {"precipitation": 425, "precipitation_period": 3600}, {}),
        (None, {"precipitation": 425.1, "precipitation_period": 3600}, {"precipitation": ["range"]}),
        (None, {"temperature": 0.0, "dew_point": 0.1}, {}),
        (None, {"temperature": 0.0, "dew_point": 0.11}, {"temperature": ["inconsistent"], "dew_point": ["inconsistent"]}),
        (None, {"temperature": -15.8, "dew_point": -15.7}, {}),  # the sum -15.8 + 0.1 is less than -15.7
        (None, {"wind_speed": 0.1, "wind_gust": 0.0}, {}),
        (None, {"wind_speed": 0.4, "wind_gust": 0.3}, {}),  # the difference 0.4 - 0.1 is more than 0.3
        (None, {"wind_speed": 0.11, "wind_gust": 0.0}, {"wind_gust": ["inconsistent"]}),
        (None, {"humidity": 1.0}, {"humidity": ["inconsistent"]}),  # a share
        (None, {"humidity": 1.01}, {}),
        (
            None,
            {"humidity": 0, "temperature": 57.5, "dew_point": 60.0, "wind_speed": 9.0, "wind_gust": 8.0},
            {
                "humidity": ["inconsistent"],
                "temperature": ["range", "inconsistent"],
                "dew_point": ["range", "inconsistent"],
                "wind_gust": ["inconsistent"],
            },
        ),
    ],
)
def test_a_row_at_the_limits(latitude: float | None, values: dict[str, float], flags: dict[str, list[str]]) -> None:
    assert check_row(_row(**values), latitude) == flags


def test_a_value_from_the_future_keeps_its_other_flags() -> None:
    ahead = _row(temperature=58.0, humidity=50) | {"observed_at": NOON + timedelta(minutes=10, microseconds=1)}
    assert check_row(ahead, None) == {"temperature": ["range", "future"], "humidity": ["future"]}


def test_record_precipitation() -> None:
    assert [round(record_precipitation(seconds), 2) for seconds in (60, 3600, 14_400, 86_400)] == [62.04, 425.0, 815.37, 1892.73]
    assert record_precipitation(3600) == 425.0
    assert record_precipitation(None) == 1870


@pytest.mark.parametrize(("name", "limit"), MAX_DIFFERENCE.items())
def test_two_providers_may_differ_by_the_limit(name: str, limit: float) -> None:
    for sign in (-1, 1):
        ours = _observation(**{name: 50.0})
        agreed = flag_disagreements(ours, _observation(**{name: 50.0 + sign * limit}))
        assert agreed.flags == ({name: ["confirmed"]} if name in MAX_CHANGE_PER_HOUR else {})
        found = flag_disagreements(ours, _observation(**{name: 50.0 + sign * (limit + 0.5)}))
        assert found.flags == {name: ["disagrees"]}


def test_two_providers_are_compared_within_an_hour() -> None:
    ours, hour = _observation(temperature=8.0), timedelta(hours=1)
    for sign in (-1, 1):
        assert flag_disagreements(ours, _observation(temperature=20.0, observed_at=NOON + sign * hour)).flags
        later = NOON + sign * (hour + timedelta(microseconds=1))
        assert flag_disagreements(ours, _observation(temperature=20.0, observed_at=later)) is ours
    assert flag_disagreements(ours, _observation(temperature=20.0, observed_at=None)).flags
    assert flag_disagreements(_observation(temperature=8.0, observed_at=None), _observation(temperature=20.0)).flags


@pytest.mark.parametrize(
    ("amount", "other_amount", "disagree"),
    [
        (5.5, 1.0, False),  # differ by 4.5 mm
        (5.0, 0.0, False),
        (5.1, 0.0, True),
        (8.0, 2.0, False),  # four times as much
        (8.1, 2.0, True),
        (9.0, 2.0, True),
        (20.0, 6.0, False),
        (None, 6.0, False),
        (6.0, None, False),
        (None, None, False),
    ],
)
def test_amounts_that_disagree(amount: float | None, other_amount: float | None, disagree: bool) -> None:
    ours, other = (_observation(precipitation=value, precipitation_period=3600) for value in (amount, other_amount))
    assert ("precipitation" in flag_disagreements(ours, other).flags) is disagree
    assert ("precipitation" in flag_disagreements(other, ours).flags) is disagree


@pytest.mark.parametrize(
    ("values", "flags"),
    [
        ({"temperature": -273.15, "humidity": 100, "wind_direction": 360, "pressure": 0}, {}),
        ({"temperature": -274.0}, {"temperature": ["impossible:-274"]}),
        ({"humidity": 100.5}, {"humidity": ["impossible:100.5"]}),
        ({"humidity": -1}, {"humidity": ["impossible:-1"]}),
        (
            {"wind_direction": 361.0, "wind_speed": -0.25},
            {"wind_direction": ["impossible:361"], "wind_speed": ["impossible:-0.25"]},
        ),
        ({"temperature": 1e300, "pressure": 1e300}, {}),
        ({"temperature": float("inf")}, {"temperature": ["impossible:inf"]}),
        ({"pressure": float("nan")}, {"pressure": ["impossible:nan"]}),
    ],
)
def test_impossible_values_are_left_out_and_flagged(values: dict[str, float], flags: dict[str, list[str]]) -> None:
    given = _observation(**values, visibility=1000.0, flags={"visibility": ["at_least"]})
    found = drop_impossible(given)
    assert found.flags == {"visibility": ["at_least"], **flags}
    assert {name: getattr(found, name) for name in values} == {name: None if name in flags else values[name] for name in values}
    assert found.visibility == 1000.0
    assert (found is given) is (not flags)


@pytest.mark.parametrize(
    ("origin", "observed", "word"),
    [
        ("live", timedelta(hours=-3), None),
        ("live", timedelta(hours=-3, microseconds=-1), "old"),
        ("live", timedelta(days=-21), "old"),
        ("live", -(NOON - datetime(1970, 1, 1, tzinfo=UTC)), "old"),
        ("live", datetime(2039, 1, 1, tzinfo=UTC) - NOON, "future"),
        # A history of half a year ago is fetched now: what counts is the age in its slot.
        ("backfill", timedelta(days=-180), None),
        ("backfill", timedelta(days=-180, hours=-3), None),
        ("backfill", timedelta(days=-180, hours=-3, seconds=-1), "old"),
        ("backfill", -(NOON - datetime(1970, 1, 1, tzinfo=UTC)), "old"),
        ("backfill", datetime(2039, 1, 1, tzinfo=UTC) - NOON, "future"),
    ],
)
def test_the_age_of_an_observation(origin: str, observed: timedelta, word: str | None) -> None:
    due_at = NOON - timedelta(days=180) if origin == "backfill" else NOON
    row = _row(temperature=8.0, humidity=80, wind_gust=None) | {
        "origin": origin,
        "due_at": due_at,
        "observed_at": NOON + observed,
    }
    assert check_row(row, None, timedelta(hours=3)) == ({"temperature": [word], "humidity": [word]} if word else {})
