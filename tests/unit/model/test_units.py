"""Unit factors and conversions, against values computed by hand."""

from __future__ import annotations

import pytest

from meteorograph.model import units
from meteorograph.model.units import converter, fahrenheit_to_celsius, kelvin_to_celsius, scale


@pytest.mark.parametrize(
    ("value", "factor", "canonical"),
    [
        (36, units.KILOMETRE_PER_HOUR, 10.0),
        (20, units.KNOT, 10.2889),
        (10, units.MILE_PER_HOUR, 4.4704),
        (1000, units.FOOT, 304.8),
        (10, units.STATUTE_MILE, 16093.44),
        (9.9, units.KILOMETRE, 9900.0),
        (0.1, units.INCH, 2.54),
        (0.0031, units.METRE_OF_WATER, 3.1),
        (29.92, units.INCH_OF_MERCURY, 1013.2076),
        (101325, units.PASCAL, 1013.25),
    ],
)
def test_factors(value: float, factor: float, canonical: float) -> None:
    assert scale(value, factor) == canonical
    assert scale(None, factor) is None


def test_temperatures() -> None:
    assert [fahrenheit_to_celsius(value) for value in (-40, 32, 50, 77)] == [-40, 0, 10, 25]
    assert [kelvin_to_celsius(value) for value in (0, 273.15, 300)] == [-273.15, 0, 26.85]


@pytest.mark.parametrize(
    ("name", "system", "value", "converted"),
    [
        ("temperature", "imperial", -40.0, -40.0),
        ("temperature", "si", 0.0, 273.15),
        ("pressure", "imperial", 33.86389, 1.0),
        ("wind_speed", "imperial", 4.4704, 10.0),
        ("visibility", "imperial", 1609.344, 1.0),
        ("precipitation", "imperial", 25.4, 1.0),
        ("precipitation", "si", 1.0, 0.001),
    ],
)
def test_answers_in_other_systems(name: str, system: units.System, value: float, converted: float) -> None:
    convert = converter(name, system)
    assert convert is not None
    assert convert(value) == converted


def test_what_needs_no_conversion_has_none() -> None:
    assert converter("temperature", "metric") is None
    assert converter("humidity", "imperial") is None
    assert converter("condition", "si") is None


def test_conversions_of_answers_are_rounded_to_nine_decimals() -> None:
    convert = converter("precipitation", "imperial")
    assert convert is not None
    assert convert(1.0) == 0.039370079
    assert (units.scale(1 / 3, 1), fahrenheit_to_celsius(33), kelvin_to_celsius(300.123456)) == (0.3333, 0.5556, 26.9735)


def test_units_of_names() -> None:
    assert units.units_of(["temperature", "condition", "precipitation_period", "humidity"], "imperial") == {
        "temperature": "°F",
        "precipitation_period": "s",
        "humidity": "%",
    }
    names = ["temperature", "pressure", "wind_speed", "visibility", "precipitation"]
    assert list(units.units_of(names).values()) == ["°C", "hPa", "m/s", "m", "mm"]
    assert list(units.units_of(names, "imperial").values()) == ["°F", "inHg", "mi/h", "mi", "in"]
    assert list(units.units_of(names, "si").values()) == ["K", "Pa", "m/s", "m", "m"]
    assert (units.unit_of("precipitation_period"), units.unit_of("temperature")) == ("s", "°C")


@pytest.mark.parametrize(
    ("text", "name", "unit", "value", "converted"),
    [
        ("metric", "temperature", "°C", 20.0, 20.0),
        ("standard", "temperature", "K", 20.0, 293.15),
        ("standard", "precipitation", "mm", 2.5, 2.5),
        ("standard", "pressure", "hPa", 1013.0, 1013.0),
        ("metric,temperature:K", "temperature", "K", 20.0, 293.15),
        ("metric,temperature:K", "dew_point", "°C", 20.0, 20.0),
        ("si,precipitation:mm", "precipitation", "mm", 2.5, 2.5),
        ("si,precipitation:mm", "temperature", "K", 0.0, 273.15),
        ("temperature:F", "temperature", "°F", 100.0, 212.0),
        ("wind_speed:kn,visibility:km", "wind_speed", "kn", 1852 / 3600, 1.0),
        ("wind_speed:kn,visibility:km", "visibility", "km", 1500.0, 1.5),
        ("imperial,wind_gust:km/h", "wind_gust", "km/h", 10.0, 36.0),
        ("wind_gust:mph", "wind_gust", "mi/h", 0.44704, 1.0),
        ("pressure:inHg", "pressure", "inHg", 33.86389, 1.0),
        ("pressure:kPa", "pressure", "kPa", 1013.25, 101.325),
    ],
)
def test_units_of_single_quantities(text: str, name: str, unit: str, value: float, converted: float) -> None:
    selected = units.parse_units(text)
    assert selected.unit_of(name) == unit
    change = selected.converter(name)
    assert (change(value) if change else value) == pytest.approx(converted, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("", "must be one of metric, imperial, si, standard, or "),
        ("kelvin", "must be one of metric, imperial, si, standard, or "),
        ("temperature:K,metric", "must be one of metric, imperial, si, standard, or "),
        ("metric,temp:K", "must be one of metric, imperial, si, standard, or "),
        ("metric,", "must be one of metric, imperial, si, standard, or "),
        ("metric,temperature:mm", "must give temperature in one of °C, K, °F"),
        ("temperature:K,temperature:F", "must give temperature once"),
        ("humidity:1", "must give humidity in one of %"),
        ("wind_speed:", "must give wind_speed in one of m/s, km/h, mi/h, kn"),
    ],
)
def test_units_that_are_unknown(text: str, allowed: str) -> None:
    with pytest.raises(ValueError, match=r"^must") as caught:
        units.parse_units(text)
    assert str(caught.value).startswith(allowed)
