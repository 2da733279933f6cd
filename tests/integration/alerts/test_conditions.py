"""Each kind of rule, from what happens to the messages as they are received: one at its beginning, one at its end."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from meteorograph import get_db_session, upkeep
from meteorograph.alerts.rules import Rule
from meteorograph.collecting.process_memory import PROCESS_MEMORY
from meteorograph.config.loading import get_settings
from meteorograph.model import clock
from meteorograph.model.clock import DrivenClock
from meteorograph.simulator import Simulator
from meteorograph.storage.models import WeatherData
from meteorograph.tick import collect_due
from pages import add
from receivers import HttpReceiver
from rows import insert_rows
from support import KEY, NOON, RAIN_KEY

from .conftest import Step

AddRule = Callable[..., Rule]

pytestmark = [pytest.mark.parametrize("database", ["sqlite"], indirect=True), pytest.mark.usefixtures("database")]

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def live(collecting: Simulator, driven: DrivenClock, step: Step, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let hours pass in steps of twenty minutes, with what a process of the service does in each."""
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    monkeypatch.setattr("meteorograph.collecting.run_context.ATTEMPTS", 1)  # the pauses before others are real time
    for number in range(9):
        add(f"place {number}", latitude=10 + number, due_since=NOON)

    def pass_hours(hours: float) -> None:
        for _ in range(round(hours * 3)):
            collect_due(get_settings(), threading.Event())
            step()
            driven.advance(20 * MINUTE)

    return pass_hours


def test_an_outage_of_six_hours(
    live: Callable[[float], None], collecting: Simulator, receiver: HttpReceiver, add_rule: AddRule
) -> None:
    add_rule("no_data", "no data", limit=3)
    add_rule("provider_closed", "provider")
    add_rule("gap", "gap", limit=3)
    live(1)
    collecting.set_faults("kind=status code=503")
    live(6)
    collecting.set_faults("")
    live(2)
    titles = receiver.titles
    assert titles == [
        "Provider: openweathermap",
        "No data: 9 locations",
        "Gap: 9 locations",
        "Over: no data: 9 locations",
        "Over: provider: openweathermap",
    ]
    closed, no_data, gap, over, _ = (post.json["message"] for post in receiver.posts)
    assert "Cause: openweathermap: " in closed
    assert "503" in closed
    assert " times in a row, now until 2026-03-01 13:" in closed
    assert "Since: 2026-03-01 13:00 UTC." in gap
    assert "Since: 2026-03-01 12:00 UTC." in no_data
    assert "Cause: provider_error: openweathermap: 503: Service temporarily unavailable." in no_data
    assert "Where: 9 locations: place 0, place 1, place 2, " in no_data
    assert "From 2026-03-01 12:00 UTC to 2026-03-01 19:00 UTC (7 h)." in over


def test_a_refused_key(live: Callable[[float], None], collecting: Simulator, receiver: HttpReceiver, add_rule: AddRule) -> None:
    add_rule("key_refused", "key")
    live(1)
    collecting.set_faults("kind=status code=401")
    live(3)
    collecting.set_faults("")
    live(2)
    assert receiver.titles == ["Key: openweathermap", "Over: key: openweathermap"]
    assert "Values: the key is invalid." in receiver.posts[0].json["message"]


def test_a_quota_that_runs_out(
    driven: DrivenClock, step: Step, receiver: HttpReceiver, add_rule: AddRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_rule("quota_runs_out", "quota")
    with Simulator(keys=(KEY, RAIN_KEY), weatherstack_calls_per_month=2) as simulator:
        monkeypatch.setenv("WEATHERSTACK_API_KEY", RAIN_KEY)
        monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "weatherstack")
        monkeypatch.setenv("METEOROGRAPH_PRECIPITATION_PROVIDERS", "weatherstack")
        monkeypatch.setenv("METEOROGRAPH_WEATHERSTACK_BASE_URL", simulator.url)
        monkeypatch.setenv("METEOROGRAPH_WEATHERSTACK_CALLS_PER_MONTH", "100000")
        for _ in range(4):
            collect_due(get_settings(), threading.Event())
            step()
            driven.advance(HOUR)
        assert receiver.titles == ["Quota: weatherstack"]
        assert "Cause: the provider says that the quota is used up: weatherstack: " in receiver.posts[0].json["message"]
        driven.advance(timedelta(days=31))
        for _ in range(2):
            collect_due(get_settings(), threading.Event())
            step()
            driven.advance(HOUR)
    assert receiver.titles == ["Quota: weatherstack", "Over: quota: weatherstack"]


def test_a_clock_that_jumps(step: Step, receiver: HttpReceiver, add_rule: AddRule) -> None:
    add("Oslo", created_at=NOON - 9 * HOUR)
    add_rule("clock", "clock of the host")
    add_rule("no_data", "no data")
    step()
    check: Any = PROCESS_MEMORY.clock_check  # a driven clock is not compared with the answers of providers
    check._differences["openweathermap"] = 6 * HOUR
    step(6 * HOUR)
    step(HOUR)
    assert [title.partition(":")[0] for title in receiver.titles] == ["Clock of the host", "No data"]
    assert "Values: 21,600 s ahead." in receiver.posts[0].json["message"]
    check._differences["openweathermap"] = timedelta(0)
    step(MINUTE)
    assert receiver.titles[2].startswith("Over: clock of the host:")


