"""Recorded series as rows, for the tests and the benchmark of the checks; the files are not part of the project."""

from __future__ import annotations

import csv
import gzip
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from meteorograph import get_db_session
from meteorograph.model.quantities import QUANTITIES
from meteorograph.model.values import Coordinates, Observation
from meteorograph.quality.impossible_values import drop_impossible
from meteorograph.storage.check_states import check_rows
from meteorograph.storage.models import Location
from meteorograph.storage.observations import Row, to_row

FOLDER = Path(os.environ.get("METEOROGRAPH_SERIES_DIR") or Path(__file__).parents[2] / "shared" / "series")
IRELAND = FOLDER / "ireland_25stations_2017_hourly.csv.gz"
STATIONS = FOLDER / "ireland_25stations_stations.csv"
BARCELONA = FOLDER / "barcelona_owm_history_2015_2018_hourly.csv.gz"

BARCELONA_AT = Coordinates(41.39, 2.16)
KNOT = 1852 / 3600  # [m/s]


def stations() -> dict[str, Coordinates]:
    """The Irish stations."""
    with STATIONS.open(encoding="utf-8", newline="") as file:
        return {one["station"]: Coordinates(float(one["lat"]), float(one["lon"])) for one in csv.DictReader(file)}


def elevations() -> dict[str, float]:
    """The elevation of each Irish station [m]."""
    with STATIONS.open(encoding="utf-8", newline="") as file:
        return {one["station"]: float(one["elevation_m"]) for one in csv.DictReader(file)}


def ireland(names: Sequence[str]) -> Iterator[Row]:
    """The year 2017 of some stations as rows; a location's id is the name's place in ``names``, from 1."""
    ids = {name: number for number, name in enumerate(names, start=1)}
    for one in _lines(IRELAND):
        if one["station"] in ids:
            at = datetime.fromisoformat(one["time_utc"])
            wind = _number(one["wind_kt"])
            values = {
                "temperature": _number(one["temp_c"]),
                "humidity": _number(one["rh_pct"]),
                "pressure": _number(one["pressure_msl_hpa"]),
                "wind_speed": None if wind is None else round(wind * KNOT, 4),
                "wind_direction": _number(one["wind_dir_deg"]),
                "precipitation": _number(one["rain_1h_mm"]),
            }
            yield _row(ids[one["station"]], at, at, values)


def barcelona() -> Iterator[Row]:
    """Four years as rows of location 1. Where an hour comes twice, the slots are a minute apart and the time is the same."""
    before, again = None, 0
    for one in _lines(BARCELONA):
        at = datetime.fromtimestamp(int(one["dt"]), UTC)
        again = again + 1 if at == before else 0
        before = at
        values = {
            "temperature": round(float(one["temp"]) - 273.15, 4),
            "humidity": _number(one["humidity"]),
            "pressure": _number(one["pressure"]),
            "wind_speed": _number(one["wind_speed"]),
            "wind_direction": _number(one["wind_deg"]),
            "cloud_cover": _number(one["clouds_all"]),
            "precipitation": _number(one["rain_1h"]),
        }
        yield _row(1, at + timedelta(minutes=again), at, values)


def checked(rows: Sequence[Row], places: Sequence[Coordinates]) -> list[Row]:
    """The rows after all checks, in batches of a thousand, in the database of the settings in force."""
    now = datetime.now(UTC)
    with get_db_session() as session:
        named: list[dict[str, Any]] = [
            {"id": n, "name": str(n), "latitude": at.latitude, "longitude": at.longitude, "created_at": now}
            for n, at in enumerate(places, start=1)
        ]
        session.execute(insert(Location), named)
        return [one for first in range(0, len(rows), 1000) for one in check_rows(session, rows[first : first + 1000])]


def counted(rows: Sequence[Row]) -> tuple[Counter[tuple[str, str]], Counter[str]]:
    """How many values of each quantity have each flag, and how many values of each quantity there are."""
    flags: Counter[tuple[str, str]] = Counter()
    values: Counter[str] = Counter()
    for one in rows:
        values.update(quantity.name for quantity in QUANTITIES if one[quantity.name] is not None)
        for name, words in (one["flags"] or {}).items():
            flags.update((word.partition(":")[0], name) for word in words)
    return flags, values


def _row(location_id: int, due_at: datetime, observed_at: datetime, values: dict[str, float | None]) -> Row:
    period = None if values["precipitation"] is None else 3600
    given: dict[str, Any] = {"observed_at": observed_at, "precipitation_period": period, **values}
    observation = Observation(provider="recorded", fetched_at=due_at, **given)
    return to_row(location_id, due_at, drop_impossible(observation))


def _lines(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _number(text: str) -> float | None:
    return float(text) if text else None
