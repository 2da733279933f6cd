"""An import into months that are sealed: what is sealed stays, and what is new comes beside it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

import past
from meteorograph import WeatherData, get_db_session
from meteorograph.archiving.sealing import seal_months
from meteorograph.config.loading import get_settings
from meteorograph.model.clock import DrivenClock
from meteorograph.reading import rollups
from meteorograph.reading.columns import RowQuery, count_rows
from meteorograph.storage.models import Location, RolledUpUntil, SealedRange

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 10, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_sealed_rows_stay_and_new_ones_open_their_month(
    database: str, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch, run_import: Any, tmp_path: Path
) -> None:
    monkeypatch.setenv("METEOROGRAPH_RETENTION_DAYS", "20")
    driven.advance(NOW - driven())
    past.fill(NOW, places=1, days=58)
    while rollups.roll_up(NOW):
        pass
    result = seal_months(threading.Event())
    assert result is not None
    assert _sealed() > 700
    with get_db_session(read_only=True) as session:
        name = session.scalars(select(Location.name)).one()
        query = RowQuery((), (1, name), MIDNIGHT, MIDNIGHT + 24 * HOUR, None, True)
        before = count_rows(session, query, 1000)
    lines = [f"{MIDNIGHT + number * HOUR / 2:%Y-%m-%dT%H:%MZ},11.5" for number in range(48)]
    (tmp_path / "old.csv").write_text("time,t\n" + "\n".join(lines) + "\n")
    args = (tmp_path / "old.csv", "--location", name, "--time", "time", "--column", "t=temperature:C")
    shown = run_import(*args)[1]
    assert f"{48 - before} new, 0 imported before, {before} kept as the service has them" in shown
    assert _sealed() > 700, "a preview opens nothing"
    assert run_import(*args, "--yes")[1].endswith(f"stored {48 - before} rows\n")
    with get_db_session(read_only=True) as session:
        assert count_rows(session, query, 1000) == 48
        stored = select(func.count()).where(WeatherData.due_at >= MIDNIGHT, WeatherData.due_at < MIDNIGHT + 24 * HOUR)
        assert session.scalar(stored) == 48, "the month is open again"
    assert f"0 new, {48 - before} imported before, {before} kept" in run_import(*args, "--yes")[1]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_unreadable_month_of_one_location_leaves_the_days_of_the_others(
    database: str, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch, run_import: Any, tmp_path: Path
) -> None:
    monkeypatch.setenv("METEOROGRAPH_RETENTION_DAYS", "20")
    driven.advance(NOW - driven())
    past.fill(NOW, places=2, days=58)
    while rollups.roll_up(NOW):
        pass
    assert seal_months(threading.Event()) is not None
    with get_db_session() as session:
        first = session.scalars(select(Location.name).order_by(Location.id)).first()
        session.execute(update(RolledUpUntil).where(RolledUpUntil.location_id == 2).values(until_at=NOW - timedelta(days=9)))
    for path in get_settings().archive_dir.glob("2026-10-*.parquet"):
        path.rename(tmp_path / path.name)
    (tmp_path / "old.csv").write_text(f"time,t\n{MIDNIGHT + HOUR / 2:%Y-%m-%dT%H:%MZ},11.5\n")
    args = (tmp_path / "old.csv", "--location", first, "--time", "time", "--column", "t=temperature:C", "--yes")
    assert run_import(*args)[0] == 0
    while rollups.roll_up(NOW):
        pass
    with get_db_session(read_only=True) as session:
        until = dict(session.execute(select(RolledUpUntil.location_id, RolledUpUntil.until_at)).all())
    assert until[1] <= MIDNIGHT
    assert until[2] > NOW - timedelta(days=3)


def _sealed() -> int:
    with get_db_session(read_only=True) as session:
        return session.scalar(select(func.sum(SealedRange.rows))) or 0
