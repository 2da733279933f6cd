"""Locations that fail at a provider go to the next one in that provider's own batch size, and a closed provider costs nothing."""

from __future__ import annotations

import gc
import threading
from collections import Counter
from datetime import timedelta
from types import TracebackType
from typing import Any

import pytest
from sqlalchemy import func, select

from meteorograph import WeatherData, get_db_session
from meteorograph.accounts.account_state import load_or_create
from meteorograph.collecting import run
from meteorograph.collecting.event_loop import run_async
from meteorograph.collecting.run import collect, store_results
from meteorograph.config.loading import get_settings
from meteorograph.errors import ProviderClosedError
from meteorograph.ledger.claims import claim_run
from meteorograph.model.clock import DrivenClock
from meteorograph.model.schedule import DEFAULT_SCHEDULE, Interval
from meteorograph.scheduler import scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Location
from support import NOON


@pytest.fixture(autouse=True)
def _open_meteo_follows(database: str, collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "openweathermap,open-meteo")
    monkeypatch.setenv("METEOROGRAPH_PRECIPITATION_PROVIDERS", "open-meteo")
    monkeypatch.setenv("METEOROGRAPH_OPEN_METEO_BASE_URL", collecting.url)
    for setting in (
        "OWM_CALLS_PER_MINUTE",
        "OPEN_METEO_CALLS_PER_MINUTE",
        "OPEN_METEO_CALLS_PER_HOUR",
        "OPEN_METEO_CALLS_PER_DAY",
    ):
        monkeypatch.setenv(f"METEOROGRAPH_{setting}", "1000000")


def _add_locations(count: int) -> None:
    with get_db_session() as session:
        session.add_all(
            Location(name=f"p{number}", latitude=number % 90, longitude=number / 1000, created_at=NOON) for number in range(count)
        )


def _collect() -> str:
    claim = claim_run(NOON, DEFAULT_SCHEDULE, Interval(get_settings().interval))
    assert claim
    return run_async(collect(claim, get_settings(), threading.Event()))


def _rows_by_provider() -> Counter[str]:
    with get_db_session(read_only=True) as session:
        query = select(WeatherData.provider, func.count()).group_by(WeatherData.provider)
        return Counter(dict(session.execute(query).all()))


def _calls(simulator: Simulator) -> Counter[str]:
    return Counter(call.provider for call in simulator.calls())


@pytest.mark.parametrize(
    ("faults", "refused"),
    [("kind=status code=401 provider=openweathermap", 1), ("kind=html code=404 provider=openweathermap", 60)],
    ids=["the key is refused", "each location is refused"],
)
def test_sixty_locations_are_one_call_to_the_next_provider(collecting: Simulator, faults: str, refused: int) -> None:
    collecting.set_faults(faults)
    _add_locations(60)
    assert _collect() == "succeeded"
    assert _calls(collecting) == {"openweathermap": refused, "open-meteo": 1}
    assert _rows_by_provider() == {"open-meteo": 60}


def test_some_that_fail_follow_when_the_others_are_done(collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_PRECIPITATION_PROVIDERS", "openweathermap,open-meteo")
    collecting.set_faults("kind=html code=404 provider=openweathermap place=3,0.003")
    _add_locations(60)
    assert _collect() == "succeeded"
    assert _calls(collecting) == {"openweathermap": 60 + 1, "open-meteo": 1}, "one more for the rain of the one that failed"
    assert _rows_by_provider() == {"openweathermap": 59, "open-meteo": 1}


def test_a_location_that_only_a_closed_provider_is_left_for_is_not_called_for_at_every_tick(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run pauses, a little longer each time, instead of being free at once."""
    monkeypatch.setenv("METEOROGRAPH_PRECIPITATION_PROVIDERS", "openweathermap,open-meteo")
    collecting.set_faults("kind=html code=404 provider=openweathermap place=3,0.003")
    _add_locations(60)
    with get_db_session() as session:  # the fallback is closed for the whole slot
        load_or_create(session, "open-meteo", "", NOON).closed_until = NOON + timedelta(days=1)
    for _ in range(60):  # ticks of ten minutes
        scheduled_ingest()
        driven.advance(timedelta(seconds=10))
    assert _rows_by_provider() == {"openweathermap": 59}
    assert 60 < _calls(collecting)["openweathermap"] < 60 + 8


def _error_objects() -> int:
    return sum(isinstance(one, TracebackType | ProviderClosedError) for one in gc.get_objects())


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_closed_first_provider_holds_no_frames_of_ten_thousand_locations(
    collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One stored exception, raised again for each location, held a frame for each of them: 12,495 at 2,500 locations."""
    monkeypatch.setenv("METEOROGRAPH_HTTP_TIMEOUT_SECONDS", "60")  # answers for a hundred places each, on any machine
    alive = []

    def store_and_count(*results: Any) -> None:
        alive.append(_error_objects() - before)
        store_results(*results)

    monkeypatch.setattr(run, "store_results", store_and_count)
    collecting.set_faults("kind=status code=401 provider=openweathermap")
    _add_locations(10_000)
    gc.collect()
    before = _error_objects()  # of tests before this one, which pytest keeps
    assert _collect() == "succeeded"
    assert _rows_by_provider() == {"open-meteo": 10_000}
    assert len(alive) >= 10
    assert max(alive) < 50
