"""``/location``: what is drawn, the numbers beside it, gaps with their reasons, and the script that draws."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from flask.testing import FlaskClient

from meteorograph import create_app, get_db_session
from meteorograph.config.loading import load_settings
from meteorograph.model.clock import DrivenClock
from meteorograph.storage.models import Location, Missed, Run
from pages import Page, add, page
from support import NOON

pytestmark = pytest.mark.usefixtures("database", "driven")

ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
HOUR = timedelta(hours=1)


@pytest.fixture
def client() -> FlaskClient:
    return create_app(load_settings(scheduler_enabled=False)).test_client()


def _place(client: FlaskClient, name: str = "Athens", query: str = "", status: int = 200) -> Page:
    return page(client, f"/location?name={quote(name, safe='')}{query}", status)


def _explored(client: FlaskClient, name: str = "Athens", query: str = "") -> Page:
    return _place(client, name, f"{query}&explore=1")


def _figure(shown: Page) -> dict[str, Any]:
    [text] = re.findall(r'<script type="application/json" id="figure">(.*?)</script>', shown.text, re.DOTALL)
    figure: dict[str, Any] = json.loads(text)
    return figure


def _words(shown: Page) -> str:
    return " ".join(re.sub("<[^>]+>", " ", shown.text).split())


def _hours(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"due_at": NOON - back * HOUR, "temperature": float(back), **more} for back in range(count)]


def _missed(name: str, *backs: int, reason: str = "provider_error", detail: str | None = None) -> None:
    with get_db_session() as session:
        id_ = session.query(Location.id).filter_by(name=name).scalar()
        for back in range(30):
            session.add(Run(schedule="default", due_at=NOON - back * HOUR, state="succeeded", due=1, stored=1))
        session.add_all(Missed(location_id=id_, due_at=NOON - back * HOUR, reason=reason, detail=detail) for back in backs)


def test_a_day_of_rows_is_drawn_and_breaks_where_rows_are_missing(client: FlaskClient) -> None:
    rows = _hours(12)
    add("Athens", *rows[:5], *rows[7:])
    shown = _explored(client)
    figure = _figure(shown)
    [temperature] = [trace for trace in figure["data"] if trace["name"] == "Temperature"]
    assert temperature["y"] == [11.0, 10.0, 9.0, 8.0, 7.0, None, 4.0, 3.0, 2.0, 1.0, 0.0]
    assert figure["times"][0] == "2026-03-01T01:00"
    assert temperature["connectgaps"] is False
    assert {figure["notes"][number] for number in temperature["customdata"]} == {" · OpenWeatherMap", ""}
    assert ["Temperature °C", "0.0", "5.5", "11.0"] in shown.rows


def test_suspect_values_and_rows_that_were_filled_in_are_marked(client: FlaskClient) -> None:
    rows = _hours(6)
    rows[2]["flags"] = {"temperature": ["step"]}
    rows[4]["origin"] = "backfill"
    rows[3]["fetched_at"] = NOON
    rows[5]["flags"] = {"temperature": ["implied_zero"]}
    add("Athens", *rows)
    figure = _figure(_explored(client))
    marks = {trace["name"]: trace for trace in figure["data"] if trace.get("mode") == "markers" and trace["yaxis"] == "y"}
    assert (marks["flagged"]["x"], marks["flagged"]["y"]) == (["2026-03-01T10:00"], [2.0])
    assert (marks["backfilled"]["x"], marks["backfilled"]["y"]) == (["2026-03-01T08:00"], [4.0])
    assert " · OpenWeatherMap · step" in figure["notes"]
    assert " · OpenWeatherMap · backfilled" in figure["notes"]


def test_gaps_are_shown_with_their_reason_and_what_the_provider_said(client: FlaskClient) -> None:
    rows = _hours(24)
    add("Athens", *[row for number, row in enumerate(rows) if number not in (3, 4)])
    _missed("Athens", 3, 4, detail="openweathermap: HTTP 502 <b>Bad</b> Gateway")
    shown = _place(client)
    words = _words(shown)
    assert "2026-03-01 08:00 to 2026-03-01 09:00 2 slots: the provider failed" in words
    assert "HTTP 502 &lt;b&gt;Bad&lt;/b&gt; Gateway" in words
    assert "22 of 24 due slots are stored (91.6 %)" in words
    [band] = _figure(_explored(client))["layout"]["shapes"]
    assert (band["x0"], band["x1"]) == ("2026-03-01T08:00", "2026-03-01T09:00")


def test_a_year_is_drawn_by_days(client: FlaskClient) -> None:
    add("Athens", *_hours(72, precipitation=0.5, precipitation_period=3600), timezone="Europe/Athens")
    figure = _figure(_explored(client, query="&range=1y"))
    traces = {trace["name"]: trace for trace in figure["data"]}
    assert figure["times"] == ["2026-02-26T00:00", "2026-02-27T00:00", "2026-02-28T00:00", "2026-03-01T00:00"]
    assert traces["Highest"]["y"] == [71.0, 60.0, 36.0, 12.0]
    assert traces["Lowest"]["y"] == [61.0, 37.0, 13.0, 0.0]


@ONE_DATABASE
def test_too_many_rows_are_drawn_by_five_minutes(client: FlaskClient) -> None:
    rows = [{"due_at": NOON - timedelta(seconds=10 * number), "temperature": 5.0} for number in range(1600)]
    add("Athens", *rows)
    shown = _explored(client)
    assert "each point is the mean of several values" in _words(shown)
    assert 50 < len(_figure(shown)["times"]) < 60


@ONE_DATABASE
@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "../up", "/root", "a&b=c", "{{ 7 * 7 }}", "天気", "50 %"])
def test_a_name_is_only_a_name(client: FlaskClient, name: str) -> None:
    add(name, {"temperature": 1.0, "provider": "</script><b>", "condition": name, "flags": {"temperature": [name]}})
    for path in ("/", "/coverage", "/locations"):
        links = [one["href"] for one in page(client, path).all("a") if one["href"].startswith("/location?")]
        for link in links[:1]:
            shown = page(client, link)
            assert shown.runs() == []
            assert "<b>" not in shown.text
    assert _figure(_explored(client, name))["notes"][0].startswith(" · &lt;/script&gt;&lt;b&gt;")


@ONE_DATABASE
def test_earlier_and_later(client: FlaskClient) -> None:
    add("Athens", *_hours(60))
    now = _place(client)
    assert 'rel="next"' not in now.text
    [earlier] = [one["href"] for one in now.all("a") if one.get("rel") == "prev"]
    assert earlier.endswith("end=2026-02-28T12:00Z")
    before = page(client, earlier)
    assert _figure(page(client, f"{earlier}&explore=1"))["times"][-1] == "2026-02-28T11:00"
    [later] = [one["href"] for one in before.all("a") if one.get("rel") == "next"]
    assert later.endswith("end=2026-03-01T12:00Z")
    assert "No values between" in _place(client, query="&end=2026-01-01T00:00Z").text


@ONE_DATABASE
def test_the_download_has_the_rows_of_the_period(client: FlaskClient) -> None:
    add("Athens & more", *_hours(30))
    [link] = [one["href"] for one in _place(client, "Athens & more").all("a") if "format=csv" in one["href"]]
    lines = client.get(link).text.splitlines()
    assert (len(lines), lines[0].split(",")[0]) == (26, "location"), "a head, and the rows from noon to noon"


@ONE_DATABASE
def test_the_download_has_the_units_and_the_zone_of_the_page(client: FlaskClient) -> None:
    add("Athens", *_hours(3))
    shown = _place(client, query="&units=imperial&zone=Asia/Tokyo")
    [link] = [one["href"] for one in shown.all("a") if "format=csv" in one["href"]]
    head, newest, *_ = (line.split(",") for line in client.get(link).text.splitlines())
    assert newest[head.index("temperature")] == "32.0"
    assert newest[head.index("due_at")].endswith("+09:00")
    assert "in imperial units and the time of Asia/Tokyo" in _words(shown)


@ONE_DATABASE
def test_all_gaps_of_a_period_are_retried_at_once(client: FlaskClient) -> None:
    add("Athens", *_hours(3))
    _missed("Athens", 3)
    assert "Try all again" not in _place(client).text
    with get_db_session() as session:
        session.add(Missed(location_id=1, due_at=NOON - 6 * HOUR, reason="down"))
    [_, _, all_of_them] = [one["data-retry"] for one in _place(client).all("button") if "data-retry" in one]
    answer = client.post(f"/api/gaps/retry?{all_of_them}", headers={"Content-Type": "application/json"}).get_json()
    assert answer["slots"] == 2


@ONE_DATABASE
def test_a_slot_that_is_no_longer_tried_can_be_tried_again_and_is_not_called_unrecoverable(client: FlaskClient) -> None:
    add("Athens", *_hours(3))
    _missed("Athens", 3)
    with get_db_session() as session:
        session.query(Missed).update({"closed_at": NOON, "tries": 3})
    shown = _place(client)
    assert "1 slot: the provider failed no longer tried" in _words(shown)
    assert "recoverable" not in shown.text
    [again] = [one["data-retry"] for one in shown.all("button") if "data-retry" in one]
    client.post(f"/api/gaps/retry?{again}", headers={"Content-Type": "application/json"})
    assert "no longer tried" not in _words(_place(client))


@ONE_DATABASE
def test_no_place_no_values_and_a_place_that_is_paused(client: FlaskClient) -> None:
    assert "Location not found" in _place(client, "Nowhere", status=404).text
    add("Athens")
    assert "No values yet" in _place(client).text
    add("Bergen", {}, state="paused", resolved_distance_km=23.4, resolved_name="<i>Oslo</i>", tags=["<u>"])
    words = _words(_place(client, "Bergen"))
    assert "Bergen paused" in words
    assert "Values are for &lt;i&gt;Oslo&lt;/i&gt;, 23.4 km from here." in words


@ONE_DATABASE
@pytest.mark.parametrize(
    "query",
    [
        "",
        "?name=",
        "?name=a&range=2d",
        "?name=a&end=x",
        "?name=a&end=0001-01-01T00:00Z",
        "?name=a&b=c",
        "?name=a&range=24h&start=2026-02-28T00:00Z",
        "?name=a&start=2026-03-01T11:00Z&end=2026-03-01T11:30Z",
        "?name=a&start=2026-03-02T11:00Z&end=2026-03-02T11:30Z",
        "?name=a&start=2026-03-03&end=2026-03-01",
        "?name=a&end=9999-12-31T23:00Z",
    ],
)
def test_what_cannot_be_shown_is_told_on_a_page(client: FlaskClient, query: str) -> None:
    assert "Invalid parameter" in page(client, f"/location{query}", 400).text


@ONE_DATABASE
def test_the_script_is_packed_and_kept(client: FlaskClient) -> None:
    add("Athens", {"temperature": 1.0})
    assert "plotly" not in _place(client).text, "the meteogram needs no library"
    [path] = [one["src"] for one in _explored(client).all("script") if "plotly" in one.get("src", "")]
    plain, packed = (client.get(path, headers={"Accept-Encoding": coding}) for coding in ("identity", "gzip"))
    assert gzip.decompress(packed.get_data()) == plain.get_data()
    assert b"plotly" in plain.get_data()[:200]
    assert "immutable" in packed.headers["Cache-Control"]
    assert client.get("/scripts/plotly-0123.js").status_code == 404


@ONE_DATABASE
def test_a_page_that_has_not_changed_is_not_sent_again(client: FlaskClient, driven: DrivenClock) -> None:
    add("Athens", {"temperature": 1.0}, timezone="Europe/Athens")
    tag = client.get("/location?name=Athens").headers["ETag"]
    driven.advance(timedelta(seconds=30))
    assert client.get("/location?name=Athens", headers={"If-None-Match": tag}).status_code == 304


def test_the_weather_now_says_what_it_knows_and_what_it_does_not(client: FlaskClient) -> None:
    rain = {"precipitation": 0.5, "precipitation_period": 3600}
    old = [{"due_at": NOON - back * HOUR, "temperature": 4.0, "pressure": 1000.0 + back, **rain} for back in range(1, 12)]
    now = {
        "temperature": 5.0,
        "humidity": 90.0,
        "dew_point": 3.5,
        "pressure": 1005.4,
        "wind_speed": 10.0,
        "wind_direction": 200.0,
    }
    add("Athens", {**now, "wind_gust": 15.0, "weather_code": 61, **rain}, *old, timezone="Europe/Athens")
    words = _words(_place(client))
    for text in (
        "14:00 EET",
        "rain today 4.0 to 5.0 feels like -0.4".replace("-", "−"),  # noqa: RUF001  # as on the page
        "10.0 m/s from S, gusts 15.0",
        "1 h to 14:00 0.5 mm",
        "24 h ≥ 6.0 mm (50 % of the time measured )",
        "March ≥ 6.0 mm (85 % of the time measured )",
        "1005.4 hPa rising, +2.4 in 3 h",
        "3.5 °C humidity 90 %",
        "Clouds – %",  # noqa: RUF001  # of the clouds nothing is known
    ):
        assert text in words, f"{text!r} is not in {words[:1500]}"
    add("Bergen", {"temperature": 60.0, "pressure": 1000.0, "flags": {"temperature": ["range"]}})
    words = _words(_place(client, "Bergen"))
    assert "60.0 × suspect °C" in words  # noqa: RUF001  # the cross of the page
    assert "feels like" not in words
    assert "no value 3 h ago" in words
    assert words.count("no data") == 3


@ONE_DATABASE
def test_the_meteogram_is_a_picture_of_its_own(client: FlaskClient) -> None:
    add("Athens & more", *_hours(30, precipitation=0.5, precipitation_period=3600), timezone="Europe/Athens")
    answer = client.get("/chart.svg?location=Athens+%26+more", headers={"Accept": "image/svg+xml"})
    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
    root = ElementTree.fromstring(answer.get_data())  # noqa: S314  # our own
    assert root.attrib["aria-label"].startswith("Meteogram of Athens & more, 28 February 2026")
    assert ">EET</text>" in answer.text
    policy = answer.headers["Content-Security-Policy"]
    [style] = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}style")]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    same = {"If-None-Match": answer.headers["ETag"]}
    assert client.get("/chart.svg?location=Athens+%26+more", headers=same).status_code == 304
    for query, status in (("", 400), ("?location=Nowhere", 404), ("?location=Athens+%26+more&theme=pink", 400)):
        assert client.get(f"/chart.svg{query}").status_code == status
    [link] = [
        one["href"] for one in page(client, "/location?name=Athens+%26+more").all("a") if one["href"].startswith("/chart.svg")
    ]
    assert client.get(link).status_code == 200, "a parameter that the address has not is not in the link"
    other = client.get("/chart.svg?location=Athens+%26+more&range=7d&width=narrow&theme=dark&units=imperial&zone=UTC").text
    assert "Temperature, °F" in other
    assert "--m-sheet: #151d25" in other
    assert "prefers-color-scheme" not in other


@ONE_DATABASE
def test_the_picture_and_the_summary_say_the_same_extremes_also_of_means(client: FlaskClient) -> None:
    rows = [{"due_at": NOON - n * timedelta(minutes=20), "temperature": float(n % 3)} for n in range(3 * 24 * 20)]
    add("Athens", *rows)
    shown = _place(client, query="&range=30d")
    assert "temperature 0.0 to 2.0 °C" in shown.text
    assert any(row[:2] + row[3:] == ["Temperature °C", "0.0", "2.0"] for row in shown.rows)


@ONE_DATABASE
def test_quantities_are_chosen_in_the_address_and_kept(client: FlaskClient) -> None:
    add("Athens", *_hours(30, precipitation=0.5, precipitation_period=3600, pressure=1000.0, wind_speed=3.0, wind_direction=10.0))
    whole = client.get("/chart.svg?location=Athens").text
    titles = ("Temperature, °C", "Precipitation in 1 h, mm", "Pressure at sea level, hPa", "Wind, m/s")
    assert [title in whole for title in titles] == [True] * 4
    some = client.get("/chart.svg?location=Athens&quantities=wind,pressure").text
    assert [title in some for title in titles] == [False, False, True, True]
    assert 'class="m-barb' in some
    assert "temperature" not in ElementTree.fromstring(some).attrib["aria-label"]  # noqa: S314  # our own
    assert 'class="m-barb' not in client.get("/chart.svg?location=Athens&quantities=pressure").text
    assert client.get("/chart.svg?location=Athens&quantities=temperature,precipitation,pressure,wind").text == whole
    for wrong in ("rain", "", "wind,"):
        assert client.get(f"/chart.svg?location=Athens&quantities={wrong}").status_code == (200 if wrong == "wind," else 400)
    shown = page(client, "/location?name=Athens&range=7d&quantities=pressure,wind&end=2026-02-28")
    assert "Temperature, °C" not in shown.text
    kept = [one["href"] for one in shown.all("a") if "name=Athens" in one["href"] and "range=" in one["href"]]
    kept += [one["href"] for one in shown.all("a") if one["href"].startswith("/chart.svg")]
    of_panels = (
        "quantities=temperature,pressure,wind",
        "quantities=precipitation,pressure,wind",
        "quantities=wind",
        "quantities=pressure",
    )
    texts = [href.replace("%2C", ",") for href in kept]
    assert all("quantities=" in text for text in texts)
    assert all(any(text.endswith(part) or f"{part}&" in text for text in texts) for part in of_panels)
    assert "quantities=pressure,wind" in next(text for text in texts if "chart.svg" in text)
    assert "range=24h" in " ".join(text for text in texts if text.endswith("quantities=pressure,wind"))
    page(client, "/location?name=Athens&quantities=uv", 400)


@ONE_DATABASE
def test_a_period_of_its_own(client: FlaskClient) -> None:
    add("Athens", *_hours(60))
    shown = _place(client, query="&start=2026-02-27T12:00Z&end=2026-02-27T18:00Z")
    links = {one["rel"]: one["href"] for one in shown.all("a") if one.get("rel") in ("prev", "next")}
    assert "start=2026-02-27T06:00Z" in links["prev"]
    assert "end=2026-02-27T12:00Z" in links["prev"]
    assert "start=2026-02-27T18:00Z" in links["next"]
    assert "6 of 6 due slots" not in _words(shown), "no run was due"
    assert "27 February 2026 12:00 to 27 February 2026 18:00 UTC" in shown.text


@ONE_DATABASE
def test_dates_are_those_of_the_place(client: FlaskClient) -> None:
    add("Athens", *_hours(90), timezone="Europe/Athens")
    shown = _place(client, query="&start=2026-02-26&end=2026-02-27")
    assert "26 February 2026 00:00 to 28 February 2026 00:00 EET" in shown.text
    assert [one["value"] for one in shown.all("input") if one.get("type") == "date"] == ["2026-02-26", "2026-02-27"]
    assert "must be a date" in page(client, "/location?name=Athens&start=2026-02-30", 400).text


def test_an_empty_period_and_a_month_of_means(client: FlaskClient) -> None:
    add("Athens", *_hours(24 * 20))
    shown = _place(client, query="&range=30d")
    assert shown.text.count("<svg xmlns") == 2, "one for each width of screens"
    assert "Precipitation in a day" in shown.text
    assert "No values between 1 Jan" in _place(client, query="&start=2026-01-01T00:00Z&end=2026-01-02T00:00Z").text
