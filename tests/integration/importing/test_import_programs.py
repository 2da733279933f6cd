"""Databases and files of other programs, made with their own schemas."""

from __future__ import annotations

import csv
import gzip
import hashlib
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from importing_support import amounts_of, coverage_of, month_totals, stored_rows
from meteorograph import get_db_session
from meteorograph.exporting.export import ExportQuery, Format, export
from meteorograph.model.states import Origin
from meteorograph.storage.models import Location
from rows import insert_rows

HOUR = timedelta(hours=1)
START = datetime(2025, 3, 1, tzinfo=UTC)
ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
pytestmark = ONE_DATABASE

Import = Any

#: Columns of WeeWX's ``wview_extended`` schema, of which many stay empty.
_WEEWX = (
    "altimeter appTemp barometer cloudbase dewpoint ET extraTemp1 hail heatindex inHumidity inTemp maxSolarRad outHumidity "
    "outTemp "
    "pressure radiation rain rainRate rxCheckPercent snow snowDepth UV windchill windDir windGust windGustDir windSpeed"
).split()


def _weewx(path: Path, records: Iterable[dict[str, Any]]) -> Path:
    with sqlite3.connect(path) as database:
        columns = ", ".join(f"`{name}` REAL" for name in _WEEWX)
        head = "`dateTime` INTEGER NOT NULL UNIQUE PRIMARY KEY, `usUnits` INTEGER NOT NULL, `interval` INTEGER NOT NULL"
        database.execute(f"CREATE TABLE archive ({head}, {columns})")
        for record in records:
            names = ", ".join(f"`{name}`" for name in record)
            marks = ", ".join("?" * len(record))
            database.execute(f"INSERT INTO archive ({names}) VALUES ({marks})", list(record.values()))  # noqa: S608  # our names
    database.close()
    return path


def _record(minutes: int, units: int, interval: int = 5, **values: float | None) -> dict[str, Any]:
    return {"dateTime": int(START.timestamp()) + 60 * minutes, "usUnits": units, "interval": interval, **values}


def test_weewx_takes_the_units_of_each_record(run_import: Import, athens: int, tmp_path: Path) -> None:
    us: dict[str, Any] = {
        "outTemp": 50.0,
        "barometer": 29.92,
        "windSpeed": 10.0,
        "windDir": 90.0,
        "windGust": 20.0,
        "UV": 3.0,
        "outHumidity": 50.0,
    }
    metric: dict[str, Any] = {"outTemp": 10.0, "barometer": 1013.2, "windSpeed": 16.09344}
    records = [
        *(_record(5 * number, 1, rain=0.1 + number % 2 / 100, **us) for number in range(1, 13)),
        *(_record(60 + 5 * number, 16, rain=0.254, **metric) for number in range(1, 13)),
        *(_record(120 + 5 * number, 17, rain=2.54, windSpeed=4.4704) for number in range(1, 13)),
    ]
    path = _weewx(tmp_path / "weewx.sdb", records)
    before = hashlib.sha256(path.read_bytes()).digest()
    code, shown, err = run_import(path, "--location", "Athens")
    assert (code, err) == (0, "")
    total = 12 * 2.54 * 3 + 6 * 0.254
    assert ["2025-03", "36", f"{total:.1f}", "3.0"] in [line.split() for line in shown.splitlines()]
    lines = [line.split() for line in shown.splitlines()]
    assert ["rain", "0.11", "in", "precipitation", "2.794", "mm"] in lines
    assert ["rain", "0.254", "cm", "precipitation", "2.54", "mm"] in lines
    assert shown.endswith("nothing was stored: --yes stores the rows\n")
    assert stored_rows(athens) == []
    assert run_import(path, "--location", "Athens", "--yes")[0] == 0
    rows = stored_rows(athens)
    assert {row.provider for row in rows} == {"import:weewx"}
    first = rows[0]
    assert (first.temperature, first.pressure, first.wind_speed, first.wind_gust) == (10.0, 1013.2076, 4.4704, 8.9408)
    assert (first.precipitation_period, first.uv_index, first.due_at) == (300, 3.0, START + HOUR / 12)
    assert {row.wind_speed for row in rows} == {4.4704}
    amount, covered = month_totals("Athens", START, START + timedelta(days=1))[0]
    assert (round(amount, 4), covered) == (round(total, 4), 3 * 3600)
    assert "0 new, 36 imported before" in run_import(path, "--location", "Athens", "--yes")[1]
    assert hashlib.sha256(path.read_bytes()).digest() == before


