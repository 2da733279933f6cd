"""The rows of runs and missed slots: exact fields after each step, and the instants at which conditions change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from meteorograph import get_db_session
from meteorograph.ledger import claims, closing, past_slots, queries
from meteorograph.ledger.conditions import Claim
from meteorograph.ledger.gaps import Gap, list_gaps
from meteorograph.ledger.queries import Cursor, ScheduleSpan
from meteorograph.model.cron import Cron
from meteorograph.model.schedule import DEFAULT_SCHEDULE, Interval, Schedule, parse_schedule
from meteorograph.model.states import MissedReason
from meteorograph.model.values import Coordinates, DueLocation
from meteorograph.storage.models import Location, Missed, Run, WeatherData
from rows import insert_rows
from support import NOON

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)
HOURLY = Interval(HOUR)


@pytest.fixture(autouse=True)
def _locations(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _be(monkeypatch, "a:1")
    with get_db_session() as session:
        for number, schedule in enumerate((None, None, "6h", "0 6 * * *")):
            session.add(
                Location(
                    id=number + 1,
                    name=f"p{number + 1}",
                    latitude=number,
                    longitude=9,
                    schedule=schedule,
                    state="active",
                    created_at=NOON,
                    resolved_name=f"town {number + 1}",
                    resolved_latitude=number + 0.5,
                    resolved_longitude=9.5,
                )
            )
        session.add(Location(id=5, name="p5", latitude=5, longitude=9, state="paused", schedule="2h", created_at=NOON))


class _Never:
    """A schedule without a slot."""

    def slot_at(self, now: datetime) -> None:
        return None

    def slots_between(self, after: datetime, before: datetime) -> Iterator[datetime]:
        return iter(())

    def next_after(self, now: datetime) -> None:
        return None


def _be(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Be another process."""
    monkeypatch.setattr("meteorograph.storage.process._process_name", lambda _: name)


def _claim(now: datetime = NOON, when: Schedule = HOURLY, name: str = DEFAULT_SCHEDULE) -> Claim:
    claim = claims.claim_run(now, name, when)
    assert claim is not None
    _account(now, when, name)
    return claim


def _account(now: datetime, when: Schedule = HOURLY, name: str = DEFAULT_SCHEDULE) -> None:
    while past_slots.account_for_past(now, name, when):
        pass


def _store(location_id: int, *instants: datetime) -> None:
    columns = {column.name: None for column in WeatherData.__table__.columns} | {"origin": "live"}
    insert_rows([columns | {"location_id": location_id, "due_at": at, "fetched_at": at, "provider": "a"} for at in instants])


def _miss(location_id: int, at: datetime, reason: str = "quota", detail: str | None = None) -> None:
    closing.record_missed([{"location_id": location_id, "due_at": at, "reason": reason, "detail": detail}])


def _rows(model: Any = Run) -> list[dict[str, Any]]:
    order = (Run.due_at, Run.schedule) if model is Run else (Missed.due_at, Missed.location_id)
    with get_db_session(read_only=True) as session:
        rows = session.scalars(select(model).order_by(*order)).all()
        return [{column.key: getattr(row, column.key) for column in model.__table__.columns} for row in rows]


def _insert_runs(*runs: dict[str, Any]) -> None:
    defaults = {"schedule": DEFAULT_SCHEDULE, "shard": 0, "state": "succeeded", "due": 0, "stored": 0, "failed": 0, "calls": 0}
    with get_db_session() as session:
        session.add_all(Run(**defaults | run) for run in runs)


