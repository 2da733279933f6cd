"""``meteorograph backfill``: what it says it will cost is what it spends, and what it fills."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from histories import Archive, give, history
from meteorograph import WeatherData, get_db_session
from meteorograph.cli import main
from meteorograph.config.loading import get_settings
from meteorograph.healing import backfill, rounds
from meteorograph.healing.backfill_plan import BackfillRequest
from meteorograph.ledger import coverage
from meteorograph.model import clock
from meteorograph.model.clock import DrivenClock
from meteorograph.simulator import Simulator
from meteorograph.storage import leases
from meteorograph.storage.models import Location, Missed, Quota, Run
from support import NOON

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

pytestmark = pytest.mark.usefixtures("database")

ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def archive(collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """OpenWeatherMap has a history of its truth; three locations miss the first twelve hours since noon, a day ago."""
    made = Archive(collecting.truth, page=5)
    with get_db_session() as session:
        for number, name in enumerate(("Athens", "Bergen", "Cork")):
            session.add(Location(name=name, latitude=number, longitude=10, state="active", created_at=NOON))
        session.flush()
        for number in range(3):
            for hours in range(1, 13):
                session.add(Missed(location_id=number + 1, due_at=NOON + hours * HOUR, reason="down"))
    driven.advance(DAY)
    with made.served():
        give(monkeypatch, "openweathermap", history(made, "openweathermap", "openweathermap"))
        yield made


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs ``meteorograph backfill``; gives exit code, standard output and standard error."""

    def run(*args: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["meteorograph", "backfill", *args])
        with pytest.raises(SystemExit) as ended:
            main.main()
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err

    return run


def _rows(*names: str) -> list[Any]:
    with get_db_session(read_only=True) as session:
        query = select(WeatherData).join(Location, Location.id == WeatherData.location_id)
        if names:
            query = query.where(Location.name.in_(names))
        return list(session.scalars(query.order_by(WeatherData.due_at)))


def _used() -> set[int]:
    with get_db_session(read_only=True) as session:
        return {row.used for row in session.scalars(select(Quota))}


def test_a_dry_run_spends_nothing_and_says_what_is_spent_after_it(archive: Archive, ask: Ask) -> None:
    code, out, err = ask("--dry-run")
    lines = out.splitlines()
    assert (code, err, archive.calls, _rows()) == (0, "", [], [])
    assert lines[0] == "36 slots of 3 locations to fill, 2026-03-01 13:00 to 2026-03-02 00:00"
    assert lines[1].startswith("openweathermap  9 calls; ")
    assert "left this minute" in lines[1]
    code, out, err = ask("--json")
    told = json.loads(out)
    assert code == 0
    assert [one["calls"] for one in told["accounts"]] == [9]
    assert told["outcome"]["filled"] == 36
    assert told["outcome"]["calls"] == {"openweathermap": 9}
    assert (len(archive.calls), _used(), len(_rows())) == (9, {9}, 36)
    assert err.splitlines()[-1].startswith("36/36, ")
    assert ask() == (0, "nothing to fill\n", "")


def test_one_location_and_a_stretch_of_time(archive: Archive, ask: Ask) -> None:
    code, out, _ = ask("--location", "Bergen", "--start", "2026-03-01T15:00", "--end", "2026-03-01T18:00")
    assert code == 0
    assert out.splitlines()[0] == "3 slots of 1 location to fill, 2026-03-01 15:00 to 2026-03-01 17:00"
    assert out.splitlines()[2] == "3 filled, 0 without data (0 of them closed as unrecoverable)"
    assert [row.due_at for row in _rows("Bergen")] == [NOON + hours * HOUR for hours in (3, 4, 5)]
    assert len(_rows()) == 3


@ONE_DATABASE
def test_hours_before_a_location_was_added_are_filled_when_a_start_asks_for_them(
    archive: Archive, collecting: Simulator, ask: Ask
) -> None:
    with get_db_session() as session:
        session.add(Location(name="Derry", latitude=9, longitude=10, state="active", schedule="6h", created_at=NOON + 22 * HOUR))
    assert ask("--location", "Derry") == (0, "nothing to fill\n", "")
    code, _, _ = ask("--location", "Derry", "--start", "2026-02-27T00:00Z")
    assert code == 0
    rows = _rows("Derry")
    assert [row.due_at for row in rows] == [NOON - 60 * HOUR + number * 6 * HOUR for number in range(14)]
    assert {row.origin for row in rows} == {"backfill"}
    assert all(row.temperature == collecting.truth(9, 10, row.due_at)["temperature"] for row in rows)
    assert ask("--location", "Derry", "--start", "2026-02-27T00:00Z")[1] == "nothing to fill\n"


