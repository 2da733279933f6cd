"""Signals: a stop takes ten seconds at most whatever is locked or slow, and settings are read again without a restart."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from acceptance.books import add_locations, add_places, books
from acceptance.holds import away, held
from acceptance.processes import Process, Starter, ask, until
from meteorograph.config.loading import get_settings
from meteorograph.failover.database_file import fallback_path
from meteorograph.server.web_server import THREADS
from meteorograph.simulator import Simulator
from meteorograph.storage.engine import ENGINES
from support import KEY

#: How long a stop may take [s].
STOP_SECONDS = 10.0


def _stop(service: Process) -> float:
    begun = time.monotonic()
    assert service.end() == 0
    return time.monotonic() - begun


def _slowness() -> float:
    """How many times its processor time a computation takes here: about 1 on a machine that has nothing else to do."""
    used, began = time.process_time(), time.monotonic()
    while time.process_time() - used < 0.2:
        pass
    return (time.monotonic() - began) / 0.2


@pytest.mark.usefixtures("one_slot")
@pytest.mark.parametrize(
    ("is_locked", "faults"),
    [
        pytest.param(True, "kind=latency ms=50", id="a locked database"),
        pytest.param(False, "kind=slow ms=60000", id="a provider that drips"),
        pytest.param(True, "kind=latency ms=60000", id="a locked database and a provider that does not answer"),
    ],
)
def test_a_stop_takes_ten_seconds_at_most(
    empty_database: str, start: Starter, collecting: Simulator, is_locked: bool, faults: str
) -> None:
    add_locations((f"place {number}", number % 80, number // 80) for number in range(1000))
    collecting.set_faults(faults)
    service = start.serve()
    until(lambda: collecting.count() >= 1, "a run on its way")  # the first call shows whether the provider answers
    with held(empty_database) if is_locked else nullcontext():
        seconds = _stop(service)
        assert seconds < STOP_SECONDS or seconds < STOP_SECONDS * _slowness()
        calls = collecting.count()
    ENGINES.reset()
    open_states = {run.state for run in books().runs if not run.stored}
    assert open_states <= {"pending", "running"}, "what waits is left open"
    assert collecting.count() == calls
    assert calls < 1000


@pytest.mark.usefixtures("one_slot")
def test_a_new_key_works_without_a_restart(
    empty_database: str, start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_places(3)
    monkeypatch.delenv("OWM_API_KEY")
    key = tmp_path / "key"
    key.write_text("0123456789abcdef0123456789abcdef")
    service = start.serve(OWM_API_KEY_FILE=str(key))
    address = service.address()
    refused = until(lambda: [one for one in ask(f"{address}/health").json["problems"] if "accept the key" in one], "the refusal")
    assert "401" in refused[0]
    key.write_text(KEY)
    os.kill(service.pid, signal.SIGHUP)
    until(lambda: books().ended(), "the end of the run, in the same slot")
    assert [(run.state, run.stored) for run in books().runs] == [("succeeded", 3)]
    assert "settings reloaded" in service.output()
    until(lambda: ask(f"{address}/health").json["status"] == "ok", "a health without a refused key")
    Path(".env").write_text("METEOROGRAPH_CONCURRENCY=none-at-all\n")
    os.kill(service.pid, signal.SIGHUP)
    service.found(r"(the settings are not reloaded)")
    assert "METEOROGRAPH_CONCURRENCY=none-at-all" in service.output()
    Path(".env").unlink()
    os.kill(service.pid, signal.SIGHUP)
    service.found(r"(was read before and is gone)")
    assert ask(f"{address}/health").status == 200
    assert KEY not in service.output()
    assert service.end() == 0


def test_it_starts_without_its_database_if_the_fallback_database_knows_enough(
    empty_database: str, start: Starter, collecting: Simulator
) -> None:
    add_places(3)
    first = start.serve()
    until(lambda: books().ended() and fallback_path(get_settings()).exists(), "a run and a fallback database")
    assert first.end() == 0
    ENGINES.reset()
    path = Path(make_url(empty_database).database or "")
    is_file = empty_database.startswith("sqlite")
    if is_file:
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        path.rename(path.with_name("aside"))
        path.write_bytes(b"this is no database, whatever its name says" * 200)
    with nullcontext() if is_file else away(empty_database):
        calls = collecting.count()
        second = start.serve()
        until(lambda: collecting.count() >= calls + 6, "two slots without the database")
        health = ask(f"{second.address()}/health")
        assert (health.status, health.json["status"]) == (503, "failing")
        assert "starting without the database" in second.output()
        if is_file:
            path.with_name("aside").rename(path)
    ENGINES.reset()
    until(lambda: len([run for run in books().ended() if run.stored == 3]) >= 4, "runs that were brought back")
    until(lambda: ask(f"{second.address()}/health").status == 200, "a health that is well again")
    assert second.end() == 0


@pytest.mark.parametrize("empty_database", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("one_slot")
def test_requests_that_hang_keep_neither_livez_nor_health_waiting(empty_database: str, start: Starter) -> None:
    add_places(1)
    service = start.serve()
    until(lambda: books().ended(), "the first run")
    address = service.address()
    ENGINES.reset()
    with psycopg.connect(empty_database) as other:
        other.execute("LOCK TABLE locations, weather_data IN ACCESS EXCLUSIVE MODE")
        waiting = [threading.Thread(target=ask, args=(f"{address}/data/latest",)) for _ in range(20)]
        for thread in waiting:
            thread.start()
        until(lambda: ask(f"{address}/health").status == 503, "a health that says that the database hangs", 40)
        assert ask(f"{address}/livez").status == 200
        until(lambda: sum(thread.is_alive() for thread in waiting) == THREADS, "that the server refuses what no thread takes")
        other.rollback()
    for thread in waiting:
        thread.join()
    until(lambda: ask(f"{address}/health").status == 200, "a health that is well again")
    assert service.end() == 0


def test_health_says_within_half_a_minute_that_the_database_is_locked(empty_database: str, start: Starter) -> None:
    add_places(2)
    service = start.serve()
    address = service.address()
    until(lambda: books().ended(), "the first run")
    until(lambda: ask(f"{address}/health").status == 200, "a service that is well")
    ENGINES.reset()
    with held(empty_database):
        until(lambda: ask(f"{address}/health").status == 503, "that the database takes nothing", 30)
        assert "the database" in ask(f"{address}/health").json["problems"][0]
    until(lambda: ask(f"{address}/health").status == 200, "a service that is well again")
    assert service.end() == 0
