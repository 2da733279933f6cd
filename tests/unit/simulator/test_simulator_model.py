"""The made-up weather: possible everywhere, smooth in space and time, wet now and then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import mean

import pytest

from meteorograph.model import sun
from meteorograph.model.quantities import BY_NAME
from meteorograph.simulator.geography import spot_at
from meteorograph.simulator.model import Model, climate, relative_humidity, weather
from meteorograph.simulator.weather import Weather

START = datetime(2026, 1, 1, tzinfo=UTC)
LATITUDES = (-90.0, -65.0, -34.0, -5.0, 0.0, 25.0, 51.5, 70.0, 90.0)
LONGITUDES = (-180.0, -120.5, 0.0, 77.2)


def year(latitude: float, longitude: float, every: int = 1, seed: int = 1) -> list[Weather]:
    return [weather(latitude, longitude, START + timedelta(hours=hour), seed) for hour in range(0, 8760, every)]


@pytest.mark.parametrize("latitude", LATITUDES)
def test_every_value_is_possible_and_plausible(latitude: float) -> None:
    for longitude in LONGITUDES:
        for found in year(latitude, longitude, every=61):
            for name, value in found.truth().items():
                if name in BY_NAME and value is not None:
                    assert isinstance(value, int | float)
                    assert BY_NAME[name].is_possible(value), (name, value)
            assert found.temperature is not None
            assert -75 <= found.temperature <= 55
            assert found.pressure is not None
            assert 940 <= found.pressure <= 1060
            assert found.wind_speed is not None
            assert found.wind_speed < 45
            assert found.wind_gust is None or found.wind_gust >= found.wind_speed
            assert found.visibility is not None
            assert found.visibility <= 10000


@pytest.mark.parametrize("latitude", LATITUDES)
def test_rain_or_snow_falls_in_some_hours_and_not_in_most(latitude: float) -> None:
    hours = [found for longitude in LONGITUDES for found in year(latitude, longitude, every=37)]
    assert 0.08 < mean((found.precipitation or 0) > 0 for found in hours) < 0.32


@pytest.mark.parametrize("latitude", [-80.0, 0.0, 35.0, 51.5])
def test_neighbouring_hours_are_alike(latitude: float) -> None:
    hours = year(latitude, 10)
    for before, after in pairwise(hours):
        assert abs((after.temperature or 0) - (before.temperature or 0)) < 2.5
        assert abs((after.pressure or 0) - (before.pressure or 0)) < 2
        assert abs((after.humidity or 0) - (before.humidity or 0)) < 15
        assert abs((after.wind_speed or 0) - (before.wind_speed or 0)) < 2


@pytest.mark.parametrize(("here", "there"), [((51.5, 0.0), (51.6, 0.1)), ((10.0, 180.0), (10.0, -180.0))])
def test_neighbouring_places_are_alike(here: tuple[float, float], there: tuple[float, float]) -> None:
    for day in range(0, 365, 7):
        at = START + timedelta(days=day)
        one, other = weather(*here, at, 1), weather(*there, at, 1)
        assert (one.temperature or 0) == pytest.approx(other.temperature, abs=0.5)
        assert (one.pressure or 0) == pytest.approx(other.pressure, abs=0.8)


def test_far_places_and_other_seeds_differ() -> None:
    assert weather(51.5, 0, START, 1) == weather(51.5, 0, START, 1)
    assert weather(51.5, 0, START, 1) != weather(51.5, 0, START, 2)
    assert weather(51.5, 0, START, 1) != weather(51.5, 60, START, 1)


def test_lows_are_wet_and_highs_are_dry() -> None:
    hours = year(51.5, 0)
    wet = mean(found.pressure or 0 for found in hours if found.precipitation)
    dry = mean(found.pressure or 0 for found in hours if not found.precipitation)
    assert wet < dry - 3


def test_snow_falls_in_the_cold_and_rain_in_the_warm() -> None:
    for found in year(60, 30):
        if found.snow:
            assert found.temperature is not None
            assert found.temperature < 2
        if found.rain:
            assert found.temperature is not None
            assert found.temperature > 0


def test_summer_is_in_july_in_the_north_and_in_january_in_the_south() -> None:
    july = START + timedelta(days=200)
    assert climate(50, july) > climate(50, START) + 10
    assert climate(-40, july) < climate(-40, START) - 10


def test_afternoons_are_warmer_than_nights_by_local_time() -> None:
    for longitude in (0, 120):
        hours = year(30, longitude)
        by_hour = [mean(found.temperature or 0 for found in hours[hour::24]) for hour in range(24)]
        assert by_hour[(15 - longitude // 15) % 24] > by_hour[(3 - longitude // 15) % 24] + 3


def test_relative_humidity_is_100_at_the_dew_point() -> None:
    assert relative_humidity(12, 12) == pytest.approx(100)
    # Saturation vapour pressure is 23.37 hPa at 20 °C and 12.27 hPa at 10 °C (WMO-No. 8).
    assert relative_humidity(20, 10) == pytest.approx(100 * 12.27 / 23.37, abs=0.3)


def test_the_model_is_renewed_every_ten_minutes() -> None:
    model, spot = Model(1), spot_at(51.5, -0.13)
    found = model.weather(spot, START + timedelta(minutes=19, seconds=59))
    assert found.at == START + timedelta(minutes=10)
    assert found == weather(51.5, -0.13, found.at, 1)


def test_the_sun_rises_and_sets_as_the_almanac_says() -> None:
    # London, 21 June 2026: 03:43 and 20:22 UTC.
    times = sun.rise_and_set(51.5, -0.13, datetime(2026, 6, 21, 12, tzinfo=UTC))
    assert times is not None
    assert abs(times[0] - datetime(2026, 6, 21, 3, 43, tzinfo=UTC)) < timedelta(minutes=4)
    assert abs(times[1] - datetime(2026, 6, 21, 20, 22, tzinfo=UTC)) < timedelta(minutes=4)


@pytest.mark.parametrize("month", [6, 12])
def test_there_is_no_sunrise_in_polar_day_and_night(month: int) -> None:
    assert sun.rise_and_set(69.65, 18.96, datetime(2026, month, 21, 12, tzinfo=UTC)) is None


def test_the_sun_is_up_at_noon_and_down_at_midnight() -> None:
    assert sun.elevation(0, 0, datetime(2026, 3, 20, 12, tzinfo=UTC)) > 85
    assert sun.elevation(0, 0, datetime(2026, 3, 20, 0, tzinfo=UTC)) < -85


@pytest.mark.parametrize(
    ("point", "code", "hours"),
    [((53.35, -6.26), "IE", 0), ((28.6, 77.2), "IN", 5.5), ((30.0, -40.0), "", -3), ((0.0, 179.0), "", 12)],
)
def test_a_point_has_its_land_and_its_clocks(point: tuple[float, float], code: str, hours: float) -> None:
    spot = spot_at(*point)
    assert spot.code == code
    assert bool(spot.id) == bool(spot.name) == bool(code)
    assert spot.utc_offset(START) == timedelta(hours=hours)
