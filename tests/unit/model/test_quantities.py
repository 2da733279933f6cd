"""Which values a quantity can have."""

from __future__ import annotations

import math

import pytest

from meteorograph.model.quantities import BY_NAME


@pytest.mark.parametrize(
    ("name", "value", "possible"),
    [
        ("temperature", -273.15, True),
        ("temperature", -273.16, False),
        ("temperature", 1e9, True),
        ("humidity", 0.0, True),
        ("humidity", -0.001, False),
        ("humidity", 100.0, True),
        ("humidity", 100.001, False),
        ("wind_direction", 360.0, True),
        ("wind_direction", 360.001, False),
        ("pressure", 0.0, True),
        ("temperature", math.inf, False),
        ("temperature", -math.inf, False),
        ("humidity", math.nan, False),
        ("temperature", math.nan, False),
    ],
)
def test_possible_values(name: str, value: float, possible: bool) -> None:
    assert BY_NAME[name].is_possible(value) is possible
