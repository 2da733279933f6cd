"""The scheduler's thread: what it outlives, that it starts and stops at will, and when it ticks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from acceptance.books import books
from acceptance.processes import until
from meteorograph import create_app, scheduler, scheduler_start
from meteorograph.config.loading import get_settings
from meteorograph.model import schedule
from meteorograph.simulator import Simulator

pytestmark = [
    pytest.mark.usefixtures("empty_database", "collecting"),
    pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True),
]


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "APScheduler"]


@pytest.mark.parametrize(("where", "method"), [(BackgroundScheduler, "_process_jobs"), (MemoryJobStore, "update_job")])
def test_an_error_in_its_own_bookkeeping_does_not_end_it(
    where: type[Any], method: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = getattr(where, method)
    failures: list[str] = []

    def broken(self: Any, *args: Any) -> Any:
        if len(failures) < 2:
            failures.append(method)
            raise OSError("of the test")
        return real(self, *args)

    monkeypatch.setattr(where, method, broken)
    monkeypatch.setenv("METEOROGRAPH_INTERVAL", "1s")
    create_app()
    until(lambda: len(failures) == 2, "two errors")
    until(
        lambda: sum("internal error of the scheduler" in record.getMessage() for record in caplog.records) == 2, "both in the log"
    )
    ended = len(books().ended())
    until(lambda: len(books().ended()) > ended, "a run after them")
    assert scheduler.is_running()
    assert len(_threads()) == 1


def test_it_starts_and_stops_and_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_INTERVAL", "1s")
    for _ in range(2):
        scheduler.start(get_settings())
        assert scheduler.is_running()
        ended = len(books().ended())
        until(lambda ended=ended: len(books().ended()) > ended, "a run")  # type: ignore[misc]  # no type in a lambda
        scheduler.stop()
        assert not scheduler.is_running()
        assert _threads() == []
    scheduler.stop()


def test_it_stops_at_once_when_it_has_nothing_to_do() -> None:
    scheduler.start(get_settings())
    begun = time.monotonic()
    scheduler.stop()
    assert time.monotonic() - begun < 14  # and not at the next tick or heartbeat, 15 s later


@pytest.mark.usefixtures("one_slot")
def test_two_applications_in_a_process_share_it(collecting: Simulator) -> None:
    create_app()
    thread = _threads()
    create_app()
    assert _threads() == thread
    assert len(thread) == 1
    jobs = [job.id for job in scheduler.scheduler.get_jobs()]
    assert sorted(name for name in jobs if not name.startswith("first ")) == [
        "healing",
        "heartbeat",
        "journal_retention",
        "roll_up",
        "scheduled_ingest",
    ]
    until(lambda: books().ended(), "the run")
    assert collecting.count("openweathermap") == 1


def test_switched_off_it_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    client = create_app().test_client()
    assert client.get("/health").json["scheduler_running"] is False  # type: ignore[index]  # it is JSON
    assert _threads() == []
    assert scheduler.scheduler.get_jobs() == []


@pytest.mark.parametrize("interval", ["1s", "7s", "20s", "10m", "1h"])
def test_it_looks_on_the_grid_of_the_slots(interval: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_INTERVAL", interval)
    settings, begun = get_settings(), time.time()
    scheduler.start(settings)
    for name, seconds in (("scheduled_ingest", schedule.tick_seconds(settings.interval)), ("heartbeat", 15)):
        due = scheduler.scheduler.get_job(name).next_run_time.timestamp()
        assert due % seconds == 0
        assert begun < due <= time.time() + seconds + scheduler.FIRST_TICK_AFTER.total_seconds()
    assert settings.interval.total_seconds() % schedule.tick_seconds(settings.interval) == 0


def test_jobs_of_the_user_go_on_after_a_stop_and_a_start() -> None:
    ran = threading.Event()
    scheduler.scheduler.add_job(ran.set, "interval", seconds=1, id="mine")
    try:
        for _ in range(2):
            scheduler.start(get_settings())
            until(ran.is_set, "the job")
            scheduler.stop()
            ran.clear()
            assert [job.id for job in scheduler.scheduler.get_jobs()] == ["mine"]
        scheduler.scheduler.remove_job("mine")
        scheduler.start(get_settings())
        assert scheduler.scheduler.get_job("mine") is None
    finally:
        scheduler.stop()
        for job in scheduler.scheduler.get_jobs():
            job.remove()


def test_long_jobs_of_the_user_do_not_delay_the_heartbeat() -> None:
    go_on, working = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        working.release()
        go_on.wait(60)

    for number in range(20):
        scheduler.scheduler.add_job(work, "interval", hours=1, id=f"mine {number}", next_run_time=datetime.now(UTC))
    try:
        scheduler.start(get_settings())
        for _ in range(10):
            assert working.acquire(timeout=300)
        before = scheduler._process.last_heartbeat
        scheduler.scheduler.modify_job("heartbeat", next_run_time=datetime.now(UTC))
        until(lambda: scheduler._process.last_heartbeat != before, "a heartbeat while they work")
    finally:
        go_on.set()
        scheduler.stop()
        for job in scheduler.scheduler.get_jobs():
            job.remove()


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """No thread can be started in this process: the stack that each one would get is larger than any memory."""
    monkeypatch.setattr(scheduler_start, "RETRY_SECONDS", 0.0)
    threading.stack_size(1 << 46)

    def allow() -> None:
        threading.stack_size(0)

    yield allow
    allow()


def test_an_application_serves_although_its_scheduler_does_not_start(no_threads: Callable[[], None]) -> None:
    client = create_app().test_client()
    answer = client.get("/health")
    assert answer.status_code == 503
    assert "the scheduler could not be started: RuntimeError: can't start new thread" in answer.get_json()["problems"]
    assert client.get("/livez").status_code == 200
    assert client.get("/data").status_code == 200

    no_threads()
    client.get("/livez")
    until(lambda: books().ended(), "a run")
    assert scheduler.is_running()
    assert client.get("/health").status_code == 200


def test_it_starts_later_without_a_request(no_threads: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object) -> None:
        raise OSError("of the test")  # unlike a lack of threads it lets the timer start

    no_threads()
    with monkeypatch.context() as patch:
        patch.setattr(scheduler, "start", start)
        patch.setattr(scheduler_start, "RETRY_SECONDS", 0.05)
        create_app()
    until(lambda: scheduler.is_running() and scheduler_start.start_error() is None, "the scheduler")
