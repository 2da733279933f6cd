"""The map of the overview: ``/?view=map`` and ``/map.json``, on both databases."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert, select

from meteorograph import WeatherData, create_app, get_db_session
from meteorograph.config.loading import load_settings
from meteorograph.ledger import heartbeat
from meteorograph.model import units
from meteorograph.reading import map_places
from meteorograph.simulator.model import weather
from meteorograph.storage.models import Location
from meteorograph.web.page.map_colours import CHOICES, SCALES
from pages import add, page
from support import NOON

pytestmark = pytest.mark.usefixtures("database", "driven")

ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
HOUR = timedelta(hours=1)


@pytest.fixture
def client() -> FlaskClient:
    return create_app(load_settings(scheduler_enabled=False)).test_client()


def _read(client: FlaskClient, query: str = "", status: int = 200) -> dict[str, Any]:
    response = client.get(f"/map.json?{query}")
    assert response.status_code == status, response.text
    answer = response.json
    assert answer is not None
    return dict(answer)


def _names(answer: dict[str, Any]) -> list[str]:
    return [place["name"] for place in answer["places"]]


@pytest.mark.parametrize("quantity", [name for name in SCALES if name != "rain"])
@pytest.mark.parametrize("system", ["metric", "imperial"])
def test_values_and_positions_are_those_of_the_simulated_weather(
    client: FlaskClient, quantity: str, system: units.System
) -> None:
    chance = random.Random(17)
    truth: dict[str, tuple[float, float, Any]] = {}
    for number in range(60):
        latitude, longitude = round(chance.uniform(-90, 90), 4), round(chance.uniform(-180, 180), 4)
        values = weather(latitude, longitude, NOON, 7).truth()
        older = weather(latitude, longitude, NOON - HOUR, 7).truth()
        add(f"P{number:02d}", values, {"due_at": NOON - HOUR, **older}, latitude=latitude, longitude=longitude)
        truth[f"P{number:02d}"] = (latitude, longitude, values[quantity])
    answer = _read(client, f"quantity={quantity}&units={system}")
    assert answer["unit"].replace("mph", "mi/h") == units.unit_of(quantity, system)
    convert = units.converter(quantity, system) or float
    shown = {place["name"]: place for place in answer["places"]}
    assert shown.keys() == truth.keys()
    for name, (latitude, longitude, value) in truth.items():
        place = shown[name]
        assert (place["latitude"], place["longitude"]) == (latitude, longitude)
        if value is None:
            assert place["value"] is None
            assert place["colour"] == "none"
        else:
            shown_value = float(place["value"].replace("−", "-").replace(",", ""))  # noqa: RUF001  # a minus sign
            assert shown_value == pytest.approx(convert(value), abs=0.0501)
            assert place["colour"] == SCALES[quantity].colour(value)


def test_rain_is_that_of_the_list(client: FlaskClient) -> None:
    rows = [{"due_at": NOON - back * HOUR, "precipitation": 0.25, "precipitation_period": 3600} for back in range(1, 24)]
    add("Wet", {}, *rows)
    add("Dry", {"due_at": NOON, "precipitation": 0.0, "precipitation_period": 3600})
    add("Unknown", {"temperature": 1.0})
    shown = {place["name"]: place for place in _read(client, "quantity=rain")["places"]}
    assert [(shown[name]["value"], shown[name]["colour"]) for name in ("Wet", "Dry", "Unknown")] == [
        ("5.8", "q3"),
        ("0.0", "q0"),
        (None, "none"),
    ]
    assert page(client, "/?sort=name").rows[3][4].startswith("5.8")


def test_what_is_not_a_value_of_now_has_no_colour_of_a_value(client: FlaskClient) -> None:
    heartbeat.record_heartbeat(NOON)
    add("Fresh", {"temperature": 15.0})
    add("Suspect", {"temperature": 60.0, "flags": {"temperature": ["range"]}})
    add("Other flag", {"temperature": 15.0, "flags": {"humidity": ["range"]}})
    add("Stale", {"due_at": NOON - 9 * HOUR, "temperature": 15.0})
    add("Paused", {"temperature": 15.0}, state="paused")
    add("On demand", {"temperature": 15.0}, state="unscheduled")
    add("Absent", {})
    add("Rowless")
    expected = {
        "Fresh": ("t4", "15.0", "fresh"),
        "Suspect": ("suspect", "60.0", "fresh"),
        "Other flag": ("t4", "15.0", "fresh"),
        "Stale": ("stale", "15.0", "stale"),
        "Paused": ("paused", "15.0", "paused"),
        "On demand": ("unscheduled", "15.0", "unscheduled"),
        "Absent": ("none", None, "fresh"),
        "Rowless": ("new", None, "new"),
    }
    places = _read(client)["places"]
    assert {place["name"]: (place["colour"], place.get("value"), place["state"]) for place in places} == expected
    assert "value" not in next(place for place in places if place["name"] == "Rowless")
    states = {place["name"]: place["colour"] for place in _read(client, "quantity=freshness")["places"]}
    assert states == {name: state for name, (_, _, state) in expected.items()}
    assert _names(_read(client, "show=stale")) == ["Stale"]
    listed = page(client, "/?sort=name").text
    for state in ("stale", "paused", "unscheduled"):
        assert f'class="badge {state}">{state}</span>' in listed, "the words are those of the list"


def test_both_sides_of_the_antimeridian_are_in_one_view(client: FlaskClient) -> None:
    for name, longitude in {"Taveuni": 179.9, "Futuna": -179.9, "Line": 180.0, "Other line": -180.0, "Far": 0.0}.items():
        add(name, {}, latitude=-17.0, longitude=longitude)
    assert set(_names(_read(client, "bbox=170,-30,-170,0"))) == {"Taveuni", "Futuna", "Line", "Other line"}
    assert _names(_read(client, "bbox=-170,-30,170,0")) == ["Far"]
    assert _names(_read(client, "bbox=179.5,-30,180,0")) == ["Line", "Taveuni"]
    assert _names(_read(client, "bbox=170,-16,-170,0")) == []
    assert _read(client)["count"] == 5


def test_a_line_or_a_point_has_what_lies_on_it(client: FlaskClient) -> None:
    for name, (latitude, longitude) in {"On": (47.0, 10.0), "East": (47.0, 10.5), "Line": (1.0, 180.0)}.items():
        add(name, {}, latitude=latitude, longitude=longitude)
    assert _names(_read(client, "bbox=10,-90,10,90")) == ["On"]
    assert _names(_read(client, "bbox=-180,47,180,47")) == ["East", "On"]
    assert _names(_read(client, "bbox=10,47,10,47")) == ["On"]
    assert _names(_read(client, "bbox=11,40,11,50")) == []
    assert _names(_read(client, "bbox=180,0,-180,2")) == ["Line"]


def test_the_places_in_view_are_counted(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        add(f"P{number}", {}, latitude=0, longitude=175 + number if number < 6 else number - 185)
    for most in (2000, 3):
        monkeypatch.setattr(map_places, "MOST_PLACES", most)
        answer = _read(client, "bbox=170,-9,-170,9&count_bbox=177,-5,-178,0")
        assert len(answer["places"]) + sum(cell["count"] for cell in answer["cells"]) == 10
        assert answer["count"] == 6
        assert _read(client, "bbox=170,-9,-170,9&count_bbox=177,1,-178,5")["count"] == 0
        assert _read(client, "bbox=170,-9,-170,9")["count"] == 10


def test_a_wrong_box_is_named_with_its_value_and_what_is_allowed(client: FlaskClient) -> None:
    for name in ("bbox", "count_bbox"):
        for text in (
            "0,10,10,0",
            "nan,0,10,10",
            "0,0,inf,10",
            "0,0,181,10",
            "0,-91,10,10",
            "1,2,3",
            "0,0,1_0,10",
            "0,0, 1,10",
            "",
        ):
            [wrong] = _read(client, f"{name}={text}", 400)["errors"]
            assert (wrong["field"], wrong["value"]) == (name, text)
            assert "-90 to 90, south not above north" in wrong["allowed"]


def test_filter_and_bounds_hold_together(client: FlaskClient) -> None:
    add("Athens", {}, latitude=38, longitude=24, tags=["coast"])
    add("ÅTHUS", {}, latitude=55, longitude=14)
    add("Oslo", {}, latitude=60, longitude=11, tags=["coast"])
    assert _names(_read(client, "q=coast")) == ["Athens", "Oslo"]
    assert _names(_read(client, "q=åth")) == ["ÅTHUS"]
    assert _names(_read(client, "q=coast&bbox=0,50,20,70")) == ["Oslo"]


def test_too_many_places_are_counted_by_cell(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    heartbeat.record_heartbeat(NOON)
    monkeypatch.setattr(map_places, "MOST_PLACES", 20)
    chance, points = random.Random(3), []
    with get_db_session() as session:
        for number in range(300):
            latitude, longitude = round(chance.uniform(-90, 90), 3), round(chance.uniform(-180, 180), 3)
            points.append((latitude, longitude))
            where = {"latitude": latitude, "longitude": longitude, "state": "active", "created_at": NOON - 9 * HOUR}
            session.add(Location(name=f"P{number:03d}", **where))
        for latitude, longitude in ((90, 180), (-90, -180), (90, -180)):
            points.append((latitude, longitude))
            session.add(Location(name=f"{latitude} {longitude}", latitude=latitude, longitude=longitude, created_at=NOON))
        session.flush()
        ids = session.scalars(select(Location.id).where(Location.name < "P100")).all()
        rows = [{"location_id": id_, "due_at": NOON, "provider": "x", "fetched_at": NOON} for id_ in ids]
        session.execute(insert(WeatherData), rows)
    for box in ("-180,-90,180,90", "100,-60,-90,60"):
        west, south, east, north = map(float, box.split(","))
        inside = [
            (y, x) for y, x in points if south <= y <= north and (west <= x <= east if west < east else x >= west or x <= east)
        ]
        for zoom in (0, 2, 19):
            answer = _read(client, f"bbox={box}&zoom={zoom}")
            cells = answer["cells"]
            assert answer["places"] == []
            assert answer["count"] == len(inside) == sum(cell["count"] for cell in cells)
            assert len(cells) <= map_places.MOST_CELLS
            for cell in cells:
                left, bottom, right, top = cell["bounds"]
                own = [(y, x) for y, x in inside if left <= x <= right and bottom <= y <= top]
                assert len(own) >= cell["count"] > 0
                assert left <= cell["longitude"] <= right
                assert bottom <= cell["latitude"] <= top
    stale = sum(cell["stale"] for cell in _read(client)["cells"])
    assert stale == _read_stale(client) > 0
    # A part with few places has them one by one.
    some = _read(client, "bbox=0,0,10,10")
    assert some["cells"] == []
    assert len(some["places"]) == sum(0 <= y <= 10 and 0 <= x <= 10 for y, x in points)


def _read_stale(client: FlaskClient) -> int:
    health = client.get("/health").json
    assert health is not None
    stale: int = health["stale"]
    return stale


@ONE_DATABASE
@pytest.mark.parametrize(
    "query",
    [
        "bbox=1,2,3",
        "bbox=0,10,10,0",
        "bbox=0,0,181,10",
        "bbox=nan,0,10,10",
        "bbox=a,b,c,d",
        "zoom=20",
        "zoom=-1",
        "zoom=x",
        "zoom=²",
        "quantity=weather",
        "show=new",
        "other=1",
        "q=" + "x" * 201,
    ],
)
def test_a_wrong_parameter_is_named(client: FlaskClient, query: str) -> None:
    assert query.partition("=")[0] in _read(client, query, 400)["detail"]


@ONE_DATABASE
def test_an_answer_is_not_sent_twice(client: FlaskClient) -> None:
    add("Athens", {"temperature": 1.0, "provider": "openweathermap"})
    first = client.get("/map.json")
    assert first.json is not None
    assert "OpenWeather" in first.json["credits"][0]
    again = client.get("/map.json", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304


@ONE_DATABASE
@pytest.mark.parametrize("quantity", CHOICES)
def test_the_page_has_a_legend_and_keeps_the_filter(client: FlaskClient, quantity: str) -> None:
    add("Athens", {"temperature": 1.0})
    shown = page(client, f"/?view=map&quantity={quantity}&q=ath&show=stale&centre=10.5,-179.99&zoom=3.5&sort=name")
    assert shown.runs() == []
    assert f'<option value="{quantity}" selected>' in shown.text
    links = [one["href"] for one in shown.all("a") if one["href"].startswith("/?")]
    kept = f"q=ath&show=stale&sort=name&quantity={quantity}&centre=10.5,-179.99&zoom=3.5"
    assert {f"/?{kept}", f"/?view=map&{kept}"} <= {link.replace("&amp;", "&").replace("%2C", ",") for link in links}
    assert "needs JavaScript" in shown.text
    assert "Athens" not in shown.text.split("<main")[1], "the page itself reads no places"
    listed = page(client, f"/?{kept}")
    others = [one["href"].replace("%2C", ",") for one in listed.all("a") if one["href"].startswith("/?")]
    assert all("zoom=3.5" in link and "centre=10.5,-179.99" in link and "q=ath" in link for link in others if "sort=" in link)
    assert f"/?view=map&{kept}" in others


@ONE_DATABASE
@pytest.mark.parametrize(
    "query",
    [
        "view=globe",
        "centre=x",
        "zoom=33",
        "view=map&centre=91,0",
        "view=map&centre=a",
        "view=map&zoom=33",
        "view=map&quantity=uv",
    ],
)
def test_a_wrong_parameter_of_the_page_is_named(client: FlaskClient, query: str) -> None:
    page(client, f"/?{query}", 400)


@ONE_DATABASE
def test_only_the_map_loads_its_library(client: FlaskClient) -> None:
    add("Athens", {"temperature": 1.0})
    assert "leaflet" not in page(client, "/").text
    loaded = [one["src"] for one in page(client, "/?view=map").all("script")]
    [script] = [one for one in loaded if "leaflet" in one]
    response = client.get(script, headers={"Accept-Encoding": "gzip"})
    assert (response.status_code, response.mimetype) == (200, "text/javascript")
    assert "immutable" in response.headers["Cache-Control"]
    total = 0
    for one in loaded:
        with client.get(one, headers={"Accept-Encoding": "gzip"}) as file:
            total += len(file.data)
    assert total < 120_000, "of scripts on the map"
    [style] = [one["href"] for one in page(client, "/?view=map").all("link") if "leaflet" in one["href"]]
    assert client.get(style).mimetype == "text/css"
    assert client.get("/scripts/leaflet-0.js").status_code == 404
    assert client.get(script.replace(".js", ".png")).status_code == 404


@ONE_DATABASE
def test_images_of_the_tile_server_alone_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_MAP_TILES", "https://tiles.example.org:8443/a/{z}/{x}/{y}.png?key=1")
    monkeypatch.setenv("METEOROGRAPH_MAP_ATTRIBUTION", "© <b>Somebody</b>")
    client = create_app(load_settings(scheduler_enabled=False)).test_client()
    policy = client.get("/?view=map").headers["Content-Security-Policy"].split("; ")
    assert "img-src 'self' https://tiles.example.org:8443" in policy
    assert not any("tiles" in part for part in client.get("/").headers["Content-Security-Policy"].split("; "))
    [box] = [one for one in page(client, "/?view=map").all("div") if one.get("id") == "map"]
    assert box["data-tiles"].startswith("https://tiles.example.org:8443/a/{z}")
    assert box["data-attribution"] == "© <b>Somebody</b>"


@ONE_DATABASE
def test_without_a_database_the_page_is_there_and_the_data_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:9/x")
    client = create_app(load_settings(scheduler_enabled=False)).test_client()
    page(client, "/?view=map")
    assert client.get("/map.json").status_code == 503
