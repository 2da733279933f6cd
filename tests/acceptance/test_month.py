"""A month of the smallest plans, on a driven clock: every slot stored, no window exceeded, Weatherstack's few calls spread."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import func, select

from meteorograph import WeatherData, get_db_session
from meteorograph.accounts.quota import reserve_of
from meteorograph.model import clock
from meteorograph.model.clock import DrivenClock
from meteorograph.scheduler import scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Location, Missed, Run
from support import KEY, RAIN_KEY

START = datetime(2026, 3, 1, tzinfo=UTC)
EVERY = timedelta(hours=3)
SLOTS = 31 * 8
PLACES = 8
#: As tight as 1,344 hourly locations on 60 calls a minute and a million a month: 999,936 calls and the reserve.
PER_MINUTE = 5
PER_MONTH = PLACES * SLOTS + 50
RAIN_PER_MONTH = 100


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # tests/integration/test_quota.py has PostgreSQL
@pytest.mark.usefixtures("database")
def test_a_month_on_the_smallest_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PER_MONTH - reserve_of(PER_MONTH) == PLACES * SLOTS
    driven = DrivenClock(START)
    with clock.driven_by(driven), Simulator(keys=(KEY, RAIN_KEY)) as simulator:
        for name, value in {
            "OWM_API_KEY": KEY,
            "METEOROGRAPH_INTERVAL": "3h",
            "WEATHERSTACK_API_KEY": RAIN_KEY,
            "METEOROGRAPH_OWM_BASE_URL": simulator.url,
            "METEOROGRAPH_WEATHERSTACK_BASE_URL": simulator.url,
            "METEOROGRAPH_OWM_CALLS_PER_MINUTE": str(PER_MINUTE),
            "METEOROGRAPH_OWM_CALLS_PER_MONTH": str(PER_MONTH),
            "METEOROGRAPH_WEATHERSTACK_CALLS_PER_MONTH": str(RAIN_PER_MONTH),
        }.items():
            monkeypatch.setenv(name, value)
        _add_places()
        for slot in range(SLOTS):
            for minute in range(3):
                driven.advance(START + slot * EVERY + timedelta(minutes=minute) - driven())
                scheduled_ingest()
        _assert_complete()
        calls = simulator.calls()
    main = [call.at for call in calls if call.provider == "openweathermap"]
    rain = [call for call in calls if call.provider == "weatherstack"]
    assert len(main) == PLACES * SLOTS
    assert max(Counter(at.replace(second=0, microsecond=0) for at in main).values()) <= PER_MINUTE
    _assert_spread([call.at for call in rain])
    by_place = Counter(call.latitude for call in rain)
    assert len(by_place) == PLACES
    assert max(by_place.values()) - min(by_place.values()) <= 1


def _add_places() -> None:
    with get_db_session() as session:
        for number in range(PLACES):
            session.add(Location(name=f"p{number}", latitude=40 + number, longitude=10, state="active", created_at=START))


def _assert_complete() -> None:
    with get_db_session(read_only=True) as session:
        assert session.scalar(select(func.count()).select_from(WeatherData)) == PLACES * SLOTS
        assert session.scalar(select(func.count()).select_from(Missed)) == 0
        assert Counter(session.scalars(select(Run.state))) == {"succeeded": SLOTS}
        from_rain = sum(row.providers is not None for row in session.scalars(select(WeatherData)))
        assert from_rain == RAIN_PER_MONTH - reserve_of(RAIN_PER_MONTH), "each row says whose rain it is"


def _assert_spread(calls: list[datetime]) -> None:
    usable = RAIN_PER_MONTH - reserve_of(RAIN_PER_MONTH)
    assert len(calls) == usable
    even = SLOTS * EVERY / usable
    gaps = [later - earlier for earlier, later in pairwise(calls)]
    assert max(gaps) <= even + EVERY
    assert calls[-1] >= START + timedelta(days=30)
