"""A process that seals: killed at each step, and with readers beside it."""

from __future__ import annotations

import io
import os
import signal
import threading
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import delete, event

from integration.archiving.conftest import everything, seal
from meteorograph import get_db_session
from meteorograph.archiving import sealing
from meteorograph.archiving.files import restore_month, unknown_files
from meteorograph.exporting.export import ExportQuery, export
from meteorograph.reading.columns import FIELDS, RowQuery, read_page
from meteorograph.storage.engine import ENGINES, get_engine
from meteorograph.storage.models import Lease

pytestmark = pytest.mark.usefixtures("world")


def _csv() -> bytes:
    file = io.BytesIO()
    with get_db_session(read_only=True) as session:
        export(session, ExportQuery(), "csv", file)
    return file.getvalue()


def _pages() -> list[tuple[object, ...]]:
    """All rows of both places by slot, page by page."""
    rows, after = list[tuple[object, ...]](), None
    while True:
        with get_db_session(read_only=True) as session:
            columns, after = read_page(session, RowQuery(FIELDS), 700, after)
        rows += list(zip(*columns, strict=True))
        if after is None:
            return rows


def _seal_until_killed(steps: int) -> bool:
    """Seal in a process that is killed before its commit, flush or rename after so many others; whether it came to the end."""
    ENGINES.reset()
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    left = count(steps, -1)

    def step(*_: object) -> bool:
        if next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    fsync, rename = os.fsync, Path.rename
    vars(os)["fsync"] = lambda handle: step() and fsync(handle)
    type.__setattr__(Path, "rename", lambda self, target: step() and rename(self, target))
    event.listen(get_engine(), "commit", step)
    try:
        sealing.seal_months(threading.Event())
        os._exit(0)
    finally:
        os._exit(1)


def test_a_process_that_is_killed_at_any_step_loses_no_row_and_doubles_none() -> None:
    before = _csv()
    steps = next(steps for steps in count() if _survives(steps, before))
    assert steps >= 12
    assert seal().rows == 0
    assert everything()["csv"] == before
    with get_db_session(read_only=True) as session:
        assert unknown_files(session) == []
    assert [path.name for path in Path("data/archive").glob(".*")] == []


def _survives(steps: int, before: bytes) -> bool:
    is_done = _seal_until_killed(steps)
    assert _csv() == before, steps
    with get_db_session() as session:  # as if its lease had ended
        session.execute(delete(Lease))
    return is_done


def test_readers_see_each_row_once_while_it_is_sealed_and_brought_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_LOCATIONS_PER_STEP", 1)
    before, pages = _csv(), _pages()
    stop, faults = threading.Event(), list[str]()

    def read() -> None:
        while not stop.is_set():
            if _csv() != before:
                faults.append("export")
            if _pages() != pages:
                faults.append("pages")

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(3):
            assert seal().rows > 1400
            assert restore_month(None, None) > 1400
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert faults == []
