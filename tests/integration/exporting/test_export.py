"""Exports: what is in the files, what travels with them, and that nothing half-written is left; on both databases."""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

import meteorograph
from meteorograph import WeatherData, get_db_session
from meteorograph.cli.main import cli
from meteorograph.errors import InvalidTimeError, LocationNotFoundError
from meteorograph.exporting import batches, export, text
from meteorograph.exporting.export import ExportQuery, Format
from meteorograph.model.quantities import BY_NAME, CODES
from meteorograph.reading.columns import FIELDS
from meteorograph.storage.models import Location
from meteorograph.storage.upsert import table_of
from rows import insert_rows
from support import NOON, ROOT

duckdb = pytest.importorskip("duckdb")
pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
pytest.importorskip("xarray")
parquet = pytest.importorskip("pyarrow.parquet")

pytestmark = pytest.mark.usefixtures("database", "driven")

ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

HOUR = timedelta(hours=1)


@pytest.fixture
def rows(database: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Two locations with twelve hours each, over the end of a month; read five at a time."""
    monkeypatch.setattr(batches, "BATCH_ROWS", 5)
    with get_db_session() as session:
        made = [
            Location(name=name, latitude=10, longitude=20, state="active", created_at=NOON, tags=tags)
            for name, tags in (("Athens", ["warm"]), ("Bergen, Ä", None))
        ]
        session.add_all(made)
        session.flush()
        ids = [location.id for location in made]
    empty = {column.name: None for column in table_of(WeatherData).columns} | {"provider": "openweathermap", "origin": "live"}
    for id_ in ids:
        for number in range(12):
            at = NOON - 6 * HOUR - number * 2 * HOUR
            values: dict[str, Any] = {"temperature": number / 4, "precipitation": 0.5, "precipitation_period": 3600}
            extra = {"flags": {"temperature": ["range"]}, "providers": {"precipitation": "weatherstack"}} if number == 3 else {}
            fetched = {"fetched_at": at + timedelta(seconds=1.000001), "location_id": id_, "due_at": at}
            insert_rows([empty | values | extra | fetched])
    return 24


def _export(format: Format, path: Path, **asked: Any) -> export.ExportResult:
    with get_db_session(read_only=True) as session:
        return export.export(session, ExportQuery(**asked), format, path)


def test_csv_and_lines_of_json_have_the_same_rows_by_location_and_time(rows: int, tmp_path: Path) -> None:
    table, lines = tmp_path / "all.csv", tmp_path / "all.ndjson"
    assert _export("csv", table).rows == _export("ndjson", lines).rows == rows
    with table.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    objects = [json.loads(line) for line in lines.read_text().splitlines()]
    assert tuple(found[0]) == tuple(objects[0]) == FIELDS
    assert [row["location"] for row in found] == ["Athens"] * 12 + ["Bergen, Ä"] * 12
    assert [row["due_at"] for row in found[:12]] == sorted(row["due_at"] for row in found[:12])
    for row, told in zip(found, objects, strict=True):
        for name, value in told.items():
            text = "" if value is None else json.dumps(value) if isinstance(value, dict) else str(value)
            assert row[name].replace(": ", ":") == text.replace(": ", ":")


def test_times_have_one_form_in_all_rows(rows: int, tmp_path: Path) -> None:
    with get_db_session() as session:
        for row in session.scalars(select(WeatherData).where(WeatherData.due_at < NOON - 20 * HOUR)):
            row.observed_at, row.fetched_at = row.due_at + timedelta(microseconds=250), row.due_at
    table, lines = tmp_path / "all.csv", tmp_path / "all.ndjson"
    _export("csv", table)
    _export("ndjson", lines)
    with table.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    for row in [*found, *map(json.loads, lines.read_text().splitlines())]:
        for name in ("due_at", "fetched_at", "observed_at"):
            assert not row[name] or re.fullmatch(r"2026-0[23]-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", row[name]), row[name]
    assert {row["observed_at"][-16:] for row in found} == {"", ":00.000250+00:00"}


def test_what_there_is_to_know_travels_with_a_file(rows: int, tmp_path: Path) -> None:
    told = _export("csv", tmp_path / "all.csv")
    assert told.files == [tmp_path / "all.csv", tmp_path / "all.csv-metadata.json"]
    beside = json.loads(told.files[1].read_text())
    assert beside["url"] == "all.csv"
    providers = beside["schema:provider"]
    assert [one["schema:name"] for one in providers] == ["openweathermap", "weatherstack"]
    assert all(one["dc:bibliographicCitation"] and one["dc:license"] for one in providers)
    columns = {column["name"]: column for column in beside["tableSchema"]["columns"]}
    assert tuple(columns) == FIELDS
    told_of = columns["temperature"]
    assert (told_of["schema:unitText"], told_of["schema:propertyID"]) == ("degree_Celsius", "air_temperature")
    _export("parquet", tmp_path / "all.parquet")
    schema = parquet.read_schema(tmp_path / "all.parquet")
    assert schema.field("wind_speed").metadata == {b"units": b"m s-1", b"standard_name": b"wind_speed"}
    metadata = parquet.read_metadata(tmp_path / "all.parquet").metadata
    assert metadata[b"Conventions"] == b"CF-1.11"
    assert [one["name"] for one in json.loads(metadata[b"providers"])] == [one["schema:name"] for one in providers]


def _documented_lines() -> list[str]:
    text = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    return text.partition("```python\n")[2].partition("```")[0].splitlines()


@ONE_DATABASE
@pytest.mark.parametrize("line", _documented_lines())
def test_each_documented_line_opens_an_export(rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.chdir(tmp_path)
    _export("parquet", Path("january.parquet"))
    _export("csv", Path("london.csv"))
    with get_db_session(read_only=True) as session:
        export.export_partitioned(session, ExportQuery(), Path("archive"))
    found = eval(line, {"pandas": pandas, "polars": polars, "duckdb": duckdb})  # noqa: S307  # a line of our documentation
    if line.startswith("duckdb"):
        found = found.pl()
    if "xarray" in line:
        assert dict(found.sizes) == {"location": 2, "due_at": 12}
        found = found.to_dataframe().reset_index()
    assert len(found) == rows
    assert {
        str(found[name].dtype).replace("'", "").replace("time_unit=", "")[:8].lower() for name in ("due_at", "fetched_at")
    } == {"datetime"}
    assert max(found["due_at"]) == NOON - 6 * HOUR
    assert max(found["fetched_at"]) == NOON - 6 * HOUR + timedelta(seconds=1.000001)
    assert found["temperature"].max() == 2.75


def test_the_documentation_has_a_line_for_each_library() -> None:
    lines = "\n".join(_documented_lines())
    for name in ("pandas.read_parquet(", "polars.read_parquet(", "duckdb.read_parquet(", ".to_xarray()", "read_csv("):
        assert name in lines


def test_parquet_opens_in_one_line_in_each_library(rows: int, tmp_path: Path) -> None:
    path = tmp_path / "all.parquet"
    assert _export("parquet", path).rows == rows
    by_pandas, by_polars = pandas.read_parquet(path), polars.read_parquet(path)
    by_duckdb = duckdb.read_parquet(str(path)).aggregate("count(*), max(temperature)").fetchall()[0]
    assert list(by_pandas.columns) == by_polars.columns == list(FIELDS)
    assert len(by_pandas) == by_polars.height == by_duckdb[0] == rows
    assert by_pandas.temperature.max() == by_polars["temperature"].max() == by_duckdb[1] == 2.75
    assert by_pandas.due_at.max() == by_polars["due_at"].max() == NOON - 6 * HOUR
    assert by_pandas.fetched_at.max() == NOON - 6 * HOUR + timedelta(seconds=1.000001)
    assert by_polars["humidity"].null_count() == rows
    by_xarray = pandas.read_parquet(path).set_index(["location", "due_at"]).to_xarray()
    assert dict(by_xarray.sizes) == {"location": 2, "due_at": 12}
    assert float(by_xarray.temperature.max()) == 2.75


@ONE_DATABASE
@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"locations": ["Athens"]}, 12),
        ({"tags": ["warm"]}, 12),
        ({"locations": ["Bergen, Ä"], "tags": ["warm"]}, 24),
        ({"start": NOON - 8 * HOUR}, 4),
        ({"end": NOON - 8 * HOUR}, 20),
        ({"start": NOON}, 0),
    ],
)
def test_only_what_is_asked_for(rows: int, tmp_path: Path, asked: dict[str, Any], count: int) -> None:
    for format in export.FORMATS:
        assert _export(format, tmp_path / "some", **asked).rows == count


def test_an_archive_has_a_file_for_each_month_and_opens_as_one(rows: int, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    with get_db_session(read_only=True) as session:
        assert export.export_partitioned(session, ExportQuery(), folder).rows == rows
        with pytest.raises(FileExistsError, match="exists already"):
            export.export_partitioned(session, ExportQuery(), folder)
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.parquet"))
    assert files == ["year=2026/month=02/data.parquet", "year=2026/month=03/data.parquet"]
    counts = duckdb.read_parquet(f"{folder}/**/*.parquet", hive_partitioning=True).aggregate("month, count(*)").fetchall()
    assert sorted((int(month), count) for month, count in counts) == [(2, 16), (3, 8)]
    assert len(pandas.read_parquet(folder)) == polars.read_parquet(folder).height == rows
    assert not list(tmp_path.glob(".archive*"))


@ONE_DATABASE
@pytest.mark.parametrize("format", export.FORMATS)
def test_nothing_half_written_is_left(rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: Format) -> None:
    (tmp_path / "all").write_text("before")
    count = 0

    def fail(*_args: Any) -> Any:
        nonlocal count
        count += 1
        if count > 2:
            raise OSError("no space left")
        return set()

    monkeypatch.setattr(export, "providers_of", fail)
    with pytest.raises(OSError, match="no space left"):
        _export(format, tmp_path / "all")
    assert (tmp_path / "all").read_text() == "before"
    assert not list(tmp_path.glob("all?*"))
    assert not list(tmp_path.glob(".all*"))


@ONE_DATABASE
def test_a_location_that_is_not_there(rows: int, tmp_path: Path) -> None:
    for asked in ({"locations": ["Atlantis"]}, {"tags": ["sunken"]}):
        with pytest.raises(LocationNotFoundError):
            _export("csv", tmp_path / "none.csv", **asked)
    assert not list(tmp_path.glob("*none*"))


@ONE_DATABASE
def test_the_command_writes_to_stdout_or_to_a_file(rows: int, tmp_path: Path) -> None:
    run = CliRunner()
    told = run.invoke(cli, ["export", "--location", "Athens"])
    assert (told.exit_code, len(told.stdout.splitlines())) == (0, 13)
    told = run.invoke(cli, ["export", "--format", "parquet", "--tag", "warm", "-o", str(tmp_path / "warm.parquet")])
    assert (told.exit_code, told.stderr) == (0, f"12 rows to {tmp_path / 'warm.parquet'}\n")
    told = run.invoke(cli, ["export", "--format", "parquet", "--partitioned", "--output", str(tmp_path / "archive")])
    assert (told.exit_code, told.stderr) == (0, f"24 rows to {tmp_path / 'archive'}\n")


@ONE_DATABASE
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--format", "parquet"], "name it with --output"),
        (["--partitioned", "-o", "x"], "--partitioned needs --format parquet, not csv"),
        (["--start", "yesterday"], "--start yesterday: must be an ISO 8601 time"),
        (["--format", "xml"], "'xml' is not one of"),
    ],
)
def test_wrong_usage_of_the_command(rows: int, options: list[str], reason: str) -> None:
    told = CliRunner().invoke(cli, ["export", *options])
    assert told.exit_code == 2
    assert reason in told.output


@pytest.mark.parametrize("frame", ["pandas", "polars", None])
def test_read_gives_a_data_frame(rows: int, frame: Any) -> None:
    found = meteorograph.read("Athens", start=NOON - 10 * HOUR, frame=frame)
    assert list(found.columns) == list(FIELDS)
    assert [float(value) for value in found["temperature"]] == [0.5, 0.25, 0.0]
    last: datetime = list(found["fetched_at"])[-1]
    assert last == NOON - 6 * HOUR + timedelta(seconds=1.000001)
    assert len(meteorograph.read(frame=frame)) == rows
    assert len(meteorograph.read(tag="warm", start=NOON, frame=frame)) == 0


#: Texts, dates and datetimes of one instant: ten hours before noon, when the clock is driven.
MOMENTS = [
    "2026-03-01T02:00",
    "2026-03-01T02:00:00Z",
    "2026-03-01T03:00+01:00",
    "10h",
    datetime(2026, 3, 1, 2),  # noqa: DTZ001  # without a zone it is UTC
    datetime(2026, 3, 1, 5, 30, tzinfo=timezone(timedelta(hours=3.5))),
    pandas.Timestamp("2026-03-01T02:00"),
]


@ONE_DATABASE
@pytest.mark.parametrize("moment", MOMENTS, ids=map(repr, MOMENTS))
def test_read_takes_times_as_the_command_does(rows: int, moment: Any) -> None:
    assert NOON == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert list(meteorograph.read("Athens", start=moment)["due_at"]) == [NOON - hours * HOUR for hours in (10, 8, 6)]
    assert list(meteorograph.read("Athens", end=moment)["due_at"])[-1] == NOON - 12 * HOUR
    assert len(meteorograph.read("Athens", end=date(2026, 3, 1))) == 8
    assert len(meteorograph.read("Athens", start="2026-03-01")) == 4


@ONE_DATABASE
@pytest.mark.parametrize("moment", ["yesterday", "2026-02-30", "", 20260301, datetime.max.replace(tzinfo=timezone(-HOUR))])
@pytest.mark.parametrize("name", ["start", "end"])
def test_read_says_what_is_wrong_with_a_time(rows: int, name: str, moment: Any) -> None:
    with pytest.raises(InvalidTimeError) as caught:
        meteorograph.read(**{name: moment})
    assert str(caught.value).startswith(f"{name}={moment!r}: must be an ISO 8601 time such as")


#: Column → type of the data frames and of Parquet.
TIMES = ("due_at", "observed_at", "fetched_at")


def _kind(name: str) -> str:
    if name in TIMES:
        return "time"
    return "integer" if name in ("precipitation_period", *CODES) else "number" if name in BY_NAME else "text"


#: Which rows to read: none, all, those without a value of most quantities, and those of one provider only.
READS: list[dict[str, Any]] = [{"start": NOON}, {}, {"location": "Athens", "end": NOON - 12 * HOUR}, {"tag": "warm"}]


@pytest.mark.parametrize("asked", READS, ids=["empty", "all", "some", "tag"])
def test_the_schema_does_not_depend_on_the_data(rows: int, tmp_path: Path, asked: dict[str, Any]) -> None:
    by_pandas = meteorograph.read(**asked, frame="pandas")
    types = {"text": "string", "time": "datetime64[us, UTC]", "integer": "Int64", "number": "float64"}
    assert {name: str(kind) for name, kind in by_pandas.dtypes.items()} == {name: types[_kind(name)] for name in FIELDS}
    by_polars = meteorograph.read(**asked, frame="polars")
    kinds = {"text": polars.String, "time": polars.Datetime("us", "UTC"), "integer": polars.Int64, "number": polars.Float64}
    assert dict(by_polars.schema) == {name: kinds[_kind(name)] for name in FIELDS}
    query = {name: [asked[key]] for key, name in (("location", "locations"), ("tag", "tags")) if key in asked}
    _export("parquet", tmp_path / "some", **query, **{name: asked[name] for name in ("start", "end") if name in asked})
    written = parquet.read_schema(tmp_path / "some")
    arrow = {"text": "string", "time": "timestamp[us, tz=UTC]", "integer": "int64", "number": "double"}
    assert {field.name: str(getattr(field.type, "value_type", field.type)) for field in written} == {
        name: arrow[_kind(name)] for name in FIELDS
    }
    assert by_pandas["humidity"].isna().all()
    assert by_polars["humidity"].null_count() == by_polars.height == len(by_pandas)


@ONE_DATABASE
def test_text_writers_leave_the_file_open(rows: int, tmp_path: Path) -> None:
    with (tmp_path / "open").open("wb") as file:
        for kind in (text.CSVWriter, text.NDJSONWriter):
            kind(file).close({})
        assert not file.closed
