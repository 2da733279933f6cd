"""The bodies of both providers: their fields, units and types."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from meteorograph.simulator import openweathermap, weatherstack
from meteorograph.simulator.answer import apply_fault
from meteorograph.simulator.conditions import MODERATE_RAIN, RAIN_AND_SNOW, of_precipitation, of_sky
from meteorograph.simulator.geography import Spot, spot_at
from meteorograph.simulator.model import Model
from meteorograph.simulator.rules import parse
from meteorograph.simulator.weather import Weather

AT = datetime(2026, 1, 15, 23, 30, tzinfo=UTC)
RAINY = Weather(
    at=AT,
    temperature=10.25,
    humidity=80,
    pressure=1002.4,
    wind_speed=10.2889,
    wind_direction=225,
    wind_gust=15,
    cloud_cover=100,
    visibility=8046,
    rain=2.54,
    snow=0.0,
    condition=MODERATE_RAIN,
)
DELHI = spot_at(28.6, 77.2)


def owm(weather: Weather = RAINY, spot: Spot = DELHI, units: str = "metric") -> dict[str, Any]:
    point = spot.coordinates
    return openweathermap.body(weather, spot, (point.latitude, point.longitude), units)


def current(weather: Weather = RAINY, unit: str = "m") -> dict[str, Any]:
    found: dict[str, Any] = weatherstack.body(weather, DELHI, unit, AT)["current"]
    return found


def test_openweathermap_has_every_documented_field() -> None:
    body = owm()
    assert list(body) == [
        *("coord", "weather", "base", "main", "visibility", "wind", "rain", "clouds", "dt", "sys", "timezone", "id"),
        *("name", "cod"),
    ]
    assert body["coord"] == {"lon": 77.2, "lat": 28.6}
    assert list(body["main"]) == [
        *("temp", "feels_like", "temp_min", "temp_max", "pressure", "humidity", "sea_level", "grnd_level"),
    ]
    assert body["weather"] == [{"id": 501, "main": "Rain", "description": "moderate rain", "icon": "10n"}]
    assert body["wind"] == {"speed": 10.2889, "deg": 225, "gust": 15}
    assert (body["dt"], body["cod"], body["timezone"]) == (int(AT.timestamp()), 200, 19800)
    assert body["rain"] == {"1h": 2.54}


@pytest.mark.parametrize(
    ("units", "temperature", "speed"),
    [("metric", 10.25, 10.2889), ("standard", 283.4, 10.2889), ("imperial", 50.45, 23.02), ("other", 283.4, 10.2889)],
)
def test_openweathermap_units_are_of_temperature_and_wind_alone(units: str, temperature: float, speed: float) -> None:
    body = owm(units=units)
    assert body["main"]["temp"] == temperature
    assert body["wind"]["speed"] == speed
    assert (body["main"]["pressure"], body["visibility"], body["rain"]["1h"]) == (1002.4, 8046, 2.54)


def test_openweathermap_leaves_out_what_did_not_fall_or_is_not_known() -> None:
    snowy = msgspec.structs.replace(RAINY, rain=0.0, snow=1.2)
    assert "rain" not in owm(snowy)
    assert owm(snowy)["snow"] == {"1h": 1.2}
    bare = owm(Weather(at=AT))
    assert not {"rain", "snow", "clouds", "visibility"} & set(bare)
    assert (bare["wind"], bare["main"], bare["weather"]) == ({}, {}, [])


def test_openweathermap_at_sea_and_in_polar_night() -> None:
    body = owm(spot=spot_at(70.0, -170.0))
    assert (body["id"], body["name"]) == (0, "")
    assert body["sys"] == {"sunrise": 0, "sunset": 0}
    assert body["timezone"] == -11 * 3600


def test_openweathermap_ground_pressure_falls_with_height() -> None:
    body = owm(spot=spot_at(53.0, -7.0, "HILL", 500.0))
    assert body["main"]["grnd_level"] == pytest.approx(1002.4 * 0.942, abs=1)
    assert body["name"] == "HILL"


def test_weatherstack_location_wears_strings_and_local_time() -> None:
    location = weatherstack.body(RAINY, DELHI, "m", AT)["location"]
    assert (location["lat"], location["lon"], location["utc_offset"]) == ("28.600", "77.200", "5.50")
    assert (location["localtime"], location["timezone_id"]) == ("2026-01-16 05:00", "Asia/Kolkata")
    assert location["localtime_epoch"] == int(datetime(2026, 1, 16, 5, tzinfo=UTC).timestamp())


def test_weatherstack_request_echoes_the_unit() -> None:
    request = weatherstack.body(RAINY, DELHI, "f", AT)["request"]
    assert request == {"type": "LatLon", "query": "Lat 28.60 and Lon 77.20", "language": "en", "unit": "f"}


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("m", {"temperature": 10, "wind_speed": 37, "precip": 2.54, "visibility": 8, "pressure": 1002}),
        ("s", {"temperature": 283, "wind_speed": 37, "precip": 2.54, "visibility": 8, "pressure": 1002}),
        ("f", {"temperature": 50, "wind_speed": 23, "precip": 0.1, "visibility": 5, "pressure": 1002}),
    ],
)
def test_weatherstack_units(unit: str, expected: dict[str, float]) -> None:
    found = current(unit=unit)
    assert {name: found[name] for name in expected} == expected


def test_weatherstack_current_has_its_words_and_whole_numbers() -> None:
    found = current()
    assert (found["observation_time"], found["is_day"], found["wind_dir"]) == ("11:30 PM", "no", "SW")
    assert (found["weather_code"], found["weather_descriptions"]) == (302, ["Moderate rain"])
    for name in ("temperature", "wind_speed", "wind_degree", "pressure", "humidity", "cloudcover", "feelslike"):
        assert type(found[name]) is int
    assert all(isinstance(value, str) for value in found["air_quality"].values())


def test_weatherstack_leaves_out_what_is_not_known() -> None:
    found = current(Weather(at=AT))
    assert not {"temperature", "precip", "wind_speed", "wind_dir", "weather_code", "cloudcover"} & set(found)
    assert found["weather_descriptions"] == []


def test_precipitation_is_rain_and_snow_together() -> None:
    sleet = msgspec.structs.replace(RAINY, rain=0.1, snow=0.2)
    assert sleet.precipitation == 0.3
    assert sleet.truth()["precipitation_period"] == 3600
    assert Weather(at=AT).truth()["precipitation"] is None
    assert of_precipitation(0.1, 0.2) is RAIN_AND_SNOW


@pytest.mark.parametrize(
    ("cover", "visibility", "main"), [(0, 10000, "Clear"), (40, 10000, "Clouds"), (100, 10000, "Clouds"), (0, 900, "Mist")]
)
def test_a_dry_sky_is_named_by_its_clouds(cover: float, visibility: float, main: str) -> None:
    assert of_sky(cover, visibility).owm_main == main


def spoiled(spec: str, provider: str = "openweathermap") -> bytes:
    (rule,) = parse(spec)
    reply = openweathermap.reply({"lat": "28.6", "lon": "77.2"}, Model(1), AT)
    if provider == "weatherstack":
        reply = weatherstack.reply({"query": "28.6,77.2"}, Model(1), AT)
    return apply_fault(rule, provider, lambda: reply).body


def test_wrong_types_leave_no_number_in_its_place() -> None:
    body = msgspec.json.decode(spoiled("kind=types"))
    assert not isinstance(body["main"]["temp"], int | float)
    assert not isinstance(body["dt"], int)
    kinds = {type(value) for value in body["main"].values()}
    assert kinds == {str, dict}


def test_null_stands_for_the_precipitation_of_either_provider() -> None:
    assert msgspec.json.decode(spoiled("kind=null"))["rain"] is None
    body = msgspec.json.decode(spoiled("kind=null", "weatherstack"))
    assert body["current"]["precip"] is None
    assert body["current"]["humidity"] is not None
