"""Statistics with exact values where parts are missing, empty, or at the shortest mean vector."""

from __future__ import annotations

import math
from typing import Any

import pytest

from meteorograph.model.statistics import compute_statistics, divide_columns, merge_summaries, summarise


def _mean_direction(sin: Any, cos: Any, count: Any) -> Any:
    return compute_statistics("wind_direction", [[sin], [cos], [count]], [3600.0])[2][0]


def _vector(degrees: float) -> tuple[float, float, int]:
    return math.sin(math.radians(degrees)), math.cos(math.radians(degrees)), 1


@pytest.mark.parametrize(
    ("parts", "direction"),
    [
        ((None, 1.0, 1), None),
        ((1.0, None, 1), None),
        ((None, None, 0), None),
        ((0.5, 0.5, 0), None),
        ((0.5, 0.5, None), None),
        ((1e-9, 0.0, 1), 90.0),  # the shortest mean vector with a direction
        ((9.9e-10, 0.0, 1), None),
        ((1e-8, 0.0, 100), None),  # long, but not for a hundred values
        ((3e-7, 0.0, 100), 90.0),
        (_vector(33.1234567), 33.123457),
        (_vector(-10), 350.0),
        (_vector(359.9999999), 0.0),
    ],
)
def test_mean_direction(parts: tuple[Any, Any, Any], direction: float | None) -> None:
    assert _mean_direction(*parts) == direction


def test_no_values_have_no_vector() -> None:
    assert summarise("wind_direction", []) == (None, None, 0)
    assert summarise("wind_direction", [90.0]) == (1.0, math.cos(math.pi / 2), 1)


def test_a_sum_without_values_has_no_mean() -> None:
    assert divide_columns([6.0, None, 5.0], [3, 0, 2]) == [2.0, None, 2.5]
    assert divide_columns([6.0, 5.0], [3, 2]) == [2.0, 2.5]


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        merge_summaries("temperature", [[1.0], [1.0], [1.0]])
    with pytest.raises(ValueError, match="shorter"):
        compute_statistics("wind_direction", [[1.0, 0.5], [0.0], [1, 1]], [1.0, 1.0])
    with pytest.raises(ValueError, match="longer"):
        divide_columns([1.0], [0, 0])
