"""Values of a row that contradict each other, or the elevation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from meteorograph.quality.check_batch import LocationPast, check_batch
from meteorograph.quality.contradictions import find_contradictions, relative_humidity, saturation_dew_point
from support import NOON


@pytest.mark.parametrize(
    ("values", "latitude", "elevation", "wrong"),
    [
        ({"temperature": 15.0, "dew_point": 10.0, "humidity": 72}, 53.3, None, ()),
        ({"temperature": 15.0, "dew_point": 10.0, "humidity": 55}, 53.3, None, ()),
        ({"temperature": 15.0, "dew_point": 10.0, "humidity": 40}, 53.3, None, ("temperature", "humidity", "dew_point")),
        ({"temperature": 28.0, "dew_point": 10.0, "humidity": 72}, 53.3, None, ("temperature", "humidity", "dew_point")),
        # One of them in °F.
        ({"temperature": 53.6, "dew_point": 10.0, "humidity": 88}, None, None, ("temperature",)),
        ({"temperature": 28.4, "dew_point": -9.0, "humidity": 62}, 53.3, None, ("temperature",)),
        ({"temperature": 25.0, "dew_point": 41.0 - 32, "humidity": 28}, 53.3, None, ()),
        # Saturation over ice and over water differ.
        ({"temperature": -25.0, "dew_point": -28.0, "humidity": 97}, 60.0, None, ()),
        # More water than the air ever holds there.
        ({"temperature": 46.4, "humidity": 80}, 53.3, None, ("temperature", "humidity")),
        ({"temperature": 34.0, "humidity": 85}, 53.3, None, ("temperature", "humidity")),
        ({"temperature": 34.0, "humidity": 85}, 20.0, None, ()),
        ({"temperature": 34.0, "humidity": 60}, 53.3, None, ()),
        ({"temperature": 999.9, "humidity": 60}, 53.3, None, ()),
        ({"humidity": 0.83}, 53.3, None, ("humidity",)),
        # Station pressure.
        ({"pressure": 945.0}, 47.0, 600.0, ("pressure",)),
        ({"pressure": 945.0}, 47.0, 40.0, ()),
        ({"pressure": 945.0}, 47.0, None, ()),
        ({"pressure": 975.0}, 47.0, 600.0, ()),
        ({"pressure": 840.0}, 47.0, 1500.0, ("pressure",)),
    ],
)
def test_contradictions(
    values: dict[str, float], latitude: float | None, elevation: float | None, wrong: tuple[str, ...]
) -> None:
    assert find_contradictions({"due_at": NOON, **values}, latitude, elevation) == wrong


def test_humidity_and_dew_point_are_inverse() -> None:
    for temperature, humidity in ((-20.0, 60.0), (0.0, 100.0), (15.0, 40.0), (35.0, 10.0)):
        assert relative_humidity(temperature, saturation_dew_point(temperature, humidity)) == pytest.approx(humidity)


@pytest.mark.parametrize(("usual", "wrong"), [(8.0, "temperature"), (41.0, "humidity")])
def test_the_level_of_the_temperature_decides_which_of_two_is_wrong(usual: float, wrong: str) -> None:
    def row(hour: int, **values: Any) -> dict[str, Any]:
        at = NOON + timedelta(hours=hour)
        return {"location_id": 1, "due_at": at, "fetched_at": at, "provider": "a", **values}

    rows = [row(hour, temperature=usual + hour % 5 / 10, humidity=10 + hour % 7) for hour in range(120)]
    flags = check_batch([*rows, row(130, temperature=42.0, humidity=90)], {1: LocationPast(30.0, None)}).rows[-1]["flags"]
    assert [name for name, words in flags.items() if "inconsistent" in words] == [wrong]
