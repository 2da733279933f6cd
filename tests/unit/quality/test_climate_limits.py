"""The likely range of temperatures, against values computed by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from meteorograph.quality.climate_limits import _likely, likely_limits


@pytest.fixture(autouse=True)
def _without_cache() -> Iterator[None]:
    """The limits are computed in the test, not by a test before it."""
    _likely.cache_clear()
    yield
    _likely.cache_clear()


@pytest.mark.parametrize(
    ("latitude", "month", "limits"),
    [
        (50, 1, (-65.0, 31.3)),  # January is the coldest month: its neighbours are at 0.067 of the way to July
        (50, 2, (-65.0, 35.0)),
        (50, 3, (-62.3, 40.0)),
        (50, 4, (-55.0, 45.0)),
        (50, 6, (-35.0, 50.0)),
        (50, 7, (-27.7, 50.0)),
        (50, 10, (-55.0, 45.0)),
        (50, 12, (-65.0, 35.0)),
        (-50, 7, (-65.0, 31.3)),
        (-50, 1, (-27.7, 50.0)),
        (0, 1, (-30.0, 48.1)),  # the equator has the seasons of the north
        (0.5, 1, (-30.0, 48.1)),
        (-0.5, 1, (-25.3, 50.0)),
        (15, 1, (-30.0, 48.1)),
        (15.1, 1, (-38.0, 46.6)),
        (45, 1, (-58.0, 39.3)),
        (45.1, 1, (-65.0, 31.3)),
        (90, 1, (-90.0, 14.8)),
        (-90, 1, (-63.9, 26.0)),
    ],
)
def test_likely_temperatures(latitude: float, month: int, limits: tuple[float, float]) -> None:
    assert likely_limits(latitude, month)["temperature"] == limits


@pytest.mark.parametrize(
    ("latitude", "month", "pressure", "dew_point", "wind_speed"),
    [
        (45, 3, (910, 1080), (-35, 35), (0, 60)),
        (45, 4, (900, 1080), (-25, 35), (0, 85)),
        (45, 9, (900, 1080), (-25, 35), (0, 85)),
        (45, 10, (910, 1080), (-35, 35), (0, 60)),
        (45.5, 3, (940, 1080), (-85, 30), (0, 50)),
        (45.5, 4, (950, 1080), (-35, 35), (0, 40)),
        (-45.5, 4, (940, 1080), (-85, 30), (0, 50)),
        (-45.5, 10, (950, 1080), (-35, 35), (0, 40)),
    ],
)
def test_likely_pressure_dew_point_and_wind(
    latitude: float, month: int, pressure: tuple[int, int], dew_point: tuple[int, int], wind_speed: tuple[int, int]
) -> None:
    limits = likely_limits(latitude, month)
    assert limits.keys() == {"temperature", "pressure", "dew_point", "wind_speed", "altimeter_setting"}
    assert (limits["pressure"], limits["dew_point"], limits["wind_speed"]) == (pressure, dew_point, wind_speed)
    assert limits["altimeter_setting"] == pressure
