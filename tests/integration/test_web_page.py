"""``/``: values, gaps, names that try to be more than names, and the service's state, on both databases."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from flask.testing import FlaskClient

from meteorograph import WeatherData, create_app, get_db_session, ledger
from meteorograph.settings import load_settings
from meteorograph.tables import Location, Run
from meteorograph.web.page import ago, compass, number
from support import NOON

pytestmark = pytest.mark.usefixtures("database", "driven")

DASH = "–"  # noqa: RUF001  # as on the page
MINUS = "−"  # noqa: RUF001


@pytest.fixture
def client() -> FlaskClient:
    return create_app(load_settings(scheduler_enabled=False)).test_client()


class _Cells(HTMLParser):
    """The texts of a table's rows."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self._inside = False

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in ("th", "td")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] = f"{self.rows[-1][-1]} {data.strip()}".strip()


def _page(client: FlaskClient) -> tuple[str, _Cells]:
    response = client.get("/")
    assert (response.status_code, response.content_type) == (200, "text/html; charset=utf-8")
    cells = _Cells()
    cells.feed(response.text)
    return response.text, cells


def _add(name: str, **values: Any) -> None:
    with get_db_session() as session:
        location = Location(name=name, latitude=1, longitude=2, state="active", created_at=NOON)
        session.add(location)
        session.flush()
        row = {"due_at": NOON, "fetched_at": NOON, "provider": "openweathermap", **values}
        session.add(WeatherData(location_id=location.id, **row))


def test_values_in_their_units(client: FlaskClient) -> None:
    _add(
        "Athens",
        observed_at=NOON - timedelta(minutes=7),
        temperature=-3.46,
        humidity=81.0,
        precipitation=1.25,
        precipitation_period=3600,
        pressure=1013.4,
        wind_speed=4.1,
        wind_direction=310.0,
        wind_gust=9.0,
        cloud_cover=75.0,
        visibility=8200.0,
        condition="light snow",
    )
    _, cells = _page(client)
    heads, values = cells.rows
    assert [head.split()[0] for head in heads] == [
        *("Location", "Temperature", "Humidity", "Precipitation", "Pressure"),
        *("Wind", "Gust", "Cloud", "Visibility", "Condition", "Observed"),
    ]
    assert values == [
        *("Athens", f"{MINUS}3.5", "81", "1.2 in 1 h", "1013"),
        *("4.1 NW", "9.0", "75", "8.2", "light snow", "7 min ago"),
    ]


def test_what_is_not_given_is_a_dash_and_never_a_zero(client: FlaskClient) -> None:
    _add("Athens")
    _, cells = _page(client)
    assert cells.rows[1] == ["Athens", *[DASH] * 9, "0 s ago"]


def test_zero_is_a_zero(client: FlaskClient) -> None:
    zeros = ("temperature", "humidity", "precipitation", "pressure", "wind_speed", "wind_gust", "cloud_cover", "visibility")
    _add("Athens", wind_direction=0.0, **dict.fromkeys(zeros, 0.0))
    _, cells = _page(client)
    assert cells.rows[1][1:9] == ["0.0", "0", "0.0", "0", "0.0 N", "0.0", "0", "0.0"]


@pytest.mark.parametrize(("seconds", "told"), [(10800, "in 3 h"), (600, "in 10 min"), (5400, "in 90 min")])
def test_the_period_of_precipitation(client: FlaskClient, seconds: int, told: str) -> None:
    _add("Athens", precipitation=2.0, precipitation_period=seconds)
    assert _page(client)[1].rows[1][3] == f"2.0 {told}"


def test_precipitation_of_another_provider_says_whose_it_is_and_both_are_credited(client: FlaskClient) -> None:
    _add("Athens", precipitation=2.0, providers={"precipitation": "weatherstack"})
    text, cells = _page(client)
    assert cells.rows[1][3] == "2.0 weatherstack"
    assert "Weather data provided by OpenWeather" in text
    assert "eatherstack" in text.split("<footer>")[1]