def test_the_row_of_a_claimed_a_released_and_a_finished_run(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = _claim(NOON + 5 * SECOND)
    assert claim == Claim(claim.run_id, DEFAULT_SCHEDULE, NOON, NOON + HOUR, HOUR, taken_over=False)
    assert claim.lease == 30 * SECOND
    claimed = {
        "id": claim.run_id,
        "schedule": DEFAULT_SCHEDULE,
        "due_at": NOON,
        "shard": 0,
        "state": "running",
        "reason": None,
        "holder": "a:1",
        "lease_expires_at": NOON + 35 * SECOND,
        "due": 2,
        "stored": 0,
        "failed": 0,
        "calls": 0,
        "started_at": NOON + 5 * SECOND,
        "ended_at": None,
    }
    [row] = _rows()
    assert {name: row[name] for name in claimed} == claimed
    closing.release_run(claim, 3, until=NOON + 60 * SECOND, reason=MissedReason.PROVIDER_ERROR)
    released = claimed | {
        "state": "pending",
        "reason": "provider_error",
        "holder": None,
        "lease_expires_at": NOON + 60 * SECOND,
        "calls": 3,
    }
    [row] = _rows()
    assert {name: row[name] for name in released} == released
    _be(monkeypatch, "b:2")
    assert claims.claim_run(NOON + 60 * SECOND - MICROSECOND, DEFAULT_SCHEDULE, HOURLY) is None
    again = _claim(NOON + 60 * SECOND)
    assert again == Claim(claim.run_id, DEFAULT_SCHEDULE, NOON, NOON + HOUR, HOUR, taken_over=True)
    taken = claimed | {"holder": "b:2", "lease_expires_at": NOON + 90 * SECOND, "calls": 3}
    [row] = _rows()
    assert {name: row[name] for name in taken} == taken
    _store(1, NOON)
    _miss(2, NOON)
    assert closing.finish_run(again, 4, NOON + 70 * SECOND) == "partial"
    finished = taken | {
        "state": "partial",
        "holder": None,
        "lease_expires_at": None,
        "stored": 1,
        "failed": 1,
        "calls": 7,
        "ended_at": NOON + 70 * SECOND,
    }
    [row] = _rows()
    assert {name: row[name] for name in finished} == finished


def test_a_run_with_a_location_that_is_not_accounted_for_is_released() -> None:
    claim = _claim()
    _store(1, NOON)
    assert closing.finish_run(claim, 2, NOON + SECOND) == "pending"
    [row] = _rows()
    assert (row["state"], row["holder"], row["lease_expires_at"], row["calls"], row["ended_at"]) == (
        "pending",
        None,
        None,
        2,
        None,
    )


def test_only_the_holder_of_a_run_renews_or_releases_it(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = _claim()
    _be(monkeypatch, "b:2")
    assert not claims.renew_run(claim.run_id, NOON + HOUR)
    closing.release_run(claim, 5)
    assert (_rows()[0]["state"], _rows()[0]["calls"], _rows()[0]["lease_expires_at"]) == ("running", 0, NOON + 30 * SECOND)
    _be(monkeypatch, "a:1")
    assert claims.renew_run(claim.run_id, NOON + 50 * SECOND)
    assert _rows()[0]["lease_expires_at"] == NOON + 50 * SECOND
    assert not claims.renew_run(claim.run_id + 1, NOON + HOUR)
    closing.release_run(claim, 0)
    assert not claims.renew_run(claim.run_id, NOON + HOUR)


def test_rows_that_a_late_process_stored_are_counted_when_it_releases_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = _claim()
    _be(monkeypatch, "b:2")
    _claim(NOON + HOUR)
    assert [(row["state"], row["stored"], row["failed"]) for row in _rows()] == [("failed", 0, 2), ("running", 0, 0)]
    _be(monkeypatch, "a:1")
    _store(1, NOON)
    closing.release_run(claim, 2)
    first = _rows()[0]
    assert (first["state"], first["stored"], first["failed"], first["ended_at"]) == ("partial", 1, 1, NOON + 30 * SECOND)
    assert [(row["location_id"], row["reason"]) for row in _rows(Missed)] == [(2, "down")]


@pytest.mark.parametrize(
    ("ahead", "is_claimed"), [(30 * SECOND, False), (30 * SECOND + MICROSECOND, True), (HOUR, True), (SECOND, False)]
)
def test_a_run_of_a_clock_a_little_ahead_accounts_for_the_slot(ahead: timedelta, is_claimed: bool) -> None:
    minute = Interval(timedelta(minutes=1))
    now = NOON + timedelta(minutes=1) - SECOND
    _insert_runs({"due_at": now + ahead})
    assert (claims.claim_run(now, DEFAULT_SCHEDULE, minute) is not None) is is_claimed


@pytest.mark.parametrize(("late", "is_claimed"), [(12 * HOUR - MICROSECOND, True), (12 * HOUR, False)])
def test_a_slot_of_a_day_is_claimed_within_twelve_hours(late: timedelta, is_claimed: bool) -> None:
    day = Interval(timedelta(days=1))
    midnight = NOON - 12 * HOUR
    _insert_runs({"due_at": midnight - 24 * HOUR})
    claim = claims.claim_run(midnight + late, DEFAULT_SCHEDULE, day)
    _account(midnight + late, day)
    assert (claim is not None) is is_claimed
    assert claim is None or claim.ends_at == midnight + 12 * HOUR
    [_, row] = _rows()
    assert (row["state"], row["reason"]) == (("running", None) if is_claimed else ("missed", "down"))


def test_a_schedule_that_was_never_due_has_no_run() -> None:
    assert claims.claim_run(NOON, DEFAULT_SCHEDULE, _Never()) is None
    assert _rows() == []
    assert claims.claim_run(NOON + HOUR, DEFAULT_SCHEDULE, Interval(timedelta(days=1))) is None
    assert _rows() == [], "the very first slot is not missed if it is past"


@pytest.mark.parametrize(
    ("ended", "reasons"),
    [
        (NOON + HOUR, ["down", "down"]),
        (NOON + HOUR + MICROSECOND, ["late", "down"]),
        (NOON + 2 * HOUR + SECOND, ["late", "late"]),
        (None, ["down", "down"]),
    ],
)
def test_slots_during_a_run_are_late_and_those_after_it_down(ended: datetime | None, reasons: list[str]) -> None:
    _insert_runs({"due_at": NOON, "ended_at": ended})
    _claim(NOON + 3 * HOUR)
    skipped = _rows()[1:3]
    assert [row["reason"] for row in skipped] == reasons
    counted = ("state", "due", "failed", "stored", "calls", "started_at", "ended_at", "shard")
    assert [[row[name] for name in counted] for row in skipped] == [["missed", 2, 2, 0, 0, None, None, 0]] * 2
    assert [(row["location_id"], row["reason"]) for row in _rows(Missed)] == [(id_, why) for why in reasons for id_ in (1, 2)]


def test_due_locations_come_in_pages_with_all_that_a_request_needs() -> None:
    claim = _claim()
    first, second = (DueLocation(id_, f"p{id_}", Coordinates(id_ - 1, 9), f"town {id_}", id_ - 0.5, 9.5) for id_ in (1, 2))
    assert claims.due_locations(claim, NOON) == ([first, second], False)
    assert claims.due_locations(claim, NOON, limit=1) == ([first], False)
    assert claims.due_locations(claim, NOON, after=1) == ([second], False)
    assert claims.due_locations(claim, NOON, after=2) == ([], False)
    assert [location.id for location in claims.active_locations()] == [1, 2, 3, 4]


def test_the_offset_of_a_location_in_a_spread() -> None:
    claim = _claim()
    seconds = 48 * 60  # of the hour, the last fifth is left for the last locations
    offsets = {id_: id_ * 2_654_435_761 % seconds for id_ in (1, 2)}
    for id_, offset in offsets.items():
        for wait, is_due in ((offset - 1, False), (offset, True)):
            due, _ = claims.due_locations(claim, NOON + wait * SECOND, HOUR)
            assert (id_ in [location.id for location in due]) is is_due
    last = max(offsets.values())
    assert [claims.due_locations(claim, NOON + wait * SECOND, HOUR)[1] for wait in (last - 1, last)] == [True, False]
    assert claims.due_locations(claim, NOON + 600 * SECOND, 600 * SECOND)[0] == claims.due_locations(claim, NOON)[0]
    short = {id_: id_ * 2_654_435_761 % 600 for id_ in (1, 2)}
    due, has_later = claims.due_locations(claim, NOON + min(short.values()) * SECOND, 600 * SECOND)
    assert (len(due), has_later) == (1, True)


def test_the_schedules_of_active_locations() -> None:
    default = Interval(timedelta(minutes=10))
    own = [("0 6 * * *", Cron("0 6 * * *")), ("6h", Interval(6 * HOUR))]
    assert claims.due_schedules(default) == [(DEFAULT_SCHEDULE, default), *own]
    with get_db_session() as session:
        session.query(Location).filter(Location.schedule.is_(None)).update({"state": "paused"})
    assert claims.due_schedules(default) == own


@pytest.mark.parametrize(
    ("run", "now", "is_unfinished"),
    [
        ({}, NOON + HOUR - MICROSECOND, False),
        ({}, NOON + HOUR, True),
        ({"started_at": None}, NOON + HOUR, False),
        ({"state": "succeeded"}, NOON + HOUR, False),
        ({"schedule": "unknown"}, NOON + HOUR, False),
        ({"state": "running", "lease_expires_at": NOON + HOUR}, NOON + HOUR, True),
        ({"state": "running", "lease_expires_at": NOON + HOUR + MICROSECOND}, NOON + HOUR, False),
        ({"lease_expires_at": NOON + 2 * HOUR}, NOON + HOUR, True),
        ({"schedule": "6h"}, NOON + HOUR - MICROSECOND, False),
        ({"schedule": "6h"}, NOON + 6 * HOUR - MICROSECOND, False),  # its grace is as long as the interval
        ({"schedule": "6h"}, NOON + 6 * HOUR, True),
        ({"schedule": "0 12 * * *"}, NOON + HOUR - MICROSECOND, False),
        ({"schedule": "0 12 * * *"}, NOON + HOUR, True),  # the grace of an hour is over, the slot is not
        ({"schedule": "never"}, NOON + HOUR, False),
    ],
)
def test_unfinished_slots(run: dict[str, Any], now: datetime, is_unfinished: bool) -> None:
    _insert_runs({"due_at": NOON, "state": "pending", "started_at": NOON, **run})
    schedules: Sequence[tuple[str, Schedule]] = [
        (DEFAULT_SCHEDULE, HOURLY),
        ("6h", Interval(6 * HOUR)),
        ("0 12 * * *", parse_schedule("0 12 * * *")),
        ("never", _Never()),
    ]
    assert closing.unfinished_slots(now, schedules) == ([NOON] if is_unfinished else [])


@pytest.mark.parametrize(("late", "is_closed"), [(HOUR, False), (HOUR + MICROSECOND, True)])
def test_orphans_are_closed_after_the_grace(late: timedelta, is_closed: bool) -> None:
    _insert_runs(
        {"due_at": NOON, "state": "pending", "schedule": "2h"},
        {"due_at": NOON, "state": "pending", "schedule": "6h"},
        {"due_at": NOON, "state": "running", "schedule": "3h", "lease_expires_at": NOON + 3 * HOUR},
    )
    closing.close_orphans(NOON + late, ["6h"])
    states = {row["schedule"]: (row["state"], row["ended_at"]) for row in _rows()}
    assert states == {
        "2h": ("succeeded", NOON + late) if is_closed else ("pending", None),
        "6h": ("pending", None),
        "3h": ("running", None),
    }


def test_a_location_that_was_removed_meanwhile_needs_no_reason() -> None:
    rows = [{"location_id": id_, "due_at": NOON, "reason": "quota", "detail": "d"} for id_ in (1, 99, 2)]
    closing.record_missed(rows)
    assert [(row["location_id"], row["reason"], row["detail"]) for row in _rows(Missed)] == [(1, "quota", "d"), (2, "quota", "d")]
    _miss(1, NOON, "down")
    assert [(row["location_id"], row["reason"]) for row in _rows(Missed)] == [(1, "down"), (2, "quota")]
    assert closing.count_reasons(NOON) == {"down": 1, "quota": 1}
    assert closing.count_reasons(NOON + HOUR) == {}


def test_ended_runs_are_counted_again() -> None:
    _insert_runs(
        {"due_at": NOON, "state": "failed", "failed": 2, "due": 2, "ended_at": NOON + SECOND},
        {"due_at": NOON, "state": "missed", "failed": 1, "due": 1, "schedule": "6h", "reason": "down"},
        {"due_at": NOON + HOUR, "state": "failed", "failed": 2, "due": 2, "ended_at": NOON + HOUR},
    )
    for id_ in (1, 2):
        _miss(id_, NOON)
        _store(id_, NOON, NOON + HOUR)
    with get_db_session() as session:
        closing.recount_runs(session, [NOON])
    assert [(row["state"], row["stored"], row["failed"], row["due"], row["ended_at"]) for row in _rows()] == [
        ("missed", 0, 1, 1, None),
        ("succeeded", 2, 0, 2, NOON + SECOND),
        ("failed", 0, 2, 2, NOON + HOUR),
    ]
    assert _rows(Missed) == []


def test_runs_are_listed_newest_first_in_pages() -> None:
    _insert_runs(
        *({"due_at": NOON + hour * HOUR, "calls": hour, "stored": 2, "due": 2} for hour in range(5)),
        {"due_at": NOON, "schedule": "6h", "state": "missed", "reason": "down", "due": 1, "failed": 1},
    )
    _miss(3, NOON, "down")

    def page(**query: Any) -> tuple[list[tuple[int, str]], Cursor | None]:
        with get_db_session(read_only=True) as session:
            runs, cursor = queries.list_runs(session, NOON, NOON + 4 * HOUR, **query)
        return [((run.due_at - NOON) // HOUR, run.schedule) for run in runs], cursor

    default = [(3, "default"), (2, "default"), (1, "default"), (0, "default")]
    assert page() == ([*default[:3], (0, "6h"), (0, "default")], None)
    assert page(schedule="default") == (default, None)
    assert page(schedule="default", limit=4) == (default, None)
    first, cursor = page(schedule="default", limit=2)
    assert first == default[:2]
    assert cursor is not None
    assert page(schedule="default", limit=2, after=cursor) == (default[2:], None)
    assert page(state="missed") == ([(0, "6h")], None)
    assert page(schedule="unknown") == ([], None)
    with get_db_session(read_only=True) as session:
        [view] = queries.list_runs(session, NOON, NOON + MICROSECOND, schedule="6h")[0]
        spans = queries.schedules_with_runs(session)
    assert (view.state, view.reason, view.due, view.stored, view.failed, view.failed_by_reason) == (
        "missed",
        "down",
        1,
        0,
        1,
        {"down": 1},
    )
    assert (view.calls, view.started_at, view.ended_at) == (0, None, None)
    assert spans == {"6h": ScheduleSpan(NOON, NOON), "default": ScheduleSpan(NOON, NOON + 4 * HOUR)}


def test_the_counts_of_an_open_run_are_those_of_now() -> None:
    _claim()
    _store(1, NOON)
    _store(3, NOON)  # follows another schedule
    _miss(2, NOON, "payload_error")
    with get_db_session(read_only=True) as session:
        [view] = queries.list_runs(session, NOON, NOON + HOUR)[0]
    assert (view.state, view.due, view.stored, view.failed) == ("running", 2, 1, 1)
    assert view.failed_by_reason == {"payload_error": 1}
    assert (view.started_at, view.ended_at) == (NOON, None)


def test_a_gap_with_its_detail_and_whether_its_start_is_known() -> None:
    _insert_runs(*({"due_at": NOON + hour * HOUR, "state": "failed"} for hour in range(-2, 5)))
    for hour, detail in ((0, "first"), (1, "second"), (2, None)):
        _miss(1, NOON + hour * HOUR, "quota", detail)
    _miss(2, NOON + 4 * HOUR, "down")

    def gaps(start: datetime, **query: Any) -> list[Gap]:
        with get_db_session(read_only=True) as session:
            return list_gaps(session, start, NOON + 5 * HOUR, **query)[0]

    later = Gap(2, "p2", "down", NOON + 4 * HOUR, NOON + 4 * HOUR, 1, None, is_unrecoverable=False, is_start_known=True)
    first = Gap(1, "p1", "quota", NOON, NOON + 2 * HOUR, 3, "second", is_unrecoverable=False, is_start_known=True)
    assert gaps(NOON - 2 * HOUR) == [later, first]
    assert gaps(NOON - 2 * HOUR, reason="quota") == gaps(NOON - 2 * HOUR, location="p1") == [first]
    assert gaps(NOON - 2 * HOUR, after=later.cursor) == [first]
    assert later.cursor == Cursor(NOON + 4 * HOUR, 2)
    assert [(gap.slots, gap.is_start_known) for gap in gaps(NOON)] == [(1, True), (3, False)]
    assert [gap.slots for gap in gaps(NOON + MICROSECOND)] == [1, 2]
    with get_db_session() as session:
        session.query(Missed).filter(Missed.due_at == NOON).update({"closed_at": NOON})
    assert [(gap.slots, gap.detail, gap.is_unrecoverable) for gap in gaps(NOON - HOUR, location="p1")] == [
        (2, "second", False),
        (1, "first", True),
    ]
    with get_db_session(read_only=True) as session:
        cursors = [list_gaps(session, NOON, NOON + 5 * HOUR, limit=limit)[1] for limit in (1, 2, 3)]
    assert cursors == [later.cursor, Cursor(NOON + 2 * HOUR, 1), None]
