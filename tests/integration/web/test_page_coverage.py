"""``/coverage``: the zone of its days, and pages of a day that say what its cell says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient

from meteorograph import create_app, get_db_session
from meteorograph.config.loading import load_settings
from meteorograph.model.clock import DrivenClock
from meteorograph.storage.models import Location, Missed, Run
from pages import Page, add, page
from support import NOON

pytestmark = [
    pytest.mark.usefixtures("database", "driven"),
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
]

#: The slots of every test: each quarter of an hour of three days. Every fifth is missed.
QUARTERS = [NOON - back * timedelta(minutes=15) for back in range(3 * 96)]
MISSED = set(QUARTERS[::5])


@pytest.fixture
def client() -> FlaskClient:
    return create_app(load_settings(scheduler_enabled=False)).test_client()


def _add_places(**zones: str | None) -> None:
    for name, zone in zones.items():
        add(name, *({"due_at": at, "temperature": 1.0} for at in QUARTERS if at not in MISSED), timezone=zone)
    with get_db_session() as session:
        ids = session.scalars(session.query(Location.id).statement).all()
        session.add_all(Missed(location_id=id_, due_at=at, reason="quota") for id_ in ids for at in MISSED)
        session.add_all(
            Run(schedule="default", due_at=at, state="partial" if at in MISSED else "succeeded", due=1, stored=0)
            for at in QUARTERS
        )


def _expected(zone: str) -> dict[date, tuple[int, int]]:
    """Day → number of its slots that are stored, and of all, from the slots of the test."""
    due, missed = (Counter(at.astimezone(ZoneInfo(zone)).date() for at in slots) for slots in (QUARTERS, MISSED))
    return {day: (count - missed[day], count) for day, count in due.items()}


def _cells(shown: Page) -> Iterator[tuple[date, tuple[int, int]]]:
    """Day, and number of stored and of due slots of each cell."""
    for year, month, day, stored, due in re.findall(r">(\d{4})-(\d\d)-(\d\d): (\d+) of (\d+) stored", shown.text):
        yield date(int(year), int(month), int(day)), (int(stored), int(due))


def _links(shown: Page) -> list[str]:
    return [one["href"].removesuffix("#gaps") for one in shown.all("a") if one["href"].endswith("#gaps")]


def _assert_pages_agree(client: FlaskClient, shown: Page) -> None:
    """The page of each cell's day says the numbers of the cell, and lists as many missed slots."""
    cells = list(_cells(shown))
    links = _links(shown)
    assert len(links) == len(cells) > 2
    for link, (day, (stored, due)) in zip(links, cells, strict=True):
        of_day = page(client, link)
        assert f"{stored} of {due} due slots are stored" in of_day.text, (day, link)
        gaps = re.findall(r"(\d+) slots?: the quota was used up", of_day.text)
        assert sum(map(int, gaps)) == due - stored, (day, link)


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Europe/Athens", "America/St_Johns", "Pacific/Auckland"])
def test_days_of_places_in_one_zone_are_those_of_that_zone(client: FlaskClient, zone: str) -> None:
    _add_places(A=zone, B=zone)
    shown = page(client, "/coverage?days=7")
    assert f"Days are those of {zone}." in shown.text
    assert dict(_cells(shown)) == _expected(zone)
    _assert_pages_agree(client, shown)
    alone = page(client, "/coverage?days=7&location=A")
    assert dict(_cells(alone)) == _expected(zone)


def test_days_of_places_in_several_zones_are_those_of_utc_and_the_page_says_so(client: FlaskClient) -> None:
    _add_places(A="Asia/Kolkata", B="Europe/Athens", C=None)
    shown = page(client, "/coverage?days=7")
    assert "Days are those of UTC, because the places have different time zones." in shown.text
    assert dict(_cells(shown)) == _expected("UTC")
    _assert_pages_agree(client, shown)


def test_days_of_places_without_a_zone_are_those_of_utc(client: FlaskClient) -> None:
    _add_places(A=None, B="UTC")
    shown = page(client, "/coverage?days=7")
    assert "Days are those of UTC." in shown.text
    assert dict(_cells(shown)) == _expected("UTC")


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles"])
def test_days_are_those_of_the_chosen_zone(client: FlaskClient, zone: str) -> None:
    _add_places(A="Asia/Kolkata", B="Europe/Athens")
    shown = page(client, f"/coverage?days=7&zone={zone}")
    assert f"Days are those of {zone}." in shown.text
    assert dict(_cells(shown)) == _expected(zone)
    _assert_pages_agree(client, shown)


def test_todays_cell_opens_today_from_its_midnight_also_when_it_has_just_begun(client: FlaskClient, driven: DrivenClock) -> None:
    _add_places(A="Asia/Kolkata", B="Asia/Kolkata")
    today = _links(page(client, "/coverage?days=7"))[-1]
    assert "start=2026-02-28T18:30:00Z" in today.replace("%3A", ":")
    of_today = page(client, today)
    assert "Meteogram of B, 1 March 2026 00:00" in of_today.text
    assert 'rel="next"' not in of_today.text, "it goes on with the time, so nothing is later"
    driven.advance(datetime(2026, 3, 1, 18, 30, 20, tzinfo=UTC) - NOON)
    with get_db_session() as session:
        session.add(Run(schedule="default", due_at=datetime(2026, 3, 1, 18, 30, tzinfo=UTC), state="running"))
    shown = page(client, "/coverage?days=7")
    assert "2026-03-02: 0 of 1 stored; 1 still open" in shown.text
    of_today = page(client, _links(shown)[-1])
    assert "0 of 1 due slots are stored (0.0 %), 1 is still open." in of_today.text


def test_the_day_of_a_clock_change_is_opened_with_its_23_hours(client: FlaskClient, driven: DrivenClock) -> None:
    zone = ZoneInfo("Europe/Athens")
    driven.advance(timedelta(days=29))  # 2026-03-30
    hours = [NOON + timedelta(days=27) + number * timedelta(hours=1) for number in range(48)]
    add("Athens", *({"due_at": at, "temperature": 1.0} for at in hours), timezone=zone.key)
    with get_db_session() as session:
        session.add_all(Run(schedule="default", due_at=at, state="succeeded", due=1, stored=1) for at in hours)
    shown = page(client, "/coverage?days=7")
    cells = dict(_cells(shown))
    assert cells[date(2026, 3, 29)] == (23, 23)
    [link] = [link for link in _links(shown) if "start=2026-03-28T22:00:00Z" in link.replace("%3A", ":")]
    assert "23 of 23 due slots are stored" in page(client, link).text
