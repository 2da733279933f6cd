"""Jobs of the user's own under gunicorn: the examples of the page about jobs, workers that die, and plain jobs of APScheduler."""

from __future__ import annotations

import os
import re
import signal
import struct
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.exc import ProgrammingError

from acceptance.books import pids
from acceptance.processes import PYTHON, Process, Starter, ask, until
from meteorograph import get_db_session
from meteorograph.errors import StoreError
from meteorograph.storage.models import JobRun
from support import ROOT

ONE_DATABASE = pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
EITHER = pytest.mark.parametrize("options", [(), ("--preload",)], ids=["workers", "preload"])

pytestmark = pytest.mark.usefixtures("empty_database")

#: The examples of the page, by file name.
EXAMPLES = dict(
    re.findall(r"```python\n# (\w+\.py)\n(.*?)```", (ROOT / "docs" / "jobs.md").read_text(encoding="utf-8"), re.DOTALL)
)


def _gunicorn(start: Starter, *options: str, app: str = "meteorograph:create_app()", **environment: str) -> Process:
    command = (PYTHON, "-m", "gunicorn", "-w", "4", "--bind", "127.0.0.1:0", "--graceful-timeout", "20", *options, app)
    return start(*command, METEOROGRAPH_INTERVAL="1h", **environment)


def _runs(*states: str) -> list[JobRun]:
    """Runs of jobs in these states, oldest first; none while there is no schema yet."""
    try:
        with get_db_session(read_only=True) as session:
            return list(session.scalars(select(JobRun).where(JobRun.state.in_(states)).order_by(JobRun.due_at, JobRun.job)))
    except (StoreError, ProgrammingError):
        return []


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


class _Clock:
    """The clock of the processes that a test starts, which it may set."""

    def __init__(self, library: Path, file: Path) -> None:
        self._file = file
        file.write_bytes(bytes(8))
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(file)}

    def set(self, at: datetime) -> None:
        with self._file.open("r+b") as file:  # in place: the processes have mapped it
            file.write(struct.pack("=q", round(at.timestamp() - time.time())))


@EITHER
def test_the_examples_of_the_page_run_once_a_slot_with_four_workers(
    options: tuple[str, ...], start: Starter, tmp_path: Path, library: Path
) -> None:
    assert list(EXAMPLES) == ["weather_jobs.py", "heavy_work.py", "heavy_jobs.py", "package_jobs.py"]
    for name, text in EXAMPLES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "station_report").mkdir()
    (tmp_path / "station_report" / "__init__.py").write_text(
        "def write(path):\n    with open(path, 'a') as file:\n        print('reported', file=file)\n"
    )
    clock = _Clock(library, tmp_path / "offset")
    night = datetime(2027, 1, 10, 0, 31, tzinfo=ZoneInfo("Europe/London"))
    clock.set(night)
    server = _gunicorn(start, *options, METEOROGRAPH_JOBS="weather_jobs,heavy_jobs,package_jobs", **clock.environment)
    until(lambda: len(_runs("succeeded")) == 3, "a run of each job")
    assert "rows" in (tmp_path / "summary.txt").read_text()
    assert server.output().count("the sum is 333332833333500000") == 1
    assert _lines(tmp_path / "report.txt") == ["reported"]

    clock.set(night + timedelta(days=1))
    until(lambda: len(_runs("succeeded")) == 6, "a run of each job in the next night")
    assert server.end() == 0
    half_past, hour = night.astimezone(UTC).replace(minute=30), night.astimezone(UTC).replace(minute=0)
    for job, first in (("nightly_summary", half_past), ("heavy", hour), ("station_report", hour)):
        mine = [run for run in _runs("succeeded", "failed", "pending", "running") if run.job == job]
        assert [(run.state, run.due_at, run.attempts) for run in mine] == [
            ("succeeded", first, 1),
            ("succeeded", first + timedelta(days=1), 1),
        ]
    assert {run.job: run.slots for run in _runs("skipped")} == {"heavy": 23, "station_report": 23}
    assert _lines(tmp_path / "report.txt") == ["reported"] * 2


