"""Processes that end in the middle of a run: nothing is collected twice without need, and nothing is lost in silence."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from datetime import timedelta

import pytest

from acceptance.books import add_places, books, pids, unaccounted
from acceptance.holds import held
from acceptance.processes import Starter, until
from meteorograph import get_db_session
from meteorograph.model import clock
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Run


@pytest.mark.usefixtures("one_slot", "one_charge")
def test_a_slot_whose_collector_is_killed_before_it_could_store_is_collected_by_the_next(
    empty_database: str, start: Starter, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_places(3)
    monkeypatch.setenv("METEOROGRAPH_CONCURRENCY", "1")
    collecting.set_faults("kind=latency ms=1500")
    service = start.serve()
    until(lambda: collecting.count() == 2, "the second call")
    until(lambda: len(books().stored) == 1, "the first row")
    with held(empty_database):
        until(lambda: collecting.count() == 3, "the third call, after the answer to the second")
        service.kill()
    collecting.set_faults("")
    kept = books()
    assert ([run.state for run in kept.runs], [len(rows) for rows in kept.stored.values()]) == (["running"], [1])
    with get_db_session() as session:  # however long the next process takes to start
        session.query(Run).one().lease_expires_at = clock.now() + timedelta(hours=1)

    service = start.serve()
    until(lambda: service.pid in pids(), "the scheduler of the next process")
    assert collecting.count() == 3, "it took a run whose lease had not run out"
    with get_db_session() as session:
        session.query(Run).one().lease_expires_at = clock.now()
    until(lambda: books().ended(), "the end of the run")
    kept = books()
    assert [(run.state, run.due, run.stored, run.failed) for run in kept.runs] == [("succeeded", 3, 3, 0)]
    assert [len(rows) for rows in kept.stored.values()] == [3]
    assert collecting.count() == 4, "the journal has the answer that was not stored; only the one under way is asked for again"
    assert service.end() == 0


@pytest.mark.usefixtures("empty_database", "one_slot")
def test_a_service_that_is_told_to_end_stores_what_it_has_and_gives_the_run_back(
    start: Starter, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_places(60)
    monkeypatch.setenv("METEOROGRAPH_CONCURRENCY", "2")
    collecting.set_faults("kind=latency ms=250")
    service = start.serve()
    until(lambda: collecting.count() >= 9, "some calls")
    assert service.end() == 0
    kept, begun = books(), collecting.count()
    assert [(run.state, run.holder, run.lease_expires_at) for run in kept.runs] == [("pending", None, None)]
    assert 9 <= sum(map(len, kept.stored.values())) == begun < 60

    collecting.set_faults("")
    service = start.serve()
    until(lambda: books().ended(), "the end of the run")
    kept = books()
    assert [(run.state, run.stored, run.failed) for run in kept.runs] == [("succeeded", 60, 0)]
    assert set(Counter(call.latitude for call in collecting.calls()).values()) == {1}
    assert collecting.count() == 60
    assert service.end() == 0


@pytest.mark.usefixtures("empty_database")
def test_every_slot_is_accounted_for_after_ten_kills(
    start: Starter, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # noqa: T201  # for the report of a failure
    chance = random.Random(seed)
    add_places(50)
    monkeypatch.setenv("METEOROGRAPH_CONCURRENCY", "5")
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    collecting.set_faults("kind=latency ms=60")
    services = [start.serve(), start.serve()]
    torn = 0
    for number in range(10):
        until(lambda: books().runs and books().runs[-1].state == "running", "a run under way")
        threading.Event().wait(chance.uniform(0, 0.7))  # the moment is what the test is about
        holder = next((str(run.holder) for run in books().runs if run.state == "running"), "")
        victim = next((one for one in services if holder.endswith(f":{one.pid}")), services[number % 2])
        victim.kill()
        torn += any(run.state == "running" for run in books().runs)
        services[services.index(victim)] = start.serve()
    last = books().runs[-1].due_at
    until(lambda: any(run.due_at > last and run.state == "succeeded" for run in books().runs), "a whole run after the last kill")
    assert [service.end() for service in services] == [0, 0]
    kept = books().without_last_if_given_back()
    assert torn, "no kill hit a run"
    assert unaccounted(kept, 50, timedelta(seconds=2)) == []


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("empty_database")
def test_a_process_that_is_held_up_longer_than_its_lease_contradicts_nobody(
    start: Starter, collecting: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_places(20)
    monkeypatch.setenv("METEOROGRAPH_CONCURRENCY", "10")
    collecting.set_faults("kind=latency ms=400")
    services = {service.pid: service for service in (start.serve(), start.serve())}
    until(lambda: pids() == services.keys(), "two schedulers")
    run = until(lambda: next((run for run in books().runs if run.state == "running"), None), "a run under way")
    assert run is not None
    before = collecting.count()
    until(lambda: collecting.count() > before, "a call")
    held_up = int(str(run.holder).rpartition(":")[2])
    os.kill(held_up, signal.SIGSTOP)
    until(lambda: any(other.due_at > run.due_at for other in books().ended()), "the end of a later run by the other process")
    os.kill(held_up, signal.SIGCONT)
    last = books().runs[-1].due_at
    until(lambda: len([other for other in books().ended() if other.due_at > last]) > 1, "two runs more")
    assert [service.end() for service in services.values()] == [0, 0]
    kept = books().without_last_if_given_back()
    assert unaccounted(kept, 20, timedelta(seconds=2)) == []