def test_only_who_is_shown_is_credited(client: FlaskClient) -> None:
    assert "OpenWeather" not in _page(client)[0].split("<footer>")[1]
    _add("Athens")
    footer = _page(client)[0].split("<footer>")[1]
    assert "Weather data provided by OpenWeather" in footer
    assert "eatherstack" not in footer
    assert re.search(r'<a href="https://openweathermap\.org[^"]*" rel="noopener noreferrer"', footer)


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "a & b", "Île-d'Aix", "天気"]
)
def test_a_name_is_only_a_name(client: FlaskClient, name: str) -> None:
    _add(name, condition=name, providers={"precipitation": name}, precipitation=1.0)
    text, cells = _page(client)
    assert (cells.rows[1][0], cells.rows[1][9]) == (name, name)
    assert not {"script", "img"} & cells.tags
    assert "49" not in text or "49" in name


def test_a_stale_name_is_only_a_name_in_the_status_line_too(client: FlaskClient) -> None:
    ledger.beat(NOON)
    _add("<script>x</script>", due_at=NOON - timedelta(hours=9))
    text, cells = _page(client)
    assert 'class="status unhealthy"' in text
    assert "1 of 1 locations are stale: &lt;script&gt;" in text
    assert "script" not in cells.tags


def test_the_empty_state(client: FlaskClient) -> None:
    text, cells = _page(client)
    assert "Nothing is stored yet" in text
    assert "table" not in cells.tags
    ledger.beat(NOON)
    assert "at 13:00:00 UTC at the latest" in _page(client)[0]


def test_the_last_run(client: FlaskClient) -> None:
    with get_db_session() as session:
        session.add(Run(schedule="default", due_at=NOON, state="partial", due=3, stored=2, failed=1))
    assert "Last run: 2026-03-01 12:00 UTC, partial, 2 stored, 1 missed." in " ".join(_page(client)[0].split())


def test_the_banner_of_the_demonstration() -> None:
    plain, demo = (
        create_app(load_settings(scheduler_enabled=False, demo=demo)).test_client().get("/").text for demo in (False, True)
    )
    assert "simulated" not in plain
    assert "Demonstration: this weather is simulated." in demo


def test_the_page_loads_nothing_from_elsewhere_and_runs_no_script(client: FlaskClient) -> None:
    _add("Athens")
    response = client.get("/")
    loaded = re.findall(r'(?:src|<link[^>]*href)="([^"]+)"', response.text)
    assert loaded == ["/static/icon.svg", "/static/style.css"]
    for path in loaded:
        with client.get(path) as answer:
            assert answer.status_code == 200
    assert " style=" not in response.text
    assert "<style" not in response.text
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s ago"),
        (119, "119 s ago"),
        (120, "2 min ago"),
        (7199, "119 min ago"),
        (7200, "2 h ago"),
        (172_800, "2 d ago"),
        (-1, "in the future"),
    ],
)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_ages(seconds: int, told: str) -> None:
    assert ago(NOON - timedelta(seconds=seconds), NOON) == told


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_unknown_age() -> None:
    assert ago(None, NOON) == "unknown"


@pytest.mark.parametrize(
    ("value", "decimals", "told"),
    [
        (None, 1, DASH),
        (0.0, 1, "0.0"),
        (-0.04, 1, "0.0"),
        (-0.0, 0, "0"),
        (-0.4, 0, "0"),
        (-0.06, 1, f"{MINUS}0.1"),
        (1013.25, 0, "1013"),
    ],
)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_numbers(value: float | None, decimals: int, told: str) -> None:
    assert number(value, decimals) == told


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_points_of_the_compass() -> None:
    assert [compass(degrees) for degrees in (0, 22.4, 22.6, 180, 337.6, 360, None)] == ["N", "N", "NE", "S", "N", "N", ""]
