"""``/data`` and ``/data/latest``: paging, ranges and parameters, on both databases."""

from __future__ import annotations

import base64
import json
import threading
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from meteorograph import WeatherData, create_app, get_db_session
from meteorograph.model.quantities import QUANTITIES
from meteorograph.model.time_range import INSTANT_ALLOWED
from meteorograph.reading import aggregates
from meteorograph.reading.columns import FIELDS as FIELDS_
from meteorograph.storage.models import Location
from meteorograph.web import aggregate, data, params
from support import NOON, served

pytestmark = pytest.mark.usefixtures("database", "driven")

ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

HOUR = timedelta(hours=1)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    return create_app().test_client()


def _locations(*names: str) -> dict[str, int]:
    with get_db_session() as session:
        made = [
            Location(name=name, latitude=10.0 + number, longitude=20, state="active", created_at=NOON)
            for number, name in enumerate(names)
        ]
        session.add_all(made)
        session.flush()
        return {location.name: location.id for location in made}


def _row(location_id: int, due_at: datetime, **values: Any) -> WeatherData:
    required = {"location_id": location_id, "due_at": due_at, "fetched_at": due_at, "provider": "openweathermap"}
    return WeatherData(**(required | values))


def _store(*rows: WeatherData) -> None:
    with get_db_session() as session:
        session.add_all(rows)


@pytest.fixture
def three_by_four() -> list[tuple[str, str]]:
    """Three locations with rows at the same four instants; gives location and instant in the order of an answer."""
    ids = _locations("Athens", "Bergen", "Cork")
    _store(*(_row(id_, NOON - number * HOUR, temperature=number) for id_ in ids.values() for number in range(4)))
    return [(name, (NOON - number * HOUR).isoformat()) for number in range(4) for name in ("Cork", "Bergen", "Athens")]


def _get(client: FlaskClient, path: str) -> dict[str, Any]:
    response = client.get(path)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.get_json()
    assert body["request_id"] == response.headers["X-Request-ID"]
    return body


def _keys(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(row["location"], row["due_at"]) for row in body["data"]]


def _pages(client: FlaskClient, query: str, between: Callable[[], None] = lambda: None) -> list[list[tuple[str, str]]]:
    pages, cursor = [], ""
    while True:
        body = _get(client, f"/data?{query}{cursor}")
        pages.append(_keys(body))
        if body["next"] is None:
            return pages
        assert len(pages) < 50, "the cursor does not come to an end"
        cursor = f"&cursor={body['next']}"
        between()


def test_nothing_stored(client: FlaskClient) -> None:
    body = _get(client, "/data")
    assert (body["data"], body["next"]) == ([], None)
    assert _get(client, "/data/latest")["data"] == []


def test_rows_have_every_field_with_its_unit_and_null_for_what_is_not_given(client: FlaskClient) -> None:
    [athens] = _locations("Athens").values()
    _store(_row(athens, NOON, temperature=-0.5, precipitation=0, flags={"precipitation": ["implied_zero"]}))
    body = _get(client, "/data")
    [row] = body["data"]
    assert tuple(row) == FIELDS_
    assert set(row) >= {"location", "due_at", "fetched_at", "provider", "flags", *(quantity.name for quantity in QUANTITIES)}
    assert (row["location"], row["temperature"], row["precipitation"]) == ("Athens", -0.5, 0)
    assert row["humidity"] is row["wind_speed"] is row["observed_at"] is row["providers"] is None
    assert row["due_at"] == row["fetched_at"] == "2026-03-01T12:00:00+00:00"
    assert row["flags"] == {"precipitation": ["implied_zero"]}
    units = {quantity.name: quantity.unit for quantity in QUANTITIES}
    assert body["units"] == {**units, "precipitation_period": "s"}
    assert _get(client, "/data/latest")["data"] == [row]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 11, 12, 13, 1000])
def test_paging_gives_every_row_once_and_newest_first(
    client: FlaskClient, three_by_four: list[tuple[str, str]], limit: int
) -> None:
    pages = _pages(client, f"limit={limit}")
    assert [key for page in pages for key in page] == three_by_four
    assert all(len(page) == limit for page in pages[:-1])
    assert 0 < len(pages[-1]) <= limit


@pytest.mark.parametrize("limit", [1, 2, 5, 12, 1000])
def test_paging_oldest_first(client: FlaskClient, three_by_four: list[tuple[str, str]], limit: int) -> None:
    pages = _pages(client, f"order=asc&limit={limit}")
    assert [key for page in pages for key in page] == three_by_four[::-1]
    assert _pages(client, f"order=desc&limit={limit}") == _pages(client, f"limit={limit}")
    lines = client.get("/data?format=csv&order=asc&fields=location").text.split()
    assert lines == ["location", *(name for name, _ in three_by_four[::-1])]


