"""Months of PostgreSQL are put into the order of their locations, while others read and write them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, event, select, text

import past
from databases import make_database
from meteorograph import get_db_session
from meteorograph.model.clock import DrivenClock
from meteorograph.storage import month_order, outbox
from meteorograph.storage.engine import ENGINES, get_engine
from meteorograph.storage.flag_updates import remove_flag
from meteorograph.storage.models import Lease, OutboxEntry, WeatherData
from meteorograph.storage.observations import write_rows
from meteorograph.storage.upsert import table_of
from support import wait_until

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
_table = table_of(WeatherData)


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Only PostgreSQL."""
    yield from make_database("postgresql", request, tmp_path, monkeypatch)


_LOCATIONS = """INSERT INTO locations (id, name, latitude, longitude, state, created_at)
SELECT i, 'place ' || i, i, i, 'active', '2026-09-29Z' FROM generate_series(1, 24) i"""
_SLOTS = """INSERT INTO weather_data
(location_id, due_at, observed_at, fetched_at, provider, temperature, humidity, condition, flags)
SELECT i, at, at - interval '6 min', at + interval '40 s', 'openweathermap', (i * 7 + extract(hour from at)) % 30, 50,
repeat('cloud ', 30),
CASE WHEN i = 3 AND at = '2026-10-10 12:00Z' THEN '{"temperature": ["step"]}'::json END
FROM generate_series('2026-09-29Z'::timestamptz, '2026-11-27 12:00Z', '1 hour') at, generate_series(1, 24) i ORDER BY at, i"""
#: The row with a flag.
FLAGGED = (3, datetime(2026, 10, 10, 12, tzinfo=UTC))


@pytest.fixture
def world(database: str, driven: DrivenClock) -> DrivenClock:
    """Hourly rows since the end of September, in the order in which they came."""
    driven.advance(NOW - driven())
    with get_db_session() as session:
        session.execute(text(_LOCATIONS))
        session.execute(text(_SLOTS))
    month_order.reset()
    return driven


def _rows() -> list[tuple[Any, ...]]:
    with get_db_session(read_only=True) as session:
        return [tuple(row) for row in session.execute(select(_table).order_by(_table.c.location_id, _table.c.due_at))]


def _pages(location_id: int, month: datetime = OCTOBER) -> int:
    with get_db_session(read_only=True) as session:
        pages = "count(DISTINCT (ctid::text::point)[0]) FROM weather_data"
        within = "location_id = :id AND due_at >= :start AND due_at < :end"
        bounds = {"id": location_id, "start": month, "end": (month + timedelta(days=31)).replace(day=1)}
        return int(session.execute(text(f"SELECT {pages} WHERE {within}"), bounds).scalar_one())


def _order() -> int:
    return month_order.order_months(threading.Event())


@pytest.mark.usefixtures("world")
def test_a_past_month_of_a_location_lies_together_and_no_row_changes() -> None:
    before, scattered = _rows(), _pages(7)
    assert scattered > 400
    assert _order() > 17_000
    assert _pages(7) < scattered / 8
    assert _rows() == before
    assert _pages(7, NOW.replace(day=1, hour=0)) > 300  # November is not over


@pytest.mark.usefixtures("world")
def test_a_month_in_order_is_left_alone_by_this_process_and_by_the_next() -> None:
    assert _order() > 0
    assert _order() == 0
    month_order.reset()
    assert _order() == 0


def test_a_month_waits_three_days_for_late_rows(world: DrivenClock) -> None:
    world.advance(datetime(2026, 11, 3, 23, 59, tzinfo=UTC) - world())
    scattered = _pages(7)
    _order()  # September
    assert _pages(7) == scattered
    world.advance(timedelta(minutes=2))
    assert _order() > 17_000


@pytest.mark.usefixtures("world")
def test_the_work_ends_when_it_is_told_to_and_goes_on_later(monkeypatch: pytest.MonkeyPatch) -> None:
    before, stop = _rows(), threading.Event()
    stop.set()
    assert month_order.order_months(stop) == 0
    monkeypatch.setattr(month_order, "_ROWS_PER_STEP", 1)
    assert month_order.order_months(threading.Event(), max_seconds=0) == 0
    assert _order() > 17_000
    assert _rows() == before


@pytest.mark.usefixtures("world")
def test_rows_that_are_moved_are_not_sent_again_and_rows_that_wait_go_on_waiting() -> None:
    with get_db_session() as session:
        outbox.subscribe(session, "mqtt", NOW)
        query = select(_table).where(_table.c.location_id == FLAGGED[0], _table.c.due_at == FLAGGED[1])
        row = dict(session.execute(query).mappings().one())
    with get_db_session() as session:
        write_rows(session, [row | {"humidity": 7.0}])
    assert _order() > 17_000
    with get_db_session(read_only=True) as session:
        entries = session.execute(select(OutboxEntry.location_id, OutboxEntry.due_at)).all()
    assert {tuple(entry) for entry in entries} == {FLAGGED}


