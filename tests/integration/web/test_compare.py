"""``/compare``: places in one chart, and one place by its providers."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from meteorograph import WeatherData, create_app, get_db_session
from meteorograph.model.clock import DrivenClock
from meteorograph.storage.models import Location, Run
from meteorograph.web.page.compare_data import Line, difference
from pages import page
from support import NOON

HOUR = timedelta(hours=1)

pytestmark = [
    pytest.mark.usefixtures("database", "collecting"),
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
]


@pytest.fixture
def client(driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    return create_app().test_client()


def _store(name: str, *values: dict[str, Any]) -> None:
    """A place whose rows of the last hours have these values, the newest last."""
    with get_db_session() as session:
        location = Location(name=name, latitude=len(name), longitude=1, state="active", created_at=NOON - 99 * HOUR)
        session.add(location)
        session.flush()
        for back, columns in enumerate(reversed(values)):
            at = NOON - (back + 1) * HOUR
            head = {"due_at": at, "fetched_at": at, "observed_at": at, "provider": "openweathermap"}
            session.add(WeatherData(location_id=location.id, **{**head, **columns}))
            if name == "Athens":
                session.add(Run(schedule="default", due_at=at, state="succeeded"))


def _cells(client: FlaskClient, query: str) -> list[list[str]]:
    return [row[1:6] for row in page(client, f"/compare?{query}").rows[1:]]


def test_places_are_compared_with_the_first_one(client: FlaskClient) -> None:
    rain = {"precipitation": 1.0, "precipitation_period": 3600}
    _store("Athens", *({"temperature": value, **rain} for value in (10.0, 12.0, 14.0)))
    _store("Cork & <b>", {"temperature": 7.0}, {"temperature": 99.0, "flags": {"temperature": ["step"]}}, {"temperature": 12.0})
    shown = page(client, "/compare?location=Athens&location=Cork %26 <b>&range=24h")
    athens, cork = (row[1:] for row in shown.rows[1:])
    assert athens[:3] == ["10.0", "12.0", "14.0"]
    assert athens[3].startswith("≥ 3.0")
    assert athens[4:7] == ["–"] * 3  # noqa: RUF001
    assert cork[:4] == ["7.0", "9.5", "12.0", "–"]  # noqa: RUF001
    assert cork[4:7] == ["−2.5", "2.5", "3.0"]  # noqa: RUF001
    assert len(re.findall(r'class="m-line s\d" d="M', shown.text.partition("</figure>")[0])) == 2
    assert shown.runs() == []
    fahrenheit = _cells(client, "location=Athens&location=Cork %26 <b>&units=imperial")
    assert [row[:3] for row in fahrenheit] == [["50.0", "53.6", "57.2"], ["44.6", "49.1", "53.6"]]
    assert fahrenheit[1][4] == "−4.5"  # noqa: RUF001


def test_one_place_is_compared_by_its_providers(client: FlaskClient) -> None:
    def said(temperature: float, *flags: str) -> dict[str, Any]:
        return {"weatherstack": {"values": {"temperature": temperature}, "flags": {"temperature": flags}}}

    _store(
        "Athens",
        {"temperature": 10.0, "other_values": said(11.0)},
        {"temperature": 12.0, "other_values": said(99.0, "range")},
        {"temperature": 14.0, "other_values": said(12.0)},
        {"temperature": 8.0, "providers": {"temperature": "weatherstack"}},
    )
    rows = page(client, "/compare?location=Athens&by=provider").rows[1:]
    assert [row[0] for row in rows] == ["OpenWeatherMap", "Weatherstack"]
    assert rows[0][1:4] == ["10.0", "12.0", "14.0"]
    assert rows[1][1:4] == ["8.0", "10.3", "12.0"]
    assert rows[1][4:7] == ["−0.5", "1.5", "2.0"]  # noqa: RUF001


def test_what_cannot_be_compared_is_refused(client: FlaskClient) -> None:
    assert "Choose up to 8 places" in page(client, "/compare").text
    _store("Athens")
    assert "No values in this period" in page(client, "/compare?location=Athens").text
    assert "Location not found" in page(client, "/compare?location=Nowhere", 404).text
    many = "&".join(f"location=p{number}" for number in range(9))
    for query in (many, "by=provider", "quantity=visibility&location=Athens", "range=2y", "location=Athens&odd=1"):
        assert "Invalid parameter" in page(client, f"/compare?{query}", 400).text


def test_lines_without_a_common_time_have_no_difference(client: FlaskClient) -> None:
    first, other = Line("a", [(NOON, 1.0)]), Line("b", [(NOON + HOUR, 2.0), (NOON + 2 * HOUR, None)])
    assert difference(other, first) is None


def test_a_period_of_its_own_is_kept(client: FlaskClient) -> None:
    _store("Athens", *({"temperature": float(hour)} for hour in range(30)))
    _store("Oslo", *({"temperature": float(-hour)} for hour in range(30)))
    query = "location=Athens&location=Oslo&quantity=temperature&start=2026-02-28T18:00Z&end=2026-03-01T00:00Z"
    shown = page(client, f"/compare?{query}")
    assert [row[0] for row in shown.rows[1:]] == ["Athens", "Oslo"]
    means = [row[1] for row in shown.rows[1:]]
    assert means != [row[1] for row in page(client, "/compare?location=Athens&location=Oslo").rows[1:]]
    links = [one["href"] for one in shown.all("a") if "/compare?" in one["href"] and "range=" not in one["href"]]
    assert links
    assert all("start=2026-02-28T18:00Z" in link.replace("%3A", ":") for link in links)
    hidden = {one["name"]: one["value"] for one in shown.all("input") if one.get("type") == "hidden"}
    assert hidden["start"] == "2026-02-28T18:00Z"
    page(client, "/compare?location=Athens&start=2026-02-28T18:00Z&range=7d", 400)


def test_hourly_values_are_one_line_and_a_missed_hour_breaks_it(client: FlaskClient) -> None:
    hours: list[dict[str, Any]] = [{"temperature": 10.0 + number} for number in range(12)]
    _store("Athens", *hours)
    _store("Bray", *hours)
    with get_db_session() as session:
        session.query(WeatherData).filter_by(location_id=2, due_at=NOON - 6 * HOUR).delete()
    text = client.get("/compare?location=Athens&location=Bray&range=24h").text
    paths = re.findall(r'<path class="m-line s\d" d="([^"]*)"', text)
    assert [(path.count("M"), path.count("L")) for path in paths[:2]] == [(1, 11), (2, 9)]


def test_the_numbers_are_those_of_the_page_of_the_place_also_when_the_interval_changed(client: FlaskClient) -> None:
    hourly = [{"temperature": 10.0, "precipitation": 0.5, "precipitation_period": 3600} for _ in range(6)]
    _store("Athens", *hourly)
    _store("Bray")
    often = [NOON - number * timedelta(minutes=2) for number in range(1, 20)]
    with get_db_session() as session:
        for at in often:
            head = {"due_at": at, "fetched_at": at, "observed_at": at, "provider": "openweathermap"}
            session.add(WeatherData(location_id=1, temperature=20.0 + at.minute / 10, **head))
    rows = [10.0] * 6 + [20.0 + at.minute / 10 for at in often]
    expected = [f"{value:.1f}" for value in (min(rows), sum(rows) / len(rows), max(rows))]
    shown = page(client, "/compare?location=Athens&location=Bray&range=24h")
    assert shown.rows[1][1:4] == expected
    assert shown.rows[1][4].startswith("≥ 3.0")
    of_place = page(client, "/location?name=Athens")
    assert ["Temperature °C", *expected] in of_place.rows
    assert any(row[0].startswith("Precipitation") and "≥ 3.0" in row[1] for row in of_place.rows)


def test_times_of_places_in_one_zone_are_those_of_that_zone(client: FlaskClient) -> None:
    _store("Athens", {"temperature": 1.0})
    _store("Patras", {"temperature": 2.0})
    with get_db_session() as session:
        session.query(Location).update({"timezone": "Europe/Athens"})
    shown = page(client, "/compare?location=Athens&location=Patras&start=2026-03-01&end=2026-03-01")
    assert ">EET</text>" in shown.text
    assert [row[1] for row in shown.rows[1:]] == ["1.0", "2.0"]


def test_a_period_that_has_not_come_says_so(client: FlaskClient) -> None:
    _store("Athens", {"temperature": 1.0})
    for query in ("start=2026-04-01&end=2026-04-02", "range=7d&end=2026-05-01"):
        for path in ("/compare?location=Athens", "/compare?location=Athens&by=provider", "/location?name=Athens"):
            text = page(client, f"{path}&{query}").text
            assert re.search(r"This period has not come yet; it begins (1|25) Apr(il)?\b", text), (path, query)
            assert "No values" not in text
    for path in ("/compare?location=Athens", "/location?name=Athens"):
        text = page(client, f"{path}&start=2026-02-27&end=2026-03-09").text
        assert "The end of this period has not come yet; it is shown until 12:01 UTC." in text
        assert "has not come yet" not in page(client, f"{path}&start=2026-02-27&end=2026-03-01").text


def test_differences_have_the_decimals_of_their_unit(client: FlaskClient) -> None:
    _store("Athens", {"pressure": 1000.0}, {"pressure": 1001.0})
    _store("Bray", {"pressure": 1001.0}, {"pressure": 1003.0})
    row = page(client, "/compare?location=Athens&location=Bray&quantity=pressure&units=imperial").rows[2]
    assert row[5:8] == ["0.04", "0.04", "0.06"]