@pytest.mark.parametrize(
    ("query", "total"),
    [("", 12), ("&location=Athens", 4), ("&start=2026-03-01T11:00Z", 6), ("&provider=metar", 1), ("&provider=nws", 0)],
)
def test_the_number_of_all_rows_on_demand(
    client: FlaskClient, three_by_four: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, query: str, total: int
) -> None:
    with get_db_session() as session:
        newest = session.scalars(select(WeatherData).order_by(WeatherData.due_at.desc()).limit(1)).one()
        newest.provider = "metar"
    assert _get(client, f"/data?limit=1&total=true{query}")["total"] == total
    assert "total" not in _get(client, f"/data?limit=1{query}")
    assert "total" not in _get(client, f"/data?limit=1&total=false{query}")
    for format in ("csv", "ndjson"):
        assert client.get(f"/data?format={format}&total=true{query}").headers["X-Total-Count"] == str(total)
        assert client.get(f"/data?format={format}&total=true&limit=1{query}").headers["X-Total-Count"] == str(total)
    monkeypatch.setattr(data, "MAX_TOTAL", total - 1)
    refused = client.get(f"/data?limit=1&total=true{query}")
    assert refused.status_code == 400
    assert json.loads(refused.data)["errors"][0]["field"] == "total"


def test_rows_of_one_provider(client: FlaskClient) -> None:
    [athens] = _locations("Athens").values()
    for number, provider in enumerate(("openweathermap", "metar", "openweathermap", "nws")):
        _store(_row(athens, NOON + number * HOUR, provider=provider))
    assert [row["provider"] for row in _get(client, "/data?provider=openweathermap")["data"]] == ["openweathermap"] * 2
    assert [row["provider"] for row in _get(client, "/data?provider=nws")["data"]] == ["nws"]
    _store(_row(athens, NOON + 9 * HOUR, provider="import:roof-2", origin="import"))
    assert [row["origin"] for row in _get(client, "/data?provider=import:roof-2")["data"]] == ["import"]
    assert client.get("/data?provider=import:").status_code == 400
    response = client.get("/data?provider=rain")
    assert response.status_code == 400
    assert "openweathermap" in response.get_json()["errors"][0]["allowed"]


def test_paging_is_not_disturbed_by_rows_that_arrive(client: FlaskClient, three_by_four: list[tuple[str, str]]) -> None:
    [dublin] = _locations("Dublin").values()
    arrivals = iter(range(1, 100))

    def newer() -> None:
        _store(_row(dublin, NOON + next(arrivals) * HOUR))

    assert [key for page in _pages(client, "limit=2", newer) for key in page] == three_by_four
    assert _keys(_get(client, "/data?limit=1"))[0][0] == "Dublin"


def test_paging_keeps_to_location_and_range(client: FlaskClient, three_by_four: list[tuple[str, str]]) -> None:
    query = f"location=Bergen&start={(NOON - 2 * HOUR).isoformat()}&limit=1".replace("+", "%2B")
    assert _pages(client, query) == [[key] for key in three_by_four if key[0] == "Bergen"][:3]


def test_paging_goes_on_within_a_second(client: FlaskClient) -> None:
    [athens] = _locations("Athens").values()
    instants = [NOON + timedelta(microseconds=number * 100_001) for number in range(5)]
    _store(*(_row(athens, instant) for instant in instants))
    found = [key for page in _pages(client, "limit=2") for key in page]
    assert len(found) == len(set(found)) == 5


@pytest.mark.parametrize(
    ("query", "hours"),
    [
        ("start=2026-03-01T10:00Z", [12, 11, 10]),
        ("start=2026-03-01T10:00:00.000001Z", [12, 11]),
        ("end=2026-03-01T11:00Z", [10, 9]),
        ("end=2026-03-01T11:00:01Z", [11, 10, 9]),
        ("start=2026-03-01T10:00Z&end=2026-03-01T11:00Z", [10]),
        ("start=2026-03-01T10:00Z&end=2026-03-01T10:00Z", []),
        ("start=2026-03-01T10:00", [12, 11, 10]),
        ("start=2026-03-01T12:00%2B02:00", [12, 11, 10]),
        ("start=2026-03-01T12:00+02:00", [12, 11, 10]),
        ("start=2026-03-01T08:00-02:00", [12, 11, 10]),
        ("start=2026-03-01%2010:00", [12, 11, 10]),
        ("start=2026-03-01", [12, 11, 10, 9]),
        ("end=2026-03-01", []),
        ("start=20260301T100000Z", [12, 11, 10]),
        ("start=0001-01-01", [12, 11, 10, 9]),
        ("end=9999-12-31", [12, 11, 10, 9]),
    ],
)
def test_a_range_has_its_start_and_not_its_end(client: FlaskClient, query: str, hours: list[int]) -> None:
    [athens] = _locations("Athens").values()
    _store(*(_row(athens, NOON - number * HOUR) for number in range(4)))
    assert [datetime.fromisoformat(at).hour for _, at in _keys(_get(client, f"/data?{query}"))] == hours


