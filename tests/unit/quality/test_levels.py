"""Lasting mistakes: a wrong level, wind in another unit, station pressure as sea level pressure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from meteorograph.quality.check_batch import LocationPast, check_batch
from meteorograph.quality.levels import pressure_drop
from support import NOON

DAY = 24


def _flags(
    value: Callable[[int], float | None], name: str, hours: int, elevation: float | None = None, **others: Any
) -> list[list[str]]:
    """The flags of hourly values in the end."""
    rows = []
    for hour in range(hours):
        at = NOON + timedelta(hours=hour)
        row = {"location_id": 1, "due_at": at, "fetched_at": at, "provider": "a", "cloud_cover": hour % 7, name: value(hour)}
        rows.append({**row, **others})
    checked = check_batch(rows, {1: LocationPast(53.3, None, elevation)}).rows
    return [(row.get("flags") or {}).get(name, []) for row in checked]


def _mild(hour: int) -> float:
    """A temperature with a daily course [°C]."""
    return round(8 + 4 * math.sin(hour / DAY * 2 * math.pi) + hour % 5 * 0.1, 1)


def _breeze(hour: int) -> float:
    return round(4 + 2 * math.sin(hour / 9) + hour % 7 * 0.2, 1)


def _pressure(hour: int) -> float:
    return round(1010 + 12 * math.sin(hour / 40) + hour % 3 * 0.1, 1)


def _count(flags: Sequence[Sequence[str]]) -> int:
    return sum("level" in words for words in flags)


def test_a_month_of_another_unit_is_flagged_to_its_end_and_not_after() -> None:
    (
        start,
        end,
    ) = 10 * DAY, 40 * DAY
    flags = _flags(lambda hour: _mild(hour) * 1.8 + 32 if start <= hour < end else _mild(hour), "temperature", 45 * DAY)
    assert all("level" in words for words in flags[start:end])
    assert not any(flags[:start] + flags[end:])


def test_the_level_is_known_after_three_days() -> None:
    for days, is_found in ((2, False), (4, True)):
        flags = _flags(lambda hour: _mild(hour) + (35 if hour >= days * DAY else 0), "temperature", 8 * DAY)  # noqa: B023
        assert ("level" in flags[days * DAY + 5]) is is_found


def test_weather_and_seasons_have_no_wrong_level() -> None:
    def year(hour: int) -> float:
        season = -15 * math.cos(hour / (365 * DAY) * 2 * math.pi)
        return round(8 + season + 9 * math.sin(hour / 50) + 5 * math.sin(hour / DAY * 2 * math.pi), 1)

    assert not any(_flags(year, "temperature", 365 * DAY))
    assert not any(_flags(_pressure, "pressure", 60 * DAY, 300.0))
    assert not any(_flags(_breeze, "wind_speed", 60 * DAY))


def test_a_new_level_is_accepted_after_two_months() -> None:
    flags = _flags(lambda hour: _mild(hour) + (45 if hour >= 10 * DAY else 0), "temperature", 75 * DAY)
    assert "level" in flags[69 * DAY]
    assert _count(flags[71 * DAY :]) == 0


def test_where_another_provider_disagrees_half_the_distance_is_too_far() -> None:
    def warmer(hour: int) -> float:
        return _mild(hour) + (12 if hour >= 10 * DAY else 0)

    assert _count(_flags(warmer, "temperature", 12 * DAY)) == 0
    assert _count(_flags(warmer, "temperature", 12 * DAY, flags={"temperature": ["disagrees"]})) > DAY


def test_wind_in_kilometres_an_hour_is_found_after_days_and_flagged_from_its_first_hours_on() -> None:
    start, end = 20 * DAY, 40 * DAY
    flags = _flags(lambda hour: round(_breeze(hour) * (3.6 if start <= hour < end else 1), 1), "wind_speed", 45 * DAY)
    assert _count(flags[start:end]) > 0.9 * (end - start)
    assert _count(flags[:start]) == 0
    assert _count(flags[end:]) <= 8, "until the excess has gone"


def test_a_gale_of_a_day_is_no_other_unit() -> None:
    gale = range(20 * DAY, 21 * DAY + 12)
    assert _count(_flags(lambda hour: 14.0 + hour % 9 if hour in gale else _breeze(hour), "wind_speed", 25 * DAY)) == 0


@pytest.mark.parametrize("elevation", [40.0, 95.0, 210.0, 900.0])
def test_station_pressure_as_sea_level_pressure_is_flagged_until_it_ends(elevation: float) -> None:
    start, end, drop = 10 * DAY, 40 * DAY, pressure_drop(elevation)
    flags = _flags(lambda hour: round(_pressure(hour) - (drop if start <= hour < end else 0), 1), "pressure", 45 * DAY, elevation)
    assert all(flags[start:end])
    assert not any(flags[:start] + flags[end:])


def test_without_an_elevation_or_in_a_storm_a_jump_of_pressure_does_not_last() -> None:
    def jump(hour: int) -> float:
        return round(_pressure(hour) - (8.0 if hour >= 100 else 0), 1)

    assert _count(_flags(jump, "pressure", 300)) == 0
    assert _count(_flags(jump, "pressure", 300, 10.0)) == 0, "near the sea both are the same"
    falling = [1010.0] * 100 + [1010.0 - 5 * hour for hour in range(1, 6)] + [985.0 + hour % 3 for hour in range(100)]
    flags = _flags(lambda hour: falling[hour] + hour % 2 / 10, "pressure", 200, 42.0)
    assert _count(flags) <= 1, "one of the five hours of the fall"


def test_the_pressure_of_the_standard_atmosphere() -> None:
    drops = [round(pressure_drop(height), 1) for height in (0, 100, 600, 1500, 5000)]
    assert drops == [0.0, 12.0, 70.0, 167.7, 473.1]
    assert pressure_drop(-50.0) == pressure_drop(60_000.0) == 0.0
