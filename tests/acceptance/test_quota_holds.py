"""What a provider is asked, whatever becomes of the processes that ask it, and whatever it answers."""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from acceptance.books import add_locations, add_places, books, pids, unaccounted
from acceptance.forks import forking
from acceptance.processes import Starter, until
from meteorograph import create_app, get_db_session
from meteorograph.accounts import quota
from meteorograph.collecting.quota_meter import BLOCKS_PER_WINDOW
from meteorograph.model import clock
from meteorograph.model.account import Account
from meteorograph.model.clock import DrivenClock
from meteorograph.scheduler import scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Location
from support import NOON, RAIN_KEY

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NAME = "openweathermap"


@pytest.fixture
def hourly(empty_database: str, collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """What collects every hour from OpenWeatherMap only, which is simulated."""
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    monkeypatch.setenv("METEOROGRAPH_INTERVAL", "1h")
    monkeypatch.setenv("METEOROGRAPH_HTTP_TIMEOUT_SECONDS", "60")
    return collecting


def _add_places(number: int) -> None:
    add_places(number)
    with get_db_session() as session:
        session.execute(update(Location).values(created_at=NOON))


def test_fifty_runs_that_are_killed_leave_no_slot_and_no_call_unaccounted(
    hourly: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # noqa: T201  # for the report of a failure
    chance = random.Random(seed)
    limits = {"minute": 100, "month": 100_000}
    monkeypatch.setenv("METEOROGRAPH_OWM_CALLS_PER_MINUTE", "100")
    monkeypatch.setenv("METEOROGRAPH_OWM_CALLS_PER_MONTH", "100000")
    monkeypatch.setenv("METEOROGRAPH_CONCURRENCY", "2")
    _add_places(20)
    hourly.set_faults("kind=latency ms=10")
    torn = 0
    with forking(tmp_path) as collect:
        collect(NOON, None)
        begun = time.monotonic()
        collect(NOON + HOUR, None)
        took = time.monotonic() - begun
        for slot in (NOON + number * HOUR for number in range(2, 52)):
            collect(slot, chance.uniform(0, took))
            torn += books().runs[-1].state == "running"
            if chance.random() < 0.5:
                collect(slot + timedelta(seconds=31), None)  # a lease later: what is missing is still to be had
        collect(NOON + 52 * HOUR, None)
    kept, seen = books(), hourly.count()
    assert torn >= 5, "the kills hit no run"
    assert unaccounted(kept, 20, HOUR) == []
    assert {reason for missed in kept.missed.values() for reason in missed.values()} <= {"down"}
    with get_db_session(read_only=True) as session:
        used = {one.window: one.used for one in quota.usage(session, Account(NAME, limits, "UTC"), NOON + 52 * HOUR)}
    assert seen <= used["month"] <= seen + 50 * limits["minute"] // BLOCKS_PER_WINDOW


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
def test_a_storm_of_429_is_met_with_silence_until_the_window_ends(hourly: Simulator, tmp_path: Path) -> None:
    _add_places(89)
    with forking(tmp_path) as collect:
        collect(NOON, None)
        assert hourly.count() == 89
        hourly.set_faults("kind=status code=429 retry_after=900")
        collect(NOON + HOUR, None)
        stormed = hourly.count()
        assert 89 < stormed <= 89 + 64, "those under way when the first refusal came"
        for minute in range(15):
            collect(NOON + HOUR + minute * MINUTE, None)
        assert hourly.count() == stormed, "each of these was a new process"
        collect(NOON + HOUR + 15 * MINUTE, None)
        assert hourly.count() == stormed + 1, "one asks whether it is over"
        hourly.set_faults("")
        collect(NOON + HOUR + 30 * MINUTE, None)
    assert [(run.state, run.stored) for run in books().runs] == [("succeeded", 89)] * 2
    assert hourly.count() == stormed + 1 + 89


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("empty_database", "one_slot")
def test_twenty_restarts_within_an_hour_make_no_call_more(
    start: Starter, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_places(3)
    monkeypatch.setenv("WEATHERSTACK_API_KEY", RAIN_KEY)
    for turn in range(5):
        services = [start.serve() for _ in range(4)]
        until(lambda services=services: pids() >= {one.pid for one in services}, "a tick of each")  # type: ignore[misc]  # a lambda
        until(lambda: books().ended(), "the run")
        for service in services:
            service.kill() if turn % 2 else service.end()
    calls = Counter((call.provider, call.latitude) for call in collecting.calls())
    assert set(calls.values()) == {1}
    assert len(calls) == 6
    assert [(run.state, run.stored) for run in books().runs] == [("succeeded", 3)]


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
def test_a_key_that_becomes_active_after_ninety_minutes_is_found_to_be(
    hourly: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    active_at = NOON + 90 * MINUTE
    hourly.set_faults(f"kind=status code=401 until={active_at:%Y-%m-%dT%H:%MZ}")
    _add_places(5)
    states: list[str] = []
    driven = DrivenClock(NOON)
    with clock.driven_by(driven):
        client = create_app().test_client()
        while driven() < NOON + 4 * HOUR:
            scheduled_ingest()
            health = client.get("/health").get_json()
            states.append(health["providers"][NAME]["key"])
            driven.advance(5 * MINUTE)
    changes = [state for index, state in enumerate(states) if not index or state != states[index - 1]]
    assert changes == ["pending", "active"]
    assert 90 / 5 <= states.index("active") <= 120 / 5
    kept = books()
    assert [(run.due_at, run.state, run.stored) for run in kept.runs] == [
        (NOON, "failed", 0),
        *((NOON + number * HOUR, "succeeded", 5) for number in (1, 2, 3)),
    ]
    assert kept.missed == {NOON: dict.fromkeys(kept.stored[NOON + HOUR], "provider_error")}
    assert sum(call.at < active_at for call in hourly.calls()) <= 6


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("empty_database", "one_slot")
def test_one_location_that_never_answers_does_not_delay_999_others(start: Starter, collecting: Simulator) -> None:
    add_locations((f"place {number}", number / 10 - 50, 10.0) for number in range(1000))
    collecting.set_faults("kind=timeout place=0,10")
    service = start.serve()
    until(lambda: sum(map(len, books().stored.values())) == 999, "the rows of all others")
    asked = Counter(call.latitude for call in collecting.calls())
    assert set(asked.values()) == {1}, "its first attempt is still under way"
    assert len(asked) == 1000
    assert [run.state for run in books().runs] == ["running"]
    service.kill()