def test_weewx_records_that_say_nothing_true_are_refused(run_import: Import, athens: int, tmp_path: Path) -> None:
    path = _weewx(
        tmp_path / "weewx.sdb", [_record(5, 2, outTemp=1.0), _record(10, 17, 0, rain=1.0), _record(15, 17, outTemp=1.0)]
    )
    code, _, err = run_import(path, "--location", "Athens", "--yes")
    assert code == 1
    first, second, _ = err.splitlines()
    assert first.endswith(f"record {int(START.timestamp()) + 300}: usUnits='2': must be 1 (US), 16 (METRIC) or 17 (METRICWX)")
    assert ": interval='0': must be minutes" in second


def test_records_without_a_time_are_refused(run_import: Import, athens: int, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "weewx.sdb") as database:  # as after a repair by hand: without the types of WeeWX
        database.execute("CREATE TABLE archive (dateTime, usUnits, interval, outTemp)")
        database.executemany("INSERT INTO archive VALUES (?, 17, 5, 1.0)", [(None,), (10**18,), ("then",)])
    database.close()
    code, _, err = run_import(tmp_path / "weewx.sdb", "--location", "Athens", "--yes")
    assert code == 1
    assert [line.split(": ", 2)[2] for line in err.splitlines()[:3]] == [
        f"dateTime='{value}': must be a time in Unix seconds" for value in ("None", 10**18, "then")
    ]
    (tmp_path / "hours.csv").write_text("year,month,day,hour,temp,temp_source\n99999999999,3,1,0,10.5,synop\n")
    err = run_import(tmp_path / "hours.csv", "--location", "Athens")[2]
    assert "hours.csv line 2: year,month,day,hour='99999999999,3,1,0': must be a date and an hour" in err


_HOME_ASSISTANT = """
CREATE TABLE schema_changes (change_id INTEGER NOT NULL PRIMARY KEY, schema_version INTEGER, changed DATETIME NOT NULL);
CREATE TABLE statistics_meta (id INTEGER NOT NULL PRIMARY KEY, statistic_id VARCHAR(255), source VARCHAR(32),
 unit_of_measurement VARCHAR(255), has_mean BOOLEAN, has_sum BOOLEAN, name VARCHAR(255), mean_type SMALLINT NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX ix_statistics_meta_statistic_id ON statistics_meta (statistic_id);
CREATE TABLE statistics (id INTEGER NOT NULL PRIMARY KEY, created CHAR(0), created_ts FLOAT, metadata_id INTEGER,
 start CHAR(0), start_ts FLOAT, mean FLOAT, mean_weight FLOAT, min FLOAT, max FLOAT, last_reset CHAR(0), last_reset_ts FLOAT,
 state FLOAT, sum FLOAT, FOREIGN KEY(metadata_id) REFERENCES statistics_meta (id) ON DELETE CASCADE);
CREATE UNIQUE INDEX ix_statistics_statistic_id_start_ts ON statistics (metadata_id, start_ts);
"""


