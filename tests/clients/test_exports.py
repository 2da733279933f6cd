"""Exports as others read them: the compliance checker of IOOS and xarray (netCDF), and csvw (CSV on the Web)."""

from __future__ import annotations

import codecs
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import xarray
from click.testing import CliRunner

from clients.environment import client_program
from meteorograph import get_db_session
from meteorograph.cli.main import cli
from meteorograph.exporting import batches
from meteorograph.storage.models import Location, WeatherData
from meteorograph.storage.upsert import table_of
from rows import insert_rows
from support import NOON

pytestmark = [pytest.mark.usefixtures("database", "driven"), pytest.mark.parametrize("database", ["sqlite"], indirect=True)]

HOUR = timedelta(hours=1)


@pytest.fixture
def rows(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of two places, the second one without a height, and a place without rows between them."""
    monkeypatch.setattr(batches, "BATCH_ROWS", 4)
    with get_db_session() as session:
        for number, (name, elevation) in enumerate((("Zürich", 408.0), ("empty", 5.0), ("Bergen", None)), 1):
            session.add(
                Location(id=number, name=name, latitude=47.4, longitude=8.5, elevation=elevation, state="active", created_at=NOON)
            )
    empty = {column.name: None for column in table_of(WeatherData).columns} | {"provider": "openweathermap", "origin": "live"}
    for location, count in ((1, 10), (3, 3)):
        for hour in range(count):
            at = NOON + hour * HOUR
            given = {
                "location_id": location,
                "due_at": at,
                "observed_at": at,
                "fetched_at": at,
                "temperature": location + hour / 4,
            }
            rain = {"precipitation": 0.5, "precipitation_period": 3600, "weather_code": 61, "condition": "moderate rain"}
            flags = {"flags": {"temperature": ["step", "impossible:99"]}} if hour == 1 else {}
            insert_rows([{**empty, **given, **(rain if location == 1 else {}), **flags}])


@pytest.fixture
def file(rows: None, tmp_path: Path) -> Path:
    """The rows as netCDF."""
    path = tmp_path / "export.nc"
    done = CliRunner().invoke(cli, ["export", "--format", "netcdf", "-o", str(path)])
    assert done.exit_code == 0, done.output
    assert [one.name for one in tmp_path.glob("export*")] == ["export.nc"]
    return path


def test_the_compliance_checker_finds_nothing(file: Path) -> None:
    # This check of 6.1.0 raises an error for every file with ragged arrays.
    options = ("--test", "cf:1.11", "--skip-checks", "check_domain_variables", "--verbose", "--criteria", "strict")
    done = subprocess.run(
        [client_program("compliance-checker"), *options, str(file)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout
    assert "All tests passed!" in done.stdout, done.stdout


def test_xarray_opens_and_saves_it(file: Path, tmp_path: Path) -> None:
    with xarray.open_dataset(file) as data:
        assert data.attrs["featureType"] == "timeSeries"
        assert data["station_name"].values.tolist() == ["Zürich", "empty", "Bergen"]
        assert data["row_size"].values.tolist() == [10, 0, 3]
        assert data["alt"].isnull().values.tolist() == [False, False, True]
        assert data["temperature"].values.tolist() == [1 + hour / 4 for hour in range(10)] + [3 + hour / 4 for hour in range(3)]
        assert data["time"].values[10] == data["time"].values[0] == xarray.DataArray(NOON.replace(tzinfo=None)).values
        assert int(data["precipitation"].isnull().sum()) == int(data["weather_code"].isnull().sum()) == 3
        masks = data["temperature_qc"].attrs
        words = dict(zip(masks["flag_meanings"].split(), masks["flag_masks"], strict=True))
        assert data["temperature_qc"].values[1] == words["step"] + words["impossible"]
        assert data["condition"].values[0] == "moderate rain"
        data.to_netcdf(tmp_path / "saved.nc")
    with xarray.open_dataset(tmp_path / "saved.nc") as saved, xarray.open_dataset(file) as data:
        assert saved.identical(data)


def test_it_needs_a_file_and_its_package(file: Path) -> None:
    done = CliRunner().invoke(cli, ["export", "--format", "netcdf"])
    assert (done.exit_code, "--format netcdf needs a file" in done.output) == (2, True)
    script = "import sys; sys.modules['h5netcdf'] = None; import meteorograph.exporting.netcdf"
    without = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert "pip install 'meteorograph[netcdf]'" in without.stderr


READ_WITH_CSVW = """
import json, sys
from csvw import CSVW
table = CSVW(sys.argv[1])
assert table.is_valid, table.warnings
print(json.dumps([row["describes"][0] for row in table.to_json()["tables"][0]["row"]]))
"""


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("options", [(), ("--bom",)], ids=["plain", "with a byte order mark"])
def test_csvw_finds_the_sidecar_valid_and_reads_types(tmp_path: Path, options: tuple[str, ...]) -> None:
    path = tmp_path / "export.csv"
    assert CliRunner().invoke(cli, ["export", *options, "-o", str(path)]).exit_code == 0
    assert path.read_bytes().startswith(codecs.BOM_UTF8) is bool(options)
    checked = subprocess.run(
        [client_program("csvwvalidate"), "-v", f"{path}-metadata.json"], capture_output=True, text=True, timeout=300
    )
    assert (checked.returncode, checked.stdout.strip()) == (0, "OK"), checked.stdout
    command = [client_program("python"), "-W", "error::UserWarning", "-c", READ_WITH_CSVW, f"{path}-metadata.json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    first, second, *_, last = json.loads(done.stdout)
    assert (first["location"], first["due_at"], first["temperature"]) == ("Zürich", "2026-03-01T12:00:00Z", 1.0)
    assert (first["weather_code"], first["precipitation_period"]) == (61, 3600)
    assert second["flags"] == {"temperature": ["step", "impossible:99"]}
    assert "weather_code" not in last, "null, and not an empty text"
