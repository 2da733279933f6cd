"""The runner in this process: failures, retries, timeouts, threads, and what a stop does to runs in progress."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from meteorograph import create_app, get_db_session, job
from meteorograph.config.loading import load_settings
from meteorograph.jobs import runner
from meteorograph.jobs.registry import JOBS
from meteorograph.jobs.runner import RUNNER
from meteorograph.storage.models import JobRun, RegisteredJob
from support import wait_until

pytestmark = pytest.mark.usefixtures("database")

ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

#: A slot in which a run may always start, whatever the hour is.
TODAY: dict[str, Any] = {"schedule": "24h", "grace": "24h"}


@pytest.fixture(autouse=True)
def _no_jobs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(runner, "_FIRST_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(runner, "_RETRY_PAUSE", timedelta(seconds=0.1))
    monkeypatch.setattr(runner, "_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(runner, "_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(runner, "STOP_SECONDS", 0.2)
    JOBS.clear()
    yield
    RUNNER.stop()
    JOBS.clear()


def _runs() -> list[JobRun]:
    with get_db_session(read_only=True) as session:
        return list(session.scalars(select(JobRun).order_by(JobRun.id)))


def _wait_for(state: str) -> JobRun:
    wait_until(lambda: [run.state for run in _runs()] == [state], 60, f"a run that is {state}")
    return _runs()[0]


def _raise(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_a_job_runs_once_and_its_success_is_recorded() -> None:
    calls: list[str] = []
    job("work", function=lambda: calls.append(threading.current_thread().name), **TODAY)
    RUNNER.start()
    RUNNER.start()
    run = _wait_for("succeeded")
    assert (calls, run.attempts, run.error, run.holder) == (["job work"], 1, None, None)
    with get_db_session(read_only=True) as session:
        made = session.scalars(select(RegisteredJob)).one()
    assert (made.succeeded, made.failed) == (1, 0)
    assert made.last_success_at == run.ended_at


@ONE_DATABASE
def test_a_job_that_raises_has_failed_and_the_log_has_its_name_and_run(caplog: pytest.LogCaptureFixture) -> None:
    job("work", function=_raise(SystemExit("of the test")), **TODAY)
    job("other", function=lambda: None, **TODAY)
    RUNNER.start()
    wait_until(lambda: sorted(run.state for run in _runs()) == ["failed", "succeeded"], 60)
    failed = next(run for run in _runs() if run.state == "failed")
    assert (failed.job, failed.error) == ("work", "SystemExit: of the test")
    (line,) = [record.getMessage() for record in caplog.records if "job failed" in record.getMessage()]
    assert "'work'" in line
    assert f"job-{failed.id}" in line


@ONE_DATABASE
def test_a_failed_job_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def work() -> None:
        calls.append(len(calls))
        if len(calls) < 3:
            raise ValueError("not yet")

    job("work", function=work, retries=2, **TODAY)
    RUNNER.start()
    assert _wait_for("succeeded").attempts == 3
    assert len(calls) == 3


@ONE_DATABASE
def test_retries_end() -> None:
    job("work", function=_raise(ValueError("no")), retries=1, **TODAY)
    RUNNER.start()
    run = _wait_for("failed")
    assert (run.attempts, run.error) == (2, "ValueError: no")


@ONE_DATABASE
def test_a_timeout_is_a_failure_and_holds_the_job_until_its_thread_ends() -> None:
    go_on = threading.Event()
    job("work", function=lambda: bool(go_on.wait(60)), timeout=0.1, retries=3, **TODAY)
    RUNNER.start()
    run = _wait_for("failed")
    assert run.error == "timed out after 0.1 s"
    assert run.holder is not None
    go_on.set()
    wait_until(lambda: _runs()[0].holder is None, 60, "the run to be let go")
    assert _wait_for("failed").attempts == 1


@ONE_DATABASE
def test_threads_are_limited_and_no_job_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_JOB_THREADS", "2")
    lock, go_on, at_once, most = threading.Lock(), threading.Event(), list[int](), list[int]()

    def work() -> None:
        with lock:
            at_once.append(1)
            most.append(len(at_once))
        go_on.wait(60)
        with lock:
            at_once.pop()

    for number in range(6):
        job(f"work{number}", function=work, **TODAY)
    RUNNER.start()
    wait_until(lambda: len(most) == 2, 60)
    go_on.set()
    wait_until(lambda: [run.state for run in _runs()] == ["succeeded"] * 6, 60, "all of them")
    assert max(most) == 2


@ONE_DATABASE
@pytest.mark.parametrize(("idempotent", "state"), [(True, "pending"), (False, "failed")])
def test_a_stop_gives_back_the_run_of_an_idempotent_job_and_ends_any_other(idempotent: bool, state: str) -> None:
    go_on = threading.Event()
    job("work", function=lambda: bool(go_on.wait(60)), idempotent=idempotent, **TODAY)
    RUNNER.start()
    _wait_for("running")
    RUNNER.stop()
    assert _wait_for(state).error == "its process was stopped"
    go_on.set()
    if idempotent:
        RUNNER.start()
        assert _wait_for("succeeded").attempts == 2


@ONE_DATABASE
def test_two_applications_and_a_restart_run_a_slot_once() -> None:
    calls: list[int] = []

    def factory() -> None:
        job("work", function=lambda: calls.append(1), **TODAY)
        create_app(load_settings(scheduler_enabled=False))

    factory()
    RUNNER.start()
    factory()
    _wait_for("succeeded")
    RUNNER.stop()
    RUNNER.start()
    job("other", function=lambda: calls.append(2), **TODAY)
    wait_until(lambda: calls == [1, 2], 60, "the other job, after the restart")
    assert len(_runs()) == 2


@ONE_DATABASE
def test_the_api_the_metrics_and_health_show_the_true_state() -> None:
    job("work", function=_raise(ValueError("no")), **TODAY)
    RUNNER.start()
    _wait_for("failed")
    client = create_app(load_settings(scheduler_enabled=False)).test_client()
    (shown,) = client.get("/api/jobs").json["data"]  # type: ignore[index]  # it is JSON
    assert (shown["name"], shown["failing"], shown["last_run"]["error"]) == ("work", True, "ValueError: no")
    assert shown["slots"] == {"succeeded": 0, "failed": 1, "skipped": 0}
    runs = client.get("/api/jobs/runs?job=work&start=2d").json
    assert runs is not None
    assert [run["state"] for run in runs["data"]] == ["failed"]
    assert client.get("/api/jobs/runs?state=missed").status_code == 400
    assert 'meteorograph_job_runs_total{job="work",state="failed"} 1.0' in client.get("/metrics").text
    assert 'meteorograph_job_failing{job="work"} 1.0' in client.get("/metrics").text
    health = client.get("/health")
    assert "the last run of 1 job failed: work" in health.json["problems"]  # type: ignore[index]
    page = client.get("/jobs").text
    assert "ValueError: no" in page
    assert '<span class="badge failed">failed</span>' in page