@ONE_DATABASE
@pytest.mark.parametrize("limit", [(None, 100), ("1", 1), ("007", 7), ("1000", 101)])
def test_limits(client: FlaskClient, limit: tuple[str | None, int]) -> None:
    [athens] = _locations("Athens").values()
    _store(*(_row(athens, NOON - number * HOUR) for number in range(101)))
    assert len(_get(client, f"/data?limit={limit[0]}" if limit[0] else "/data")["data"]) == limit[1]


def _cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


TIME = INSTANT_ALLOWED
NEXT = "must be the `next` of a previous answer"
LIMIT = "must be a whole number from 1 to 1000"
EXAMPLE = "metric,temperature:K,wind_speed:kn"
SYSTEMS = f"must be one of metric, imperial, si, standard, or such a word and units of quantities, as in {EXAMPLE}"
KNOWN = "is unknown; use location, provider, start, end, order, limit, cursor, total, fields, units, zone, format, safe"
FIELDS = f"must be some of {', '.join(FIELDS_)}, separated by commas"


@ONE_DATABASE
@pytest.mark.parametrize(
    ("path", "field", "value", "allowed"),
    [
        *(("/data", "limit", value, LIMIT) for value in ("abc", "", "0", "-1", "1001", "1.5", "1e2", "٣", "9" * 50, "+5")),
        *(("/data", "start", value, TIME) for value in ("", "yesterday", "2026-13-01", "2026-02-29", "1772366400", "12:00")),
        ("/data", "end", "2026-03-01T25:00Z", TIME),
        ("/data", "end", "9999-12-31T23:59:59-23:59", TIME),
        ("/data", "start", "0001-01-01T00:00:00+23:59", TIME),
        *(("/data", "cursor", value, NEXT) for value in ("", "x", "é", "!!!!", "AAAA", _cursor("2026-03-01T12:00:00+00:00"))),
        ("/data", "cursor", _cursor("2026-03-01T12:00:00/1"), NEXT),
        ("/data", "cursor", _cursor("2026-03-01T12:00:00+00:00/-1"), NEXT),
        ("/data", "cursor", _cursor(f"2026-03-01T12:00:00+00:00/{2**63}"), NEXT),
        ("/data", "cursor", _cursor("0001-01-01T00:00:00+23:59/1"), NEXT),
        ("/data", "fields", "", FIELDS),
        ("/data", "fields", "temperature,heat", FIELDS),
        ("/data", "fields", "location_id", FIELDS),
        ("/data/latest", "fields", ",", FIELDS),
        ("/data", "units", "metric,temperature:mm", "must give temperature in one of °C, K, °F"),
        ("/data", "order", "up", "must be one of desc, asc"),
        ("/data", "total", "yes", "must be one of true, false"),
        ("/data", "units", "kelvin", SYSTEMS),
        ("/data", "format", "xml", "must be one of json, csv, ndjson"),
        ("/data", "zone", "Mars/Olympus", "must be an IANA time zone such as Europe/Dublin"),
        ("/data", "loc", "Athens", KNOWN),
        ("/data", "x" * 300, "1", None),
        ("/data/latest", "start", "1d", "is unknown; use fields, units, zone, format, safe, limit, cursor"),
        ("/data/latest", "limit", "0", LIMIT),
        ("/data/aggregate", "cursor", _cursor("Athens"), NEXT),
    ],
)
def test_a_bad_parameter_is_named_with_its_value_and_what_is_allowed(
    client: FlaskClient, path: str, field: str, value: str, allowed: str | None
) -> None:
    response = client.get(f"{path}?{field}={quote(value)}")
    problem = response.get_json()
    assert response.status_code == problem["status"] == 400
    assert response.content_type == "application/problem+json"
    field = field if len(field) <= 200 else field[:200] + "…"
    assert problem["errors"] == [{"field": field, "value": value, "allowed": allowed or KNOWN}]
    assert problem["detail"] == f"{field}: {allowed or KNOWN}"
    assert problem["request_id"] == response.headers["X-Request-ID"]


