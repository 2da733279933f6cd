"""``/``: values, gaps, names that try to be more than names, filter and pages, and the service's state, on both databases."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from meteorograph import create_app, get_db_session
from meteorograph.config.loading import load_settings
from meteorograph.ledger import heartbeat
from meteorograph.model.clock import DrivenClock
from meteorograph.storage.models import Run
from meteorograph.web.page.filters import ago, compass, duration, number, percent
from pages import Page, add, page
from support import NOON

pytestmark = pytest.mark.usefixtures("database", "driven")

ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

DASH = "–"  # noqa: RUF001  # as on the page
MINUS = "−"  # noqa: RUF001


@pytest.fixture
def client() -> FlaskClient:
    return create_app(load_settings(scheduler_enabled=False)).test_client()


def _overview(client: FlaskClient, query: str = "") -> Page:
    return page(client, f"/{query}")


def test_values_in_their_units(client: FlaskClient) -> None:
    row = {
        "observed_at": NOON - timedelta(minutes=7),
        "temperature": -3.46,
        "humidity": 81.0,
        "precipitation": 1.25,
        "precipitation_period": 3600,
        "pressure": 1013.4,
        "wind_speed": 4.1,
        "wind_direction": 310.0,
        "wind_gust": 9.0,
        "cloud_cover": 75.0,
        "visibility": 8200.0,
        "condition": "light snow",
    }
    add("Athens", row)
    heads, values = _overview(client).rows
    assert [head.split()[0] for head in heads] == [
        *("Location", "Temperature", "Last", "Humidity", "Precipitation", "Pressure"),
        *("Wind", "Gust", "Cloud", "Visibility", "Observed"),
    ]
    assert values == [
        *("Athens light snow", f"{MINUS}3.5", "", "81", "1.2 in 1 h", "1013"),
        *("4.1 NW", "9.0", "75", "8.2", "7 min ago"),
    ]


def test_what_is_not_given_is_a_dash_and_never_a_zero(client: FlaskClient) -> None:
    add("Athens", {})
    assert _overview(client).rows[1] == ["Athens", DASH, "", *[DASH] * 7, "0 s ago"]


def test_zero_is_a_zero(client: FlaskClient) -> None:
    zeros = ("temperature", "humidity", "precipitation", "pressure", "wind_speed", "wind_gust", "cloud_cover", "visibility")
    add("Athens", {"wind_direction": 0.0, **dict.fromkeys(zeros, 0.0)})
    assert _overview(client).rows[1][1:10] == ["0.0", "", "0", "0.0", "0", "0.0 N", "0.0", "0", "0.0"]


@pytest.mark.parametrize(("seconds", "told"), [(10800, "in 3 h"), (600, "in 10 min"), (5400, "in 90 min")])
def test_the_period_of_precipitation(client: FlaskClient, seconds: int, told: str) -> None:
    add("Athens", {"precipitation": 2.0, "precipitation_period": seconds})
    assert _overview(client).rows[1][4] == f"2.0 {told}"


def test_precipitation_of_another_provider_says_whose_it_is_and_both_are_credited(client: FlaskClient) -> None:
    add("Athens", {"precipitation": 2.0, "providers": {"precipitation": "weatherstack"}})
    shown = _overview(client)
    assert shown.rows[1][4] == "2.0 Weatherstack"
    assert "Weather data provided by OpenWeather" in shown.text
    assert "eatherstack" in shown.text.split("<footer")[1]


def test_only_who_is_shown_is_credited(client: FlaskClient) -> None:
    assert "OpenWeather" not in _overview(client).text.split("<footer")[1]
    add("Athens", {})
    footer = _overview(client).text.split("<footer")[1]
    assert "Weather data provided by OpenWeather" in footer
    assert "eatherstack" not in footer
    assert re.search(r'<a href="https://openweathermap\.org[^"]*" rel="noopener noreferrer"', footer)


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "a & b", "Île-d'Aix", "天気"]
)
def test_a_name_is_only_a_name(client: FlaskClient, name: str) -> None:
    add(name, {"condition": name, "providers": {"precipitation": name}, "precipitation": 1.0}, tags=[name])
    for path in ("/", "/locations"):
        shown = page(client, path)
        assert shown.rows[1][0].startswith(name)
        assert shown.runs() == []
        assert name in shown.rows[1][0], "what looks like a template is not one"


def test_a_stale_location_is_counted_in_the_status_line(client: FlaskClient) -> None:
    heartbeat.record_heartbeat(NOON)
    add("<script>x</script>", {"due_at": NOON - timedelta(hours=9)})
    shown = _overview(client)
    assert 'class="status unhealthy"' in shown.text
    assert "1 of 1 location is stale" in shown.text
    assert shown.runs() == []
    assert "stale" in shown.rows[1][0]


def test_the_empty_state(client: FlaskClient) -> None:
    shown = _overview(client)
    assert "No values yet" in shown.text
    assert "table" not in shown.tags
    heartbeat.record_heartbeat(NOON)
    assert "at 13:00:00 UTC at the latest" in _overview(client).text


def test_a_place_without_values_is_there_and_waits(client: FlaskClient) -> None:
    add("Athens")
    assert _overview(client).rows[1][:2] == ["Athens no values yet", DASH]


def test_the_last_run(client: FlaskClient) -> None:
    with get_db_session() as session:
        session.add(Run(schedule="default", due_at=NOON, state="partial", due=3, stored=2, failed=1))
    text = " ".join(re.sub("<[^>]+>", " ", _overview(client).text).split())
    assert "Stored 2 of 3 in the last run Missed 1 in the last run Last run 12:00 2026-03-01 UTC" in text


def test_names_and_tags_are_found_in_any_case(client: FlaskClient) -> None:
    add("Århus", {})
    add("Bergen", {}, tags=["Coast"])
    add("Cork", {}, tags=["inland"])
    assert [row[0] for row in _overview(client, "?q=åRH").rows[1:]] == ["Århus"]
    assert [row[0] for row in _overview(client, "?q=coast").rows[1:]] == ["Bergen"]
    assert [row[0] for row in _overview(client, "?q=%25").rows[1:]] == []
    assert "No location matches" in _overview(client, "?q=nowhere").text


def test_only_the_stale_ones(client: FlaskClient) -> None:
    add("Athens", {})
    add("Bergen", {"due_at": NOON - timedelta(hours=5)}, created_at=NOON - timedelta(days=1))
    assert [row[0] for row in _overview(client, "?show=stale").rows[1:]] == ["Bergen stale"]


def test_many_locations_come_in_pages(client: FlaskClient) -> None:
    for number_ in range(120):
        add(f"place {number_:03d}", {})
    first, last = _overview(client), _overview(client, "?page=3")
    assert (len(first.rows) - 1, len(last.rows) - 1) == (50, 20)
    assert "1 to 50 of 120 locations" in first.text
    assert last.rows[1][0] == "place 100"
    assert "?page=2" in first.text
    assert 'rel="next"' not in last.text
    assert "No location matches" not in last.text


@ONE_DATABASE
@pytest.mark.parametrize("query", ["?page=0", "?page=x", "?show=some", "?color=red", f"?q={'x' * 201}", "?q=a&q=b"])
def test_what_cannot_be_shown_is_told_on_a_page(client: FlaskClient, query: str) -> None:
    shown = page(client, f"/{query}", 400)
    assert "must be" in shown.text or "is unknown" in shown.text
    assert 'data-refresh="0"' in shown.text


def test_the_course_is_a_line_that_breaks_at_gaps(client: FlaskClient) -> None:
    hours = [back for back in range(24) if back not in (5, 6)]
    flagged = {"temperature": 60.0, "flags": {"temperature": ["range"]}}
    rows = [{"due_at": NOON - timedelta(hours=back), "temperature": float(back)} for back in hours if back != 12]
    add("Athens", *rows, {"due_at": NOON - timedelta(hours=12), **flagged})
    text = _overview(client).text
    [line] = re.findall(r'<path d="([^"]+)"', text)
    assert line.count("M") == 3, "a break at what is missing, and one at what is not to be trusted"
    assert "Last 24 h: 0.0 to 23.0 °C" in text


def test_the_state_of_the_service(client: FlaskClient) -> None:
    assert "Not collecting: no scheduler is running" in _overview(client).text
    heartbeat.record_heartbeat(NOON)
    text = _overview(client).text
    assert "Collecting" in text
    assert "next run 13:00:00 UTC" in text


def test_the_banner_of_the_demonstration() -> None:
    plain, demo = (
        create_app(load_settings(scheduler_enabled=False, demo=demo)).test_client().get("/").text for demo in (False, True)
    )
    assert "simulated" not in plain
    assert "Demonstration with simulated weather." in demo


@ONE_DATABASE
@pytest.mark.parametrize("path", ["/", "/location?name=Athens", "/coverage", "/runs", "/locations", "/location?name=Cork"])
def test_pages_load_nothing_from_elsewhere_and_have_no_script_or_style_in_them(client: FlaskClient, path: str) -> None:
    add("Athens", {"temperature": 1.0})
    shown = Page(client.get(path).text)
    assert shown.runs() == []
    loaded = [one["src"] for one in (*shown.all("script"), *shown.all("img")) if "src" in one]
    loaded += [one["href"] for one in shown.all("link")]
    assert len(loaded) >= 4
    for one in loaded:
        with client.get(one) as answer:
            assert answer.status_code == 200, one


def test_a_page_that_has_not_changed_is_not_sent_again(client: FlaskClient, driven: DrivenClock) -> None:
    add("Athens", {})
    response = client.get("/")
    tag = response.headers["ETag"]
    driven.advance(timedelta(minutes=3))
    assert "3 min ago" in client.get("/").text
    again = client.get("/", headers={"If-None-Match": tag})
    assert (again.status_code, again.get_data()) == (304, b"")
    add("Bergen", {})
    assert client.get("/", headers={"If-None-Match": tag}).status_code == 200


@ONE_DATABASE
def test_only_html_is_answered(client: FlaskClient) -> None:
    assert client.get("/coverage", headers={"Accept": "application/json"}).status_code == 406


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
@ONE_DATABASE
def test_ages(seconds: int, told: str) -> None:
    assert ago(NOON - timedelta(seconds=seconds), NOON) == told


@ONE_DATABASE
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
        (1_000_000, 0, "1,000,000"),
    ],
)
@ONE_DATABASE
def test_numbers(value: float | None, decimals: int, told: str) -> None:
    assert number(value, decimals) == told


@ONE_DATABASE
def test_points_of_the_compass() -> None:
    assert [compass(degrees) for degrees in (0, 22.4, 22.6, 180, 337.6, 360, None)] == ["N", "N", "NE", "S", "N", "N", ""]


@ONE_DATABASE
def test_lengths_and_parts() -> None:
    assert [duration(seconds) for seconds in (0, 119.9, 7199, 7200, 259_200)] == ["0 s", "119 s", "119 min", "2 h", "3 d"]
    assert [percent(part) for part in (None, 0, 0.9999, 1)] == [DASH, "0.0 %", "99.9 %", "100.0 %"]
