"""Pages in other languages: which one a request gets, what stays English, and that no text of any page is left out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from meteorograph import create_app, get_db_session
from meteorograph.accounts.account_state import key_fingerprint
from meteorograph.config.loading import load_settings
from meteorograph.i18n import get_language, phrase_n
from meteorograph.model.clock import DrivenClock
from meteorograph.model.flags import Flag
from meteorograph.model.states import TaskState
from meteorograph.storage.models import (
    AccountState,
    AlertRule,
    BackgroundTask,
    Delivery,
    Incident,
    JobRun,
    Location,
    Missed,
    Quota,
    Run,
)
from pages import add, page
from pseudo_language import OPEN, forget, pseudo_language, untranslated
from support import KEY, NOON

pytestmark = [
    pytest.mark.usefixtures("database", "driven"),
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
]

HOUR = timedelta(hours=1)
GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}

#: What pages show and no catalogue has: names of places, providers, jobs and rules, units, symbols, zones, and dates.
DATA = re.compile(
    r"Athens|Bergen|a station|north|sweep|Meteorograph"
    r"|OpenWeatherMap|Weatherstack|Open-Meteo|Weather data (provided )?by|OpenWeather|HTTP 503"
    r"|CC BY-SA|https?://\S+|www\.\S+|frost at night|phone|NAME|Europe/London|UTC|GMT|CET|EET|API|/data/latest|/health|/metrics"
    r"|CSV|NDJSON|GeoJSON|Europe/Athens|openweathermap|weatherstack|data/\w+|console|INFO|London|local|meteorograph\S*|auto|homeassistant|open|\ben\b"
    r"|every 15 min|\bkm\b|\bhPa\b|\bmm\b|m/s|°[CF]?|\bs\b|\bm\b|\bh\b|\bmin\b|\bd\b|\bMB\b|\bNW\b"
    r"|\b(Jan|Feb|Mär|März|Apr|Mai|Jun|Juni|Jul|Juli|Aug|Sep|Sept|Okt|Nov|Dez|Februar|Januar|Mo|Di|Mi|Do|Fr|Sa|So|Montag|Dienstag|Mittwoch"
    r"|Donnerstag|Freitag|Samstag|Sonntag)\b"
)

PAGES = (
    "/",
    "/?sort=-temperature",
    "/?q=nowhere",
    "/?show=stale",
    "/?view=map",
    "/?view=map&quantity=freshness",
    "/?view=map&quantity=rain",
    "/location?name=Athens",
    "/location?name=Athens&range=7d&explore=1",
    "/location?name=Athens&range=1y&explore=1",
    "/location?name=Athens&start=2026-02-28&end=2026-02-28",
    "/location?name=Athens&start=2020-02-28&end=2020-02-28",
    "/location?name=Bergen",
    "/compare",
    "/compare?location=Athens&location=Bergen",
    "/compare?location=Athens&by=provider",
    "/compare?location=Athens&quantity=wind_gust&range=1y",
    "/climate?location=Athens",
    "/climate?location=Bergen",
    "/coverage",
    "/coverage?days=7",
    "/coverage?days=90",
    "/coverage?days=365&location=Athens",
    "/runs",
    "/runs?state=failed",
    "/runs?state=running",
    "/jobs",
    "/jobs?job=sweep&state=failed",
    "/jobs?state=running",
    "/alerts",
    "/alerts?state=open",
    "/alerts?rule=frost+at+night&state=resolved",
    "/locations",
    "/locations?q=nowhere",
    "/locations/edit?name=Athens",
    "/locations/edit?name=Bergen",
    "/locations/edit?name=a+station",
    "/settings",
    "/sign-in",
    "/docs",
    "/location?name=Atlantis",
    "/?units=furlong",
)


@pytest.fixture
def client(database: str, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setenv("OWM_API_KEY", KEY)
    monkeypatch.setenv("WEATHERSTACK_API_KEY", KEY)
    monkeypatch.setenv("METEOROGRAPH_ALERT_CHANNELS", "phone=json://127.0.0.1:1/x")
    return create_app(load_settings(scheduler_enabled=False)).test_client()


@pytest.fixture
def everything(client: FlaskClient) -> None:
    """Places with all that pages show: suspect and backfilled values, gaps, runs, jobs, rules, incidents, quotas."""
    _add_weather()
    with get_db_session() as session:
        id_ = session.query(Location.id).filter_by(name="Athens").scalar()
        session.add_all(
            Missed(location_id=id_, due_at=NOON - hours * HOUR, reason=reason, detail="HTTP 503")
            for hours, reason in enumerate(("quota", "down", "provider_error", "late"), 3)
        )
        for hours, state in enumerate(("succeeded", "partial", "failed", "missed", "running", "pending")):
            at = NOON - hours * HOUR
            run = Run(
                schedule="default",
                due_at=at,
                state=state,
                due=2,
                stored=1,
                failed=1,
                started_at=at,
                ended_at=at + 90 * HOUR / 3600,
            )
            run.reason = "late" if state == "missed" else None
            session.add(run)
        session.add(JobRun(job="sweep", due_at=NOON - HOUR, state="failed", slots=3, attempts=2, error="ValueError: x"))
        session.add(JobRun(job="sweep", due_at=NOON, state="skipped", slots=1, attempts=0))
        session.add_all(_tasks())
        rule = AlertRule(name="frost at night", kind="frost", options={}, created_at=NOON, silenced_until=NOON + HOUR, version=0)
        session.add_all(
            [rule, AlertRule(name="north", kind="rain", options={"limit": 5}, created_at=NOON, failure="no", version=0)]
        )
        of_incident = {"began_at": NOON, "opened_at": NOON, "cause": "HTTP 503", "detail": "", "subjects": ["Athens"]}
        session.add(Incident(rule="frost at night", kind="frost", state="open", subject_count=3, **of_incident))
        session.add(
            Incident(rule="frost at night", kind="frost", state="resolved", resolved_at=NOON, subject_count=1, **of_incident)
        )
        sent = {"state": "waiting", "created_at": NOON, "due_at": NOON}
        session.flush()
        session.add(Delivery(key="incident-1-opened/phone", channel="phone", incident_id=1, title="t", body="b", **sent))
        session.add(Quota(provider="weatherstack", window="month", period_start=NOON.replace(hour=0), used=97))
        known = {"key_fingerprint": key_fingerprint(KEY), "key_state": "active", "key_since": NOON, "failures": 3}
        closed = {"closed_until": NOON + HOUR, "reason": "openweathermap: HTTP 503"}
        session.add(AccountState(provider="openweathermap", **known, **closed))


def _tasks() -> list[BackgroundTask]:
    """Background tasks of all kinds and in all states."""
    span = {"start": (NOON - 24 * HOUR).isoformat(), "end": NOON.isoformat()}
    counts = {"filled": 1, "missing": 2, "payloads": 3, "rows": 4, "differences": 5, "files": 6, "unread": 7, "refused": 8}
    of_kind: dict[str, dict[str, Any]] = {
        "backfill": {"location": "Athens", "again": True, "end": NOON.isoformat()},
        "reparse": span,
        "export": {"locations": [], "tags": ["north"], "output": "/srv/north", "start": NOON.isoformat()},
    }
    return [
        BackgroundTask(
            kind=kind,
            arguments=json.dumps(of_kind[kind]),
            state=state,
            holder="data/1" if state == "running" else None,
            host="data/x",
            done=3,
            total=5,
            counts=json.dumps(counts),
            created_at=NOON,
            retry_at=NOON + HOUR if state == "pending" else None,
            message="HTTP 503" if state == "failed" else None,
        )
        for kind, state in product(of_kind, TaskState)
    ]


def _add_weather() -> None:
    full = {
        **{"observed_at": NOON - 7 * HOUR / 60, "temperature": -3.46, "humidity": 80.0, "dew_point": -6.0, "pressure": 1012.3},
        **{"wind_speed": 4.1, "wind_direction": 310.0, "wind_gust": 9.0, "cloud_cover": 75.0, "visibility": 8000.0},
        **{"weather_code": 71, "condition": "light snow", "precipitation": 1.5, "precipitation_period": 3600},
        **{
            "flags": {"temperature": [Flag.STEP], "humidity": [Flag.IMPLIED_ZERO]},
            "providers": {"precipitation": "weatherstack"},
        },
    }
    hours = [
        {
            **full,
            "due_at": NOON - back * HOUR,
            "observed_at": NOON - back * HOUR,
            "temperature": 0.1 * back,
            "pressure": 1012 - back / 2,
        }
        for back in (1, 2, *range(8, 60))
    ]
    for row in hours:
        row["flags"] = {}
    hours[5]["origin"] = "backfill"
    hours[6]["precipitation"] = None
    add("Athens", full, *hours, timezone="Europe/Athens", tags=["north"], elevation=100.0)
    add("Bergen")
    add("a station", {"due_at": NOON - 30 * HOUR, "temperature": 3.0}, state="paused")


@pytest.fixture
def brackets(tmp_path: Path) -> Iterator[str]:
    with pseudo_language(tmp_path) as code:
        yield code


def test_a_refused_language_is_not_used(client: FlaskClient) -> None:
    for wanted, code in (("de;q=0, fr;q=0.1", "fr"), ("de;q=0", "en"), ("de;q=0.001", "de")):
        assert f'<html lang="{code}"' in client.get("/jobs", headers={"Accept-Language": wanted}).text


def test_french_parts_of_places_agree_with_the_part() -> None:
    place, location = (
        ("{part:,} of {count:,} place", "{part:,} of {count:,} places"),
        ("{part:,} of {count:,} location", "{part:,} of {count:,} locations"),
    )
    for text in (place, location):
        said = [get_language("fr").say(phrase_n(*text, 30, part=part)) for part in (1, 2)]
        assert said == ["1 des 30 lieux", "2 des 30 lieux"]


@pytest.mark.usefixtures("everything", "brackets")
def test_every_text_of_every_page_is_translated(client: FlaskClient) -> None:
    found = {}
    for path in PAGES:
        response = client.get(path, headers=GERMAN)
        assert response.status_code in (200, 400, 404), response.text
        assert '<html lang="de">' in response.text
        assert OPEN in response.text
        if texts := untranslated(response.text, DATA):
            found[path] = texts
    assert not found, json.dumps(found, ensure_ascii=False, indent=1)


@pytest.mark.usefixtures("everything", "brackets")
def test_every_text_of_every_picture_is_translated(client: FlaskClient) -> None:
    paths = (
        "/chart.svg?location=Athens",
        "/chart.svg?location=Athens&range=30d&width=narrow",
        "/chart.svg?location=Athens&range=1y",
        "/badge.svg",
        "/badge.svg?location=Athens",
        "/badge.svg?location=Bergen",
        "/badge.svg?location=a+station",
        "/badge.svg?location=Athens&show=temperature",
    )
    for path in paths:
        assert untranslated(client.get(path, headers=GERMAN).text, DATA) == [], path
        response = client.get(f"{path}{'&' if '?' in path else '?'}lang=en", headers=GERMAN)
        assert OPEN not in response.text
        assert {"accept-language", "cookie"} <= {name.lower() for name in response.vary}


@pytest.mark.usefixtures("everything")
def test_the_language_is_that_of_the_address_then_the_cookie_then_the_browser(client: FlaskClient) -> None:
    assert _lang(client, "/") == "en"
    assert _lang(client, "/", GERMAN) == "de"
    assert _lang(client, "/?lang=fr", GERMAN) == "fr"
    cookie = client.get_cookie("lang")
    assert cookie is not None
    assert (cookie.value, cookie.http_only, cookie.same_site) == ("fr", True, "Lax")
    assert _lang(client, "/runs", GERMAN) == "fr", "the cookie keeps the choice"
    assert _lang(client, "/runs?lang=el", GERMAN) == "el"
    client.set_cookie("lang", "klingon")
    assert _lang(client, "/", GERMAN) == "de", "a cookie with another value is ignored"
    assert "lang: must be one of en, de, fr, es, el" in page(client, "/?lang=klingon", 400).text


def _lang(client: FlaskClient, path: str, headers: dict[str, str] | None = None) -> str:
    response = client.get(path, headers=headers or {})
    assert {"accept-language", "cookie"} <= {name.lower() for name in response.vary}
    found = re.search(r'<html lang="(\w+)">', response.text)
    assert found is not None
    return found[1]


@pytest.mark.usefixtures("everything")
def test_a_page_is_german_and_its_numbers_are_too(client: FlaskClient) -> None:
    shown = page(client, "/?lang=de")
    text = " ".join(re.sub("<[^>]+>", " ", shown.text).split())
    assert "Zuletzt gesammelt vor" in text
    assert [head.split()[0] for head in shown.rows[0]] == ["Ort", "Wetter", "Temperatur", "Letzte", "Regen", "Wind", "Beobachtet"]
    athens = next(row for row in shown.rows if row[0].startswith("Athens"))
    assert athens[1] == "Schnee"
    assert athens[2].startswith("−3,5 × zweifelhaft")  # noqa: RUF001
    assert athens[6] == "vor 7 min"
    assert [one["lang"] for one in shown.all("option") if "lang" in one] == ["en", "de", "fr", "es", "el"]
    assert shown.runs() == []


@pytest.mark.usefixtures("everything")
def test_every_page_is_shown_in_every_language(client: FlaskClient) -> None:
    for code in ("de", "fr", "es", "el"):
        for path in PAGES:
            response = client.get(path, headers={"Accept-Language": code})
            assert response.status_code in (200, 400, 404)
            assert f'<html lang="{code}">' in response.text


@pytest.mark.usefixtures("everything", "brackets")
def test_what_programs_read_stays_english(client: FlaskClient) -> None:
    paths = (
        "/health",
        "/data/latest",
        "/data?location=Athens&format=csv",
        "/api/alerts",
        "/api/quota",
        "/api/runs",
        "/metrics",
        "/openapi.json",
        "/data?units=furlong",
        "/map.json",
    )
    for path in paths:
        response = client.get(path, headers=GERMAN)
        assert OPEN not in response.text, path
        assert "°C" not in response.text or "−3,5" not in response.text  # noqa: RUF001
    problems = client.get("/health", headers=GERMAN).get_json()["problems"]
    assert any("openweathermap is closed until" in one for one in problems), problems
    german = client.get("/map.json?lang=de").get_json()
    assert german["title"].startswith(OPEN), "the script of the map asks for the language of its page"


@pytest.mark.usefixtures("everything")
def test_scripts_get_their_texts_in_the_language_of_the_page(client: FlaskClient) -> None:
    def texts(path: str) -> dict[str, object]:
        found = re.findall(r'<script type="application/json" class="texts">(.*?)</script>', client.get(path).text)
        return {key: value for part in found for key, value in json.loads(part).items()}

    assert texts("/locations?lang=en") == {}
    german = texts("/locations?lang=de")
    assert german["{duration} ago"] == "vor {duration}"
    assert german["Which one? Places by GeoNames, through Open-Meteo."].startswith("Welcher?")  # type: ignore[attr-defined]
    assert "Saved." not in german, "those of scripts of other pages are left out"
    french = texts("/location?name=Athens&lang=fr")
    assert isinstance(french["{count} slot will be requested again within a minute."], list)


def test_a_catalogue_is_read_once_for_each_process(client: FlaskClient) -> None:
    from meteorograph.i18n.catalogues import load_catalogue

    forget()
    for _ in range(3):
        client.get("/runs?lang=el")
    assert load_catalogue.cache_info().misses <= 1
