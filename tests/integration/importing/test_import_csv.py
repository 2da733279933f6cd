"""A CSV file through to coverage, rows and totals."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from importing_support import amounts_of, coverage_of, month_totals, stored_rows
from meteorograph import WeatherData, get_db_session
from meteorograph.model.states import Origin
from meteorograph.model.values import Observation
from meteorograph.reading.rollups import roll_up
from meteorograph.storage.models import Location, Missed, Run
from meteorograph.storage.observations import store, to_row
from rows import insert_rows

HOUR = timedelta(hours=1)
ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def _stuck(path: Path) -> Path:
    """Five weeks of hours whose humidity stands still for nine days, and whose temperature jumps once, later than 500 rows."""
    lines = []
    for number in range(1, 35 * 24):
        humidity = 77.0 if 480 <= number < 700 else 60 + number * 7 % 23
        temperature = 26.0 if number == 501 else 10 + number % 24 / 6
        lines.append(f"{START + number * HOUR:%Y-%m-%dT%H:%MZ},{temperature:.1f},{humidity}")
    path.write_text("time,t,h\n" + "\n".join(lines) + "\n")
    return path


@ONE_DATABASE
@pytest.mark.parametrize("has_newer_rows", [False, True])
def test_checks_go_on_from_one_transaction_to_the_next(
    has_newer_rows: bool, run_import: Import, athens: int, tmp_path: Path
) -> None:
    if has_newer_rows:
        now = datetime.now(UTC).replace(microsecond=0)
        values = Observation(provider="metar", fetched_at=now, observed_at=now, temperature=20.0, humidity=50.0)
        assert store([to_row(athens, now, values)]) == []
    columns = ("--time", "time", "--column", "t=temperature:C", "--column", "h=humidity:%")
    assert run_import(_stuck(tmp_path / "stuck.csv"), "--location", "Athens", *columns, "--yes")[0] == 0
    rows = stored_rows(athens)
    assert "step" in rows[500].flags["temperature"]
    stuck = [row for row in rows if "persistence" in (row.flags or {}).get("humidity", ())]
    assert stuck[-1].due_at == START + 699 * HOUR
    assert len(stuck) > 100


TIME_ALLOWED = "must be an ISO 8601 time such as 2026-03-01T00:00+02:00, or --time-format must say how to read it"
DAY_ALLOWED = (
    "is a date: --day-start must say at which local time its day starts, and --label whether the day starts or ends on it"
)
COLUMNS = ("--time", "time", "--column", "temp=temperature:F", "--column", "rain=precipitation:in:amount:1h")
START = datetime(2025, 3, 1, tzinfo=UTC)

Import = Any


def _write(path: Path, rows: int, start: datetime = START) -> Path:
    lines = [
        f"{start + number * HOUR:%Y-%m-%dT%H:%MZ},{50 + number % 20},{0.1 if number % 10 == 0 else 0}"
        for number in range(1, rows + 1)
    ]
    path.write_text("time,temp,rain\n" + "\n".join(lines) + "\n")
    return path


def test_a_file_becomes_rows_that_are_covered_and_add_up(run_import: Import, athens: int, tmp_path: Path) -> None:
    path = _write(tmp_path / "old.csv", 31 * 24)
    code, shown, err = run_import(path, "--location", "Athens", *COLUMNS)
    assert (code, err) == (0, "")
    assert shown.startswith("Athens: 744 rows, 2025-03-01 03:00 to 2025-04-01 03:00 (Europe/Athens)\n744 new,")
    assert "temp    51 °F        temperature 10.5556 °C\n" in shown
    assert shown.endswith("nothing was stored: --yes stores the rows\n")
    assert stored_rows(athens) == []
    code, out, err = run_import(path, "--location", "Athens", "--name", "roof", *COLUMNS, "--yes")
    assert (code, out.splitlines()[-1], err) == (0, "stored 744 rows", "")
    rows = stored_rows(athens)
    assert {(row.origin, row.provider, row.precipitation_period) for row in rows} == {("import", "import:roof", 3600)}
    assert (rows[0].due_at, rows[0].observed_at, rows[0].temperature) == (START + HOUR, START + HOUR, 10.5556)
    assert coverage_of(START, START + timedelta(days=40)) == [(744, 744, 744, 0)]
    march, april = month_totals("Athens", START, START + timedelta(days=32))
    assert march[0] + april[0] == pytest.approx(74 * 2.54)
    assert march[1] + april[1] == 744 * 3600
    while roll_up(datetime(2025, 5, 1, tzinfo=UTC)):
        pass
    assert month_totals("Athens", START, START + timedelta(days=32)) == [march, april]


def test_a_second_import_stores_nothing_and_days_are_rolled_up_again(run_import: Import, athens: int, tmp_path: Path) -> None:
    first = _write(tmp_path / "a.csv", 24)
    assert run_import(first, "--location", "Athens", *COLUMNS, "--yes")[0] == 0
    while roll_up(datetime(2025, 5, 1, tzinfo=UTC)):
        pass
    more = _write(tmp_path / "b.csv", 20 * 24)
    out = run_import(more, "--location", "Athens", *COLUMNS, "--yes")[1]
    assert "456 new, 24 imported before, 0 kept" in out
    out = run_import(more, "--location", "Athens", *COLUMNS, "--yes")[1]
    assert "0 new, 480 imported before" in out
    assert out.endswith("nothing to store\n")
    assert month_totals("Athens", START, START + timedelta(days=31))[0][0] == pytest.approx(48 * 2.54)


def test_a_row_of_the_service_stays_and_a_missed_slot_is_healed(run_import: Import, athens: int, tmp_path: Path) -> None:
    live = {
        "location_id": athens,
        "due_at": START + HOUR,
        "fetched_at": START + HOUR,
        "provider": "openweathermap",
        "temperature": 1.0,
    }
    insert_rows([{**live, "origin": Origin.LIVE}, {**live, "due_at": START + 2 * HOUR, "origin": Origin.BACKFILL}])
    with get_db_session() as session:
        for number in range(1, 5):
            session.add(Run(schedule="default", due_at=START + number * HOUR, state="succeeded"))
        for number in (3, 4):
            session.add(Missed(location_id=athens, due_at=START + number * HOUR, reason="down"))
    lines = [f"{START + number * HOUR / 4:%Y-%m-%dT%H:%MZ},50,0" for number in range(1, 13)]  # four rows for each slot
    (tmp_path / "old.csv").write_text("time,temp,rain\n" + "\n".join(lines) + "\n")
    out = run_import(tmp_path / "old.csv", "--location", "Athens", *COLUMNS, "--yes")[1]
    assert "10 new, 0 imported before, 2 kept as the service has them" in out
    assert [row.temperature for row in stored_rows(athens)[3:8]] == [1.0, 10.0, 10.0, 10.0, 1.0]
    with get_db_session(read_only=True) as session:
        assert session.scalars(select(Missed.due_at)).all() == [START + 4 * HOUR]
    # three rows at three slots, of which one is imported; the others of the file lie between slots
    assert coverage_of(START + HOUR, START + 5 * HOUR) == [(4, 3, 1, 1)]


@ONE_DATABASE
def test_refused_rows_are_named_by_line_with_value_and_what_is_allowed(run_import: Import, athens: int, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    lines = [
        "time;hum;rain", "2025-03-01T01:00Z;50;0", "yesterday;50;0", "2025-03-01T02:00Z;wet;0", "", "2025-03-01T03:00Z;130;0",
        "2025-03-01T04:00;50;0", "2025-03-01T01:00Z;60;0", "2025-03-01T05:00Z;50", "2999-01-01T00:00Z;50;0",
        "2025-03-01T01:00Z;50;0",
        "2025-03-01T06:00Z;50;-1", "2025-03-01T07:00Z;1,5;0", "2025-03-02;50;0", "",
    ]  # fmt: skip
    path.write_text("\n".join(lines))
    columns = ("--time", "time", "--column", "hum=humidity:%", "--column", "rain=precipitation:mm:amount:1h")
    code, out, err = run_import(path, "--location", "Athens", *columns, "--yes")
    assert (code, out.splitlines()[-1]) == (1, "nothing was stored")
    assert [line.removeprefix(f"meteorograph: {path} ") for line in err.splitlines()] == [
        f"line 3: time='yesterday': {TIME_ALLOWED}",
        "line 4: hum='wet': must be a number or empty",
        "line 6: hum (humidity)='130': must be from 0 to 100 %",
        "line 7: time='2025-03-01T04:00': has no zone: --zone must give it, such as --zone Europe/Athens",
        "line 8: time='2025-03-01T01:00:00+00:00': must be in the file once, and line 2 has other values for it",
        "line 9: has 2 cells: must have 3, as the first line",
        "line 10: time='2999-01-01T00:00:00+00:00': must not be later than now",
        "line 12: rain (precipitation)='-1': must be 0 or more mm",
        "line 13: hum='1,5': must be a number or empty (--decimal-comma reads numbers such as 1,5)",
        f"line 14: time='2025-03-02': {DAY_ALLOWED}",
        "meteorograph: 10 rows are refused: nothing was stored; --skip-bad imports the others",
    ]
    assert stored_rows(athens) == []
    code, out, err = run_import(path, "--location", "Athens", *columns, "--yes", "--skip-bad")
    assert (code, out.splitlines()[-1], err.splitlines()[-1]) == (
        1,
        "stored 1 row",
        "meteorograph: 10 rows are refused and left out",
    )
    assert "1 row that the file has twice" in out


@ONE_DATABASE
@pytest.mark.parametrize(
    ("args", "told"),
    [
        (
            ("--time", "time", "--column", "temp=temperature"),
            "--column temp=temperature: must give temperature in one of °C, K, °F",
        ),
        (
            ("--time", "time", "--column", "rain=precipitation:mm"),
            "--column rain=precipitation:mm: must say what the value is: amount:1h",
        ),
        (("--time", "time", "--column", "r=precipitation:mm:rate:1h"), "must have a unit such as mm/h for rate"),
        (
            ("--time", "time", "--column", "r=precipitation:mm:counter:day"),
            "--zone is missing: a counter that starts again every day",
        ),
        (("--time", "time", "--column", "x=tide:m"), "the quantities are temperature, humidity,"),
        (("--time", "time", "--column", "r=precipitation:mm:amount:previous", "--label", "start"), "--label start: must have"),
        (("--column", "temp=temperature:C"), "--time is missing"),
        (("--time", "time"), "--column is missing"),
        (
            ("--time", "time", "--column", "temp=temperature:C", "--zone", "Athens"),
            "--zone Athens: must be the name of a time zone",
        ),
        (("--time", "time", "--column", "temp=temperature:C", "--name", "Roof!"), "--name Roof!: must be up to 40 small letters"),
        (
            ("--time", "time", "--column", "a=temperature:C", "--column", "b=temperature:C"),
            "temperature must be given by one column",
        ),
    ],
)
def test_what_a_file_needs_is_asked_for(
    args: tuple[str, ...], told: str, run_import: Import, athens: int, tmp_path: Path
) -> None:
    code, out, err = run_import(_write(tmp_path / "a.csv", 3), "--location", "Athens", *args)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert told in err


@ONE_DATABASE
def test_a_column_that_is_not_there_and_a_place_that_is_not_there(run_import: Import, athens: int, tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", 3)
    code, _, err = run_import(path, "--location", "Athens", "--time", "when", *COLUMNS[2:])
    assert (code, err) == (1, f"meteorograph: {path}: column 'when' is not in the first line; the columns are time, temp, rain\n")
    code, _, err = run_import(tmp_path / "none.csv", "--location", "Athens", *COLUMNS)
    assert (code, "none.csv: must be an existing file" in err) == (2, True)
    assert run_import(path, "--location", "Atens", *COLUMNS)[::2] == (
        1,
        "meteorograph: no location is named 'Atens'; did you mean 'Athens'?\n",
    )


@ONE_DATABASE
@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Athens", date(2024, 3, 31), 23), ("Europe/Athens", date(2024, 6, 1), 24),
        ("Europe/Athens", date(2024, 10, 27), 25),
        ("Australia/Lord_Howe", date(2024, 10, 6), 23.5), ("Australia/Lord_Howe", date(2024, 4, 7), 24.5),
        ("Australia/Adelaide", date(2024, 10, 6), 23), ("Australia/Adelaide", date(2024, 4, 7), 25),
    ],
)  # fmt: skip
def test_days_on_which_the_clocks_change(
    zone: str, day: date, hours: float, run_import: Import, athens: int, tmp_path: Path
) -> None:
    start = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    halves = [start + number * HOUR / 2 for number in range(int(2 * hours))]
    lines = [f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M},{0.4 + number % 2 / 5:.1f}" for number, at in enumerate(halves)]
    (tmp_path / "local.csv").write_text("when,rain\n" + "\n".join(lines) + "\n")
    columns = ("--time", "when", "--zone", zone, "--label", "start", "--column", "rain=precipitation:mm:amount:30m")
    code, _, err = run_import(tmp_path / "local.csv", "--location", "Athens", *columns, "--yes")
    assert (code, err) == (0, "")
    assert [row.due_at for row in stored_rows(athens)] == [at + HOUR / 2 for at in halves]
    amount = sum(0.4 + number % 2 / 5 for number in range(len(halves)))
    stored_amount, covered = amounts_of("Athens", start, start + timedelta(hours=hours))
    assert (stored_amount, covered) == (round(amount, 6), hours * 3600)
    daily = f"day,rain\n{day},7\n"
    (tmp_path / "daily.csv").write_text(daily)
    daily_columns = (
        "--time",
        "day",
        "--zone",
        zone,
        "--label",
        "start",
        "--day-start",
        "00:00",
        "--column",
        "rain=precipitation:mm:amount:day",
    )
    assert run_import(tmp_path / "daily.csv", "--location", "Athens", *daily_columns)[1].count(f"{hours * 3600:.0f} s") == 1


@ONE_DATABASE
def test_a_local_time_that_cannot_be_told_apart_is_refused(run_import: Import, athens: int, tmp_path: Path) -> None:
    path = tmp_path / "local.csv"
    path.write_text(
        "when,t\n2024-10-27 02:00,1\n2024-10-27 03:00,2\n2024-10-27 04:00,3\n2025-03-30 03:30,4\n2025-03-30 04:00,5\n"
    )
    columns = ("--time", "when", "--zone", "Europe/Athens", "--column", "t=temperature:C", "--yes", "--skip-bad")
    err = run_import(path, "--location", "Athens", *columns)[2]
    assert [line.split(": ", 2)[1] for line in err.splitlines()[:2]] == [f"{path} line 3", f"{path} line 5"]
    assert "show this time twice" in err
    assert "skip this time" in err
    assert [row.temperature for row in stored_rows(athens)] == [1.0, 3.0, 5.0]


@ONE_DATABASE
def test_amounts_of_days_have_dates_and_others_have_times(run_import: Import, athens: int, tmp_path: Path) -> None:
    path = tmp_path / "daily.csv"
    path.write_text("day,rain\n2025-03-01,3\n2025-03-02 07:00,4\n2025-03-03,5\n")
    days = ("--time", "day", "--zone", "Europe/Athens", "--day-start", "07:00", "--label", "end")
    code, _, err = run_import(
        path, "--location", "Athens", *days, "--column", "rain=precipitation:mm:amount:day", "--yes", "--skip-bad"
    )
    assert (code, "line 3: day='2025-03-02 07:00': must be a date for amount:day" in err) == (1, True)
    seven = datetime(2025, 3, 1, 5, tzinfo=UTC)
    assert [(row.due_at, row.precipitation_period) for row in stored_rows(athens)] == [(seven, 86400), (seven + 48 * HOUR, 86400)]
    assert amounts_of("Athens", seven - 24 * HOUR, seven) == (3.0, 86400)
    err = run_import(path, "--location", "Athens", *days, "--column", "rain=precipitation:mm:amount:1h")[2]
    assert "line 2: day='2025-03-01': must be a time for an amount or rate of a fixed length" in err


@ONE_DATABASE
def test_a_counter_of_the_day_is_no_amount_of_an_hour(run_import: Import, athens: int, tmp_path: Path) -> None:
    """The preview shows one day; what is stored adds up to what the counter shows at the end of the day."""
    midnight = datetime(2025, 2, 28, 22, tzinfo=UTC)
    fell = [number % 5 / 10 for number in range(24)]
    today = [round(sum(fell[: number % 24 or 24]), 1) for number in range(1, 73)]
    lines = [f"{midnight + number * HOUR:%Y-%m-%dT%H:%MZ},{value}" for number, value in enumerate(today, 1)]
    (tmp_path / "counter.csv").write_text("time,today\n" + "\n".join(lines) + "\n")
    columns = ("--time", "time", "--zone", "Europe/Athens", "--column", "today=precipitation:mm:counter:day")
    out = run_import(tmp_path / "counter.csv", "--location", "Athens", *columns, "--yes")[1]
    assert f"precipitation of this day: {sum(fell):g} mm" in out
    assert amounts_of("Athens", midnight, midnight + 72 * HOUR) == (round(3 * sum(fell), 6), 72 * 3600)


@ONE_DATABASE
def test_several_places_a_semicolon_and_decimal_commas(run_import: Import, athens: int, tmp_path: Path) -> None:
    with get_db_session() as session:
        session.add(Location(name="Patras", latitude=38.2, longitude=21.7, created_at=START))
    text = "Ort;Datum;Zeit;Temp °C\nAthens;01.03.2025;10:00;1,5\nPatras;01.03.2025;10:00;2,5\nSparta;01.03.2025;10:00;3,5\n"
    (tmp_path / "orte.csv").write_bytes(text.encode("cp1252"))
    columns = (
        "--location-column",
        "Ort",
        "--time",
        "Datum",
        "--time",
        "Zeit",
        "--time-format",
        "%d.%m.%Y %H:%M",
        "--zone",
        "+01:00",
    )
    given = (tmp_path / "orte.csv", *columns, "--column", "Temp °C=temperature:C", "--decimal-comma", "--yes", "--skip-bad")
    code, _, err = run_import(*given)
    assert (code, "byte 0xb0 is not utf-8; --encoding must name the encoding" in err) == (1, True)
    code, out, err = run_import(*given, "--encoding", "cp1252")
    assert (code, out.splitlines()[-1]) == (1, "stored 2 rows")
    assert "line 4: location='Sparta': must be the name of an existing location" in err
    assert [(row.due_at.hour, row.temperature) for row in stored_rows(athens)] == [(9, 1.5)]


COMMAND = [sys.executable, "-m", "meteorograph", "import"]


def test_a_killed_import_loses_no_row_and_doubles_none(run_import: Import, athens: int, tmp_path: Path) -> None:
    path = _write(tmp_path / "long.csv", 4_000, datetime(2020, 1, 1, tzinfo=UTC))
    args = [str(path), "--location", "Athens", *COLUMNS, "--yes"]
    for stored_before in (1, 1_000):
        with subprocess.Popen([*COMMAND, *args], env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 120
            while _count() < stored_before and time.monotonic() < deadline:
                time.sleep(0.01)
            os.kill(process.pid, signal.SIGKILL)
    stored = _count()
    assert 1_000 <= stored < 4_000
    out = run_import(*args)[1]
    assert f"{4_000 - stored:,} new, {stored:,} imported before" in out
    assert _count() == 4_000
    months = month_totals("Athens", datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 12, 31, tzinfo=UTC))
    assert sum(amount for amount, _ in months) == pytest.approx(400 * 2.54)


def _count() -> int:
    with get_db_session(read_only=True) as session:
        return session.scalar(select(func.count()).select_from(WeatherData).join(Location)) or 0


@ONE_DATABASE
def test_files_of_other_systems(run_import: Import, athens: int, tmp_path: Path) -> None:
    with get_db_session() as session:
        session.add(Location(name="Caf\u00e9", latitude=1.0, longitude=2.0, created_at=START))
    columns = ("--time", "time", "--column", "temp=temperature:C")
    text = "place,time,temp\nCafe\u0301,2025-03-01T00:00Z,1\nCafe\u0301,2025-03-01T01:00Z,2\n"
    (tmp_path / "wide.csv").write_text(text, encoding="utf-16")
    wide = run_import(tmp_path / "wide.csv", "--location-column", "place", *columns, "--encoding", "utf-16")
    assert "2 new" in wide[1], wide
    assert run_import(tmp_path / "wide.csv", "--location", "Cafe\u0301", *columns, "--encoding", "utf-16")[0] == 0
    code, _, err = run_import(tmp_path / "wide.csv", "--location", "Athens", *columns, "--encoding", "base64")
    assert (code, "--encoding base64: must be the name of an encoding" in err) == (2, True)
    packed = bytearray(gzip.compress(text.encode() * 20))
    packed[12] = 0xFF
    (tmp_path / "damaged.csv.gz").write_bytes(packed)
    code, _, err = run_import(tmp_path / "damaged.csv.gz", "--location", "Athens", *columns)
    assert (code, err.count("\n")) == (1, 1)
    assert f"{tmp_path / 'damaged.csv.gz'}: Error -3 while decompressing" in err


@ONE_DATABASE
def test_thousands_of_refused_rows_are_counted_and_not_all_printed(run_import: Import, athens: int, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("time,temp,rain\n" + "yesterday,50,0\n" * 400)
    code, _, err = run_import(path, "--location", "Athens", *COLUMNS, "--yes")
    *rows, more, summary = err.splitlines()
    assert (code, len(rows)) == (1, 50)
    assert more.endswith("and 350 more rows; --json lists the first 1,000")
    assert "400 rows are refused: nothing was stored" in summary
    assert stored_rows(athens) == []
