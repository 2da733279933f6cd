"""Background tasks and processes that are killed or suspended: another one goes on, and who wakes up changes nothing."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select

from acceptance.books import add_places
from acceptance.processes import METEOROGRAPH, PYTHON, Process, Starter, until
from meteorograph import WeatherData, get_db_session
from meteorograph.background import tasks
from meteorograph.model.clock import DrivenClock
from meteorograph.scheduler import scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage.models import BackgroundTask, Missed
from support import NOON

HOUR = timedelta(hours=1)
PLACES = 3
SLOTS = 6

#: Works on background tasks at a time of day that it is told, and waits for the file "go" once it has got through some hours.
WORK = """
import sys, threading, time
from datetime import datetime
from pathlib import Path
from meteorograph.background import kinds, runner
from meteorograph.background.hold import Hold
from meteorograph.model import clock
kinds._STORE_SECONDS = 0
real, left = Hold.advance, int(sys.argv[2])
def advance(hold, position, counts):
    global left
    real(hold, position, counts)
    left -= 1
    if not left:
        print("waiting", flush=True)
        while not Path("go").exists():
            time.sleep(0.005)
Hold.advance = advance
with clock.driven_by(clock.DrivenClock(datetime.fromisoformat(sys.argv[1]))):
    runner.work(threading.Event())
print("ended", flush=True)
"""


@pytest.fixture(autouse=True)
def _collected(empty_database: str, collecting: Simulator, driven: DrivenClock) -> None:
    """Some hours were collected; their rows are gone, and one task reads them from the journal again."""
    add_places(PLACES)
    for hour in range(SLOTS):
        if hour:
            driven.advance(HOUR)
        scheduled_ingest()
    with get_db_session() as session:
        session.execute(delete(WeatherData))
        session.execute(delete(Missed))
        tasks.add_task(session, "reparse", {"start": NOON.isoformat(), "end": (NOON + SLOTS * HOUR).isoformat()}, host=None)


def _worker(start: Starter, at: datetime, waits_after: int) -> Process:
    return start(PYTHON, "-c", WORK, at.isoformat(), str(waits_after))


def _task() -> BackgroundTask:
    with get_db_session(read_only=True) as session:
        return session.get_one(BackgroundTask, 1)


def _rows() -> int:
    with get_db_session(read_only=True) as session:
        return session.scalar(select(func.count()).select_from(WeatherData)) or 0


def test_another_process_goes_on_where_one_was_killed(start: Starter, driven: DrivenClock) -> None:
    first = _worker(start, driven(), 3)
    first.found("(waiting)")
    first.kill()
    reached, rows = _task().position, _rows()
    assert reached is not None
    assert 0 < rows < PLACES * SLOTS
    assert _worker(start, driven(), 99).wait() == 0
    assert _task().attempts == 1, "the lease of the one that was killed"
    second = _worker(start, driven() + timedelta(minutes=2), 99)
    assert second.wait() == 0
    assert (_task().state, _task().attempts, _rows()) == ("succeeded", 2, PLACES * SLOTS)
    assert json.loads(_task().counts)["rows"] == PLACES * SLOTS


def test_a_process_that_wakes_up_changes_nothing(start: Starter, driven: DrivenClock) -> None:
    first = _worker(start, driven(), 2)
    first.found("(waiting)")
    first.suspend()
    assert _worker(start, driven() + timedelta(minutes=2), 99).wait() == 0
    ended = _task()
    assert (ended.state, ended.attempts) == ("succeeded", 2)
    Path("go").touch()
    first.resume()
    assert first.wait() == 0
    after = _task()
    assert (after.state, after.counts, after.position, after.done) == (ended.state, ended.counts, ended.position, ended.done)
    assert _rows() == PLACES * SLOTS


@pytest.mark.parametrize(
    ("empty_database", "engine"),
    [("sqlite", "local"), ("postgresql", "local"), ("postgresql", "procrastinate")],
    indirect=True,
)
def test_the_service_does_what_a_command_has_added(engine: str, start: Starter, tmp_path: Path) -> None:
    export = start(METEOROGRAPH, "export", "--background", "-o", str(tmp_path / "rows.csv"))
    assert export.wait() == 0
    export.found("(task 2 waits)")
    service = start.serve()
    until(lambda: _task().state == "succeeded", "the journal read again")
    until((tmp_path / "rows.csv").exists, "the file")
    assert service.end() == 0
