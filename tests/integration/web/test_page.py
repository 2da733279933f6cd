"""``/``: values, gaps, names that try to be more than names, filter and pages, and the service's state, on both databases."""

from __future__ import annotations

import json
import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event, insert, select

from meteorograph import WeatherData, create_app, get_db_session
from meteorograph.config.loading import load_settings
from meteorograph.ledger import heartbeat
from meteorograph.model.clock import DrivenClock
from meteorograph.storage.engine import get_engine
from meteorograph.storage.models import Incident, Location, Missed, Quota
from meteorograph.web import params
from meteorograph.web.page.filters import ago, compass, duration, number, percent
from pages import Page, add, page
from support import NOON

pytestmark = pytest.mark.usefixtures("database", "driven")

ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

DASH = "–"  # noqa: RUF001  # as on the page
MINUS = "−"  # noqa: RUF001
HOUR = timedelta(hours=1)


@pytest.fixture
def client() -> FlaskClient:
    return create_app(load_settings(scheduler_enabled=False)).test_client()


def _overview(client: FlaskClient, query: str = "") -> Page:
    return page(client, f"/{query}")


def test_a_card_has_the_weather_of_now_and_of_the_last_24_hours(client: FlaskClient) -> None:
    row = {
        "observed_at": NOON - timedelta(minutes=7),
        "temperature": -3.46,
        "wind_speed": 4.1,
        "wind_direction": 310.0,
        "wind_gust": 9.0,
        "cloud_cover": 75.0,
        "weather_code": 71,
        "condition": "light snow",
    }
    rain = [{"due_at": NOON - back * HOUR, "precipitation": 0.25, "precipitation_period": 3600} for back in range(1, 24)]
    cold = [{**rain.pop(), "temperature": -8.2}, {**rain.pop(2), "temperature": 1.26}]
    add("Athens", row, *cold, *rain)
    heads, values = _overview(client).rows
    assert [head.split()[0] for head in heads] == ["Place", "Weather", "Temperature", "Last", "Rain", "Wind", "Observed"]
    # 23 whole hours and the part of the first one that lies within 24 h.
    assert values == ["Athens", "light snow", f"{MINUS}3.5 {MINUS}3.5 to 1.3", "", "5.8", "4.1 9.0", "7 min ago"]
    text = _overview(client).text
    assert "95.8 % of 24 h measured" in text
    assert 'transform="rotate(130 8 8)"' in text, "a wind from the north-west blows to the south-east"
    assert "i-snow" in text


def test_colours_are_kept_and_checked(client: FlaskClient) -> None:
    for path, media in (("", "prefers-color-scheme"), ("?theme=dark", "screen"), ("", "screen"), ("?theme=light", "not all")):
        link = re.search(r'<link id="dark"[^>]* media="([^"]*)"', client.get(f"/{path}").text)
        assert link
        assert media in link[1]
        assert f'" media="{link[1]}">' in client.get("/sign-in").text
    answer = client.get("/?theme=blue")
    assert answer.status_code == 400
    assert "theme: must be one of auto, light, dark" in answer.text
    assert 'media="not all"' in answer.text, "the page of an error has the kept colours"


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("?units=imperial", ["68.0 68.0 to 68.0", "1.00", "22.4 33.6"]),
        ("?units=si", ["293.1 293.1 to 293.1", "0.0254", "10.0 15.0"]),
        ("", ["20.0 20.0 to 20.0", "25.4", "10.0 15.0"]),
    ],
)
def test_units_are_those_of_the_reader_and_are_kept(client: FlaskClient, query: str, values: list[str]) -> None:
    rows = [{"due_at": NOON - back * HOUR, "precipitation": 25.4 / 24, "precipitation_period": 3600} for back in range(1, 24)]
    now = {"temperature": 20.0, "precipitation": 25.4 / 24, "precipitation_period": 3600, "wind_speed": 10.0, "wind_gust": 15.0}
    add("Athens", now, *rows)
    for path in (query, ""):  # the second time from the cookie
        shown = _overview(client, path).rows[1]
        assert [shown[2], shown[4], shown[5]] == values


