"""``/climate``: months, records and winds of a location, compared with the rows that they are made of."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert

from meteorograph import WeatherData, create_app, get_db_session
from meteorograph.model.clock import DrivenClock
from meteorograph.reading.aggregates import Bucket
from meteorograph.reading.climate import SECTORS, wind_rose
from meteorograph.storage.models import Location, Missed, Run
from meteorograph.web.page.wind_rose import wind_rose_picture
from pages import Page, page
from support import NOON

HOUR = timedelta(hours=1)
ZONE = ZoneInfo("America/New_York")

pytestmark = [
    pytest.mark.usefixtures("database", "collecting"),
    pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True),
]


@pytest.fixture
def client(driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    return create_app().test_client()


def _temperature(at: datetime) -> float:
    local = at.astimezone(ZONE)
    return -5.0 + local.day / 2 + local.hour / 4


def _fill(first: datetime, last: datetime, missing: date) -> None:
    """Hourly rows of a place; of one local day only those of the first six hours, and none of the rain."""
    hours = [first + number * HOUR for number in range(int((last - first) / HOUR))]
    stored = [at for at in hours if at.astimezone(ZONE).date() != missing or at.astimezone(ZONE).hour < 6]
    with get_db_session() as session:
        place = {"id": 1, "name": "New York", "latitude": 40.7, "longitude": -74.0, "timezone": ZONE.key, "state": "active"}
        session.execute(insert(Location), [{**place, "created_at": first}])
        session.execute(insert(Run), [{"schedule": "default", "due_at": at, "state": "succeeded", "shard": 0} for at in hours])
        gone = sorted(set(hours) - set(stored))
        session.execute(insert(Missed), [{"location_id": 1, "due_at": at, "reason": "down"} for at in gone])
        rows = [
            {
                **{"location_id": 1, "due_at": at, "observed_at": at, "fetched_at": at, "provider": "a", "origin": "live"},
                "temperature": _temperature(at), "wind_speed": 0.2 if at.hour == 3 else 7.0, "wind_direction": 359.0,
                "precipitation": 0.5 if (at - HOUR).astimezone(ZONE).day == 10 else 0.0, "precipitation_period": 3600,
            }
            for at in stored
        ]  # fmt: skip
        session.execute(insert(WeatherData), rows)


def _rows(shown: Page) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in shown.rows if row}


def test_months_and_records_are_those_of_local_days(client: FlaskClient, driven: DrivenClock) -> None:
    first, last = datetime(2026, 1, 1, 5, tzinfo=UTC), datetime(2026, 2, 1, 5, tzinfo=UTC)
    missing = date(2026, 1, 20)
    _fill(first, last, missing)
    shown = page(client, "/climate?location=New York&year=2026")
    january = _rows(shown)["Jan"]
    means = [-5 + day / 2 + 23 / 8 for day in range(1, 32) if day != missing.day]
    assert january[0] == f"{sum(means) / len(means):.1f}".replace("-", "−")  # noqa: RUF001
    assert january[1].split() == ["−4.5", "1"]  # noqa: RUF001
    assert january[2].split() == [f"{-5 + 31 / 2 + 23 / 4:.1f}", "31"]
    assert january[3] == "≥ 12.0", "18 hours of one day are not measured"
    assert january[4] == "1"
    assert january[5] == str(sum(-5 + day / 2 < 0 for day in range(1, 32)))
    assert january[6] == f"{sum(18 - mean for mean in means):.0f}"
    assert january[8].split() == ["30", "of", "31"]
    records = _rows(shown)
    assert records["Highest temperature"] == ["16.2 °C", "2026-01-31"]
    assert records["Wettest day"] == ["12.0 mm", "2026-01-10"]
    assert "30 days since 2026-01-01" in " ".join(shown.text.split())
    assert "4.1 % were calm" in shown.text
    assert shown.runs() == []


def test_what_there_is_not_is_said(client: FlaskClient) -> None:
    assert page(client, "/climate?location=Nowhere", 404).rows == []
    with get_db_session() as session:
        session.add(Location(name="Oslo", latitude=1, longitude=2, state="active", created_at=NOON))
    assert "No rows yet" in page(client, "/climate?location=Oslo").text
    for year in ("2025", "x", "20267"):
        assert "must be a year from 2026 to 2026" in page(client, f"/climate?location=Oslo&year={year}", 400).text


def test_a_wind_rose_counts_hours_by_direction_and_speed() -> None:
    def hour(speed: float | None, direction: float | None) -> Bucket:
        return Bucket(NOON, NOON + HOUR, values={"wind_speed": {"mean": speed}, "wind_direction": {"mean": direction}})

    assert wind_rose([hour(None, 20.0), hour(5.0, None)]) is None
    rose = wind_rose([hour(2.0, 349.0), hour(12.0, 350.0), hour(6.0, 92.0), hour(0.0, None)])
    assert rose is not None
    assert (rose.hours, rose.calm) == (4, 0.25)
    assert rose.parts[0] == (0.25, 0, 0, 0.25)
    assert rose.parts[4] == (0, 0, 0.25, 0)
    assert sum(map(sum, rose.parts)) + rose.calm == pytest.approx(1)
    assert len(rose.parts) == SECTORS
    assert wind_rose_picture(rose, "Wind").count("<path") == 3
