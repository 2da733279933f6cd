"""Backups: what is in them, what is refused, and that a restore comes to the same rows, reasons and calls as before."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.engine import make_url

from meteorograph import WeatherData, get_db_session
from meteorograph.accounts import quota
from meteorograph.backups import folder as files
from meteorograph.backups.create import create_backup
from meteorograph.backups.restore import restore_backup
from meteorograph.config.loading import get_settings
from meteorograph.errors import BackupError, ConfigurationError
from meteorograph.ledger import heartbeat
from meteorograph.ledger.audit import audit
from meteorograph.ledger.claims import due_schedules
from meteorograph.model import clock
from meteorograph.model.clock import DrivenClock
from meteorograph.model.schedule import Interval
from meteorograph.scheduler import scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage.engine import ENGINES
from meteorograph.storage.models import Location, Missed
from meteorograph.storage.upsert import table_of
from support import NOON

HOUR = timedelta(hours=1)
PLACES = 20

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def places(database: str, collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a database of twenty locations."""
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    with get_db_session() as session:
        for number in range(PLACES):
            session.add(Location(name=f"p{number:02}", latitude=number, longitude=10, state="active", created_at=NOON))
    return Path(make_url(database).database or "")


def _back_up(folder: Path, **more: Any) -> files.Backup:
    return create_backup(get_settings(), folder, clock.now(), **more)


def _restore(folder: Path, *, replace: bool = True) -> Any:
    return restore_backup(get_settings(), folder, clock.now(), replace=replace)


def _rows() -> list[tuple[Any, ...]]:
    columns = [table_of(WeatherData).c[name] for name in ("location_id", "due_at", "temperature", "precipitation")]
    with get_db_session(read_only=True) as session:
        return [tuple(row) for row in session.execute(select(*columns).order_by(*columns[:2]))]


def _used() -> int:
    with get_db_session(read_only=True) as session:
        return quota.usage(session, get_settings().account("openweathermap"), clock.now())[-1].used


def test_a_restore_comes_to_the_same_rows_and_calls_and_says_what_was_missed(
    places: Path, collecting: Simulator, driven: DrivenClock, tmp_path: Path
) -> None:
    scheduled_ingest()
    made = _back_up(tmp_path / "backups")
    assert made.manifest.rows["weather_data"] == PLACES
    driven.advance(HOUR)
    scheduled_ingest()
    before = _rows()
    driven.advance(2 * HOUR)  # a slot in between is not collected
    done = _restore(tmp_path / "backups")
    assert _rows() == before
    assert len(before) == 2 * PLACES
    assert done.replayed == PLACES
    assert _used() == collecting.count("openweathermap") == 2 * PLACES
    with get_db_session(read_only=True) as session:
        assert {missed.due_at for missed in session.scalars(select(Missed))} == {NOON + 2 * HOUR}
    assert audit(clock.now(), due_schedules(Interval(HOUR)), repair=False) == []
    with closing(sqlite3.connect(done.set_aside)) as aside:
        assert aside.execute("SELECT count(*) FROM weather_data").fetchone() == (2 * PLACES,)
    scheduled_ingest()
    assert len(_rows()) == 3 * PLACES


def test_calls_since_the_backup_are_charged_from_the_journal_if_the_database_is_lost(
    places: Path, collecting: Simulator, driven: DrivenClock, tmp_path: Path
) -> None:
    scheduled_ingest()
    made = _back_up(tmp_path)
    driven.advance(HOUR)
    scheduled_ingest()
    ENGINES.reset()
    places.write_bytes(b"this was a database" * 300)
    done = _restore(made.folder)
    assert (_used(), len(_rows())) == (collecting.count("openweathermap"), 2 * PLACES)
    assert done.set_aside.read_bytes().startswith(b"this was a database")


def test_a_second_folder_gets_all_of_it_and_audits_clean(places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduled_ingest()
    before = _rows()
    made = _back_up(tmp_path / "backups")
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/second/meteorograph.db")
    monkeypatch.setenv("METEOROGRAPH_JOURNAL_DIR", str(tmp_path / "second/journal"))
    done = _restore(made.folder, replace=False)
    assert (done.set_aside, done.replayed, done.findings) == (None, 0, [])
    assert _rows() == before
    assert {path.stat().st_mode & 0o777 for path in made.folder.rglob("*") if path.is_file()} == {0o600}
    assert list((tmp_path / "second/journal").glob("*.journal")) != []
    assert list((tmp_path / "second/journal").glob("standin-*.db")) != []


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a flipped bit": lambda folder: _flip(folder / files.DATABASE),
    "a flipped bit of the journal": lambda folder: _flip(next((folder / files.JOURNAL).glob("*.journal"))),
    "a missing file": lambda folder: (folder / files.DATABASE).unlink(),
    "another file": lambda folder: (folder / "journal/20260301T12Z-more.journal").touch(),
    "no checksums": lambda folder: (folder / "SHA256SUMS").unlink(),
    "empty checksums": lambda folder: (folder / "SHA256SUMS").write_text(""),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_backup_is_refused_and_nothing_is_changed(places: Path, tmp_path: Path, damage: str) -> None:
    scheduled_ingest()
    made = _back_up(tmp_path / "backups")
    DAMAGES[damage](made.folder)
    before = sorted(path.name for path in places.parent.iterdir())
    with pytest.raises(BackupError, match=r"the backup .*: "):
        _restore(made.folder)
    assert sorted(path.name for path in places.parent.iterdir()) == before
    assert len(_rows()) == PLACES


def test_a_database_that_is_there_or_in_use_is_not_replaced(places: Path, tmp_path: Path, driven: DrivenClock) -> None:
    scheduled_ingest()
    made = _back_up(tmp_path / "backups")
    with pytest.raises(BackupError, match="--replace puts it aside"):
        _restore(made.folder, replace=False)
    with closing(sqlite3.connect(places)) as other:
        other.execute("SELECT 1 FROM locations").fetchall()
        with pytest.raises(BackupError, match="is in use: stop the service first"):
            _restore(made.folder)
    heartbeat.record_heartbeat(clock.now())
    ENGINES.reset()
    driven.advance(timedelta(seconds=20))
    with pytest.raises(BackupError, match="works with the database"):
        _restore(made.folder)
    driven.advance(timedelta(minutes=2))
    assert _restore(made.folder).backup == made


def test_the_oldest_are_deleted_only_once_the_new_one_is_good(places: Path, tmp_path: Path, driven: DrivenClock) -> None:
    folder = tmp_path / "backups"
    for _ in range(4):
        driven.advance(HOUR)
        newest = _back_up(folder, keep=2)
    kept = files.list_backups(folder)
    assert (len(kept), kept[-1]) == (2, newest.folder)
    with pytest.raises(BackupError, match="exists"):
        _back_up(folder, keep=1)  # of the same second
    ENGINES.reset()
    places.write_bytes(b"this was a database" * 300)
    driven.advance(HOUR)
    with pytest.raises(Exception, match="database"):
        _back_up(folder, keep=1)
    assert sorted(folder.iterdir()) == kept


def test_postgresql_has_tools_of_its_own(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://someone:hidden-word@localhost/weather")
    with pytest.raises(ConfigurationError, match=r"DATABASE_URL=.*:\*\*\*@.*docs/backups\.md") as told:
        _back_up(tmp_path)
    assert "hidden-word" not in str(told.value)