def _survives(number: int) -> bool:
    """Put months in order in a process that is killed after so many moves, before it commits; whether it came to the end."""
    ENGINES.reset()
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    left = iter(range(number, -1, -1))

    def after(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("WITH gone") and next(left, None) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(get_engine(), "after_cursor_execute", after)
    try:
        _order()
        os._exit(0)
    finally:
        os._exit(1)


@pytest.mark.usefixtures("world")
def test_a_process_that_is_killed_between_any_two_steps_loses_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(month_order, "_ROWS_PER_STEP", 8 * 744)  # three steps for October
    before = _rows()
    killed = 0
    while not _survives(killed):
        killed += 1
        assert _rows() == before
        with get_db_session() as session:  # as if its lease had ended
            session.execute(delete(Lease))
    assert killed >= 3
    assert _pages(7) < 80


class _Paused:
    """The first step of October, which stops between its statement and its commit."""

    def __init__(self) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=_order)

    def __enter__(self) -> _Paused:
        def after(_c: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
            if statement.startswith("WITH gone") and values["start"] == OCTOBER and not self.reached.is_set():
                self.reached.set()
                self.go_on.wait(60)

        event.listen(get_engine(), "after_cursor_execute", after)
        self.thread.start()
        assert self.reached.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self.thread.join()


def _blocked() -> int:
    with get_db_session(read_only=True) as session:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return int(session.execute(text(query)).scalar_one())


def _while_moving(write: Callable[[], None]) -> None:
    """Write a row of a step that is not committed yet, and let both end."""
    with _Paused() as step:
        writer = threading.Thread(target=write)
        writer.start()
        wait_until(_blocked, 60, "a writer that waits")
        step.go_on.set()
        writer.join()


@pytest.mark.usefixtures("world")
def test_a_flag_that_changes_while_its_row_is_moved_is_not_lost() -> None:
    location_id, due_at = FLAGGED

    def write() -> None:
        with get_db_session() as session:
            remove_flag(session, location_id, due_at, "temperature", "step", NOW)

    _while_moving(write)
    with get_db_session(read_only=True) as session:
        flags = select(_table.c.flags).where(_table.c.location_id == location_id, _table.c.due_at == due_at)
        assert session.scalar(flags) is None
    assert len(_keys()) == len(set(_keys()))


@pytest.mark.usefixtures("world")
def test_a_row_that_is_replaced_while_it_is_moved_has_its_new_values() -> None:
    location_id, due_at = FLAGGED
    before = _rows()
    with get_db_session(read_only=True) as session:
        query = select(_table).where(_table.c.location_id == location_id, _table.c.due_at == due_at)
        row = dict(session.execute(query).mappings().one())

    def write() -> None:
        with get_db_session() as session:
            write_rows(session, [row | {"humidity": 1.5, "flags": None}])

    _while_moving(write)
    after = _rows()
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert [(one[0], one[1], one[_table.c.keys().index("humidity")]) for one in changed] == [(location_id, due_at, 1.5)]


@pytest.mark.usefixtures("world")
def test_readers_see_each_row_once_while_rows_are_moved() -> None:
    before, faults = len(_rows()), list[int]()
    with _Paused():
        assert len(_rows()) == before
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            if (found := len(_keys())) != before:
                faults.append(found)

    reader = threading.Thread(target=read)
    reader.start()
    with get_db_session() as session:  # scattered again
        session.execute(text("CREATE TEMPORARY TABLE t ON COMMIT DROP AS SELECT * FROM weather_data ORDER BY due_at"))
        session.execute(text("DELETE FROM weather_data"))
        session.execute(text("INSERT INTO weather_data SELECT * FROM t ORDER BY due_at, location_id"))
    month_order.reset()
    assert _order() > 17_000
    stop.set()
    reader.join()
    assert faults == []


def test_sqlite_keeps_the_order_by_itself(
    request: pytest.FixtureRequest, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, driven: DrivenClock
) -> None:
    database = make_database("sqlite", request, tmp_path, monkeypatch)
    next(database)
    driven.advance(NOW - driven())
    past.fill(NOW - timedelta(days=20), places=1, days=1)
    assert _order() == 0
    next(database, None)


def _keys() -> list[tuple[int, datetime]]:
    with get_db_session(read_only=True) as session:
        return [(id_, at) for id_, at in session.execute(select(_table.c.location_id, _table.c.due_at))]
