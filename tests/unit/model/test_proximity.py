"""The limit of nearness, and the cubes of the grid."""

from __future__ import annotations

import math
from itertools import product

import pytest

from meteorograph.model.proximity import ProximityGrid
from meteorograph.model.values import EARTH_RADIUS_KM

METRE = math.degrees(1 / (EARTH_RADIUS_KM * 1000))


@pytest.mark.parametrize("metres", [0.0, 50.0, 99.9])
def test_points_within_100_metres_are_near(metres: float) -> None:
    grid = ProximityGrid()
    grid.add("a", 0, 0)
    near = grid.find_near_and_add("b", metres * METRE, 0)
    assert near is not None
    assert near[0] == "a"
    assert near[1] == pytest.approx(metres, abs=1e-4)


@pytest.mark.parametrize("metres", [100.1, 150.0, 1000.0])
def test_points_further_apart_are_not_near(metres: float) -> None:
    grid = ProximityGrid()
    grid.add("a", 0, 0)
    assert grid.find_near_and_add("b", metres * METRE, 0) is None
    assert grid.find_near_and_add("c", metres * METRE, 0) == ("b", 0.0)


@pytest.mark.parametrize(("north", "east"), [step for step in product((-1, 0, 1), repeat=2) if any(step)])
@pytest.mark.parametrize(("latitude", "longitude"), [(0, 0), (45, 45), (-60, 135), (10, -100), (36.9, 179.9999)])
def test_a_near_point_is_found_in_each_direction(latitude: float, longitude: float, north: int, east: int) -> None:
    for number in range(40):  # in small steps across the sides of the cubes
        here = latitude + number * 7 * METRE, longitude + number * 7 * METRE
        grid = ProximityGrid()
        assert grid.find_near_and_add("a", *here) is None
        there = here[0] + north * 69 * METRE, here[1] + east * 69 * METRE / math.cos(math.radians(here[0]))
        near = grid.find_near_and_add("b", *there)
        assert near is not None
        assert near[1] == pytest.approx(69 * math.hypot(north, east), rel=1e-3)


def test_the_same_name_is_not_its_own_neighbour() -> None:
    grid = ProximityGrid()
    grid.add("a", 1, 1)
    assert grid.find_near_and_add("a", 1, 1) is None
    grid.add("b", 1, 1)
    assert grid.find_near_and_add("a", 1, 1) == ("b", 0.0)


def test_a_point_that_is_near_is_found_among_points_that_are_not() -> None:
    grid = ProximityGrid()
    for number, metres in enumerate((-140, 140, 260, 380)):
        grid.add(f"far {number}", metres * METRE, 0)
    grid.add("near", 0, 60 * METRE)
    for number, metres in enumerate((-260, -380)):
        grid.add(f"far too {number}", 0, metres * METRE)
    near = grid.find_near_and_add("here", 0, 0)
    assert near is not None
    assert near[0] == "near"
