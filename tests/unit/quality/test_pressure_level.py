"""Which level a pressure of unknown level has."""

from __future__ import annotations

from typing import Any

import pytest

from meteorograph.quality.check_batch import LocationPast, check_batch
from meteorograph.quality.pressure_level import assign_pressure_level, standard_pressure
from support import NOON

SEA, STATION, UNKNOWN = "pressure", "station_pressure", "unknown"


def _row(value: float, *words: str, **more: Any) -> dict[str, Any]:
    return {"pressure": value, "station_pressure": None, "providers": None, "flags": {"pressure": list(words)}, **more}


@pytest.mark.parametrize(
    ("value", "elevation", "level"),
    [
        (951.0, 540.0, STATION),
        (948.0, 610, STATION),
        (838.0, 1560.0, STATION),
        (999.0, 1560.0, SEA),
        (995.0, 620.0, SEA),
        (962.0, 0.0, SEA),
        (951.0, 25.0, SEA),
        (985.0, 200.0, STATION),
        (998.0, 150.0, UNKNOWN),
        (940.0, 110.0, UNKNOWN),
        (975.0, None, UNKNOWN),
        (951.0, None, UNKNOWN),
        (990.0, None, SEA),
    ],
)
def test_the_elevation_tells_the_level(value: float, elevation: float | None, level: str) -> None:
    row = _row(value, "level_unknown")
    assigned = assign_pressure_level(row, elevation)
    if level == UNKNOWN:
        assert assigned is row
    else:
        other = STATION if level == SEA else SEA
        assert (assigned[level], assigned[other], assigned["flags"]) == (value, None, None)


def test_other_flags_and_the_provider_move_with_the_value() -> None:
    row = _row(951.0, "level_unknown", "rejected", providers={"pressure": "openweathermap", "humidity": "metar"})
    row["flags"]["humidity"] = ["trace"]
    moved = assign_pressure_level(row, 540)
    assert moved["flags"] == {"station_pressure": ["rejected"], "humidity": ["trace"]}
    assert moved["providers"] == {"station_pressure": "openweathermap", "humidity": "metar"}
    kept = assign_pressure_level(row, 0)
    assert kept["flags"] == {"pressure": ["rejected"], "humidity": ["trace"]}


def test_beside_another_pressure_at_the_station_it_is_that_at_sea_level() -> None:
    kept = assign_pressure_level({**_row(951.0, "level_unknown"), "station_pressure": 902.0}, 540)
    assert (kept["pressure"], kept["station_pressure"], kept["flags"]) == (951.0, 902.0, None)
    moved = assign_pressure_level({**_row(951.0, "level_unknown"), "station_pressure": 951.0}, 540)
    assert (moved["pressure"], moved["station_pressure"], moved["flags"]) == (None, 951.0, None)


def test_a_pressure_of_known_level_stays() -> None:
    row = _row(951.0, "rejected")
    assert assign_pressure_level(row, 540.0) is row


def test_the_standard_atmosphere() -> None:
    assert [round(standard_pressure(height), 1) for height in (0, 500, 1000, 5000, 9000)] == [1013.2, 954.6, 898.7, 540.2, 307.4]


@pytest.mark.parametrize(("elevation", "words"), [(540.0, None), (None, ["level_unknown"])])
def test_a_batch_uses_the_elevation_of_the_location(elevation: float | None, words: list[str] | None) -> None:
    row = _row(951.0, "level_unknown", location_id=1, due_at=NOON, fetched_at=NOON, observed_at=NOON, provider="openweathermap")
    [checked] = check_batch([row], {1: LocationPast(47.0, None, elevation)}).rows
    assert (checked["flags"] or {}).get("pressure") == words
    assert (checked["station_pressure"] is not None) == (elevation is not None)