@ONE_DATABASE
@pytest.mark.parametrize(("zone", "told"), [("place", "13:00 UTC"), ("UTC", "13:00 UTC"), ("Asia/Tokyo", "22:00 JST")])
def test_times_are_in_the_zone_of_the_reader(client: FlaskClient, zone: str, told: str) -> None:
    heartbeat.record_heartbeat(NOON)
    add("Athens", {"temperature": 1.0})
    assert f"next run {told}" in _overview(client, f"?zone={zone}").text
    assert f"next run {told}" in _overview(client).text
    assert "zone=" in " ".join(client.get(f"/?zone={zone}").headers.getlist("Set-Cookie"))


@ONE_DATABASE
def test_a_cookie_that_is_wrong_is_ignored(client: FlaskClient) -> None:
    client.set_cookie("units", "cubits")
    client.set_cookie("zone", "Middle/Earth")
    add("Athens", {"temperature": 1.0})
    assert _overview(client).rows[1][2] == "1.0 1.0 to 1.0"


def test_what_is_not_given_is_a_dash_and_never_a_zero(client: FlaskClient) -> None:
    add("Athens", {})
    assert _overview(client).rows[1] == ["Athens", DASH, DASH, "", DASH, DASH, "0 s ago"]


def test_zero_is_a_zero(client: FlaskClient) -> None:
    zeros = ("temperature", "precipitation", "wind_speed", "wind_gust", "cloud_cover")
    add("Athens", {"wind_direction": 0.0, "precipitation_period": 3600, **dict.fromkeys(zeros, 0.0)})
    assert _overview(client).rows[1][2:6] == ["0.0 0.0 to 0.0", "", "≥ 0.0 1 h only", "0.0 0.0"]


def test_suspect_values_are_marked_and_leave_low_and_high(client: FlaskClient) -> None:
    add("Athens", {"temperature": 60.0, "flags": {"temperature": ["range"]}}, {"due_at": NOON - HOUR, "temperature": 5.0})
    assert _overview(client).rows[1][2] == "60.0 × suspect 5.0 to 5.0"  # noqa: RUF001  # the cross of the page


def test_precipitation_of_another_provider_is_credited(client: FlaskClient) -> None:
    add("Athens", {"precipitation": 2.0, "precipitation_period": 3600, "providers": {"precipitation": "weatherstack"}})
    shown = _overview(client)
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
    assert "No locations yet" in shown.text
    assert "table" not in shown.tags
    heartbeat.record_heartbeat(NOON)
    assert "at 13:00:00 UTC at the latest" in _overview(client).text


def test_a_place_without_values_is_there_and_waits(client: FlaskClient) -> None:
    add("Athens")
    assert _overview(client).rows[1][:3] == ["Athens", "no values yet", DASH]


def test_three_facts(client: FlaskClient) -> None:
    add("Athens", {})
    with get_db_session() as session:
        id_ = session.query(Location.id).scalar()
        for back in (2, 3, 30):
            session.add(Missed(location_id=id_, due_at=NOON - back * HOUR, reason="provider_error"))
        session.add(Missed(location_id=id_, due_at=NOON - 4 * HOUR, reason="down", closed_at=NOON))
        session.add(Missed(location_id=id_, due_at=NOON, reason="down"))  # was stored since
        opened = {"state": "open", "began_at": NOON, "opened_at": NOON, "cause": "frost", "detail": "frost"}
        session.add(Incident(rule="frost", kind="frost", subjects=["Athens"], subject_count=1, **opened))
    text = " ".join(re.sub("<[^>]+>", " ", _overview(client).text).split())
    assert "Missed in 24 h 3 slots see why" in text
    assert "Open incidents 1 what happened" in text
    assert "Quota left – no limit" in text  # noqa: RUF001


