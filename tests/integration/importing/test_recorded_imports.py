"""A year of 25 real stations through the search for units that change: nothing is found, unless the unit did change."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import pytest

import recorded_series as series
from meteorograph.importing.staging import StagedRow
from meteorograph.importing.unit_changes import find_unit_changes
from meteorograph.model.values import Observation

pytestmark = pytest.mark.skipif(not series.IRELAND.is_file(), reason="the recorded series are not here")

JULY = datetime(2017, 7, 1, tzinfo=UTC)
_NAMES = ("temperature", "pressure", "precipitation")


def _stage(row: dict[str, Any], changed: dict[str, Any]) -> StagedRow:
    at = row["due_at"]
    values: Any = {name: row[name] for name in _NAMES} | changed
    return StagedRow(at, 0, Observation(provider="import:csv", fetched_at=at, observed_at=at, **values))


def _in_other_units(row: dict[str, Any]) -> dict[str, Any]:
    """The values in °F, inHg and inches, called °C, hPa and mm."""
    temperature, pressure, amount = (row[name] for name in _NAMES)
    return {
        "temperature": None if temperature is None else temperature * 1.8 + 32,
        "pressure": None if pressure is None else pressure / 33.86389,
        "precipitation": None if amount is None else amount / 25.4,
    }


def test_units_that_change_are_found_and_weather_is_not() -> None:
    by_station: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in series.ireland(list(series.stations())[::5]):
        by_station[row["location_id"]].append(row)
    assert len(by_station) == 5
    for rows in by_station.values():
        assert find_unit_changes(_stage(row, {}) for row in rows) == []
        mixed = (_stage(row, _in_other_units(row) if row["due_at"] < JULY else {}) for row in rows)
        changes = {change.quantity: change.after.due_at for change in find_unit_changes(mixed)}
        assert set(changes) >= {"pressure", "precipitation"}
        assert changes["pressure"] == JULY
