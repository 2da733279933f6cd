"""``/coverage``, ``/runs`` and ``/locations`` as pages, and who may change anything through them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from meteorograph import create_app, get_db_session
from meteorograph.config.loading import load_settings
from meteorograph.storage.models import JobRun, Location, Missed, Quota, Run
from pages import Page, add, page
from support import KEY, NOON

pytestmark = pytest.mark.usefixtures("database", "driven")

ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
HOUR = timedelta(hours=1)


@pytest.fixture
def client() -> FlaskClient:
    return create_app(load_settings(scheduler_enabled=False)).test_client()


def _words(shown: Page) -> str:
    return " ".join(re.sub("<[^>]+>", " ", shown.text).split())


@pytest.fixture
def two_days(database: str, driven: object) -> None:
    """Athens has two days of hours but for three of today, Bergen all but those it was not due at."""
    hours = [NOON - back * HOUR for back in range(37)]
    add("Athens", *({"due_at": at} for at in hours[3:]))
    add("Bergen", *({"due_at": at} for at in hours[:10]))
    with get_db_session() as session:
        id_ = session.query(Location.id).filter_by(name="Athens").scalar()
        session.add_all(Missed(location_id=id_, due_at=at, reason="quota") for at in hours[:2])
        session.add(Missed(location_id=id_, due_at=hours[2], reason="down"))
        for at in hours:
            missing = at in hours[:3]
            state, failed = ("partial", 1) if missing else ("succeeded", 0)
            ends = {"started_at": at, "ended_at": at + timedelta(seconds=4.5)}
            session.add(Run(schedule="default", due_at=at, state=state, due=2, stored=2 - failed, failed=failed, calls=2, **ends))


@pytest.mark.usefixtures("two_days")
def test_the_map_tells_what_became_of_each_day(client: FlaskClient) -> None:
    shown = page(client, "/coverage?days=7")
    heads, athens, bergen = shown.rows
    assert [head.split()[1] for head in heads[2:]] == ["2026-02-28", "2026-03-01"]
    assert athens == [
        "Athens",
        "91.8 %",
        "2026-02-28: 24 of 24 stored",
        "3 2026-03-01: 10 of 13 stored; 1 missed because the service was down; 2 missed because the quota was used up",
    ]
    assert bergen[2:] == ["2026-02-28: nothing was due", "2026-03-01: 10 of 10 stored"]
    classes = [one["class"] for one in shown.all("td") if one.get("class", "").startswith("c")]
    assert classes == ["c5", "c2", "cnone", "c5"]
    assert "93.6 % of 47 due slots of all locations are stored, 3 were missed" in _words(shown)


@pytest.mark.usefixtures("two_days")
def test_a_year_of_one_location_is_a_calendar(client: FlaskClient) -> None:
    assert "must be the name of a location" in page(client, "/coverage?days=365", 400).text
    shown = page(client, "/coverage?days=365&location=Athens")
    _, *weekdays = shown.rows
    assert [row[0] for row in weekdays] == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    weeks = {len(row) for row in weekdays}
    assert weeks == {54}, "the 365 days from Sunday, 2025-03-02, lie in 53 weeks"
    assert weekdays[5][-1] == "2026-02-28: 24 of 24 stored"
    assert weekdays[6][-1].startswith("2026-03-01: 10 of 13 stored; 1 missed")
    assert weekdays[4][-1] == "2026-02-27: nothing was due"
    assert "91.8 % of 37 due slots are stored, 3 were missed" in _words(shown)


@pytest.mark.usefixtures("two_days")
def test_a_cell_leads_to_the_gaps_of_its_day(client: FlaskClient) -> None:
    links = [one["href"] for one in page(client, "/coverage").all("a") if one["href"].endswith("#gaps")]
    shown = page(client, links[1].removesuffix("#gaps"))
    assert "2026-03-01 11:00 to 2026-03-01 12:00 2 slots: the quota was used up" in _words(shown)


@ONE_DATABASE
def test_a_map_of_many_locations_comes_in_pages(client: FlaskClient) -> None:
    with get_db_session() as session:
        session.add(Run(schedule="default", due_at=NOON, state="succeeded"))
    for number in range(30):
        add(f"place {number:02d}", {})
    first = page(client, "/coverage")
    [following] = [one["href"] for one in first.all("a") if one.get("rel") == "next"]
    assert (len(first.rows), len(page(client, following).rows)) == (26, 6)


@ONE_DATABASE
def test_nothing_to_show_yet(client: FlaskClient) -> None:
    assert "No slot was due in this period" in page(client, "/coverage").text
    assert "No run in the last 7 days." in page(client, "/runs").text
    assert "No run of the last 7 days is failed." in page(client, "/runs?state=failed").text
    assert "No locations yet." in page(client, "/locations").text
    for path in ("/coverage?days=8", "/coverage?cursor=x%00", "/runs?state=odd", "/runs?limit=3", "/locations?page=-1"):
        assert "Invalid parameter" in page(client, path, 400).text
    assert "Location not found" in page(client, "/coverage?location=Nowhere", 404).text


@ONE_DATABASE
@pytest.mark.parametrize(("language", "many"), [("en", "1,234"), ("de", "1.234"), ("fr", "1 234"), ("es", "1.234")])
def test_counts_have_the_separators_of_the_language_on_every_page(client: FlaskClient, language: str, many: str) -> None:
    month = NOON.replace(day=1, hour=0)
    with get_db_session() as session:
        session.add_all(
            Location(name=f"place {n:04d}", latitude=1, longitude=2, state="active", created_at=NOON) for n in range(1234)
        )
        session.flush()
        ids = session.scalars(session.query(Location.id).statement).all()
        session.add_all(Missed(location_id=id_, due_at=NOON, reason="quota") for id_ in ids)
        ends = {"started_at": NOON, "ended_at": NOON}
        session.add(Run(schedule="default", due_at=NOON, state="failed", due=1234, stored=0, failed=1234, calls=1234, **ends))
        session.add(Quota(provider="openweathermap", window="month", period_start=month, used=1234))
    for path in ("/", "/locations", "/coverage", "/runs"):
        words = _words(page(client, f"{path}{'&' if '?' in path else '?'}lang={language}"))
        assert many in words, path
        assert re.search(r"(?<!place )\b1234\b", words) is None, (path, words)


@pytest.mark.usefixtures("two_days")
def test_runs(client: FlaskClient) -> None:
    shown = page(client, "/runs")
    assert shown.rows[1] == [
        *("2026-03-01 12:00", "partial", "1 of 2", "1", "4.5 s", "2", "default"),
        "1 missed because the quota was used up",
    ]
    assert len(shown.rows) == 26
    [older] = [one["href"] for one in shown.all("a") if one.get("rel") == "next"]
    assert page(client, older).rows[1][0] == "2026-02-28 11:00"
    assert len(page(client, "/runs?state=partial").rows) == 4


@ONE_DATABASE
@pytest.mark.usefixtures("two_days")
def test_times_of_runs_are_those_of_the_chosen_zone(client: FlaskClient) -> None:
    with get_db_session() as session:
        month = NOON.replace(day=1, hour=0)
        session.add(Quota(provider="openweathermap", window="month", period_start=month, used=999_000))
    shown = page(client, "/runs?zone=Asia/Tokyo")
    assert (shown.rows[0][0], shown.rows[1][0]) == ("Due Asia/Tokyo", "2026-03-01 21:00")
    assert "runs out 21:01 JST, " in _words(shown)
    assert {one["id"] for one in shown.all("select")} >= {"zone", "units"}
    kept = page(client, "/runs")
    assert kept.rows[1][0] == "2026-03-01 21:00", "the choice is kept"
    of_place = page(client, "/runs?zone=place")
    assert (of_place.rows[0][0], of_place.rows[1][0]) == ("Due UTC", "2026-03-01 12:00")


@ONE_DATABASE
def test_times_of_jobs_are_those_of_the_chosen_zone(client: FlaskClient) -> None:
    with get_db_session() as session:
        session.add(JobRun(job="sweep", due_at=NOON, state="succeeded", started_at=NOON, ended_at=NOON))
    shown = page(client, "/jobs?zone=Asia/Tokyo")
    assert ["Due Asia/Tokyo", "Job"] in [row[:2] for row in shown.rows]
    assert ["2026-03-01 21:00", "sweep"] in [row[:2] for row in shown.rows]
    assert {one["id"] for one in shown.all("select")} >= {"zone", "units"}
    assert ["2026-03-01 12:00", "sweep"] in [row[:2] for row in page(client, "/jobs?zone=UTC").rows]


@ONE_DATABASE
@pytest.mark.usefixtures("two_days")
def test_reasons_are_words_with_their_codes_in_titles_and_healed_slots_are_said(client: FlaskClient) -> None:
    with get_db_session() as session:
        [provider, quota, down] = session.query(Missed).order_by(Missed.due_at.desc())
        provider.reason, down.reason = "provider_error", "store_error"
        session.delete(quota)
    shown = page(client, "/runs?state=partial")
    assert [row[-1] for row in shown.rows[1:]] == [
        "1 missed because the provider failed",
        "1 is no longer missed",
        "1 missed because the database did not take it",
    ]
    assert {"provider_error", "store_error"} <= {one.get("title") for one in shown.all("span")}
    assert not re.search(r"\w_error", _words(shown))
    spanish = page(client, "/runs?state=partial&lang=es")
    assert [row[-1] for row in spanish.rows[1:]][1] == "1 ya no falta"


@ONE_DATABASE
def test_a_reason_of_a_place_with_another_schedule_now_is_not_said_to_be_settled(client: FlaskClient) -> None:
    add("Athens", schedule="1h")
    with get_db_session() as session:
        session.add(Missed(location_id=1, due_at=NOON, reason="quota"))
        for name, failed in (("1h", 0), ("default", 1)):
            session.add(Run(schedule=name, due_at=NOON, state="partial", due=2, stored=1, failed=failed))
    reasons = {row[6]: row[-1] for row in page(client, "/runs").rows[1:]}
    assert "no longer" not in reasons["default"]


def test_gauges_tell_when_a_quota_runs_out(client: FlaskClient) -> None:
    month = NOON.replace(day=1, hour=0)
    with get_db_session() as session:
        session.add(Quota(provider="openweathermap", window="month", period_start=month, used=999_000))
        session.add(Quota(provider="openweathermap", window="minute", period_start=NOON, used=12))
    shown = page(client, "/runs")
    gauges = [(one["aria-valuenow"], one["aria-valuemax"]) for one in shown.all("svg") if one.get("role") == "meter"]
    assert ("12", "60") in gauges
    assert ("999000", "1000000") in gauges
    assert "At this rate the quota runs out 12:01 UTC, " in _words(shown)


def test_no_key_and_no_token_is_on_a_page_or_among_the_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    token = "the-token-of-this-server"
    monkeypatch.setenv("OWM_API_KEY", KEY)
    monkeypatch.setenv("METEOROGRAPH_API_TOKENS", token)
    client = create_app(load_settings(scheduler_enabled=False)).test_client()
    add("Athens", {"temperature": 1.0})
    for path in ("/", "/location?name=Athens", "/coverage", "/runs", "/locations", "/metrics"):
        text = client.get(path).text
        assert KEY not in text, path
        assert token not in text, path
    assert "Changes need a token" in client.get("/locations").text


@ONE_DATABASE
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}, 201),
        ({"Sec-Fetch-Site": "none"}, 201),
        ({"Origin": "http://localhost"}, 201),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_no_other_sites_page_changes_anything(client: FlaskClient, headers: dict[str, str], status: int) -> None:
    body = {"name": "Athens", "latitude": 38, "longitude": 23.7}
    response = client.post("/api/locations", json=body, headers=headers)
    assert response.status_code == status
    assert client.get("/api/locations", headers=headers).status_code == 200
    with get_db_session(read_only=True) as session:
        assert session.query(Location).count() == (status == 201)
