"""A recorded series as a source."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meteorograph.errors import ConfigurationError
from meteorograph.simulator.replay import COLUMNS, SERIES_HEADER, Replay

STATIONS = "station,county,elevation_m,lat,lon\nATHENRY,Galway,40.0,53.289,-8.786\nMALIN HEAD,Donegal,20,55.372,-7.339\n"
HEADER = ",".join(SERIES_HEADER)
ROWS = (
    "ATHENRY,2017-02-28T10:00Z,5.2,89,1021.9,0.0,8,320",
    "ATHENRY,2017-10-16T11:00Z,12.5,93,968.3,3.1,59,200",
    "ATHENRY,2017-10-16T12:00Z,,,,,,",
    "MALIN HEAD,2017-02-28T10:00Z,4.0,80,1020.0,0.2,10,90",
)


def write(folder: Path, *rows: str, header: str = HEADER, stations: str = STATIONS) -> Path:
    (folder / "coast_stations.csv").write_text(stations)
    path = folder / "coast_2017_hourly.csv.gz"
    path.write_bytes(gzip.compress("\n".join((header, *rows, "")).encode()))
    return path


def at(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


@pytest.fixture
def replay(tmp_path: Path) -> Replay:
    return Replay(write(tmp_path, *ROWS))


def test_a_point_within_five_kilometres_is_the_station(replay: Replay) -> None:
    near = replay.find(53.32, -8.80)
    assert near is not None
    assert (near.name, near.code, near.elevation) == ("ATHENRY", "IE", 40.0)
    assert replay.find(53.34, -8.80) is None


def test_the_hour_is_answered_in_canonical_units(replay: Replay) -> None:
    found = replay.weather(replay.spots[0], at(2017, 10, 16, 11, 59))
    assert found.at == at(2017, 10, 16, 11)
    truth = found.truth()
    assert (truth["temperature"], truth["humidity"], truth["pressure"]) == (12.5, 93, 968.3)
    assert (truth["precipitation"], truth["precipitation_period"], truth["condition"]) == (3.1, 3600, "moderate rain")
    assert truth["wind_direction"] == 200
    wind = truth["wind_speed"]
    assert wind == 30.3522
    assert round(30.3522 / 1852 * 3600, 3) == 59


def test_empty_cells_and_hours_that_are_not_there_are_none(replay: Replay) -> None:
    for hour in (12, 13):
        assert set(replay.weather(replay.spots[0], at(2017, 10, 16, hour)).truth().values()) == {None}


def test_another_year_is_answered_from_the_same_day_of_the_series(replay: Replay) -> None:
    found = replay.weather(replay.spots[0], at(2026, 10, 16, 11, 5))
    assert (found.at, found.temperature) == (at(2026, 10, 16, 11), 12.5)
    assert replay.weather(replay.spots[0], at(2028, 2, 29, 10)).temperature == 5.2
    assert replay.weather(replay.spots[1], at(2028, 2, 29, 10)).temperature == 4.0


def test_a_plain_file_will_do(tmp_path: Path) -> None:
    path = write(tmp_path, *ROWS).with_name("coast.csv")
    path.write_text("\n".join((HEADER, *ROWS)))
    assert len(Replay(path).spots) == 2


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("ATHENRY,2017-01-01T00:00Z,warm,89,1021.9,0.0,8,320", ("line 2", "temp_c", "'warm'")),
        ("ATHENRY,2017-01-01T00:00Z,5.2,nan,1021.9,0.0,8,320", ("line 2", "rh_pct", "'nan'")),
        ("ATHENRY,2017-01-01T00:30Z,5.2,89,1021.9,0.0,8,320", ("line 2", "time_utc", "whole hour")),
        ("ATHENRY,2017-01-01T00:00,5.2,89,1021.9,0.0,8,320", ("line 2", "time_utc", "zone")),
        ("ATHENRY,soon,5.2,89,1021.9,0.0,8,320", ("line 2", "time_utc", "'soon'")),
        ("CORK,2017-01-01T00:00Z,5.2,89,1021.9,0.0,8,320", ("line 2", "station", "'CORK'")),
        ("ATHENRY,2017-01-01T00:00Z,5.2", ("line 2", "3 columns")),
    ],
)
def test_a_bad_row_is_refused_with_its_place(tmp_path: Path, row: str, words: tuple[str, ...]) -> None:
    path = write(tmp_path, row)
    with pytest.raises(ConfigurationError) as refusal:
        Replay(path)
    for word in (path.name, *words):
        assert word in str(refusal.value)


def test_a_wrong_header_names_the_column(tmp_path: Path) -> None:
    path = write(tmp_path, *ROWS, header=HEADER.replace("rh_pct", "humidity"))
    with pytest.raises(ConfigurationError, match="line 1: expected column 'rh_pct', found 'humidity'"):
        Replay(path)


def test_rows_out_of_order_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="line 3: column time_utc"):
        Replay(write(tmp_path, ROWS[0], ROWS[0]))


def test_a_series_without_hours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="contains no hours"):
        Replay(write(tmp_path))


@pytest.mark.parametrize(("station", "word"), [("X,Y,0,95,0", "lat"), ("X,Y,high,5,0", "elevation_m"), ("X", "1 columns")])
def test_a_bad_station_is_refused(tmp_path: Path, station: str, word: str) -> None:
    with pytest.raises(ConfigurationError, match=f"coast_stations.csv: line 2: .*{word}"):
        Replay(write(tmp_path, *ROWS, stations=f"station,county,elevation_m,lat,lon\n{station}\n"))


def test_a_missing_or_broken_file_is_a_configuration_error(tmp_path: Path) -> None:
    path = write(tmp_path, *ROWS)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Replay(path)
    path.write_bytes(b"not gzip")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Replay(path)
    with pytest.raises(ConfigurationError, match="no stations file"):
        Replay(tmp_path / "elsewhere_2017.csv.gz")


def test_the_columns_are_the_series_of_the_header() -> None:
    assert SERIES_HEADER[2:] == COLUMNS
