"""The dew point that follows from temperature and humidity."""

from __future__ import annotations

from typing import Any

import pytest

from meteorograph.model.values import Observation
from meteorograph.providers.aviation import relative_humidity
from meteorograph.quality.dew_point import derive_dew_point, dew_point_of, doubt_derived
from support import NOON


def _observation(**values: Any) -> Observation:
    return Observation(provider="any", fetched_at=NOON, observed_at=NOON, **values)


@pytest.mark.parametrize(
    ("temperature", "humidity", "dew_point"),
    [
        (20.0, 50.0, 9.26),
        (30.0, 80.0, 26.17),
        (-10.0, 90.0, -11.32),
        (0.0, 100.0, 0.0),
        (25.0, 0.0, None),
        (25.0, 100.5, None),
        (61.0, 50.0, None),
        (-46.0, 50.0, None),
        (None, 50.0, None),
        (20.0, None, None),
    ],
)
def test_values_of_the_formula(temperature: float | None, humidity: float | None, dew_point: float | None) -> None:
    found = dew_point_of(temperature, humidity)
    assert found == (None if dew_point is None else pytest.approx(dew_point, abs=0.01))


@pytest.mark.parametrize("temperature", [-40.0, -5.5, 0.0, 18.25, 59.0])
@pytest.mark.parametrize("humidity", [1.0, 37.5, 88.0, 99.0])
def test_the_humidity_of_reports_is_its_inverse(temperature: float, humidity: float) -> None:
    assert relative_humidity(temperature, dew_point_of(temperature, humidity)) == pytest.approx(humidity, abs=0.01)


def test_a_derived_dew_point_is_marked() -> None:
    derived = derive_dew_point(_observation(temperature=20.0, humidity=50.0, flags={"humidity": ["disagrees"]}))
    assert derived.dew_point == pytest.approx(9.26, abs=0.01)
    assert derived.flags == {"humidity": ["disagrees"], "dew_point": ["derived"]}


def test_of_a_rejected_value_it_is_rejected_too() -> None:
    derived = derive_dew_point(_observation(temperature=20.0, humidity=50.0, flags={"humidity": ["rejected"]}))
    assert derived.flags["dew_point"] == ["derived", "rejected"]


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": 20.0, "humidity": 50.0, "dew_point": 3.0},
        {"temperature": 20.0, "humidity": 50.0, "flags": {"dew_point": ["unreadable:x"]}},
        {"temperature": 20.0},
        {},
    ],
)
def test_other_observations_stay(values: dict[str, Any]) -> None:
    observation = _observation(**values)
    assert derive_dew_point(observation) is observation


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"dew_point": ["derived"], "temperature": ["step"]}, ["derived", "step"]),
        (
            {"dew_point": ["derived", "rejected"], "temperature": ["rejected"], "humidity": ["stale"]},
            ["derived", "rejected", "stale"],
        ),
        ({"dew_point": ["derived"], "temperature": ["at_least"]}, ["derived"]),
        ({"dew_point": ["derived"], "pressure": ["step"]}, ["derived"]),
        ({"temperature": ["step"]}, None),
    ],
)
def test_a_derived_dew_point_is_as_doubtful_as_what_it_follows_from(
    flags: dict[str, list[str]], expected: list[str] | None
) -> None:
    assert doubt_derived(flags).get("dew_point") == expected
