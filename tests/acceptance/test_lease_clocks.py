"""Hosts whose clocks differ by ten minutes, on one PostgreSQL: leases go by the clock of the database."""

from __future__ import annotations

import struct
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from acceptance.books import add_places, books, pids
from acceptance.processes import Starter, until
from meteorograph import get_db_session
from meteorograph.simulator import Simulator

MINUTES = 10

pytestmark = [
    pytest.mark.parametrize("empty_database", ["postgresql"], indirect=True),
    pytest.mark.usefixtures("one_slot", "slow_run"),
]


@pytest.fixture
def ahead(library: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of a process whose clock is ahead."""
    offset = tmp_path / "offset"
    offset.write_bytes(struct.pack("=q", MINUTES * 60))
    return {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(offset)}


@pytest.fixture
def slow_run(empty_database: str, start: Starter, collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of some seconds."""
    add_places(40)
    monkeypatch.setenv("METEOROGRAPH_CONCURRENCY", "2")
    collecting.set_faults("kind=latency ms=400")


def _database_time() -> datetime:
    with get_db_session(read_only=True) as session:
        at: datetime = session.scalars(select(func.clock_timestamp())).one()
    return at


def test_a_host_that_is_ahead_takes_no_run_that_another_one_works_on(
    start: Starter, collecting: Simulator, ahead: dict[str, str]
) -> None:
    right = start.serve()
    until(lambda: collecting.count() >= 3, "a run under way")
    wrong = start.serve(**ahead)
    until(lambda: wrong.pid in pids(), "the scheduler of the host that is ahead")
    until(lambda: books().ended(), "the end of the run")
    assert [right.end(), wrong.end()] == [0, 0]
    assert "taken_over=True" not in wrong.output()
    (run,) = books().ended()
    assert (run.state, run.stored, run.calls) == ("succeeded", 40, 40)
    assert collecting.count() == 40


def test_the_run_of_a_host_that_was_ahead_is_taken_over_as_soon_as_any_other(
    start: Starter, collecting: Simulator, ahead: dict[str, str]
) -> None:
    wrong = start.serve(**ahead)
    until(lambda: collecting.count() >= 3, "a run under way")
    wrong.kill()
    (run,) = books().runs
    assert run.lease_expires_at is not None
    assert run.lease_expires_at < _database_time() + timedelta(seconds=31)
    collecting.set_faults("")
    right = start.serve()
    until(lambda: books().ended(), "the end of the run")
    assert right.end() == 0
    assert [(one.state, one.stored) for one in books().runs] == [("succeeded", 40)]