def test_a_full_disk(step: Step, receiver: HttpReceiver, add_rule: AddRule, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage(NamedTuple):
        free: int

    add_rule("disk", "disk")
    step()
    with monkeypatch.context() as patch:  # a test cannot fill the disk
        patch.setattr(shutil, "disk_usage", lambda _: Usage(400_000_000))
        step(MINUTE)
        patch.setattr(shutil, "disk_usage", lambda _: Usage(510_000_000))
        step(MINUTE)
        assert len(receiver.posts) == 1, "a little above the limit is not over"
    step(MINUTE)
    assert [title.partition(":")[0] for title in receiver.titles] == ["Disk", "Over"]
    assert "Values: 400 MB are left." in receiver.posts[0].json["message"]


def test_a_hole_that_the_audit_finds(
    live: Callable[[float], None], step: Step, receiver: HttpReceiver, add_rule: AddRule
) -> None:
    add_rule("audit_hole", "audit")
    live(3)
    with get_db_session() as session:
        session.query(WeatherData).filter(WeatherData.due_at == NOON + HOUR).delete()
    upkeep.audit_ledger()
    step()
    upkeep.audit_ledger()
    step()
    assert [title.partition(":")[0] for title in receiver.titles] == ["Audit", "Over"]
    assert "Values: 9 slots." in receiver.posts[0].json["message"]


def test_old_observations(step: Step, receiver: HttpReceiver, add_rule: AddRule) -> None:
    add("Oslo")
    add_rule("old_observations", "old", hold="0s")
    old = {"flags": {"temperature": ["old"]}, "temperature": 5.0, "provider": "metar", "fetched_at": NOON, "location_id": 1}
    insert_rows([{**old, "due_at": NOON, "observed_at": NOON - 9 * HOUR}])
    step()
    insert_rows([{**old, "due_at": NOON + HOUR, "observed_at": NOON + HOUR, "flags": None}])
    step(HOUR)
    assert receiver.titles == ["Old: Oslo", "Over: old: Oslo"]
    assert "Cause: metar repeats old observations." in receiver.posts[0].json["message"]


def test_a_fall_of_pressure(step: Step, receiver: HttpReceiver, add_rule: AddRule) -> None:
    add("Oslo")
    add_rule("pressure_fall", "storm")
    for hour, pressure in enumerate((1010, 1009, 1006, 1003.5, 1002, 1001, 1001, 1001)):
        at = NOON + hour * HOUR
        row = {"location_id": 1, "due_at": at, "observed_at": at, "fetched_at": at, "provider": "x", "pressure": pressure}
        insert_rows([row])
        step(HOUR if hour else timedelta(0))
    assert receiver.titles == ["Storm: Oslo", "Over: storm: Oslo"]
    assert "Values: from 1010.0 to 1003.5 hPa between 12:00 and 15:00 UTC." in receiver.posts[0].json["message"]


def rain(hour: int, amount: float | None) -> None:
    """The precipitation of the hour that ends at an hour after noon."""
    at = NOON + hour * HOUR
    row = {"location_id": 1, "due_at": at, "observed_at": at, "fetched_at": clock.now(), "provider": "openweathermap"}
    insert_rows([{**row, "precipitation": amount, "precipitation_period": 3600}])


def test_40_mm_of_rain_in_24_hours(step: Step, receiver: HttpReceiver, add_rule: AddRule) -> None:
    add("Oslo")
    add_rule("rain", "flood", limit=40, hours=24)
    told_at = []
    for hour in range(60):
        if hour != 7:  # an hour of which nothing is known
            rain(hour, 2.0 if hour < 24 else 0.0)
        before = len(receiver.posts)
        step(HOUR if hour else timedelta(0))
        if len(receiver.posts) > before:
            told_at.append(hour)
    assert receiver.titles == ["Flood: Oslo", "Over: flood: Oslo"]
    first = receiver.posts[0].json["message"]
    assert told_at[0] == 20, "twenty hours with 2 mm each, of which one is missing"
    assert "Values: 40.0 mm from 2026-03-01 08:00 to 2026-03-02 08:00 UTC, of which 20.0 of 24 h are covered by data." in first


def test_a_sum_that_is_healed_later_is_told_once_with_its_hours(step: Step, receiver: HttpReceiver, add_rule: AddRule) -> None:
    add("Oslo")
    add_rule("rain", "downpour", limit=20, hours=3)
    rain(0, 0.0)
    rain(5, 0.0)
    step(5 * HOUR)
    assert receiver.posts == [], "hours without data are not dry, and not wet either"
    for hour in (1, 2, 3, 4):
        rain(hour, 8.0)
    for hour in range(6, 16):
        rain(hour, 0.0)
        step(HOUR)
    assert receiver.titles == ["Downpour: Oslo", "Over: downpour: Oslo"]
    assert "Values: 24.0 mm from 2026-03-01 13:00 to 2026-03-01 16:00 UTC." in receiver.posts[0].json["message"]


def test_hours_without_data_are_not_taken_for_dry(step: Step, receiver: HttpReceiver, add_rule: AddRule) -> None:
    add("Oslo")
    add_rule("rain", "flood", limit=40, hours=24)
    for hour in (*range(21), 45):  # a day of which nothing is known
        rain(hour, 2.0)
        step(NOON + hour * HOUR - clock.now())
    assert receiver.titles == ["Flood: Oslo"]
    for hour in range(46, 46 + 30):
        rain(hour, 0.0)
        step(HOUR)
    assert receiver.titles == ["Flood: Oslo", "Over: flood: Oslo"]
