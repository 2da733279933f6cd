"""The checks and the total_ranges over real series, where their folder is."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import recorded_series as series
from meteorograph.model.precipitation_totals import Window, total_ranges
from meteorograph.model.time_buckets import midnight

pytestmark = pytest.mark.skipif(
    not (series.IRELAND.is_file() and series.BARCELONA.is_file()),
    reason=f"the recorded series are not in {series.FOLDER}: set METEOROGRAPH_SERIES_DIR",
)


@pytest.fixture(autouse=True)
def _database(sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(sqlite_template, tmp_path / "series.db")
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'series.db'}")


def test_every_known_defect_of_the_barcelona_series_is_flagged() -> None:
    rows = series.checked(list(series.barcelona()), [series.BARCELONA_AT])
    flags, _ = series.counted(rows)
    pressure = [one for one in rows if not 900 <= one["pressure"] <= 1100]
    assert len(pressure) == 48
    assert max(one["pressure"] for one in pressure) == 1_008_371
    assert all("range" in one["flags"]["pressure"] for one in pressure)
    low = [one for one in rows if 900 <= one["pressure"] < 980]  # leaps of 80 hPa
    assert len(low) == 14
    assert all({"step", "level"} & set(one["flags"]["pressure"]) for one in low)
    dry = [one for one in rows if one["humidity"] == 0]
    assert len(dry) == 61
    assert all("inconsistent" in one["flags"]["humidity"] for one in dry)
    assert flags["duplicate", "observed_at"] == 412
    stuck = [one for one in rows if one["temperature"] == 23.188]  # the same answer for 44 hours
    assert sum("stale" in one["flags"].get("temperature", ()) for one in stuck if one["flags"]) == 43  # all but the first


def test_hardly_a_value_of_the_irish_stations_is_flagged() -> None:
    places = series.stations()
    names = sorted(places)[::4]
    rows = series.checked(list(series.ireland(names)), [places[name] for name in names])
    flags, values = series.counted(rows)
    assert len(rows) == 8760 * len(names)
    assert sum(flags.values()) < 0.001 * sum(values.values()), flags


def test_daily_totals_are_the_sums_of_the_hours() -> None:
    zone = ZoneInfo("Europe/Dublin")
    windows, sums, counts = [], Counter[date](), Counter[date]()
    for one in series.ireland(["MARKREE"]):
        if one["precipitation"] is not None:
            windows.append(Window(one["observed_at"].timestamp(), one["precipitation_period"], one["precipitation"]))
            day = (one["observed_at"] - timedelta(hours=1)).astimezone(zone).date()
            sums[day] += round(one["precipitation"] * 10)
            counts[day] += 1
    first = date(2017, 1, 1)
    marks = [midnight(first + timedelta(days=n), zone).timestamp() for n in range(366)]
    found = total_ranges(windows, marks)
    for number, total in enumerate(found):
        day = first + timedelta(days=number)
        assert round((total.amount or 0) * 10) == sums[day], day
        assert total.covered_seconds == 3600 * counts[day], day
    assert (found[84].seconds, found[301].seconds) == (23 * 3600, 25 * 3600)
    # Three-hourly amounts of every hour over the same rain, of Ophelia's day, give nearly the same, and nothing beside the hours.
    hours = {window.end: window.amount for window in windows}
    longer = [
        Window(end, 3 * 3600, sum(hours.get(end - n * 3600, 0.0) for n in range(3)))
        for end in (marks[288] + n * 3600 for n in range(3, 25))
    ]
    assert total_ranges(longer, marks[288:290])[0].amount == pytest.approx(found[288].amount, rel=0.05)
    [both] = total_ranges([*longer, *windows], marks[288:290])
    assert both == found[288]
