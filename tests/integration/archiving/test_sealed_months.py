"""A sealed month: all readers see what they saw before, and late rows reopen it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from integration.archiving.conftest import NOW, client, everything, seal, sealed_file
from meteorograph import WeatherData, get_db_session
from meteorograph.archiving.files import list_months, restore_month
from meteorograph.healing.missed_slots import store_healed
from meteorograph.model.clock import DrivenClock
from meteorograph.reading import rollups
from meteorograph.storage.archive.files import read_files
from meteorograph.storage.models import Missed, SealedRange

OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)


def _in_table(location_id: int | None = None) -> int:
    query = select(func.count()).select_from(WeatherData).where(WeatherData.due_at < datetime(2026, 11, 1, tzinfo=UTC))
    with get_db_session(read_only=True) as session:
        return session.scalar(query if location_id is None else query.where(WeatherData.location_id == location_id)) or 0


def _differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [name for name in before if before[name] != after[name]]


def test_every_reader_sees_the_same_before_and_after(world: DrivenClock) -> None:
    before, rows = everything(), _in_table()
    result = seal()
    assert (result.rows, result.files, result.skipped, _in_table()) == (rows, 2, 0, 0)
    assert result.size < 30 * rows  # small files have large footers
    assert _differences(before, everything()) == []
    assert seal().rows == 0
    with get_db_session(read_only=True) as session:
        assert [(month.month, month.locations) for month in list_months(session)][1:] == [(OCTOBER, 2)]
        assert (session.scalar(select(func.count()).select_from(SealedRange)) or rows) < rows / 20
    assert restore_month(None, None) == rows
    assert _differences(before, everything()) == []


def test_a_late_row_reopens_the_month_of_its_place_which_is_sealed_again(world: DrivenClock) -> None:
    with get_db_session(read_only=True) as session:
        query = select(Missed.due_at).where(
            Missed.location_id == 2, Missed.due_at > OCTOBER, Missed.due_at < NOW - timedelta(days=30)
        )
        slot = session.scalars(query).first()
        row = dict(session.execute(select(WeatherData.__table__).where(WeatherData.location_id == 2).limit(1)).mappings().one())
    assert slot is not None
    late = {slot: {**row, "due_at": slot, "observed_at": slot, "origin": "backfill", "temperature": 21.5}}
    store_healed(2, late)
    while rollups.roll_up(NOW):
        pass
    expected = everything()
    with get_db_session() as session:
        session.execute(delete(WeatherData).where(WeatherData.location_id == 2, WeatherData.due_at == slot))
        session.add(Missed(location_id=2, due_at=slot, reason="down"))
    rows = seal().rows
    assert store_healed(2, late) == {}
    assert 600 < _in_table(2) < 760
    assert _in_table(1) == 0
    while rollups.roll_up(NOW):
        pass
    assert _differences(expected, everything()) == []
    assert seal().rows > 600
    assert _in_table() == 0
    assert _differences(expected, everything()) == []
    assert rows > 1400


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_damaged_file_is_an_error_and_never_fewer_rows(world: DrivenClock) -> None:
    seal()
    path = sealed_file()
    good = path.read_bytes()
    with client() as web:
        whole = web.get("/data?format=csv&start=2026-10-10&end=2026-10-20").data
        for at in range(3, len(good), len(good) // 40):
            path.write_bytes(good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :])
            answer = web.get("/data?format=csv&start=2026-10-10&end=2026-10-20")
            assert answer.status_code == 503 or answer.data == whole, at
        path.write_bytes(good[:-1000])
        answer = web.get("/data?start=2026-10-10&end=2026-10-20")
        assert (answer.status_code, answer.get_json()["title"]) == (503, "A sealed month cannot be read")
        path.unlink()
        assert web.get("/data?start=2026-10-10&end=2026-10-20").status_code == 503
        assert web.get("/data?start=2026-11-10").status_code == 200
        path.write_bytes(good)
        assert web.get("/data?format=csv&start=2026-10-10&end=2026-10-20").data == whole
    with get_db_session(read_only=True) as session:
        assert len(read_files(session)) == 2


@pytest.mark.usefixtures("world")
def test_nothing_is_deleted_that_differs_from_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    from meteorograph.archiving import sealing

    record = sealing._record_file

    def change_a_row(file_id: int, name: str) -> Any:
        file = record(file_id, name)
        with get_db_session() as session:
            first = select(func.min(WeatherData.due_at)).where(WeatherData.due_at >= file.month_at, WeatherData.location_id == 2)
            changed = update(WeatherData).where(WeatherData.location_id == 2, WeatherData.due_at == session.scalar(first))
            session.execute(changed.values(condition="changed meanwhile"))
        return file

    before, expected = _in_table(), everything()
    monkeypatch.setattr(sealing, "_record_file", change_a_row)
    result = seal()
    assert result.skipped > 0
    assert _in_table(1) == 0
    assert _in_table(2) == result.skipped == before - result.rows
    assert [name for name in ("location", "gaps", "audit") if everything()[name] != expected[name]] == []