@ONE_DATABASE
def test_a_parameter_given_twice_is_refused_rather_than_half_heeded(client: FlaskClient) -> None:
    problem = client.get("/data?location=Athens&location=Cork").get_json()
    assert problem["errors"] == [{"field": "location", "value": "Athens, Cork", "allowed": "must be given once"}]


@pytest.mark.parametrize("name", ["Atlantis", "", "athens", "Athens ", "\0", "Athens\0", "' OR 1=1 --", "%", "x" * 5000, "🌩"])
def test_a_location_that_is_not_there(client: FlaskClient, three_by_four: object, name: str) -> None:
    response = client.get(f"/data?location={quote(name)}")
    assert response.status_code == 404, response.text
    assert response.content_type == "application/problem+json"
    assert "no location is named" in response.get_json()["detail"]
    assert len(response.data) < 1000


@pytest.mark.parametrize("name", ["Île-d'Aix & Co", "São Paulo +1", "a/b?c=d#e", "天気", "53.35,-6.26"])
def test_a_location_of_any_name(client: FlaskClient, name: str) -> None:
    [id_] = _locations(name).values()
    _store(_row(id_, NOON))
    assert _keys(_get(client, f"/data?location={quote(name, safe='')}")) == [(name, NOON.isoformat())]


def test_a_cursor_from_the_ends_of_time_is_only_empty_or_full(client: FlaskClient, three_by_four: list[tuple[str, str]]) -> None:
    assert _keys(_get(client, f"/data?cursor={_cursor('9999-12-31T00:00:00+00:00/1')}")) == three_by_four
    assert _keys(_get(client, f"/data?cursor={_cursor(f'0001-01-01T00:00:00+00:00/{2**63 - 1}')}")) == []


def test_chosen_fields_with_only_their_units(client: FlaskClient, three_by_four: object) -> None:
    body = _get(client, "/data?fields=temperature,%20due_at&limit=1&units=metric&format=json")
    assert body["data"] == [{"temperature": 0, "due_at": NOON.isoformat()}]
    assert list(body["data"][0]) == ["temperature", "due_at"]
    assert body["units"] == {"temperature": "°C"}
    assert _get(client, "/data/latest?fields=location")["data"] == [{"location": name} for name in ("Athens", "Bergen", "Cork")]


def test_latest_is_the_newest_row_of_each_location_that_has_one(client: FlaskClient) -> None:
    ids = _locations("Bergen", "Athens", "Empty")
    _store(_row(ids["Bergen"], NOON, temperature=1), _row(ids["Bergen"], NOON - HOUR, temperature=2))
    _store(_row(ids["Athens"], NOON - 5 * HOUR, temperature=3))
    assert [(row["location"], row["temperature"]) for row in _get(client, "/data/latest")["data"]] == [
        ("Athens", 3),
        ("Bergen", 1),
    ]


@ONE_DATABASE
def test_an_unencoded_plus_over_a_socket(client: FlaskClient) -> None:
    [athens] = _locations("Athens").values()
    _store(_row(athens, NOON), _row(athens, NOON - HOUR))
    with (
        served(client.application) as url,
        urllib.request.urlopen(f"{url}/data?start=2026-03-01T14:00+02:00&limit=5", timeout=10) as answer,
    ):
        body = json.load(answer)
    assert _keys(body) == [("Athens", datetime(2026, 3, 1, 12, tzinfo=UTC).isoformat())]


def test_a_row_has_the_name_of_its_location_however_it_was_asked_for(client: FlaskClient) -> None:
    ids = _locations("Bergen", "Athens", "Athens ")  # as an older version may have stored it
    _store(*(_row(id_, NOON, temperature=number) for number, id_ in enumerate(ids.values())))
    for asked, named, value in (
        ("Bergen%E2%80%8B", "Bergen", 0),
        ("%EF%BB%BFBergen", "Bergen", 0),
        ("Athens", "Athens", 1),
        ("Athens%20", "Athens ", 2),
    ):
        body = _get(client, f"/data?location={asked}&fields=location,temperature")
        assert body["data"] == [{"location": named, "temperature": value}]


def test_the_newest_rows_come_page_by_page(client: FlaskClient, three_by_four: list[tuple[str, str]]) -> None:
    first = _get(client, "/data/latest?limit=2&fields=temperature")
    second = _get(client, f"/data/latest?limit=2&cursor={first['next']}")
    assert (len(first["data"]), first["data"][0].keys()) == (2, {"temperature"})
    assert [row["location"] for row in second["data"]] == ["Cork"]
    assert second["next"] is None
    table = client.get("/data/latest?limit=2&format=csv&fields=location")
    assert table.text.split() == ["location", "Athens", "Bergen"]
    assert f"cursor={first['next']}" in table.headers["Link"]