def test_a_start_fills_slots_that_no_service_ran_for(archive: Archive, ask: Ask) -> None:
    """The ledger knows twelve missed hours of three locations; of the other hours since they were added it knows nothing."""
    with get_db_session() as session:
        session.add(Run(schedule="default", due_at=NOON + 20 * HOUR, state="running"))
    code, out, _ = ask("--start", "2026-03-01T00:00Z", "--location", "Bergen")
    assert (code, out.splitlines()[0]) == (0, "35 slots of 1 location to fill, 2026-03-01 00:00 to 2026-03-02 11:00")
    assert [row.due_at for row in _rows("Bergen")] == [NOON + hours * HOUR for hours in range(-12, 24) if hours != 20]
    assert ask("--location", "Cork", "--start", "2026-03-01T00:00Z", "--end", "2026-03-02T02:00Z")[0] == 0
    assert len(_rows("Cork")) == 26
    with get_db_session(read_only=True) as session:
        start, end = NOON - DAY, NOON + 2 * DAY
        by_location = coverage.slot_coverage(session, start, end)[0]
        by_day = coverage.slot_coverage(session, start, end, by="day")[0]
        both = coverage.slot_coverage(session, start, end, by="location,day", location="Bergen")[0]
    stored = {entry.location: (entry.stored, entry.backfilled, entry.missed, entry.pending) for entry in by_location}
    assert stored == {"Athens": (0, 0, 12, 1), "Bergen": (35, 35, 0, 1), "Cork": (26, 26, 0, 1)}
    assert [(str(entry.day), entry.stored, entry.backfilled) for entry in by_day] == [
        ("2026-03-01", 48, 48),
        ("2026-03-02", 13, 13),
    ]
    assert [(str(entry.day), entry.stored) for entry in both] == [("2026-03-01", 24), ("2026-03-02", 11)]


@ONE_DATABASE
def test_a_start_leaves_closed_slots_alone(archive: Archive, driven: DrivenClock, ask: Ask) -> None:
    with get_db_session() as session:
        session.get_one(Missed, (3, NOON + 2 * HOUR)).closed_at = driven()
    assert ask("--location", "Cork", "--start", "2026-03-01T12:30Z")[0] == 0
    assert NOON + 2 * HOUR not in {row.due_at for row in _rows("Cork")}
    assert ask("--location", "Cork", "--start", "2026-03-01T12:30Z", "--again")[0] == 0
    assert len(_rows("Cork")) == 23


@ONE_DATABASE
def test_what_is_not_filled_is_told_and_the_exit_code_is_1(archive: Archive, driven: DrivenClock, ask: Ask) -> None:
    archive.without = {NOON + 2 * HOUR}
    code, out, _ = ask("--location", "Cork")
    assert code == 1
    assert "11 filled, 1 without data (0 of them closed as unrecoverable)" in out
    for _ in range(3):
        assert ask("--location", "Cork")[0] == 1
    with get_db_session(read_only=True) as session:
        missed = session.get_one(Missed, (3, NOON + 2 * HOUR))
        assert (missed.tries, missed.closed_at) == (1, None), "answers of one day count once"
    for _ in range(2):
        driven.advance(DAY)
        ask("--location", "Cork")
    assert ask("--location", "Cork") == (0, "nothing to fill\n", "")
    archive.without = set()
    assert ask("--location", "Cork", "--again")[0] == 0
    assert len(_rows("Cork")) == 12


