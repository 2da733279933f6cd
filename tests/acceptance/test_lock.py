"""A database that others hold, or that drops its connections: the scheduler outlives it, and what was fetched is kept."""

from __future__ import annotations

import time
from datetime import timedelta

import psycopg
import pytest

from acceptance.books import add_places, books, pids, unaccounted
from acceptance.holds import held
from acceptance.processes import Starter, ask, until
from meteorograph.simulator import Simulator


@pytest.mark.usefixtures("one_slot", "one_charge")
def test_a_writer_that_holds_the_database_during_a_run_loses_nothing(
    empty_database: str, start: Starter, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_places(20)
    monkeypatch.setenv("METEOROGRAPH_CONCURRENCY", "2")
    collecting.set_faults("kind=latency ms=400")
    service = start.serve()
    until(lambda: collecting.count() >= 3, "some calls")
    begun = time.monotonic()
    with held(empty_database):
        until(lambda: collecting.count() == 20, "all calls")
        stored = sum(map(len, books().stored.values()))
        assert stored < 20
        # Longer than the driver waits by itself (5 s), and than APScheduler's own job store would have lived.
        until(lambda: time.monotonic() - begun > 5.5, "the end of the hold")
        assert ask(f"{service.address()}/health").json["scheduler_running"] is True
    until(lambda: books().ended(), "the end of the run")
    assert [(run.state, run.stored, run.failed) for run in books().runs] == [("succeeded", 20, 0)]
    assert collecting.count() == 20
    assert service.end() == 0


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("one_slot")
def test_a_writer_that_holds_the_database_at_the_first_tick_delays_run_and_heartbeat(
    empty_database: str, start: Starter, collecting: Simulator
) -> None:
    add_places(3)
    with held(empty_database):
        service = start.serve()
        address = service.address()
        begun = time.monotonic()
        until(lambda: time.monotonic() - begun > 3, "the first tick, and more")
        assert ask(f"{address}/health").json["scheduler_running"] is True
        assert (collecting.count(), books().runs, pids()) == (0, [], set())
    until(lambda: pids() == {service.pid} and books().ended(), "heartbeat and run")
    assert [(run.state, run.stored, run.failed) for run in books().runs] == [("succeeded", 3, 0)]
    assert service.end() == 0


@pytest.mark.parametrize("empty_database", ["postgresql"], indirect=True)
def test_connections_that_are_cut_cost_no_slot_its_reason(
    empty_database: str, start: Starter, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_places(10)
    monkeypatch.setenv("METEOROGRAPH_CONCURRENCY", "2")
    collecting.set_faults("kind=latency ms=50")
    service = start.serve()
    until(lambda: len(books().ended()) >= 1, "the first run")
    cut = 0
    with psycopg.connect(empty_database, autocommit=True) as connection:
        for _ in range(5):
            before = collecting.count()
            until(lambda before=before: collecting.count() > before + 2, "a run under way")  # type: ignore[misc]  # no type in a lambda
            cut += len(
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND application_name = 'meteorograph' AND pid <> pg_backend_pid()"
                ).fetchall()
            )
    assert cut > 0
    last = books().runs[-1].due_at
    until(lambda: len([run for run in books().runs if run.due_at > last and run.state == "succeeded"]) > 1, "two runs after")
    assert ask(f"{service.address()}/health").json["scheduler_running"] is True
    assert service.end() == 0
    kept = books().without_last_if_given_back()
    assert unaccounted(kept, 10, timedelta(seconds=2)) == []


@pytest.mark.parametrize("empty_database", ["postgresql"], indirect=True)
def test_slots_that_were_due_while_a_tick_waited_for_the_database_are_late(
    empty_database: str, start: Starter, collecting: Simulator
) -> None:
    """A process was there all the time, so they are not ``down``."""
    add_places(3)
    service = start.serve()
    until(lambda: books().ended(), "the first run")
    with psycopg.connect(empty_database) as connection:
        connection.execute("LOCK TABLE locations IN ACCESS EXCLUSIVE MODE")
        begun = time.monotonic()
        until(lambda: time.monotonic() - begun > 7, "three slots of two seconds")
        connection.rollback()
    until(lambda: books().missed, "slots that were missed")
    last = books().runs[-1].due_at
    until(lambda: [run for run in books().ended() if run.due_at > last], "a run after them")
    kept = books()
    assert {reason for missed in kept.missed.values() for reason in missed.values()} <= {"late", "database"}
    assert service.end() == 0
    assert unaccounted(books().without_last_if_given_back(), 3, timedelta(seconds=2)) == []
