"""How warm the air feels, against the tables of the sources of the formulas."""

from __future__ import annotations

import pytest

from meteorograph.model.feels_like import feels_like
from meteorograph.model.units import fahrenheit_to_celsius


@pytest.mark.parametrize(
    ("temperature", "wind_kmh", "chill"), [(-10, 20, -18), (0, 10, -3), (5, 60, -2), (-40, 80, -67), (10, 4.0, 10)]
)
def test_wind_chill_as_in_the_table_of_environment_canada(temperature: float, wind_kmh: float, chill: float) -> None:
    felt = feels_like(temperature, 50.0, wind_kmh / 3.6)
    assert felt is not None
    assert round(felt) == chill


@pytest.mark.parametrize(
    ("fahrenheit", "humidity", "index"), [(80, 40, 80), (90, 70, 105), (100, 50, 118), (110, 40, 136), (86, 90, 105)]
)
def test_heat_index_as_in_the_table_of_the_national_weather_service(fahrenheit: float, humidity: float, index: float) -> None:
    felt = feels_like(fahrenheit_to_celsius(fahrenheit), humidity, 1.0)
    assert felt is not None
    assert abs(felt - fahrenheit_to_celsius(index)) < 0.9


def test_between_them_it_is_the_temperature_and_without_a_value_it_is_unknown() -> None:
    assert feels_like(18.0, None, None) == 18.0
    assert feels_like(None, 50.0, 3.0) is None
    assert feels_like(3.0, 50.0, None) is None
    assert feels_like(33.0, None, 3.0) is None