@ONE_DATABASE
def test_a_quota_that_is_not_enough_is_said_first_and_kept(archive: Archive, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    with get_db_session() as session:
        session.query(Location).update({"state": "paused"})  # nothing is kept for live collection
    monkeypatch.setenv("METEOROGRAPH_OWM_CALLS_PER_MONTH", "7")
    code, out, _ = ask("--dry-run")
    assert code == 1
    assert "openweathermap  7 calls; " in out
    assert "slots for which no calls are left now" in out
    code, out, _ = ask()
    assert code == 1
    assert (len(archive.calls), _used()) == (7, {7})
    assert ask()[0] == 1
    assert len(archive.calls) == 7


class Waits(threading.Event):
    """Never set; waiting for it moves the clock instead."""

    def __init__(self, driven: DrivenClock) -> None:
        super().__init__()
        self._driven = driven
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waited.append(timeout)
        self._driven.advance(timedelta(seconds=timeout))
        return False


@ONE_DATABASE
def test_it_waits_for_the_next_minute_of_a_quota_and_not_for_the_next_month(
    archive: Archive, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with get_db_session() as session:
        session.query(Location).update({"state": "paused"})  # nothing is kept for live collection
    monkeypatch.setenv("METEOROGRAPH_OWM_CALLS_PER_MINUTE", "4")
    asked: list[datetime] = []
    archive.before_answer = lambda: asked.append(driven())
    driven.advance(timedelta(seconds=20))
    wanted, stop, told = BackfillRequest(None, None, driven()), Waits(driven), list[tuple[int, int]]()
    done = backfill.run_backfill(get_settings(), wanted, stop, lambda filled, failed: told.append((filled, failed)))
    assert (done.filled, done.missing, done.waiting, len(_rows())) == (36, 0, 0, 36)
    assert stop.waited[0] == 40
    assert max(Counter(at.replace(second=0) for at in asked).values()) <= 4
    assert told == sorted(told)
    assert told[-1] == (36, 0)

    with get_db_session() as session:
        session.add(Missed(location_id=1, due_at=NOON + 20 * HOUR, reason="down"))
    monkeypatch.setenv("METEOROGRAPH_OWM_CALLS_PER_MONTH", str(len(archive.calls)))
    waits = len(stop.waited)
    done = backfill.run_backfill(get_settings(), wanted, stop, lambda filled, failed: None)
    assert (done.filled, done.waiting, len(stop.waited)) == (0, 1, waits)


@ONE_DATABASE
def test_a_terminal_sees_a_bar(archive: Archive, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, terminal = os.openpty()
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(reader, "rb", buffering=0) as seen, os.fdopen(terminal, "w") as error:
        monkeypatch.setattr(sys, "stderr", error)
        assert ask()[0] == 0
        written = b""
        while b"\x1b[?25h" not in written:  # the cursor is shown again
            written += seen.read(4096)
    last = written.decode().split("\r")[-2]
    assert "\N{BOX DRAWINGS HEAVY HORIZONTAL}" * 24 in last
    assert re.search(r"36/36, [\d,]+/s, 0 failed", last)


@ONE_DATABASE
def test_a_history_that_is_down_is_told_in_its_own_words(archive: Archive, ask: Ask) -> None:
    archive.status = 503
    code, out, _ = ask("--location", "Cork")
    assert code == 1
    assert "12 failed" in out
    assert "openweathermap: HTTP 503" in out


@ONE_DATABASE
def test_it_waits_for_the_process_that_heals(
    archive: Archive, driven: DrivenClock, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as other:
        other.setattr(leases, "process_name", lambda: "elsewhere:1")
        assert leases.take_lease(rounds.LEASE_NAME, clock.now())
    take, refusals = leases.take_lease, []

    def impatient(name: str, now: datetime) -> bool:
        taken = take(name, now)
        if not taken:
            refusals.append(now)
            driven.advance(leases.LEASE_LENGTH / 2)
        return taken

    monkeypatch.setattr(leases, "take_lease", impatient)
    assert ask()[0] == 0
    assert len(refusals) == 2


@ONE_DATABASE
@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--start", "yesterday"], "--start yesterday: must be an ISO 8601 time"),
        (["--start", "1d", "--end", "2d"], "--start 1d: must be before the end"),
    ],
)
def test_wrong_times_are_told(archive: Archive, ask: Ask, args: list[str], said: str) -> None:
    code, _, err = ask(*args)
    assert code == 2
    assert said in err


@ONE_DATABASE
def test_without_a_history_it_says_what_to_set(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "weatherstack")
    monkeypatch.setenv("WEATHERSTACK_API_KEY", "x" * 32)
    must = "none of them has both a history and its key; METEOROGRAPH_BACKFILL_PROVIDERS must name one or more of"
    assert ask() == (2, "", f"meteorograph: METEOROGRAPH_PROVIDERS=weatherstack: {must} openweathermap, open-meteo\n")
    monkeypatch.setenv("METEOROGRAPH_BACKFILL_PROVIDERS", "openweathermap")
    assert ask()[2] == f"meteorograph: METEOROGRAPH_BACKFILL_PROVIDERS=openweathermap: {must} openweathermap, open-meteo\n"
    for name in ("weatherstack", "met-norway", "nws", "metar"):
        monkeypatch.setenv("METEOROGRAPH_BACKFILL_PROVIDERS", f"open-meteo,{name}")
        code, out, err = ask("--dry-run")
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert err.startswith(f"meteorograph: METEOROGRAPH_BACKFILL_PROVIDERS=open-meteo,{name}: must be one or more of")