def _home_assistant(
    path: Path, version: int, statistics: dict[str, tuple[str, int, bool, list[tuple[float, float]]]]
) -> sqlite3.Connection:
    """A database with its write-ahead log; statistic → unit, ``mean_type``, whether it has a sum, hours and values."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.executescript(_HOME_ASSISTANT)
    database.execute("INSERT INTO schema_changes VALUES (1, ?, '2026-01-01')", (version,))
    for number, (name, (unit, mean_type, has_sum, values)) in enumerate(statistics.items(), 1):
        meta = (number, name, "recorder", unit, mean_type == 1, has_sum, None, mean_type)
        database.execute("INSERT INTO statistics_meta VALUES (?, ?, ?, ?, ?, ?, ?, ?)", meta)
        insert = "INSERT INTO statistics (metadata_id, start_ts, mean, max, state) VALUES (?, ?, ?, ?, ?)"
        rows = [(number, START.timestamp() + 3600 * hour, value, 180.0, 1e6) for hour, value in values]
        database.executemany(insert.replace("mean", "sum") if has_sum else insert, rows)
    database.commit()
    return database


def test_home_assistant_gives_means_and_differences_of_sums(run_import: Import, athens: int, tmp_path: Path) -> None:
    sums: list[tuple[float, float]] = [(0, 100.0), (1, 101.0), (2, 101.5), (3, 3.0), (4, 4.0), (5, 9999.0), (6, 9999.5)]
    sums.append((10.5, 10000.5))
    statistics: dict[str, tuple[str, int, bool, list[tuple[float, float]]]] = {
        "sensor.outside": ("°F", 1, False, [(hour, 50.0 + hour) for hour in range(8)]),
        "sensor.wind_bearing": ("°", 2, False, [(0, 355.0), (1, 10.0)]),
        "sensor.rain": ("mm", 0, True, sums),
    }
    path = tmp_path / "home-assistant_v2.db"
    writer = _home_assistant(path, 50, statistics)
    assert path.with_name(f"{path.name}-wal").stat().st_size > 0, "what is imported is in the log"
    code, out, err = run_import(path, "--location", "Athens")
    assert code == 1
    assert "--statistic is missing" in err
    assert "sensor.outside [°F], sensor.rain [mm], sensor.wind_bearing [°]" in err
    given: tuple[str, ...] = ("--statistic", "sensor.outside=temperature", "--statistic", "sensor.rain=precipitation")
    code, out, err = run_import(
        path, "--location", "Athens", *given, "--statistic", "sensor.wind_bearing=wind_direction", "--yes"
    )
    assert (code, err) == (0, "")
    assert "hours without an amount, since a sum went back: 1" in out
    assert "hours without an amount, since a sum rose by more than ever fell in that time: 1" in out
    rows = {row.due_at: row for row in stored_rows(athens)}
    assert min(rows) == START + HOUR, "an hour is labelled by its end"
    assert rows[START + HOUR].temperature == 10.0
    assert [rows[START + number * HOUR].wind_direction for number in (1, 2, 3)] == [355.0, 10.0, None]
    amounts = {at: (row.precipitation, row.precipitation_period) for at, row in rows.items() if row.precipitation is not None}
    hourly = {2: 1.0, 3: 0.5, 5: 1.0, 7: 0.5}
    expected = {START + number * HOUR: (amount, 3600) for number, amount in hourly.items()}
    assert amounts == expected | {START + 11.5 * HOUR: (1.0, 16200)}
    writer.close()


@pytest.mark.parametrize(
    ("version", "mean_type", "statistic", "told"),
    [
        (33, 1, "sensor.x=temperature", "schema_version=33: must be from 34 to 53"),
        (99, 1, "sensor.x=temperature", "schema_version=99: must be from 34 to 53"),
        (50, 1, "sensor.x=wind_direction", "sensor.x: its mean is not circular"),
        (50, 1, "sensor.x=precipitation", "sensor.x: has no sum"),
        (50, 1, "sensor.y=temperature", "the database has no statistic 'sensor.y'; it has sensor.x [°]"),
        (50, 1, "sensor.x=pressure", "sensor.x: unit_of_measurement='°': must be one of hPa"),
    ],
)
def test_home_assistant_statistics_that_cannot_be_meant(
    version: int, mean_type: int, statistic: str, told: str, run_import: Import, athens: int, tmp_path: Path
) -> None:
    _home_assistant(tmp_path / "ha.db", version, {"sensor.x": ("°", mean_type, False, [(0, 1.0)])}).close()
    code, _, err = run_import(tmp_path / "ha.db", "--location", "Athens", "--statistic", statistic)
    assert (code, len(err.splitlines())) == (1, 1)
    assert told in err


def _meteostat(path: Path, now: datetime) -> Path:
    names = ("temp", "rhum", "prcp", "wspd", "cldc", "coco")
    head = ",".join(("year,month,day,hour", *(f"{name},{name}_source" for name in names)))
    lines = [
        "2025,3,1,0,10.5,metar,50,metar,0.4,dwd_hourly,36,metar,4,synop,3,metar",
        "2025,3,1,1,11.5,metar,,,1.2,metno_forecast,,,9,synop,,",
        "2025,3,1,2,12.5,dwd_mosmix,60,dwd_mosmix,,,,,,,,",
        f"{now.year + 1},1,1,0,12.5,metar,60,metar,,,,,,,,",
    ]
    path.write_bytes(gzip.compress("\n".join([head, *lines, ""]).encode()))
    return path


def test_meteostat_without_and_with_modelled_values(run_import: Import, athens: int, tmp_path: Path) -> None:
    path = _meteostat(tmp_path / "16716-2025.csv.gz", datetime.now(UTC))
    code, out, err = run_import(path, "--location", "Athens", "--yes")
    assert (code, err) == (0, "")
    assert "licence of Meteostat: CC BY-NC 4.0" in out
    assert "modelled values of metno_forecast, left out: 1" in out
    assert "hours to come, left out: 1" in out
    rows = stored_rows(athens)
    assert [(row.temperature, row.precipitation, row.cloud_cover) for row in rows] == [(10.5, 0.4, 50.0), (11.5, None, None)]
    assert (rows[0].wind_speed, rows[0].precipitation_period, rows[0].provider) == (10.0, 3600, "import:meteostat")
    out = run_import(path, "--location", "Athens", "--yes", "--with-model", "--name", "meteostat-model")[1]
    assert "1 new, 2 imported before" in out
    modelled = stored_rows(athens)[-1]
    assert (modelled.temperature, modelled.flags["temperature"], modelled.flags["humidity"]) == (12.5, ["modelled"], ["modelled"])
    exported = tmp_path / "all.csv"
    with get_db_session(read_only=True) as session:
        export(session, ExportQuery(), "csv", exported)
    terms = exported.with_name("all.csv-metadata.json").read_text()
    assert "CC BY-NC 4.0" in terms
    code, _, err = run_import(path, "--location", "Athens", "--name", "athens")
    assert (code, "--name athens: must begin with meteostat" in err) == (2, True)


def test_a_file_of_meteostat_that_hides_its_sources(run_import: Import, athens: int, tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("year,month,day,hour,temp\n2025,3,1,0,10.5\n")
    code, _, err = run_import(tmp_path / "old.csv", "--location", "Athens")
    assert code == 1
    assert "does not say which values of temp are modelled" in err
    assert (
        "modelled values of unknown, marked as such: 1"
        in run_import(tmp_path / "old.csv", "--location", "Athens", "--with-model")[1]
    )


@pytest.mark.parametrize("format", ["csv", "ndjson", "parquet"])
def test_an_export_comes_back(format: Format, run_import: Import, athens: int, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = []
    for number in range(1, 49):
        at = START + number * HOUR
        row: dict[str, Any] = {
            "location_id": athens,
            "due_at": at,
            "observed_at": at - HOUR / 12,
            "fetched_at": at,
            "origin": Origin.LIVE,
        }
        row |= {"provider": "openweathermap", "temperature": number / 7, "weather_code": 61, "condition": "rain, “light”"}
        row |= {"precipitation": number / 10, "precipitation_period": 3600, "flags": {"temperature": ["step"]}}
        rows.append(row | {"providers": {"precipitation": "weatherstack"} if number % 2 else None})
    insert_rows(rows)
    totals = month_totals("Athens", START, START + timedelta(days=3))
    path = tmp_path / f"weather.{format}"
    with get_db_session(read_only=True) as session:
        export(session, ExportQuery(), format, path)
    assert "48 kept as the service has them" in run_import(path, "--yes")[1]
    with get_db_session() as session:
        session.execute(Location.__table__.update().values(name="Athens", timezone="Europe/Athens"))  # type: ignore[attr-defined]
        session.connection().exec_driver_sql("DELETE FROM weather_data")
    code, out, err = run_import(path, "--name", "old-server", "--yes")
    assert (code, err, out.splitlines()[-1]) == (0, "", "stored 48 rows")
    stored = stored_rows(athens)
    for back, given in zip(stored, rows, strict=True):
        assert (back.due_at, back.observed_at, back.temperature) == (given["due_at"], given["observed_at"], given["temperature"])
        assert (back.precipitation, back.precipitation_period, back.weather_code) == (given["precipitation"], 3600, 61)
        assert (back.condition, back.origin, back.provider) == (given["condition"], "import", "import:old-server")
        assert "step" in back.flags["temperature"]
        assert back.providers["temperature"] == "openweathermap"
    assert stored[0].providers["precipitation"] == "weatherstack"
    assert month_totals("Athens", START, START + timedelta(days=3)) == totals
    assert coverage_of(START, START + timedelta(days=3)) == [(48, 48, 48, 0)]


def test_rows_of_an_export_that_cannot_be_stored(run_import: Import, athens: int, tmp_path: Path) -> None:
    head = "location,due_at,observed_at,temperature,flags\n"
    lines = [
        "Sparta,2025-03-01T00:00:00+00:00,,1,",
        "Athens,2025-03-01T00:00:00,,1,",
        "Athens,2025-03-01T00:00:00Z,,-300,",
        "Athens,2025-03-01T00:00:00Z,,1,{",
        "Athens,0001-01-01T00:00:00+02:00,,1,",
    ]
    (tmp_path / "bad.csv").write_text(head + "\n".join(lines) + "\n")
    err = run_import(tmp_path / "bad.csv")[2]
    reasons = [line.split(": ", 2)[2] for line in err.splitlines()[:5]]
    assert reasons == [
        "location='Sparta': must be the name of an existing location",
        "due_at='2025-03-01T00:00:00': must be an ISO 8601 time with its offset, such as 2026-03-01T00:00:00+00:00",
        "temperature='-300': must be from -273.15 on °C",
        "flags='{': must be a JSON document of an export",
        "due_at='0001-01-01T00:00:00+02:00': must be an ISO 8601 time with its offset, such as 2026-03-01T00:00:00+00:00",
    ]


def _script(path: Path, rows: Iterable[tuple[str, float | None, float | None, float | None, str]]) -> Path:
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE weather_data (id INTEGER NOT NULL PRIMARY KEY, timestamp DATETIME NOT NULL, temperature FLOAT, "
            "humidity FLOAT, "
            "precipitation FLOAT, created_at DATETIME DEFAULT CURRENT_TIMESTAMP)"
        )
        database.executemany(
            "INSERT INTO weather_data (timestamp, temperature, humidity, precipitation, created_at) VALUES (?, ?, ?, ?, ?)", rows
        )
    database.close()
    return path


def _age(number: int) -> timedelta:
    """How old an observation is when it is stored: up to twenty minutes."""
    return timedelta(minutes=number * 7 % 21)


@pytest.mark.parametrize("zone", [(), ("--zone", "Europe/Athens")])
def test_the_database_of_the_script(zone: tuple[str, ...], run_import: Import, athens: int, tmp_path: Path) -> None:
    with get_db_session() as session:
        patras = Location(name="Patras", latitude=38.2, longitude=21.7, created_at=START)
        session.add(patras)
        session.flush()
        patras_id = patras.id
    start = datetime(2024, 10, 25, tzinfo=UTC)  # two days before the clocks go back
    collected = [start + number * HOUR + timedelta(minutes=number % 50) for number in range(96)]
    rows: list[tuple[str, float | None, float | None, float | None, str]] = []
    for number, at in enumerate(collected):
        local = (at - _age(number)).astimezone(ZoneInfo("Europe/Athens"))
        rows.append((f"{local:%Y-%m-%d %H:%M:%S}", 283.15 + number % 9, 50.0 + number % 9, 0.3, f"{at:%Y-%m-%d %H:%M:%S.%f}"))
    again = (rows[50][0], 299.0, 50.0, 0.0, (collected[50] + timedelta(seconds=20)).strftime("%Y-%m-%d %H:%M:%S"))
    path = _script(tmp_path / "script.db", [*rows, again])
    keys = tmp_path / "keys.csv"
    places = ("--place", "2024-10-01=Athens", "--place", "2024-10-27T12:00Z=Patras", "--keys", str(keys))
    code, out, err = run_import(path, *places, *zone, "--yes")
    assert (code, err) == (0, "")
    assert "rows whose slot has an earlier row, which stays: 1\n  id 97 has the slot of id 51\n" in out
    assert "temperature    283.15 K     temperature 10 °C" in out
    assert ("times are local times of UTC+02:00, UTC+03:00, as created_at shows" in out) == (not zone)
    athens_rows, patras_rows = stored_rows(athens), stored_rows(patras_id)
    assert len(athens_rows) + len(patras_rows) == 96
    for number, (row, at) in enumerate(zip([*athens_rows, *patras_rows], collected, strict=True)):
        assert row.due_at == at.replace(minute=0)
        assert row.observed_at == at - _age(number)
        assert (row.precipitation, row.precipitation_period) == (0.3, None)
    assert athens_rows[-1].observed_at < datetime(2024, 10, 27, 12, tzinfo=UTC) <= patras_rows[0].observed_at
    assert amounts_of("Athens", start, start + 48 * HOUR) == (0.0, 0.0), "nobody knows in which time it fell"
    with keys.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 97
    assert lines[0] == {"old_id": "1", "location": "Athens", "due_at": "2024-10-25T00:00:00+00:00", "same_slot_as": ""}
    assert (lines[-1]["old_id"], lines[-1]["same_slot_as"]) == ("97", "51")
    assert "0 new, 96 imported before" in run_import(path, *places, *zone, "--yes")[1]


def test_rows_of_the_script_that_are_not_what_they_should_be(run_import: Import, athens: int, tmp_path: Path) -> None:
    good = [
        (f"2024-06-01 {hour:02}:00:00", 290.0, 50.0, None, f"2024-05-31 {hour + 21 if hour < 3 else 23}:01:00")
        for hour in range(3)
    ]
    bad: list[Any] = [
        ("2024-06-01 05:00:00", 17.0, 50.0, None, "2024-06-01 02:01:00"),
        ("2024-06-01 06:00:00", 290.0, 50.0, None, "2024-06-01 12:01:00"),
        ("soon", 290.0, 50.0, None, "2024-06-01 12:01:00"),
        ("2024-06-01 07:00:00", 290.0, "wet", None, "2024-06-01 04:01:00"),
    ]
    path = _script(tmp_path / "script.db", [*good, *bad])
    code, _, err = run_import(path, "--location", "Athens", "--yes")
    assert code == 1
    assert [line.split(": ", 2)[2] for line in err.splitlines()[:4]] == [
        "temperature='17.0': must be in kelvin, from 150 to 350",
        "timestamp='2024-06-01 06:00:00': must fit created_at=2024-06-01T12:01:00+00:00: stored up to 3 h after it was observed",
        "timestamp='soon': must be a time",
        "humidity='wet': must be a number",
    ]
    assert run_import(path, "--yes")[0] == 2


@pytest.mark.parametrize(
    ("column", "values", "factor"),
    [
        ("v=temperature:C", [68.0, 68.4, 68.9, 69.1, 69.0, 20.4, 20.2, 20.0, 19.9, 19.8], "1.8 (°F and °C)"),
        ("v=pressure:hPa", [1013.0, 1013.1, 1013.0, 1012.9, 29.9, 29.91, 29.92, 29.92], "33.8639"),
        ("v=precipitation:mm:amount:1h", [0.01, 0.02, 0.01, 0.03] * 6 + [0.254, 0.508, 0.254, 0.762] * 6, "25.4"),
        ("v=precipitation:mm:amount:1h", [0.02, 0.04] * 11 + [0.2, 0.4] * 11, "10"),
    ],
)
def test_a_unit_that_changes_stops_the_import(
    column: str, values: list[float], factor: str, run_import: Import, athens: int, tmp_path: Path
) -> None:
    lines = [f"{START + number * HOUR:%Y-%m-%dT%H:%MZ},{value}" for number, value in enumerate(values, 1)]
    (tmp_path / "mixed.csv").write_text("time,v\n" + "\n".join(lines) + "\n")
    args = (tmp_path / "mixed.csv", "--location", "Athens", "--time", "time", "--column", column, "--yes")
    code, out, err = run_import(*args)
    assert (code, out.splitlines()[-1]) == (1, "nothing was stored")
    assert f"the unit of {column[2:].split(':')[0]} seems to change between line" in err
    assert f"by {factor}: nothing was stored" in err
    assert run_import(*args, "--allow-unit-changes")[0] == 0
    assert len(stored_rows(athens)) == len(values)


def test_a_database_of_nobody(run_import: Import, athens: int, tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "x.db").executescript("CREATE TABLE t (a INTEGER)")
    assert "is a database without a table" in run_import(tmp_path / "x.db", "--location", "Athens")[2]