JOBS_OF_TEST = """
import os, time
from meteorograph import job

def work(name):
    with open(name, "a") as file:
        print(os.getpid(), file=file)
    if len(open(name).readlines()) == 1:
        time.sleep(600)

@job("again", "24h", grace="24h", idempotent=True)
def again():
    work("again.txt")

@job("once", "24h", grace="24h")
def once():
    work("once.txt")
"""


def test_the_run_of_a_killed_worker_is_taken_over_if_the_job_says_that_it_may(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "jobs_of_test.py").write_text(JOBS_OF_TEST)
    server = _gunicorn(start, METEOROGRAPH_JOBS="jobs_of_test")
    until(lambda: len(_lines(tmp_path / "again.txt")) == len(_lines(tmp_path / "once.txt")) == 1, "both to run")
    for pid in {int(line) for name in ("again.txt", "once.txt") for line in _lines(tmp_path / name)}:
        os.kill(pid, signal.SIGKILL)
    ended = until(lambda: found if len(found := _runs("succeeded", "failed")) == 2 else [], "both to end")
    assert [(run.job, run.state, run.attempts) for run in ended] == [("again", "succeeded", 2), ("once", "failed", 1)]
    assert ended[1].error is not None
    assert ended[1].error.startswith("its process died: ")
    assert len(_lines(tmp_path / "once.txt")) == 1
    problems = ask(f"{server.address()}/health").json["problems"]
    assert "the last run of 1 job failed: once" in problems
    assert server.end() == 0


FORKING_JOB = """
import multiprocessing, threading
from meteorograph import job, scheduler

def child(path):
    with open(path, "w") as file:
        print(scheduler.is_running(), sorted(thread.name for thread in threading.enumerate()), file=file)

@job("forking", "24h", grace="24h")
def forking():
    process = multiprocessing.get_context("fork").Process(target=child, args=("child.txt",))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert scheduler.is_running()
"""


@ONE_DATABASE
@EITHER
def test_a_process_that_a_job_forks_has_no_scheduler_and_takes_none_away(
    options: tuple[str, ...], start: Starter, tmp_path: Path
) -> None:
    (tmp_path / "forking_job.py").write_text(FORKING_JOB)
    server = _gunicorn(start, *options, METEOROGRAPH_JOBS="forking_job")
    (run,) = until(lambda: _runs("succeeded", "failed"), "its end")
    assert (run.state, run.error) == ("succeeded", None)
    (line,) = _lines(tmp_path / "child.txt")
    assert line.startswith("False")
    assert "APScheduler" not in line
    assert server.end() == 0


PLAIN_JOB = """
import os
from meteorograph import create_app
from meteorograph.scheduler import scheduler

def plain():
    with open("plain.txt", "a") as file:
        print(os.getpid(), file=file)

app = create_app()
scheduler.add_job(plain, "interval", seconds=1, id="plain")
"""


@ONE_DATABASE
@EITHER
def test_a_plain_job_runs_in_every_worker_and_the_log_says_so(options: tuple[str, ...], start: Starter, tmp_path: Path) -> None:
    (tmp_path / "plain_app.py").write_text(PLAIN_JOB)
    server = _gunicorn(start, *options, app="plain_app:app")
    workers = until(lambda: found if len(found := pids()) == 4 else set(), "four schedulers")

    def runs() -> Counter[int]:
        return Counter(map(int, _lines(tmp_path / "plain.txt")))

    until(lambda: all(runs()[pid] >= 2 for pid in workers), "the job in each worker")
    assert server.output().count("this job runs in every process of the service; meteorograph.job runs") == (1 if options else 4)
    victim = min(workers)
    os.kill(victim, signal.SIGKILL)
    (replacement,) = until(lambda: pids() - workers, "a scheduler in place of the one that was killed")
    until(lambda: runs()[replacement] >= 1, "the job in it")
    assert server.end() == 0
