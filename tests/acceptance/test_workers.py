"""Many processes on one database: each slot is collected once, whoever started them and however."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

import psycopg
import pytest

from acceptance.books import books, pids
from acceptance.processes import METEOROGRAPH, PYTHON, Process, Starter, ask, ask_all_workers, until
from meteorograph.simulator import Simulator
from meteorograph.storage.engine import ENGINES

SLOTS = 4
LONDON = 51.5074


def _gunicorn(start: Starter, *options: str) -> Process:
    log = ("--access-logfile", "-", "--access-logformat", "answered by %(p)s: %(U)s %(s)s", "--graceful-timeout", "10")
    return start(PYTHON, "-m", "gunicorn", "-w", "4", "--bind", "127.0.0.1:0", *log, *options, "meteorograph:create_app()")


def _have_ended(number: int) -> Callable[[], bool]:
    return lambda: len(books().ended()) >= number


def _calls(simulator: Simulator) -> int:
    """Calls for the location on schedule; those for other points were made on demand."""
    return sum(call.latitude == LONDON for call in simulator.calls())


def _check_once(simulator: Simulator, *servers: Process) -> None:
    """After the services have ended: one call and one row a slot, nothing left open, no slot without an entry.

    A process that the machine holds up for longer than its lease (1 s) has its run taken over, or closed where the slot is over,
    and says so: a call more. A slot of two seconds that is over before a process could begin has a reason, and no row.
    """
    signs = ("taken_over=True", "another process has claimed the run")
    taken_over = sum(server.output().count(sign) for server in servers for sign in signs)
    kept = books()
    given_back = len(kept.runs)
    kept = kept.without_last_if_given_back()
    given_back -= len(kept.runs)
    assert [run.state for run in kept.runs if run.state in ("running", "pending")] == []
    rows = {at: len(found) for at, found in kept.stored.items() if found}
    accounts = {
        run.due_at: (run.state, run.stored, rows.get(run.due_at, 0), len(kept.missed[run.due_at])) for run in kept.ended()
    }
    assert set(accounts.values()) <= {("succeeded", 1, 1, 0), ("failed", 0, 0, 1)}
    assert rows
    assert 0 <= _calls(simulator) - len(rows) <= taken_over + given_back
    assert {(after.due_at - before.due_at).seconds for before, after in pairwise(kept.runs)} == {2}


#: What a process says that a busy machine has held up for longer than its lease (1 s) or its slot (2 s).
_HELD_UP = ("another process has claimed the run", "the lease could not be renewed", "the clock of the machine was changed")


def _is_complaint(line: str) -> bool:
    return bool(re.search(r"(?i)\[(error|warning)|traceback", line)) and not any(one in line for one in _HELD_UP)


def _check_health(server: Process, workers: set[int]) -> None:
    answers = ask_all_workers(server, workers, "/health")
    assert all(answer.json["scheduler_running"] is True for answer in answers)


@pytest.mark.parametrize("empty_database", ["sqlite", "postgresql", "pooled"], indirect=True)
@pytest.mark.usefixtures("empty_database")
def test_four_gunicorn_workers_collect_each_slot_once(start: Starter, collecting: Simulator) -> None:
    server = _gunicorn(start)
    until(lambda: len(pids()) == 4, "four schedulers")
    _check_health(server, pids())
    until(_have_ended(SLOTS), f"{SLOTS} slots")
    assert server.end() == 0
    _check_once(collecting, server)
    assert "DuplicatePreparedStatement" not in server.output()


@pytest.mark.parametrize("empty_database", ["postgresql"], indirect=True)
def test_each_worker_keeps_two_idle_connections_at_most(start: Starter, empty_database: str) -> None:
    server = _gunicorn(start, "--threads", "8")
    workers = until(lambda: found if len(found := pids()) == 4 else set(), "four schedulers")
    for path in ("/data", "/api/runs", "/health"):
        ask_all_workers(server, workers, path)
    ENGINES.reset()  # the connections of the test itself

    def connections() -> int:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'meteorograph' AND datname = current_database()"
        with psycopg.connect(empty_database) as connection:
            row = connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    until(lambda: 4 <= connections() <= 8, "two connections a worker")
    assert server.end() == 0


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("empty_database")
def test_workers_forked_from_a_preloaded_application_collect_and_are_replaced(start: Starter, collecting: Simulator) -> None:
    server = _gunicorn(start, "--preload")
    workers = set(until(lambda: pids() if len(pids()) == 4 else None, "four schedulers") or ())
    assert server.pid not in workers
    _check_health(server, workers)
    answers = ask_all_workers(server, workers, "/ingest", {"lat": 10, "lon": 20})
    assert {answer.status for answer in answers} == {200}
    until(_have_ended(SLOTS), f"{SLOTS} slots")

    victim = workers.pop()
    os.kill(victim, signal.SIGKILL)
    replacement = until(lambda: pids() - workers - {victim}, "a scheduler in place of the one that was killed")
    _check_health(server, workers | replacement)
    answers = ask_all_workers(server, workers | replacement, "/ingest", {"lat": 10, "lon": 20})
    assert {answer.status for answer in answers} == {200}
    until(_have_ended(len(books().ended()) + 2), "two slots more")
    assert server.end() == 0
    kept = books().without_last_if_given_back()
    # The one that was killed may have had a run, and so may those that were told to end: a call more than rows then.
    assert 0 <= _calls(collecting) - len(kept.stored) <= 2 + server.output().count("taken_over=True")
    assert [run.state for run in kept.runs if run.state in ("running", "pending")] == []


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("empty_database")
def test_the_reloader_of_flask_collects_each_slot_once(start: Starter, collecting: Simulator) -> None:
    server = start(PYTHON, "-m", "flask", "--app", "meteorograph:create_app", "run", "--debug", "--port", "0")
    assert ask(f"{server.address()}/health").json["scheduler_running"] is True
    until(lambda: len(pids()) == 2, "the reloader's scheduler and that of the one it reloads")
    until(_have_ended(SLOTS), f"{SLOTS} slots")
    for pid in pids():
        with suppress(ProcessLookupError):  # one of them ends with the other
            os.kill(pid, signal.SIGTERM)
    server.end()
    kept = books()
    done = [run for run in kept.runs if run.state not in ("running", "pending")]
    assert [run.state for run in done] == ["succeeded"] * len(done)
    assert 0 <= _calls(collecting) - len(kept.stored) <= len(kept.runs) - len(done) + server.output().count("taken_over=True")


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("empty_database")
def test_one_process_collects_and_others_serve(start: Starter, collecting: Simulator) -> None:
    collector = start(METEOROGRAPH, "serve", "--no-web", METEOROGRAPH_SCHEDULER_ENABLED="false")  # which is for the others
    collector.found(r"(collecting) ")
    server = start(METEOROGRAPH, "serve", "--no-scheduler", "--port", "0")
    until(_have_ended(SLOTS), f"{SLOTS} slots")
    assert pids() == {collector.pid}
    told = ask(f"{server.address()}/health")
    assert (told.status, told.json["scheduler_running"]) == (200, True)
    assert len(ask(f"{server.address()}/data/latest").json["data"]) == 1
    assert [collector.end(), server.end()] == [0, 0]
    _check_once(collecting, collector)


@pytest.mark.usefixtures("empty_database")
def test_four_services_that_start_at_once_make_the_schema_and_collect_each_slot_once(
    start: Starter, collecting: Simulator
) -> None:
    servers = [start.serve() for _ in range(4)]
    assert len({server.address() for server in servers}) == 4  # before the test itself opens the database
    until(lambda: pids() == {server.pid for server in servers}, "four schedulers")
    for server in servers:
        assert ask(f"{server.address()}/health").json["scheduler_running"] is True
    until(_have_ended(SLOTS), f"{SLOTS} slots")
    assert [server.end() for server in servers] == [0, 0, 0, 0]
    _check_once(collecting, *servers)
    assert [line for server in servers for line in server.output().splitlines() if _is_complaint(line)] == []