def test_all_newest_rows_are_a_stream(
    client: FlaskClient, three_by_four: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(params, "MAX_LIMIT", 2)
    for format, expected in (("csv", "location\r\nAthens\r\nBergen\r\nCork\r\n"), ("ndjson", '{"location":"Cork"}\n')):
        answer = client.get(f"/data/latest?fields=location&format={format}").text
        assert answer.endswith(expected)
    assert _get(client, "/data/latest")["next"] is not None


def test_aggregates_come_location_by_location(client: FlaskClient, three_by_four: list[tuple[str, str]]) -> None:
    path = "/data/aggregate?bucket=day&start=1d&fields=temperature"
    whole = _get(client, path)
    names, cursor = [], ""
    for _ in range(3):
        page = _get(client, f"{path}&limit=1{cursor}")
        assert page["data"] == [bucket for bucket in whole["data"] if bucket["location"] == page["data"][0]["location"]]
        names.append(page["data"][0]["location"])
        cursor = f"&cursor={page.get('next')}"
    assert (names, "next" in page, "next" in whole) == (["Athens", "Bergen", "Cork"], False, False)
    table = client.get(f"{path}&limit=2&format=csv")
    assert {line.split(",")[0] for line in table.text.splitlines()} == {"location", "Athens", "Bergen"}
    assert "cursor=" in table.headers["Link"]


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("bucket=1m&start=30d", "bucket", ("43,201 buckets", "250,000", "fewer fields")),
        ("bucket=hour&start=365d&location=Athens&limit=1&fields=temperature", None, ()),
        ("bucket=hour&start=365d&limit=1000&fields=temperature", "limit", ("57 at most", "500,000")),
    ],
)
@ONE_DATABASE
def test_the_values_of_an_answer_are_bounded(
    client: FlaskClient, three_by_four: list[tuple[str, str]], query: str, field: str | None, words: tuple[str, ...]
) -> None:
    response = client.get(f"/data/aggregate?{query}")
    assert response.status_code == (200 if field is None else 400), response.text
    if field is not None:
        [error] = response.get_json()["errors"]
        assert error["field"] == field
        assert all(word in error["allowed"] for word in words), error


@ONE_DATABASE
def test_default_pages_of_aggregates_shrink_with_their_values(
    client: FlaskClient, three_by_four: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aggregate, "MAX_VALUES", 50)
    page = _get(client, "/data/aggregate?bucket=hour&start=1d&fields=temperature")
    assert {bucket["location"] for bucket in page["data"]} == {"Athens", "Bergen"}
    assert page["next"] is not None


@ONE_DATABASE
def test_an_aggregate_of_all_ends_when_the_client_leaves(
    client: FlaskClient, three_by_four: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, gone = [0], threading.Event()

    def read(*_args: Any, **_options: Any) -> Any:
        reads[0] += 1
        assert reads[0] == 1 or gone.wait(30)
        return page

    with get_db_session(read_only=True) as session:
        day = timedelta(days=1)
        page = aggregates.read_bucket_page(session, start=NOON - 30 * day, end=NOON, bucket="hour", location="Athens")
    monkeypatch.setattr(aggregates, "read_bucket_page", read)
    with served(client.application) as address:
        with urllib.request.urlopen(f"{address}/data/aggregate?format=csv&bucket=hour") as answer:
            answer.read(10)
        gone.set()
    assert reads[0] < 20


@ONE_DATABASE
@pytest.mark.parametrize(
    "start",
    [
        "2026-03-01T14:00+02:00",  # the plus sign arrives as a space
        "2026-03-01T14:00%20Europe/Athens",
        "2026-03-01T14:00+Europe/Athens",
        "2026-03-01T14:00[Europe/Athens]",
        "2026-03-01T14:00+02:00[Europe/Athens]",
        "0s",
    ],
)
def test_times_have_one_grammar(start: str, driven: object) -> None:
    with get_db_session() as session:
        session.add(Location(id=1, name="a", latitude=1, longitude=1, created_at=NOON))
        session.add_all(
            WeatherData(location_id=1, due_at=NOON + hours * HOUR, fetched_at=NOON, provider="p") for hours in (-1, 0)
        )
    rows = _get(create_app().test_client(), f"/data?start={start}")["data"]
    assert [row["due_at"] for row in rows] == ["2026-03-01T12:00:00+00:00"]
