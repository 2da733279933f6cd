"""Processes that get no processor time, or stand still, for longer than their lease: each call is made once and told once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from acceptance.books import add_locations, add_places, books, unaccounted
from acceptance.holds import suspend
from acceptance.processes import Process, Starter, until
from meteorograph import get_db_session
from meteorograph.model import clock
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Run

#: How long a starved process runs, and how long it stands still [s]: the lease of a slot of three seconds lasts half of that.
AWAKE, STILL = 0.15, 1.7


@contextmanager
def starved(process: Process) -> Iterator[None]:
    """The process gets a twelfth of the time, and none of it for longer than its lease, while the block runs."""
    ended = threading.Event()

    def hold_up() -> None:
        while not ended.is_set():
            os.kill(process.pid, signal.SIGSTOP)
            ended.wait(STILL)
            os.kill(process.pid, signal.SIGCONT)
            ended.wait(AWAKE)

    thread = threading.Thread(target=hold_up)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _calls_of_runs() -> int:
    return sum(run.calls for run in books().runs)


def test_a_starved_process_makes_no_call_twice(
    empty_database: str, start: Starter, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_locations((f"place {number}", number / 10, 10.0) for number in range(150))
    monkeypatch.setenv("METEOROGRAPH_INTERVAL", "3s")
    monkeypatch.setenv("METEOROGRAPH_CONCURRENCY", "4")
    monkeypatch.setenv("METEOROGRAPH_HEALING", "false")
    collecting.set_faults("kind=latency ms=20")
    service = start.serve()
    until(lambda: len(books().ended()) >= 1, "the first run")
    with starved(service):
        begun = len(books().ended())
        until(lambda: len(books().ended()) >= begun + 2, "runs that took longer than their lease")
    last = books().runs[-1].due_at
    until(lambda: [run for run in books().ended() if run.due_at > last], "a run of the process in full")
    assert service.end() == 0
    kept = books()
    stored = sum(map(len, kept.stored.values()))
    assert (collecting.count(), _calls_of_runs()) == (stored, stored)
    assert "taken_over=True" not in service.output()
    assert "another process has claimed the run" not in service.output()
    assert "without it" not in service.output(), "it took its own transaction for a database that is away"
    assert unaccounted(kept.without_last_if_given_back(), 150, timedelta(seconds=3)) == []


@pytest.mark.usefixtures("one_slot")
def test_a_process_that_stood_still_leaves_its_run_to_the_one_that_took_it(
    empty_database: str, start: Starter, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_places(60)
    monkeypatch.setenv("METEOROGRAPH_CONCURRENCY", "2")
    collecting.set_faults("kind=latency ms=700")  # the run takes longer than a third of its lease
    first = start.serve()
    until(lambda: collecting.count() >= 6, "some calls")
    suspend(first, empty_database)
    with get_db_session() as session:  # however long a lease lasts
        session.query(Run).one().lease_expires_at = clock.now() - timedelta(seconds=1)
    second = start.serve()
    until(lambda: _holder_is(second), "the run was taken over")
    first.resume()
    signs = ("another process has claimed the run", "run interrupted")  # where the server has ended its transaction
    until(lambda: any(sign in first.output() for sign in signs), "the first process notices")
    until(lambda: books().ended(), "the end of the run")
    assert [first.end(), second.end()] == [0, 0]
    (run,) = books().runs
    assert (run.state, run.stored, run.failed) == ("succeeded", 60, 0)
    assert run.calls == collecting.count()


def _holder_is(process: Process) -> bool:
    return any(str(run.holder).endswith(f":{process.pid}") for run in books().runs)


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("one_slot")
def test_a_process_whose_lease_has_run_out_goes_on_alone(
    empty_database: str, start: Starter, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_places(60)
    monkeypatch.setenv("METEOROGRAPH_CONCURRENCY", "2")
    collecting.set_faults("kind=latency ms=200")
    service = start.serve()
    until(lambda: collecting.count() >= 6, "some calls")
    for _ in range(5):
        suspend(service, empty_database)
        before = collecting.count()
        with get_db_session() as session:
            session.query(Run).one().lease_expires_at = clock.now() - timedelta(hours=1)
        service.resume()
        until(lambda before=before: collecting.count() >= before + 5, "further calls")  # type: ignore[misc]  # no type in a lambda
    until(lambda: books().ended(), "the end of the run")
    assert service.end() == 0
    (run,) = books().runs
    assert (run.state, run.stored, run.calls, collecting.count()) == ("succeeded", 60, 60, 60)
    assert "taken_over=True" not in service.output()
