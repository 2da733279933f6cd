"""Background tasks: taken by one process at a time, given back, cancelled, and done as the command in the foreground does."""

from __future__ import annotations

import csv
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from histories import Archive, give, history
from meteorograph import WeatherData, get_db_session
from meteorograph.background import kinds, tasks
from meteorograph.background.dispatch import look_for_tasks
from meteorograph.background.hold import Hold
from meteorograph.background.runner import TASKS, work
from meteorograph.cli import main
from meteorograph.config.loading import get_settings
from meteorograph.model.clock import DrivenClock
from meteorograph.scheduler import scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage.models import BackgroundTask, Location, Missed, Quota
from meteorograph.storage.upsert import table_of
from support import NOON

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

pytestmark = pytest.mark.usefixtures("database")

Ask = Callable[..., str]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs a command that succeeds, unless told otherwise; gives what it printed."""

    def run(*args: str, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["meteorograph", *args])
        with pytest.raises(SystemExit) as ended:
            main.main()
        out, err = capsys.readouterr()
        assert ended.value.code == code, err
        return out + err

    return run


def _add(kind: str = "reparse", host: str | None = None, **arguments: Any) -> int:
    with get_db_session() as session:
        return tasks.add_task(session, kind, arguments or {"start": NOON.isoformat(), "end": NOON.isoformat()}, host=host)


def _task(number: int = 1) -> BackgroundTask:
    with get_db_session(read_only=True) as session:
        return session.get_one(BackgroundTask, number)


def _all_work(stop: threading.Event | None = None) -> None:
    work(stop or threading.Event())


def test_the_oldest_task_is_taken_once(driven: DrivenClock) -> None:
    assert (_add(), _add()) == (1, 2)
    first, second = tasks.take_task(), tasks.take_task()
    assert first is not None
    assert second is not None
    assert (first.id, second.id, tasks.take_task()) == (1, 2, None)
    driven.advance(timedelta(seconds=61))
    again = tasks.take_task()
    assert again is not None
    assert (again.id, again.token) == (1, 2), "a lease has expired"


def test_who_has_lost_a_task_changes_nothing(driven: DrivenClock) -> None:
    _add()
    first = tasks.take_task()
    driven.advance(timedelta(seconds=61))
    second = tasks.take_task()
    assert first is not None
    assert second is not None
    assert not tasks.renew(first, 5, 10)
    assert not tasks.record_position(first, "there", {"rows": 5})
    tasks.finish(first, "an error")
    tasks.give_back(first)
    assert (_task().state, _task().position, _task().attempts) == ("running", None, 2)
    assert tasks.record_position(second, "there", {"rows": 7})
    tasks.finish(second)
    assert (_task().state, _task().position, json.loads(_task().counts)) == ("succeeded", "there", {"rows": 7})


def test_a_task_that_ends_its_processes_is_given_up(driven: DrivenClock) -> None:
    _add()
    for _ in range(tasks.MAX_DEATHS):
        assert tasks.take_task() is not None
        driven.advance(timedelta(seconds=61))
    assert tasks.take_task() is None
    assert _task().state == "failed"
    assert str(_task().message).startswith("given up: 3 attempts")


def test_progress_makes_deaths_forgotten(driven: DrivenClock) -> None:
    _add()
    for _ in range(3 * tasks.MAX_DEATHS):
        claim = tasks.take_task()
        assert claim is not None
        assert tasks.record_position(claim, None, {})
        driven.advance(timedelta(seconds=61))


def test_a_task_of_another_host_is_left_to_it() -> None:
    _add(host="elsewhere")
    assert tasks.take_task() is None
    with get_db_session(read_only=True) as session:
        assert not tasks.has_free_task(session)
    _add(host=socket.gethostname())
    claim = tasks.take_task()
    assert claim is not None
    assert claim.id == 2


def test_a_cancelled_task_stops_its_process() -> None:
    _add()
    claim = tasks.take_task()
    assert claim is not None
    with Hold(claim, threading.Event()) as hold:
        with get_db_session() as session:
            assert tasks.cancel(session, 1)
            assert not tasks.cancel(session, 1)
        hold.advance("there", {})
        assert hold.stop.is_set()
        assert hold.is_lost
    assert (_task().state, _task().position) == ("cancelled", None)


def test_ended_tasks_are_deleted_after_a_month(driven: DrivenClock) -> None:
    _add()
    _all_work()
    _add()
    driven.advance(31 * DAY)
    with get_db_session() as session:
        tasks.delete_old_tasks(session)
        assert list(session.scalars(select(BackgroundTask.id))) == [2]


@pytest.fixture
def weeks(collecting: Simulator, driven: DrivenClock) -> Simulator:
    """Two places that were collected once in each of three weeks; of the first two weeks the rows are gone."""
    with get_db_session() as session:
        session.add_all(Location(name=f"p{n}", latitude=n, longitude=10, state="active", created_at=NOON) for n in range(2))
    for week in range(3):
        if week:
            driven.advance(8 * DAY)
        scheduled_ingest()
    with get_db_session() as session:
        session.execute(delete(Missed))
        session.execute(delete(WeatherData).where(WeatherData.due_at < NOON + 9 * DAY))
    return collecting


def _temperatures() -> dict[tuple[int, Any], float | None]:
    with get_db_session(read_only=True) as session:
        rows = session.execute(select(WeatherData.location_id, WeatherData.due_at, table_of(WeatherData).c.temperature))
        return {(id_, at): temperature for id_, at, temperature in rows}


def _truth(simulator: Simulator) -> dict[tuple[int, Any], Any]:
    slots = [NOON + week * 8 * DAY for week in range(3)]
    return {
        (id_ + 1, at): pytest.approx(simulator.truth(id_, 10, at)["temperature"], abs=0.01) for id_ in range(2) for at in slots
    }


def test_the_journal_is_read_again_from_where_a_stop_left_it(weeks: Simulator, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "task 1 waits" in ask("reparse", "--background", "--start", NOON.isoformat())
    monkeypatch.setattr(kinds, "_STORE_SECONDS", 0)
    stop, real = threading.Event(), Hold.advance

    def advance(hold: Hold, position: str | None, counts: Mapping[str, int]) -> None:
        real(hold, position, counts)
        stop.set()  # the process stops at its first position
        assert hold.stop.wait(60)

    monkeypatch.setattr(Hold, "advance", advance)
    _all_work(stop)
    task = _task()
    assert (task.state, task.holder, task.position) == ("pending", None, (NOON + 8 * DAY - HOUR).isoformat())
    assert len(_temperatures()) == 4, "the first week is back"
    monkeypatch.setattr(Hold, "advance", real)
    _all_work()
    assert _temperatures() == _truth(weeks)
    task = _task()
    assert (task.state, task.attempts, task.done, task.total) == ("succeeded", 2, 16 * 24, 16 * 24)
    counts = json.loads(task.counts)
    assert counts["payloads"] == len(weeks.calls()) + 1, "the first one after the position is read twice"
    assert counts["rows"] == 4


def test_an_export_is_a_file_when_it_is_complete(weeks: Simulator, tmp_path: Path, ask: Ask) -> None:
    ask("reparse", "--start", NOON.isoformat())
    assert "task 1 waits" in ask("export", "--background", "-o", "rows.csv", "--location", "p1")
    assert not (tmp_path / "rows.csv").exists()
    _all_work()
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        exported = {(2, datetime.fromisoformat(row["due_at"])): float(row["temperature"]) for row in csv.DictReader(file)}
    assert exported == {key: value for key, value in _truth(weeks).items() if key[0] == 2}
    assert json.loads(_task().counts) == {"rows": 3, "files": 2}
    told = json.loads(ask("tasks", "list", "--json"))
    assert [(one["id"], one["state"], one["done"], one["total"]) for one in told] == [(1, "succeeded", 1, 1)]


@pytest.mark.parametrize("options", [("--format", "ndjson"), ("--format", "parquet"), ("--format", "parquet", "--partitioned")])
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_every_format_is_exported_as_by_the_command(weeks: Simulator, tmp_path: Path, ask: Ask, options: tuple[str, ...]) -> None:
    ask("export", "--background", "-o", "background", *options, "--end", f"{NOON + 30 * DAY:%Y-%m-%d}")
    _all_work()
    assert _task().state == "succeeded", _task().message
    ask("export", "-o", "command", *options, "--end", f"{NOON + 30 * DAY:%Y-%m-%d}")
    made, expected = (
        [path.relative_to(tmp_path / name) for path in (tmp_path / name).rglob("*")] for name in ("background", "command")
    )
    assert made == expected
    if "ndjson" in options:
        assert (tmp_path / "background").read_bytes() == (tmp_path / "command").read_bytes()


def test_what_cannot_be_done_fails_with_its_reason(weeks: Simulator, tmp_path: Path, ask: Ask) -> None:
    (tmp_path / "gone").mkdir()
    ask("export", "--background", "-o", "gone/rows.csv")
    (tmp_path / "gone").rmdir()
    ask("export", "--background", "-o", "rows.csv", "--location", "nowhere")
    _all_work()
    assert [_task(n).state for n in (1, 2)] == ["failed", "failed"]
    assert "No such file or directory" in str(_task(1).message)
    assert _task(2).message == "no location is named 'nowhere'"
    assert "no location is named" in " ".join(ask("tasks", "list").split())


def test_a_cancelled_export_leaves_no_file(weeks: Simulator, tmp_path: Path, ask: Ask) -> None:
    ask("export", "--background", "-o", "rows.csv")
    claim = tasks.take_task()
    assert claim is not None
    with Hold(claim, threading.Event()) as hold:
        ask("tasks", "cancel", "1")
        hold.advance(None, {})
        with pytest.raises(kinds.TaskStoppedError):
            kinds.write_file(get_settings(), hold)
    assert [path for path in tmp_path.rglob("*") if "rows" in path.name] == []
    assert "1: no background task" in ask("tasks", "cancel", "1", code=1)


@pytest.fixture
def archive(collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """OpenWeatherMap has a history of its truth; two locations miss the first twelve hours since noon, a day ago."""
    made = Archive(collecting.truth, page=5)
    with get_db_session() as session:
        session.add_all(Location(name=f"p{n}", latitude=n, longitude=10, state="active", created_at=NOON) for n in range(2))
        session.flush()
        session.add_all(
            Missed(location_id=n + 1, due_at=NOON + hours * HOUR, reason="down") for n in range(2) for hours in range(1, 13)
        )
    driven.advance(DAY)
    with made.served():
        give(monkeypatch, "openweathermap", history(made, "openweathermap", "openweathermap"))
        yield made


def _backfilled() -> int:
    with get_db_session(read_only=True) as session:
        return len(session.scalars(select(WeatherData.due_at).where(WeatherData.origin == "backfill")).all())


def test_missed_slots_are_filled(archive: Archive, ask: Ask) -> None:
    told = ask("backfill", "--background")
    assert told.splitlines()[0] == "24 slots of 2 locations to fill, 2026-03-01 13:00 to 2026-03-02 00:00"
    assert "task 1 waits" in told
    assert archive.calls == []
    _all_work()
    task = _task()
    assert (task.state, task.done, task.total) == ("succeeded", 24, 24)
    assert json.loads(task.counts) == {"missing_before": 24, "filled": 24, "missing": 0}
    assert _backfilled() == 24


def test_a_backfill_without_calls_waits_and_repeats_none(
    archive: Archive, driven: DrivenClock, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_OWM_CALLS_PER_MONTH", "1000000")
    ask("backfill", "--background")
    with get_db_session() as session:
        session.execute(update(Quota).values(used=0))
        month = driven().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        session.merge(Quota(provider="openweathermap", window="month", period_start=month, used=1_000_000))
    _all_work()
    task = _task()
    assert (task.state, task.message) == ("pending", "no calls are left now for the other slots")
    assert task.retry_at == driven() + HOUR
    assert archive.calls == []
    _all_work()
    assert _task().attempts == 1, "it is not taken before its time"
    with get_db_session() as session:
        session.execute(update(Quota).values(used=0))
    driven.advance(HOUR)
    _all_work()
    assert (_task().state, _backfilled(), len(archive.calls)) == ("succeeded", 24, 6)


def test_a_look_begins_to_work(weeks: Simulator, tmp_path: Path, ask: Ask) -> None:
    ask("export", "--background", "-o", "rows.csv")
    look_for_tasks(threading.Event())
    thread = TASKS._thread
    assert thread is not None
    thread.join(60)
    assert (tmp_path / "rows.csv").exists()
    assert _task().state == "succeeded"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("export", "--background"), "--background needs a file: name it with --output"),
        (("export", "--background", "-o", "no/rows.csv"), "--output no/rows.csv: its folder must exist"),
        (("reparse", "--background", "--dry-run"), "--background needs neither --dry-run nor --json"),
        (("reparse", "--background", "--json"), "--background needs neither --dry-run nor --json"),
    ],
)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_wrong_usage(ask: Ask, command: tuple[str, ...], reason: str) -> None:
    assert reason in ask(*command, code=2)
    with get_db_session(read_only=True) as session:
        assert session.scalars(select(BackgroundTask)).all() == []
