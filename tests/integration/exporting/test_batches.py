"""Rows of many locations are read together, where each has few."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import Any

import pytest
from sqlalchemy import event

from meteorograph import get_db_session
from meteorograph.exporting import batches
from meteorograph.exporting.export import ExportQuery, export_locations
from meteorograph.model.clock import DrivenClock
from meteorograph.storage.engine import get_engine
from meteorograph.storage.models import Location, WeatherData
from support import NOON

HOUR = timedelta(hours=1)
PLACES = 60


@pytest.fixture(autouse=True)
def _rows(database: str, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows of each of sixty locations, but a hundred of the twentieth; none of the fortieth."""
    monkeypatch.setattr(batches, "BATCH_ROWS", 30)
    with get_db_session() as session:
        for number in range(PLACES):
            session.add(Location(id=number + 1, name=f"{PLACES - number}", latitude=1, longitude=number, created_at=NOON))
        session.flush()
        for number in range(PLACES):
            count = {19: 100, 39: 0}.get(number, 3)
            for back in range(count):
                at = NOON - back * HOUR
                session.add(WeatherData(location_id=number + 1, due_at=at, fetched_at=at, provider="nws", temperature=number))


def _read(**span: Any) -> list[tuple[Any, ...]]:
    with get_db_session(read_only=True) as session:
        places = export_locations(session, ExportQuery())
        found = batches.read_batches(session, places, span.get("start"), span.get("end"))
        return [row for columns, _ in found for row in zip(*columns, strict=True)]


def test_each_row_comes_once_by_location_and_time() -> None:
    rows = _read()
    assert len(rows) == 58 * 3 + 100
    names = list(dict.fromkeys(row[0] for row in rows))
    assert names == [f"{PLACES - number}" for number in range(PLACES) if number != 39]
    keys = [(PLACES - int(row[0]), row[1]) for row in rows]
    assert keys == sorted(set(keys))


def test_a_span_has_its_first_instant_and_not_its_last() -> None:
    assert len(_read(start=NOON - HOUR, end=NOON)) == 59
    assert len(_read(start=NOON)) == 59
    assert len(_read(end=NOON - 2 * HOUR)) == 97


def test_few_statements_read_one_slot_of_many_locations() -> None:
    statements = list[str]()
    event.listen(get_engine(), "before_cursor_execute", lambda *values: statements.append(values[2]))
    assert len(_read(start=NOON)) == 59
    assert len([one for one in statements if "weather_data" in one]) < 20


def test_a_reader_that_stops_early_has_read_little() -> None:
    with get_db_session(read_only=True) as session:
        first = list(islice(batches.read_batches(session, export_locations(session, ExportQuery()), None, None), 2))
    assert [done for _, done in first] == [0, 3]
