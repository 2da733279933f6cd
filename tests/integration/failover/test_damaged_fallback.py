"""A fallback database or journal that is damaged or deleted never stops collection while the database is well."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from acceptance.holds import away
from meteorograph import get_db_session, init_db
from meteorograph.config.loading import get_settings
from meteorograph.failover.database_file import fallback_path
from meteorograph.model.clock import DrivenClock
from meteorograph.scheduler import scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage import engine
from meteorograph.storage.models import Location, Run
from support import NOON

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def upstream(database: str, driven: DrivenClock, collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """Three locations, and the providers that collection calls."""
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr("meteorograph.failover.call.AWAY_SECONDS", 0.0)
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    init_db()
    with get_db_session() as session:
        for number in range(3):
            at = {"latitude": 40.0 + number, "longitude": 10.0, "created_at": NOON - HOUR}
            session.add(Location(name=f"p{number}", state="active", **at))
    return collecting


def _close(path: Path) -> None:
    """Write all of a database into its file, and close it."""
    with engine.use_database(f"sqlite:///{path.absolute()}"):
        engine.get_engine().dispose()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def overwrite(path: Path) -> None:
    _close(path)
    path.write_bytes(b"not a database at all " * 500)


def flip_pages(path: Path) -> None:
    """Damage every page but the first, which has the schema."""
    _close(path)
    data = bytearray(path.read_bytes())
    for at in range(4096, len(data), 4096):
        data[at : at + 64] = bytes(byte ^ 0xFF for byte in data[at : at + 64])
    path.write_bytes(data)


def truncate(path: Path) -> None:
    _close(path)
    path.write_bytes(path.read_bytes()[:5000])


def delete_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


@pytest.mark.parametrize("damage", [overwrite, flip_pages, truncate, delete_folder])
def test_collection_goes_on_and_a_new_fallback_database_takes_over(
    database: str, driven: DrivenClock, upstream: Simulator, damage: Callable[[Path], None]
) -> None:
    scheduled_ingest()
    path = fallback_path(get_settings())
    damage(path)
    driven.advance(HOUR)
    scheduled_ingest()
    assert upstream.count() == 6, "the calls of the slot were made"
    driven.advance(HOUR)
    scheduled_ingest()
    assert path.exists()
    driven.advance(HOUR)
    with away(database):
        scheduled_ingest()
    assert upstream.count() == 12, "the new one knows the locations"
    driven.advance(HOUR)
    scheduled_ingest()
    with get_db_session(read_only=True) as session:
        assert [(run.state, run.stored) for run in session.query(Run).order_by(Run.due_at)] == [("succeeded", 3)] * 5
    if damage is overwrite:
        assert len(list(path.parent.glob("*-damaged-*.db"))) == 1


def test_the_journal_is_written_again_after_its_folder_was_deleted(driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meteorograph.journal.writer._RETRY_SECONDS", 0.0)
    scheduled_ingest()
    folder = get_settings().journal_dir
    shutil.rmtree(folder)
    driven.advance(timedelta(minutes=59))
    driven.advance(timedelta(minutes=1))
    scheduled_ingest()
    assert list(folder.glob("*.journal"))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_database_file_that_is_gone_is_away_until_it_is_back(driven: DrivenClock, upstream: Simulator, tmp_path: Path) -> None:
    scheduled_ingest()
    path = Path(engine.get_engine().url.database or "")
    aside = tmp_path / "aside"
    aside.mkdir()
    for file in path.parent.glob(f"{path.name}*"):
        file.rename(aside / file.name)
    driven.advance(HOUR)
    scheduled_ingest()
    assert upstream.count() == 6, "collected beside it"
    assert not path.exists(), "no empty database takes its place"
    for file in aside.iterdir():
        shutil.copy(file, path.parent / file.name)  # another file of the same name
    driven.advance(HOUR)
    scheduled_ingest()
    with get_db_session(read_only=True) as session:
        assert [(run.state, run.stored) for run in session.query(Run).order_by(Run.due_at)] == [("succeeded", 3)] * 3
