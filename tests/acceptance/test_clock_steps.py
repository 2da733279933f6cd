"""The clock of the machine steps while the service runs; the monotonic clock goes on (``clock_offset.c``)."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from acceptance.books import add_places, books
from acceptance.processes import METEOROGRAPH, Process, Starter, ask, until
from meteorograph import get_db_session, init_db
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Heartbeat

#: A step of the service's clock [s].
Step = Callable[[int], None]

pytestmark = pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)


@pytest.fixture
def stepped(empty_database: str, start: Starter, collecting: Simulator, tmp_path: Path, library: Path) -> tuple[Process, Step]:
    """A service that collects three places in slots of two seconds, and the function that sets its clock off by some seconds."""
    offset = tmp_path / "offset"
    offset.write_bytes(bytes(8))

    def step(seconds: int) -> None:
        with offset.open("r+b") as file:  # in place: the process has mapped the file
            file.write(struct.pack("=q", seconds))

    init_db()
    add_places(3)
    service = start.serve(LD_PRELOAD=str(library), CLOCK_OFFSET_FILE=str(offset))
    until(lambda: _last_beat() is not None and collecting.count() >= 3, "the first calls")
    return service, step


def _last_beat() -> datetime | None:
    with get_db_session(read_only=True) as session:
        return session.scalar(select(func.max(Heartbeat.beat_at)))


def _memory(service: Process) -> int:
    """Resident memory of a process [MB]."""
    match = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{service.pid}/status").read_text())
    assert match is not None
    return int(match[1]) // 1024


def test_a_step_back_does_not_stop_the_jobs(stepped: tuple[Process, Step]) -> None:
    service, step = stepped
    step(-3600)
    hour_ago = datetime.now(UTC) - timedelta(minutes=30)
    until(lambda: (beat := _last_beat()) is not None and beat < hour_ago, "a heartbeat by the new clock")
    assert "the clock of the machine was changed" in service.output()


def test_a_step_ahead_of_years_is_followed_without_listing_each_run(stepped: tuple[Process, Step], collecting: Simulator) -> None:
    service, step = stepped
    before, calls = _memory(service), collecting.count()
    step(12 * 365 * 86400)
    until(lambda: (beat := _last_beat()) is not None and beat.year >= 2038, "a heartbeat by the new clock")
    until(lambda: collecting.count() >= calls + 6, "calls by the new clock")
    assert _memory(service) < before + 300


def test_slots_that_a_clock_ahead_wrote_off_are_collected_when_it_is_right_again(
    stepped: tuple[Process, Step], collecting: Simulator
) -> None:
    service, step = stepped
    step(900)
    address = service.address()
    until(lambda: "the clock of this machine is wrong: 900 s ahead" in ask(f"{address}/health").json["problems"], "it says so")
    ahead = datetime.now(UTC) + timedelta(minutes=10)
    until(lambda: (beat := _last_beat()) is not None and beat > ahead, "a heartbeat by the wrong clock")
    step(0)
    calls = collecting.count()
    until(lambda: collecting.count() >= calls + 9, "calls by the right clock")
    until(lambda: not [one for one in ask(f"{address}/health").json["problems"] if "clock" in one], "it is right again")
    kept = books()
    assert max(kept.stored) < datetime.now(UTC) + timedelta(minutes=20)
    assert not [slot for slot in kept.missed if slot > datetime.now(UTC) + timedelta(seconds=30)], "written off ahead of time"


def test_a_step_ahead_of_years_writes_nothing_off(stepped: tuple[Process, Step], collecting: Simulator) -> None:
    """The audit ran at once, since its time had passed, and recorded the last two days of 2038 as missed."""
    _, step = stepped
    until(lambda: len(books().ended()) >= 2, "runs by the right clock")
    step(12 * 365 * 86400)
    calls = collecting.count()
    until(lambda: collecting.count() >= calls + 15, "runs by the wrong clock")
    kept = books()
    assert [run for run in kept.runs if run.state == "missed" and run.due_at.year > 2030] == []
    assert [slot for slot in kept.missed if slot.year > 2030] == []


def test_a_step_back_deletes_no_reason(stepped: tuple[Process, Step], collecting: Simulator) -> None:
    """By a clock that was an hour behind, all that was missed lately seemed to be of the future, and was deleted."""
    service, step = stepped
    until(lambda: books().ended(), "a run by the right clock")
    service.suspend()
    last = max(books().stored)
    until(lambda: datetime.now(UTC) - last > timedelta(seconds=12), "some slots that are missed")
    service.resume()
    until(lambda: len(books().missed) >= 3, "their reasons")
    step(-3600)
    hour_ago = datetime.now(UTC) - timedelta(minutes=30)
    until(lambda: (beat := _last_beat()) is not None and beat < hour_ago, "a heartbeat by the new clock")
    calls = collecting.count()
    until(lambda: collecting.count() >= calls + 6, "runs by the new clock")
    assert len(books().missed) >= 3


def test_doctor_finds_a_wrong_clock(empty_database: str, collecting: Simulator, tmp_path: Path, library: Path) -> None:
    offset = tmp_path / "offset"
    offset.write_bytes(struct.pack("=q", 7200))
    environment = {**os.environ, "LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(offset)}
    command = [METEOROGRAPH, "doctor", "--json"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1, ended
    [said] = [one["text"] for one in json.loads(ended.stdout) if one["check"] == "clock"]
    assert re.fullmatch(r"the clock of this machine is 7,[12]\d\d s ahead by the providers' answers: .+", said), said
