"""What holds for all data routes: formats, units, zones, ETags, compression and aggregates over HTTP, on both databases."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
import zstandard
from flask.testing import FlaskClient

from meteorograph import WeatherData, create_app, get_db_session
from meteorograph.config.loading import load_settings
from meteorograph.reading import aggregates, columns
from meteorograph.storage.models import Location, Missed, Run
from meteorograph.storage.upsert import table_of
from rows import insert_rows
from support import NOON

pytestmark = pytest.mark.usefixtures("database", "driven")

ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

HOUR = timedelta(hours=1)
VALUES = {
    "temperature": 20.5,
    "pressure": 1000.0,
    "wind_speed": 10.0,
    "visibility": 10000.0,
    "precipitation": 2.54,
    "humidity": 50.0,
}


@pytest.fixture
def client(database: str) -> FlaskClient:
    return create_app(load_settings(scheduler_enabled=False)).test_client()


def _location(name: str, timezone: str | None = None) -> int:
    with get_db_session() as session:
        made = Location(name=name, latitude=10, longitude=20, timezone=timezone, state="active", created_at=NOON)
        session.add(made)
        session.flush()
        return made.id


def _store(location_id: int, *instants: datetime, **values: Any) -> None:
    empty = {column.name: None for column in table_of(WeatherData).columns} | {"provider": "openweathermap", "origin": "live"}
    insert_rows([empty | {"location_id": location_id, "due_at": at, "fetched_at": at} | values for at in instants])


def _get(client: FlaskClient, path: str, **headers: str) -> Any:
    response = client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()}, buffered=True)
    assert response.status_code == 200, response.text
    return response


@pytest.mark.parametrize(
    ("system", "wanted"),
    [
        ("metric", {"temperature": (20.5, "°C"), "pressure": (1000.0, "hPa"), "precipitation": (2.54, "mm")}),
        ("imperial", {"temperature": (68.9, "°F"), "pressure": (29.529980165, "inHg"), "precipitation": (0.1, "in")}),
        ("imperial", {"wind_speed": (22.369362921, "mi/h"), "visibility": (6.213711922, "mi")}),
        ("si", {"temperature": (293.65, "K"), "pressure": (100000.0, "Pa"), "precipitation": (0.00254, "m")}),
    ],
)
@pytest.mark.parametrize("path", ["/data?", "/data/latest?", "/data/aggregate?location=Athens&"])
def test_units_are_converted_and_told(client: FlaskClient, path: str, system: str, wanted: dict[str, tuple[float, str]]) -> None:
    _store(_location("Athens"), NOON, **VALUES)
    body = _get(client, f"{path}units={system}&fields={','.join(wanted)}").json
    [row] = body["data"][-1:]
    mean = {name: row[name]["mean"] if isinstance(row[name], dict) else row[name] for name in wanted}
    assert {name: (mean[name], body["units"][name]) for name in wanted} == wanted


@pytest.mark.parametrize("path", ["/data", "/data/latest", "/data/aggregate"])
def test_the_same_as_csv_and_as_lines_of_json(client: FlaskClient, path: str) -> None:
    here = _location('Athens, "the old"')
    _store(here, NOON - HOUR, NOON, **VALUES, flags={"temperature": ["range"]}, precipitation_period=3600)
    asked = f"{path}?units=imperial&zone=Asia/Kolkata&"
    whole = _get(client, asked).json
    lines = _get(client, asked + "format=ndjson")
    table = _get(client, asked + "format=csv")
    assert [json.loads(line) for line in lines.data.splitlines()] == whole["data"]
    assert json.loads(table.headers["X-Units"]) == json.loads(lines.headers["X-Units"]) == whole["units"]
    assert table.content_type.startswith("text/csv")
    assert lines.content_type == "application/x-ndjson"
    for told, row in zip(whole["data"], csv.DictReader(io.StringIO(table.text)), strict=True):
        flat = {f"{name}_{part}": one for name, all_ in told.items() if isinstance(all_, dict) for part, one in all_.items()}
        for name, value in (told | flat).items():
            if name in row and value is not None:
                if name in ("due_at", "observed_at", "fetched_at"):
                    assert datetime.fromisoformat(row[name]) == datetime.fromisoformat(value)
                    assert re.search(r"\.\d{6}\+05:30$", row[name]), "times of a column have one form in all rows"
                    continue
                text = " ".join(value) if isinstance(value, list) else str(value)
                assert (json.loads(row[name]) == value) if isinstance(value, dict) else (row[name] == text), name


def test_times_in_a_zone_have_its_offset(client: FlaskClient) -> None:
    here = _location("Athens")
    summer = datetime(2026, 7, 1, tzinfo=UTC)
    with get_db_session() as session:
        at = {"location_id": here, "provider": "openweathermap"}
        session.add(WeatherData(**at, due_at=NOON, fetched_at=NOON + timedelta(seconds=1.5)))
        session.add(WeatherData(**at, due_at=summer, fetched_at=summer + timedelta(minutes=1, seconds=2)))
    rows = _get(client, "/data?zone=Europe/Athens&fields=due_at,fetched_at,observed_at").json["data"]
    assert rows == [
        {"due_at": "2026-07-01T03:00:00+03:00", "fetched_at": "2026-07-01T03:01:02+03:00", "observed_at": None},
        {"due_at": "2026-03-01T14:00:00+02:00", "fetched_at": "2026-03-01T14:00:01.500000+02:00", "observed_at": None},
    ]


@pytest.mark.parametrize(
    "path",
    ["/data", "/data?format=csv&limit=9", "/data/latest", "/data/latest?format=ndjson", "/data/aggregate?location=Athens"],
)
def test_what_has_not_changed_is_not_sent_again(client: FlaskClient, path: str) -> None:
    here = _location("Athens")
    _store(here, NOON, temperature=1.0)
    first = _get(client, path)
    tag = first.headers["ETag"]
    again = client.get(path, headers={"If-None-Match": tag}, buffered=True)
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    _store(here, NOON, temperature=2.0)
    changed = client.get(path, headers={"If-None-Match": tag}, buffered=True)
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag


@ONE_DATABASE
@pytest.mark.parametrize("coding", ["zstd", "gzip"])
@pytest.mark.parametrize(
    "path", ["/data?limit=300", "/data?format=csv", "/data?format=ndjson", "/docs", "/openapi.json", "/static/style.css"]
)
def test_long_answers_are_compressed_for_clients_that_accept_it(client: FlaskClient, path: str, coding: str) -> None:
    _store(_location("Athens"), *(NOON - number * HOUR for number in range(300)), temperature=1.0)
    plain, packed = _get(client, path), _get(client, path, Accept_Encoding=f"br, {coding}")
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == coding
    assert packed.headers["Vary"] == plain.headers["Vary"]
    assert "Accept-Encoding" in plain.headers["Vary"].split(", ")  # a page of the frame depends on ``Accept`` too
    assert len(packed.data) < len(plain.data) / 2
    assert len(_unpacked(coding, packed.data)) == pytest.approx(len(plain.data), abs=5)
    head = client.head(path, headers={"Accept-Encoding": coding}, buffered=True)
    assert (head.headers["Content-Encoding"], head.data) == (coding, b"")
    assert head.headers.get("ETag") == packed.headers.get("ETag")


def _unpacked(coding: str, body: bytes) -> bytes:
    if coding == "gzip":
        return gzip.decompress(body)
    return b"".join(zstandard.ZstdDecompressor().read_to_iter(body))


@ONE_DATABASE
@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, zstd", "zstd"),
        ("zstd;q=0.5, gzip", "gzip"),
        ("gzip;q=0", None),
        ("zstd;q=0, gzip;q=0", None),
        ("identity", None),
        ("br", None),
    ],
)
def test_the_client_chooses_the_coding(client: FlaskClient, accepted: str, coding: str | None) -> None:
    answer = _get(client, "/openapi.json", Accept_Encoding=accepted)
    assert answer.headers.get("Content-Encoding") == coding
    assert "Accept-Encoding" in answer.headers["Vary"]


@ONE_DATABASE
@pytest.mark.parametrize("path", ["/static/style.css", "/openapi.json", "/data?limit=300"])
@pytest.mark.parametrize("coding", ["zstd", "gzip", "identity"])
def test_a_compressed_answer_is_not_sent_again(client: FlaskClient, path: str, coding: str) -> None:
    _store(_location("Athens"), *(NOON - number * HOUR for number in range(300)), temperature=1.0)
    tag = _get(client, path, Accept_Encoding=coding).headers["ETag"]
    again = client.get(path, headers={"Accept-Encoding": coding, "If-None-Match": tag}, buffered=True)
    assert (again.status_code, again.data) == (304, b"")


@ONE_DATABASE
def test_a_part_of_a_file_is_not_compressed(client: FlaskClient) -> None:
    part = client.get("/static/style.css", headers={"Accept-Encoding": "zstd, gzip", "Range": "bytes=0-4095"}, buffered=True)
    assert (part.status_code, len(part.data)) == (206, 4096)
    assert "Content-Encoding" not in part.headers


@ONE_DATABASE
def test_short_answers_are_sent_as_they_are(client: FlaskClient) -> None:
    assert "Content-Encoding" not in _get(client, "/livez", Accept_Encoding="gzip").headers
    assert "Content-Encoding" not in client.get("/data?limit=0", headers={"Accept-Encoding": "gzip"}).headers


@ONE_DATABASE
@pytest.mark.parametrize("coding", ["zstd", "gzip"])
def test_a_compressed_stream_is_sent_while_it_is_made(client: FlaskClient, monkeypatch: pytest.MonkeyPatch, coding: str) -> None:
    pages = []
    read_page = columns.read_page

    def counted(*args: Any) -> Any:
        pages.append(args)
        return read_page(*args)

    monkeypatch.setattr("meteorograph.web.data._AT_ONCE", 500)
    monkeypatch.setattr("meteorograph.reading.columns.read_page", counted)
    here = _location("Athens")
    _store(here, *(NOON - number * timedelta(minutes=7) for number in range(1, 20_000)), **VALUES)
    response = client.get("/data?format=ndjson", headers={"Accept-Encoding": coding}, buffered=False)
    assert response.headers["Content-Encoding"] == coding
    parts = iter(response.response)
    first = cast(bytes, next(parts))
    assert len(pages) < 35
    body = first + b"".join(cast(bytes, part) for part in parts)
    assert len(pages) > 35
    assert len(_unpacked(coding, body).splitlines()) == 19_999


def test_a_stream_has_all_rows_once_while_new_ones_arrive(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meteorograph.web.data._AT_ONCE", 7)
    ids = [_location("Athens"), _location("Bergen")]
    for id_ in ids:
        _store(id_, *(NOON - number * HOUR for number in range(20)), temperature=1.0)
    response = client.get("/data?format=ndjson&fields=location,due_at", buffered=False)
    found = []
    for number, part in enumerate(response.response):
        found += [json.loads(line) for line in cast(bytes, part).splitlines()]
        _store(ids[0], NOON + (number + 1) * HOUR, temperature=2.0)
    keys = [(row["due_at"], row["location"]) for row in found]
    assert keys == sorted(keys, reverse=True)
    assert len(set(keys)) == len(keys) == 40


def test_pages_of_a_table_follow_a_link(client: FlaskClient) -> None:
    _store(_location("Ä & B"), *(NOON - number * HOUR for number in range(5)), temperature=1.0)
    path: str | None = "/data?location=%C3%84%20%26%20B&format=csv&limit=2&fields=due_at"
    rows: list[str] = []
    while path is not None:
        response = _get(client, path)
        rows += response.text.splitlines()[1:]
        link = response.headers.get("Link")
        path = link.partition("<")[2].partition(">")[0] if link else None
    assert rows == [(NOON - number * HOUR).isoformat(timespec="microseconds") for number in range(5)]


@ONE_DATABASE
def test_a_stream_takes_no_more_memory_for_more_rows(client: FlaskClient) -> None:
    here = _location("Athens")

    def peak() -> int:
        tracemalloc.start()
        response = client.get("/data?format=csv", buffered=False)
        total = sum(map(len, response.response))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert total > 0
        return most

    _store(here, *(NOON - number * HOUR for number in range(2000)), **VALUES)
    peak()
    small = peak()
    _store(here, *(NOON - number * HOUR for number in range(2000, 12000)), **VALUES)
    assert peak() < 1.5 * small


def test_aggregates_by_local_days_over_http(client: FlaskClient) -> None:
    here = _location("Athens", "Europe/Athens")
    midnight = datetime(2026, 2, 27, 22, tzinfo=UTC)
    with get_db_session() as session:
        session.add_all(Run(schedule="default", due_at=midnight + n * HOUR, state="succeeded") for n in range(24))
        session.add(Missed(location_id=here, due_at=midnight + 5 * HOUR, reason="down"))
    _store(
        here, *(midnight + n * HOUR for n in range(24) if n != 5), temperature=10.0, precipitation=0.5, precipitation_period=3600
    )
    path = "/data/aggregate?location=Athens&bucket=day&fields=temperature,precipitation&start=2026-02-28T00:00%2B02:00"
    path += "&end=2026-03-02"
    body = _get(client, path).json
    first, second, third = body["data"]
    assert {**first, "precipitation": None} == {
        "location": "Athens",
        "start": "2026-02-28T00:00:00+02:00",
        "end": "2026-03-01T00:00:00+02:00",
        "due": 24,
        "stored": 23,
        "coverage": 23 / 24,
        "observations": 23,
        "temperature": {"min": 10.0, "max": 10.0, "mean": 10.0, "sum": None, "count": 23},
        "precipitation": None,
    }
    # The first amount fell on the day before, so that of the last hour of the day is missing.
    assert (first["precipitation"]["sum"], first["precipitation"]["covered_seconds"]) == (11, 22 * 3600)
    assert first["precipitation"]["sum_estimated"] == 12
    assert (second["start"], second["coverage"], second["temperature"]["mean"]) == ("2026-03-01T00:00:00+02:00", None, None)
    assert third["end"] == "2026-03-03T00:00:00+02:00"
    assert (body["bucket"], body["units"]) == ("day", {"temperature": "°C", "precipitation": "mm"})
    in_utc = _get(client, path + "&zone=UTC").json["data"]
    assert [row["start"] for row in in_utc] == [
        "2026-02-27T00:00:00+00:00",
        "2026-02-28T00:00:00+00:00",
        "2026-03-01T00:00:00+00:00",
    ]


def test_aggregates_of_all_locations_come_as_one_object(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    page = aggregates.read_bucket_page
    monkeypatch.setattr(aggregates, "LOCATIONS_PER_PAGE", 2)
    monkeypatch.setattr(aggregates, "read_bucket_page", lambda *given, **asked: page(*given, **asked, limit=2))
    for name in "ABC":
        _store(_location(name), NOON, temperature=1.0)
    for path in ("/data/aggregate?bucket=6h&start=2h&fields=temperature", "/data/aggregate?bucket=month&fields=temperature"):
        body = _get(client, path).json
        assert list(dict.fromkeys(row["location"] for row in body["data"])) == ["A", "B", "C"]
        assert set(body) == {"data", "bucket", "units", "request_id"}
        for name in "ABC":
            of_one = _get(client, f"{path}&location={name}").json["data"]
            assert of_one == [row for row in body["data"] if row["location"] == name]


@ONE_DATABASE
def test_flagged_values_are_taken_in_when_asked_for(client: FlaskClient) -> None:
    here = _location("Athens")
    _store(here, NOON, temperature=99.0, flags={"temperature": ["range"]})
    path = "/data/aggregate?location=Athens&start=1h&fields=temperature&flagged="
    counts = {word: _get(client, path + word).json["data"][-1]["temperature"]["count"] for word in ("exclude", "include")}
    assert counts == {"exclude": 0, "include": 1}


MANY = "would give 611,280 buckets, and at most 50,000 are allowed: use longer buckets or a shorter range"
BUCKET = "must be hour, day, month, or a length that divides a day, in whole minutes, such as 15m or 6h"


@ONE_DATABASE
@pytest.mark.parametrize(
    ("query", "field", "allowed"),
    [
        ("bucket=7h", "bucket", BUCKET),
        ("bucket=week", "bucket", BUCKET),
        ("bucket=", "bucket", BUCKET),
        (
            "bucket=1m&start=2025-01-01",
            "bucket",
            MANY,
        ),
        ("bucket=day&start=0001-01-01&end=0002-01-01", "bucket", "must lie within the years 2 to 9998"),
        ("start=yesterday", "start", None),
        ("start=2026-03-02&end=2026-03-01", "start", "must be before the end, 2026-03-01T00:00:00+00:00"),
        ("fields=condition", "fields", None),
        ("flagged=yes", "flagged", "must be one of exclude, include"),
        ("interval=1h", "interval", None),
    ],
)
def test_a_bad_parameter_of_an_aggregate_is_named(client: FlaskClient, query: str, field: str, allowed: str | None) -> None:
    _location("Athens")
    for path in (f"/data/aggregate?{query}", f"/data/aggregate?location=Athens&{query}", f"/data/aggregate?format=csv&{query}"):
        response = client.get(path)
        assert response.status_code == 400
        [error] = response.get_json()["errors"]
        assert error["field"] == field
        assert allowed is None or error["allowed"] == allowed
