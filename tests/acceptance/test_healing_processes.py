"""Processes that heal at the same time, and one that is killed at it: each hour is asked for once, or once more, and charged."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from acceptance.books import add_places
from acceptance.holds import held
from acceptance.processes import PYTHON, Process, Starter, until
from meteorograph import WeatherData, get_db_session
from meteorograph.config.loading import get_settings
from meteorograph.journal import reader
from meteorograph.model.clock import DrivenClock
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Missed, Quota
from support import NOON

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PLACES = 4
HISTORY = "openweathermap-onecall"

#: Heals once, at a time of day that it is told, as soon as it is told to begin.
HEAL = """
import sys, time
from datetime import datetime
from pathlib import Path
from meteorograph import scheduler; from meteorograph.model import clock
with clock.driven_by(clock.DrivenClock(datetime.fromisoformat(sys.argv[1]))):
    print("ready", flush=True)
    while not Path("go").exists():
        time.sleep(0.005)
    scheduler.scheduled_healing()
"""


@pytest.fixture(autouse=True)
def _missed(empty_database: str, start: Starter, driven: DrivenClock) -> None:
    """Four locations miss the twelve hours since noon, a day ago."""
    driven.advance(DAY)
    add_places(PLACES)
    with get_db_session() as session:
        for number in range(PLACES):
            for hours in range(1, 13):
                session.add(Missed(location_id=number + 1, due_at=NOON + hours * HOUR, reason="down"))


def _healer(start: Starter, at: datetime) -> Process:
    return start(PYTHON, "-c", HEAL, at.isoformat())


def _counts() -> tuple[int, int]:
    """Rows from a history, and missed slots."""
    with get_db_session(read_only=True) as session:
        rows, missed = (select(func.count()).select_from(model) for model in (WeatherData, Missed))
        return session.scalar(rows.where(WeatherData.origin == "backfill")) or 0, session.scalar(missed) or 0


def _used() -> int:
    with get_db_session(read_only=True) as session:
        return session.get_one(Quota, (HISTORY, "day")).used


def test_two_processes_at_once_ask_once_for_each_stretch(start: Starter, collecting: Simulator, driven: DrivenClock) -> None:
    collecting.set_faults("kind=latency ms=200")
    healers = [_healer(start, driven()) for _ in range(2)]
    for one in healers:
        one.found("(ready)")
    Path("go").touch()
    assert [one.wait() for one in healers] == [0, 0]
    assert _counts() == (12 * PLACES, 0)
    assert (collecting.count(HISTORY), _used()) == (PLACES, PLACES)


def test_what_a_killed_process_had_asked_for_is_charged_and_healed_by_the_next(
    empty_database: str, start: Starter, collecting: Simulator, driven: DrivenClock
) -> None:
    Path("go").touch()
    collecting.set_faults("kind=latency ms=1500")
    first = _healer(start, driven())
    until(lambda: collecting.count(HISTORY), "the first request")
    with held(empty_database):
        until(lambda: list(reader.read_slots(get_settings().journal_dir, NOON, driven())), "its answer")
        first.kill()
    collecting.set_faults("")
    assert _counts() == (0, 12 * PLACES)
    assert _used() >= collecting.count(HISTORY) == 1
    assert _healer(start, driven()).wait() == 0
    assert collecting.count(HISTORY) == 1, "another process still has the lease"
    assert _healer(start, driven() + timedelta(minutes=2)).wait() == 0
    assert _counts() == (12 * PLACES, 0)
    assert _used() >= collecting.count(HISTORY) == 1 + PLACES