@ONE_DATABASE
def test_the_quota_that_runs_out_first(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(scheduler_enabled=False, owm_api_key="k" * 32, weatherstack_api_key="w" * 32)
    client = create_app(settings).test_client()
    add("Athens", {})
    with get_db_session() as session:
        month = NOON.replace(day=1, hour=0)
        session.add(Quota(provider="openweathermap", window="month", period_start=month, used=500_000))
        session.add(Quota(provider="weatherstack", window="month", period_start=month, used=10))
    text = " ".join(re.sub("<[^>]+>", " ", _overview(client).text).split())
    assert re.search(r"Quota left, OpenWeatherMap 50\.0 % runs out (2|1) Mar", text), text
    assert '<div class="near"><dt>Quota left' in _overview(client).text


@ONE_DATABASE
def test_a_quota_that_will_do_is_no_warning(driven: DrivenClock) -> None:
    client = create_app(load_settings(scheduler_enabled=False, owm_api_key="k" * 32)).test_client()
    add("Athens", {})
    with get_db_session() as session:
        session.add(Quota(provider="openweathermap", window="month", period_start=NOON.replace(day=1, hour=0), used=900_000))
    driven.advance(timedelta(days=29))
    shown = _overview(client).text
    assert "10.0 %" in shown
    assert "enough for the month" in shown
    assert '<div class=""><dt>Quota left' in shown


@ONE_DATABASE
def test_a_form_has_numbers_and_tags_as_they_are_typed(client: FlaskClient) -> None:
    add("Athens", elevation=170.25, tags=["coast", "old"])
    add("Oslo", elevation=23.0, tags=["a, b", "c"])
    fields = {
        one["name"]: one.get("value") for one in page(client, "/locations/edit?name=Athens&lang=de").all("input") if "name" in one
    }
    assert (fields["elevation"], fields["tags"]) == ("170,25", "coast, old")
    fields = {
        one["name"]: one.get("value") for one in page(client, "/locations/edit?name=Oslo&lang=en").all("input") if "name" in one
    }
    assert (fields["elevation"], fields["tags"]) == ("23", "a, b; c; ")


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


def _walk(client: FlaskClient, query: str) -> list[str]:
    """The names on all pages, by following the links."""
    names: list[str] = []
    path: str | None = f"/{query}"
    while path is not None:
        shown = page(client, path)
        names += [row[0].split()[0] for row in shown.rows[1:]]
        path = next((one["href"] for one in shown.all("a") if one.get("rel") == "next"), None)
    return names


def test_every_order_is_walked_page_by_page(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meteorograph.web.page.overview.LIMIT", 2)
    old, new = NOON - timedelta(hours=5), NOON - timedelta(minutes=3)
    since = {"created_at": NOON - timedelta(days=1)}
    add("Athens", {"temperature": 5.0, "wind_speed": 1.0, "weather_code": 0, "observed_at": new}, **since)
    add("Bergen", {"temperature": -2.0, "wind_speed": 1.0, "weather_code": 95, "due_at": old}, **since)
    add("Cork", {"temperature": 5.0, "wind_speed": 7.0, "weather_code": 61}, **since)
    add("Delhi", **since)
    add("Essen", {"wind_speed": 9.0, "due_at": old}, **since)
    assert _walk(client, "") == ["Bergen", "Delhi", "Essen", "Athens", "Cork"], "the late ones first"
    assert _walk(client, "?sort=name") == ["Athens", "Bergen", "Cork", "Delhi", "Essen"]
    with get_db_session() as session:  # it rains more in Cork, and nothing is known of the others
        ids = dict(session.execute(select(Location.name, Location.id)).all())
        for name, amount in (("Cork", 2.0), ("Athens", 0.5)):
            rain = {"precipitation": amount, "precipitation_period": 3600, "provider": "openweathermap"}
            at = NOON - timedelta(hours=3)
            session.add(WeatherData(location_id=ids[name], due_at=at, fetched_at=at, **rain))
    assert _walk(client, "?sort=-rain") == ["Cork", "Athens", "Bergen", "Delhi", "Essen"]
    assert _walk(client, "?sort=rain") == ["Athens", "Cork", "Bergen", "Delhi", "Essen"]
    assert _walk(client, "?sort=-name") == ["Essen", "Delhi", "Cork", "Bergen", "Athens"]
    assert _walk(client, "?sort=-temperature") == ["Athens", "Cork", "Bergen", "Delhi", "Essen"]
    assert _walk(client, "?sort=temperature") == ["Bergen", "Athens", "Cork", "Delhi", "Essen"]
    assert _walk(client, "?sort=-wind") == ["Essen", "Cork", "Athens", "Bergen", "Delhi"]
    assert _walk(client, "?sort=-weather") == ["Bergen", "Cork", "Athens", "Delhi", "Essen"]
    assert _walk(client, "?sort=age") == ["Cork", "Athens", "Bergen", "Essen", "Delhi"]
    assert _walk(client, "?show=stale&sort=-wind") == ["Essen", "Bergen", "Delhi"]
    assert _walk(client, "?q=e&sort=name") == ["Athens", "Bergen", "Delhi", "Essen"]
    assert _walk(client, "?q=e") == ["Bergen", "Delhi", "Essen", "Athens"]
    assert "2 of 5 locations" in _overview(client).text


def test_a_page_reads_no_more_rows_than_it_shows(client: FlaskClient) -> None:
    with get_db_session() as session:
        session.execute(insert(Location), [_many(number) for number in range(10_000)])
        row = {"due_at": NOON, "fetched_at": NOON, "provider": "openweathermap", "temperature": 1.0}
        session.execute(insert(WeatherData), [{**row, "location_id": id_} for id_ in session.scalars(select(Location.id))])
    asked: list[tuple[str, Any]] = []

    def note(*execution: Any) -> None:
        if threading.current_thread() is threading.main_thread():  # the state of the service is looked at in another one
            asked.append((execution[2], execution[3]))

    event.listen(get_engine(), "before_cursor_execute", note)
    try:
        first = _overview(client)
        far = _overview(client, f"?cursor={params.cursor(json.dumps([1, 'place 8000']))}")
    finally:
        event.remove(get_engine(), "before_cursor_execute", note)
    assert (len(first.rows), far.rows[1][0]) == (51, "place 8001")
    assert "50 of 10,000 locations" in first.text
    assert "more than 500 locations" in page(client, "/?sort=rain", 400).text
    with get_engine().connect() as connection:
        selects = [one for one in asked if one[0].lstrip().startswith("SELECT")]
        read = [len(connection.exec_driver_sql(text, values).all()) for text, values in selects]
    assert 200 < sum(read) <= 2 * (51 + 50 + 50 + 10), "the ids, the locations with their rows, and their last day"


def _many(number: int) -> dict[str, Any]:
    return {"name": f"place {number:04d}", "latitude": 1.0, "longitude": 2.0, "state": "active", "created_at": NOON}


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
    assert "next run 13:00 UTC" in text


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
        (1013.25, 0, "1,013"),
        (1013.25, 1, "1013.2"),
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


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(minutes=5)], ids=["on time", "by a clock that is ahead"])
def test_a_value_that_is_the_low_of_the_day_shows_as_the_low(client: FlaskClient, ahead: timedelta) -> None:
    earlier = [{"due_at": NOON - hour * HOUR, "temperature": 12.96 + hour / 10} for hour in range(1, 8)]
    add("Athens", {"temperature": 12.46, "observed_at": NOON + ahead}, *earlier)
    [row] = _overview(client).rows[1:]
    assert row[2].split(None, 1) == ["12.5", "12.5 to 13.7"]
    assert "12.5 °C today 12.5 to 13.7" in " ".join(re.sub("<[^>]+>", " ", page(client, "/location?name=Athens").text).split())
