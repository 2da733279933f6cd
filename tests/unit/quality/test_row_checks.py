"""What a row, or two observations of one slot, tell by themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meteorograph.model.quantities import BY_NAME, QUANTITIES
from meteorograph.model.values import Observation
from meteorograph.quality.climate_limits import likely_limits
from meteorograph.quality.provider_agreement import flag_disagreements
from meteorograph.quality.row_checks import check_row, record_precipitation
from support import NOON


def row(**values: Any) -> dict[str, Any]:
    return {"due_at": NOON, "observed_at": NOON, "fetched_at": NOON, "provider": "a", **values}


def observation(provider: str = "a", **values: Any) -> Observation:
    return Observation(**{"provider": provider, "fetched_at": NOON, "observed_at": NOON, **values})


def test_an_ordinary_row_has_no_flags() -> None:
    ordinary = row(temperature=8.1, humidity=81, pressure=1012.6, wind_speed=4.2, wind_direction=240, wind_gust=8.8)
    assert check_row(ordinary | {"dew_point": 5.1, "precipitation": 0.4, "precipitation_period": 3600}, 53.3) == {}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("pressure", 1_008_371, ["range"]),
        ("pressure", 0, ["range"]),
        ("pressure", 869.9, ["range"]),
        ("pressure", 1084, ["climate"]),
        ("pressure", 1079, None),
        ("temperature", 57.5, ["range"]),
        ("temperature", -90.5, ["range"]),
        ("temperature", 41, ["climate"]),
        ("temperature", 20, None),
        ("wind_speed", 86, ["range"]),
        ("wind_speed", 60, ["climate"]),
        ("wind_gust", 115, ["range"]),
        ("wind_gust", 113.2, None),
        ("visibility", 400_000, ["range"]),
    ],
)
def test_values_out_of_range_or_unlikely_in_march_at_53_degrees(name: str, value: float, words: list[str] | None) -> None:
    assert check_row(row(**{name: value}), 53.3).get(name) == words


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda quantity: quantity.name)
def test_what_is_plausible_is_possible(quantity: Any) -> None:
    low, high = quantity.plausible
    assert low < high
    assert quantity.is_possible(low)
    assert quantity.is_possible(high)


@pytest.mark.parametrize("latitude", range(5, 91, 5))
def test_what_is_likely_is_plausible_and_has_its_seasons(latitude: int) -> None:
    for month in range(1, 13):
        for name, (least, most) in likely_limits(latitude, month).items():
            low, high = BY_NAME[name].plausible
            assert low <= least < most <= high, (name, month)
        assert likely_limits(latitude, month) == likely_limits(-latitude, (month + 5) % 12 + 1)
    assert likely_limits(latitude, 1)["temperature"] < likely_limits(latitude, 7)["temperature"]


@pytest.mark.parametrize(
    ("latitude", "month", "temperature"),
    [
        (36.5, 7, 56.7),  # Furnace Creek 1913
        (-78.5, 7, -89.2),  # Vostok 1983
        (72.3, 12, -69.6),  # Klinck, Greenland 1991
        (63.4, 2, -67.7),  # Oymyakon 1933
        (67.6, 6, 38.0),  # Verkhoyansk 2020
        (50.2, 6, 49.6),  # Lytton 2021
        (29.4, 7, 53.9),  # Mitribah 2016
        (-63.4, 2, 18.3),  # Esperanza 2020
        (-31.5, 1, 50.7),  # Oodnadatta and Onslow, farther north, had it
    ],
)
def test_the_records_of_the_earth_are_not_flagged(latitude: float, month: int, temperature: float) -> None:
    at = datetime(2026, month, 15, tzinfo=UTC)
    assert check_row(row(temperature=temperature) | {"due_at": at}, latitude) == {}


def test_without_a_latitude_there_is_no_climate() -> None:
    assert check_row(row(temperature=41), None) == {}


def test_the_record_precipitation_goes_with_the_period() -> None:
    assert check_row(row(precipitation=13107, precipitation_period=3600), 0.0) == {"precipitation": ["range"]}
    assert check_row(row(precipitation=13107), 0.0) == {"precipitation": ["range"]}
    assert check_row(row(precipitation=401, precipitation_period=3600), 0.0) == {}  # Shangdi 1975
    assert check_row(row(precipitation=401, precipitation_period=600), 0.0) == {"precipitation": ["range"]}
    assert record_precipitation(60) > 38.1  # Barot 1970
    assert record_precipitation(86400) > 1825  # Foc-Foc 1966
    assert record_precipitation(None) > 1825


def test_values_that_contradict_each_other() -> None:
    assert check_row(row(humidity=0), 53.3) == {"humidity": ["inconsistent"]}
    assert check_row(row(temperature=8.0, dew_point=8.2), 53.3) == {
        "temperature": ["inconsistent"],
        "dew_point": ["inconsistent"],
    }
    assert check_row(row(temperature=8.0, dew_point=8.05), 53.3) == {}
    assert check_row(row(wind_speed=9.0, wind_gust=8.0), 53.3) == {"wind_gust": ["inconsistent"]}
    assert check_row(row(wind_speed=9.0, wind_gust=9.0), 53.3) == {}


def test_a_time_later_than_the_answer_is_flagged_on_every_value() -> None:
    ahead = {"observed_at": NOON + timedelta(minutes=11)}
    assert check_row(row(temperature=8.0, humidity=80) | ahead, 53.3) == {"temperature": ["future"], "humidity": ["future"]}
    assert check_row(row(temperature=8.0) | {"observed_at": NOON + timedelta(minutes=10)}, 53.3) == {}
    assert check_row(row(temperature=8.0) | {"observed_at": None}, 53.3) == {}


def test_two_providers_disagree_beyond_what_places_and_models_explain() -> None:
    ours = observation(temperature=8.0, humidity=80, pressure=1012.0, flags={"humidity": ["implied_zero"]})
    other = observation("b", temperature=13.5, humidity=40, pressure=1013.0, wind_speed=30.0)
    found = flag_disagreements(ours, other)
    assert found.flags == {
        "humidity": ["implied_zero", "disagrees"],
        "temperature": ["disagrees"],
        "pressure": ["confirmed"],
    }
    assert found.temperature == 8.0
    assert flag_disagreements(ours, observation("b", temperature=12.0)).flags["temperature"] == ["confirmed"]
    assert flag_disagreements(ours, observation("b", temperature=20.0, observed_at=NOON - timedelta(hours=2))) is ours


@pytest.mark.parametrize(
    ("one", "two", "disagree"),
    [
        ((20.0, 3600), (1.0, 3600), True),
        ((1.0, 3600), (20.0, 3600), True),
        ((20.0, 3600), (1.0, None), False),
        ((20.0, 3600), (1.0, 10800), False),
        ((20.0, None), (1.0, None), False),
        ((20.0, 3600), (15.5, 3600), False),
        ((4.9, 3600), (0.0, 3600), False),
    ],
)
def test_amounts_disagree_only_over_the_same_period(
    one: tuple[float, int | None], two: tuple[float, int | None], disagree: bool
) -> None:
    ours, other = (
        observation(provider, precipitation=amount, precipitation_period=period)
        for provider, (amount, period) in zip("ab", (one, two), strict=True)
    )
    assert ("precipitation" in flag_disagreements(ours, other).flags) == disagree
