"""Two hosts with journals of their own and a store: what one has received, the other one restores after the first is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from meteorograph import WeatherData, get_db_session
from meteorograph.background.runner import work
from meteorograph.cli import main
from meteorograph.collecting.run_holds import RunHold
from meteorograph.config.loading import get_settings
from meteorograph.errors import JournalStoreError
from meteorograph.journal.store_state import STORE_STATE
from meteorograph.ledger.conditions import Claim
from meteorograph.model.clock import DrivenClock
from meteorograph.model.schedule import DEFAULT_SCHEDULE
from meteorograph.reparsing.reparse import reparse
from meteorograph.simulator import Simulator
from meteorograph.storage.models import BackgroundTask, Location, Missed
from meteorograph.storage.upsert import table_of
from support import NOON

HOUR = timedelta(hours=1)
SLOTS = 3

#: A host that collects for some hours, copies its journal, and waits to be killed.
HOST = """
import socket, sys, threading, time
from datetime import datetime, timedelta
socket.gethostname = lambda: "host-a"
from meteorograph import upkeep
from meteorograph.model import clock
from meteorograph.scheduler import scheduled_ingest
driven = clock.DrivenClock(datetime.fromisoformat(sys.argv[1]))
with clock.driven_by(driven):
    for _ in range(int(sys.argv[2])):
        scheduled_ingest()
        driven.advance(timedelta(hours=1))
    driven.advance(timedelta(minutes=10))
    upkeep.copy_journals(threading.Event())
    print("copied", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store of both hosts; this process is the second host."""
    folder = tmp_path / "share"
    folder.mkdir()
    monkeypatch.setenv("METEOROGRAPH_JOURNAL_STORE", f"file://{folder}")
    monkeypatch.setenv("METEOROGRAPH_JOURNAL_DIR", str(tmp_path / "journal-b"))
    return folder


Rows = dict[tuple[str, datetime], tuple[float | None, datetime]]


@pytest.fixture(autouse=True)
def rows(database: str, collecting: Simulator, share: Path, tmp_path: Path, driven: DrivenClock) -> Rows:
    """Host A has collected and copied, was killed, and its disk is gone; so are the rows. Gives what they were."""
    with get_db_session() as session:
        session.add_all(Location(name=f"p{n}", latitude=n, longitude=10, state="active", created_at=NOON) for n in range(2))
    own = {**os.environ, "METEOROGRAPH_JOURNAL_DIR": str(tmp_path / "journal-a")}
    command = [sys.executable, "-c", HOST, NOON.isoformat(), str(SLOTS)]
    with subprocess.Popen(command, env=own, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        assert any(line == "copied\n" for line in host.stdout), "the host has ended"
        host.send_signal(signal.SIGKILL)
    (tmp_path / "journal-a").rename(tmp_path / "lost")
    assert {path.parent.name for path in share.rglob("*.journal")} == {"host-a"}
    driven.advance(SLOTS * HOUR + timedelta(minutes=10))
    collected = _rows()
    with get_db_session() as session:
        session.execute(delete(WeatherData))
        session.execute(delete(Missed))
    for n in range(2):
        assert collected[f"p{n}", NOON][0] == pytest.approx(collecting.truth(n, 10, NOON)["temperature"], abs=0.01)
    assert len(collected) == 2 * SLOTS
    return collected


def _rows() -> Rows:
    row = table_of(WeatherData).c
    with get_db_session(read_only=True) as session:
        found = session.execute(
            select(Location.name, row.due_at, row.temperature, row.fetched_at).join_from(WeatherData, Location)
        )
        return {(name, due_at): (temperature, fetched_at) for name, due_at, temperature, fetched_at in found}


def test_the_second_host_restores_what_the_first_received(collecting: Simulator, rows: Rows) -> None:
    calls = len(collecting.calls())
    result = reparse(get_settings(), NOON, NOON + SLOTS * HOUR, apply=True)
    assert result.rows == 2 * SLOTS
    assert _rows() == rows
    assert len(collecting.calls()) == calls, "no provider was asked"


def test_a_task_is_for_any_host_and_waits_while_the_store_is_away(
    rows: Rows, share: Path, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(STORE_STATE, "failure", None)
    monkeypatch.setattr(sys, "argv", ["meteorograph", "reparse", "--background", "--start", NOON.isoformat()])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 0
    share.rename(share.with_name("unplugged"))
    work(threading.Event())
    with get_db_session(read_only=True) as session:
        task = session.get_one(BackgroundTask, 1)
        assert (task.state, task.host) == ("pending", None)
        assert "the journal store file://" in str(task.message)
        assert "No such file or directory" in str(task.message)
    with pytest.raises(JournalStoreError):
        reparse(get_settings(), NOON, NOON + SLOTS * HOUR, apply=True)
    share.with_name("unplugged").rename(share)
    driven.advance(timedelta(minutes=5))
    work(threading.Event())
    assert _rows() == rows


def test_without_a_store_the_command_says_where_the_answers_are(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("METEOROGRAPH_JOURNAL_STORE")
    monkeypatch.setattr(sys, "argv", ["meteorograph", "reparse", "--start", NOON.isoformat()])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    assert out.startswith("0 payloads read again, 0 rows changed")
    is_shared = database.startswith("postgresql")
    assert ("answers that another host received are in its own" in err) == is_shared


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_take_over_uses_what_the_first_host_received() -> None:
    hold = RunHold(Claim(1, DEFAULT_SCHEDULE, NOON, NOON + HOUR, HOUR, taken_over=True), get_settings())
    hold._read_journal()
    asked = [dict(params) for _, params in hold.replayed]
    assert {params["lat"] for params in asked if "lat" in params} == {"0.0", "1.0"}
    assert {payload.fetched_at for payload in hold.replayed.values()} == {NOON}
