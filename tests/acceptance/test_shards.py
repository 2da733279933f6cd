"""Processes that share the shards of a run: each location is requested once, also when one is killed or stands still."""

from __future__ import annotations

import os
import signal
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from acceptance.books import add_places, books, pids
from acceptance.holds import suspend
from acceptance.processes import METEOROGRAPH, Process, Starter, ask, until
from engines import on_both_engines
from meteorograph import WeatherData, get_db_session
from meteorograph.model import clock
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Run, Shard

PLACES = 60

pytestmark = pytest.mark.usefixtures("empty_database", "one_slot")


@pytest.fixture(autouse=True)
def _slow_run(engine: str, empty_database: str, start: Starter, collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of some seconds, in six shards."""
    add_places(PLACES)
    monkeypatch.setenv("METEOROGRAPH_SHARD_SIZE", "10")
    monkeypatch.setenv("METEOROGRAPH_CONCURRENCY", "2")
    collecting.set_faults("kind=latency ms=250")


def _shards_of(process: Process) -> list[int]:
    with get_db_session(read_only=True) as session:
        mine = select(Shard.number).where(Shard.state == "running", Shard.holder.endswith(f":{process.pid}"))
        return list(session.scalars(mine))


def _start_two(start: Starter, collecting: Simulator) -> tuple[Process, Process]:
    """Two processes at work on the same run, which is slow until they are: one alone would need minutes."""
    collecting.set_faults("kind=latency ms=5000")
    first = start.serve(METEOROGRAPH_HTTP_TIMEOUT_SECONDS="60")
    until(lambda: _shards_of(first), "the first shard")
    second = start.serve(METEOROGRAPH_HTTP_TIMEOUT_SECONDS="60")
    until(lambda: _shards_of(second) and _shards_of(first), "both at work")
    collecting.set_faults("kind=latency ms=250")
    return first, second


def _end_leases(pid: int) -> None:
    """However long a lease lasts, those of the process have run out."""
    with get_db_session() as session:
        mine = update(Shard).where(Shard.holder.endswith(f":{pid}"), Shard.state == "running")
        session.execute(mine.values(lease_expires_at=clock.now() - timedelta(seconds=1)))


def _fetched() -> dict[int, datetime]:
    with get_db_session(read_only=True) as session:
        return {row[0]: row[1] for row in session.execute(select(WeatherData.location_id, WeatherData.fetched_at))}


def _check_end() -> Run:
    (run,) = books().runs
    assert (run.state, run.due, run.stored, run.failed) == ("succeeded", PLACES, PLACES, 0)
    assert len(_fetched()) == PLACES
    with get_db_session(read_only=True) as session:
        assert session.scalars(select(Shard)).all() == []
    return run


@on_both_engines("empty_database")
def test_two_processes_share_a_run(start: Starter, collecting: Simulator) -> None:
    processes = _start_two(start, collecting)
    until(lambda: books().ended(), "the end of the run")
    assert _check_end().calls == collecting.count() == PLACES
    assert set(Counter(call.latitude for call in collecting.calls()).values()) == {1}
    assert [process.end() for process in processes] == [0, 0]
    assert any("run left to other processes" in process.output() for process in processes)


@on_both_engines("empty_database")
def test_the_shards_of_a_process_that_is_killed_are_taken_by_another(start: Starter, collecting: Simulator) -> None:
    victim, other = _start_two(start, collecting)
    until(lambda: collecting.count() > 15, "some calls")
    victim.kill()
    _end_leases(victim.pid)
    until(lambda: books().ended(), "the end of the run")
    _check_end()
    assert other.end() == 0
    calls = Counter(call.latitude for call in collecting.calls())
    assert set(calls) == {float(number) for number in range(PLACES)}
    assert collecting.count() <= PLACES + 2, "only the two calls under way are made again: the journal has the other answers"


@on_both_engines("empty_database")
def test_a_process_that_stood_still_changes_nothing_of_a_shard_that_was_taken(
    empty_database: str, start: Starter, collecting: Simulator
) -> None:
    asleep, heir = _start_two(start, collecting)
    suspend(asleep, empty_database)
    _end_leases(asleep.pid)
    until(lambda: books().ended() or not _shards_of(asleep), "all shards are with the other process")
    until(lambda: books().ended(), "the end of the run")
    run, fetched = _check_end(), _fetched()
    asleep.resume()
    until(lambda: "another process has claimed the run" in asleep.output(), "it notices")
    assert [asleep.end(), heir.end()] == [0, 0]
    assert "never retrieved" not in asleep.output(), "its jobs were ended by others, in one line each"
    assert _fetched() == fetched, "it stored an answer"
    after = _check_end()
    assert (after.ended_at, after.stored, after.token) == (run.ended_at, run.stored, run.token)
    assert after.calls == collecting.count()


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
def test_workers_share_a_run_with_the_server_and_are_replaced(start: Starter, collecting: Simulator, tmp_path: Path) -> None:
    log_file = tmp_path / "log.txt"
    server = start(METEOROGRAPH, "serve", "--port", "0", "--workers", "2", METEOROGRAPH_LOG_FILE=str(log_file))
    (worker,) = until(lambda: pids() - {server.pid}, "a worker")
    until(lambda: ask(f"{server.address()}/health").json["collectors"] == 2, "two processes with a heartbeat")
    os.kill(server.pid, signal.SIGHUP)
    until(lambda: server.output().count("settings reloaded") == 2, "the signal reaches the worker")
    os.kill(worker, signal.SIGKILL)
    until(lambda: pids() - {server.pid, worker}, "another worker in its place")
    _end_leases(worker)
    until(lambda: books().ended(), "the end of the run")
    assert _check_end().calls <= collecting.count() <= PLACES + 2
    assert "another" in log_file.read_text()
    assert log_file.with_name("log-worker-1.txt").exists()
    server.kill()
    until(lambda: "stopping" in server.output(), "the worker ends with its parent")
