"""Times that cannot be right, from the answer of a provider to what is stored and shown: old data, and clocks that were wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from integration.upstream import Connection, Upstream
from meteorograph import WeatherData, create_app, get_db_session, ingest_data
from meteorograph.ledger import heartbeat
from meteorograph.model.clock import DrivenClock
from meteorograph.model.values import Observation
from meteorograph.scheduler import scheduled_ingest
from meteorograph.storage.models import CheckState, Location
from meteorograph.storage.observations import store, to_row
from support import KEY, NOON

pytestmark = pytest.mark.usefixtures("database")

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class OpenWeatherMap:
    """Answers every request with a temperature [°C] and a time, which the test sets."""

    temperature = 8.2
    observed_at: datetime | float = NOON

    def __call__(self, connection: Connection) -> None:
        while connection.head() is not None:
            moment = self.observed_at
            seconds = moment.timestamp() if isinstance(moment, datetime) else moment
            main = {"temp": self.temperature, "pressure": 1013, "humidity": 80}
            content = {"coord": {"lon": 8.0, "lat": 40.0}, "main": main, "wind": {"speed": 3.1, "deg": 200}, "dt": seconds}
            body = json.dumps({**content, "weather": [], "name": "here", "cod": 200}).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.send(head.encode() + body)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenWeatherMap]:
    script = OpenWeatherMap()
    monkeypatch.setenv("OWM_API_KEY", KEY)
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    with Upstream(script) as upstream:
        monkeypatch.setenv("METEOROGRAPH_OWM_BASE_URL", upstream.url)
        yield script


def _rows() -> list[WeatherData]:
    with get_db_session(read_only=True) as session:
        return list(session.scalars(select(WeatherData).order_by(WeatherData.due_at)))


def _add_location() -> None:
    with get_db_session() as session:
        session.add(Location(name="here", latitude=40.0, longitude=8.0, state="active", created_at=NOON - 10 * DAY))


@pytest.mark.parametrize(
    ("observed_at", "word"),
    [
        (NOON - 10 * DAY, "old"),
        (NOON - 21 * DAY, "old"),
        (NOON - 13 * HOUR, "old"),
        (0, "old"),
        (-86400, "old"),
        (NOON + 21 * DAY, "future"),
        (datetime(2039, 1, 1, tzinfo=UTC), "future"),
    ],
)
def test_a_time_that_is_too_far_away_is_flagged_from_the_first_row_on(
    provider: OpenWeatherMap, driven: DrivenClock, observed_at: datetime | float, word: str
) -> None:
    _add_location()
    provider.observed_at = observed_at
    data = ingest_data(40.0, 8.0)
    values = {"temperature", "pressure", "humidity", "wind_speed", "wind_direction"}
    assert {name for name, words in data["flags"].items() if words == [word]} >= values
    [row] = _rows()
    assert row.flags == data["flags"], "the answer has the flags that were stored"
    heartbeat.record_heartbeat(NOON)
    client = create_app().test_client()
    bucket = client.get("/data/aggregate?location=here&start=2026-03-01&end=2026-03-02&bucket=day").get_json()["data"]
    assert not any((day.get("temperature") or {}).get("count") for day in bucket)
    health = client.get("/health").get_json()
    assert health["status"] == ("failing" if word == "old" else "degraded")  # the data of every place stand still
    assert "openweathermap" in health["problems"][0]
    moment = observed_at.timestamp() if isinstance(observed_at, datetime) else observed_at
    assert health["freshness"]["oldest"] == (NOON.timestamp() - moment if word == "old" else None)
    assert "meteorograph_temperature_celsius{" not in client.get("/metrics").text


@pytest.mark.parametrize("ahead", [timedelta(days=40), timedelta(days=1), timedelta(hours=5)])
def test_a_row_of_a_clock_that_was_ahead_is_set_aside(provider: OpenWeatherMap, driven: DrivenClock, ahead: timedelta) -> None:
    _add_location()

    def collect(hour: float, temperature: float) -> dict[str, list[str]]:
        driven.advance(NOON + hour * HOUR + timedelta(seconds=5) - driven())
        provider.temperature, provider.observed_at = temperature, driven() - timedelta(minutes=5)
        scheduled_ingest()
        flags = {row.due_at: row for row in _rows()}[NOON + hour * HOUR].flags or {}
        return {name: words for name, words in flags.items() if name not in ("precipitation", "dew_point")}

    days = ahead / HOUR
    assert collect(0, 4.0) == {}
    assert collect(1 + days, 5.0) == {}, "nothing shows yet that the clock is wrong"
    assert collect(2, 30.0) == {"temperature": ["step"]}, "against the last row before"
    assert collect(3, 4.4) == {}
    assert collect(4, 35.0) == {"temperature": ["step"]}
    [latest] = create_app().test_client().get("/data/latest").get_json()["data"]
    assert (latest["due_at"], latest["temperature"]) == ("2026-03-01T16:00:00+00:00", 35.0)
    ahead_row = _rows()[-1]
    assert ahead_row.due_at == NOON + ahead + HOUR
    assert set(ahead_row.flags or {}) >= {"temperature", "humidity", "pressure", "wind_speed"}
    assert all(words[-1] == "future" for words in (ahead_row.flags or {}).values())
    with get_db_session(read_only=True) as session:
        assert session.scalars(select(CheckState.due_at)).one() == NOON + 4 * HOUR


def test_rows_stay_as_they_are_when_the_clock_goes_behind(provider: OpenWeatherMap, driven: DrivenClock) -> None:
    """They were set aside as if they were of the future, although the provider's times had reached them."""
    _add_location()
    for hour in range(3):
        driven.advance(NOON + hour * HOUR + timedelta(seconds=5) - driven())
        provider.temperature, provider.observed_at = 8.0, driven() - timedelta(minutes=5)
        scheduled_ingest()
    driven.advance(-DAY)
    provider.observed_at = NOON + 2 * HOUR + timedelta(minutes=5)
    scheduled_ingest()
    rows = {row.due_at: row.flags or {} for row in _rows()}
    assert len(rows) == 4
    assert not [words for slot in rows if slot >= NOON for words in rows[slot].values() if "future" in words]


def test_a_row_of_a_slot_in_the_future_is_flagged_when_it_is_stored(driven: DrivenClock) -> None:
    _add_location()
    for days in (0, 1):
        at = NOON + days * DAY
        assert store([to_row(1, at, Observation(provider="a", fetched_at=at, observed_at=at, temperature=8.0 + days))]) == []
    assert [row.flags for row in _rows()] == [None, {"temperature": ["future"]}]
    with get_db_session(read_only=True) as session:
        assert session.scalars(select(CheckState.due_at)).one() == NOON
