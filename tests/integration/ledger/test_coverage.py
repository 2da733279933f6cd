"""Runs, gaps and coverage of slots that the real ledger has driven, on both databases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import stamina
from sqlalchemy import event, insert, select

from meteorograph import get_db_session, ingest_data
from meteorograph.errors import LocationNotFoundError
from meteorograph.ledger import claims, closing, coverage, past_slots, queries, slot_counts
from meteorograph.ledger.coverage import By, SlotCoverage
from meteorograph.ledger.gaps import Gap, list_gaps
from meteorograph.ledger.queries import RunView
from meteorograph.model.clock import DrivenClock
from meteorograph.model.schedule import DEFAULT_SCHEDULE, Interval, Schedule, parse_schedule
from meteorograph.model.states import MissedReason
from meteorograph.model.time_range import parse_instant, resolve_range
from meteorograph.scheduler import scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage.engine import get_engine
from meteorograph.storage.models import Location, Missed, Run, WeatherData
from rows import insert_rows
from support import NOON

pytestmark = pytest.mark.usefixtures("database")

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
HOURLY = Interval(HOUR)


def _add(*names: str, schedule: str | None = None, state: str = "active", at: datetime = NOON) -> dict[str, int]:
    with get_db_session() as session:
        made = [
            Location(name=name, latitude=number, longitude=9, schedule=schedule, state=state, created_at=at)
            for number, name in enumerate(names)
        ]
        session.add_all(made)
        session.flush()
        return {location.name: location.id for location in made}


def _change(name: str, **values: Any) -> None:
    with get_db_session() as session:
        location = session.scalars(select(Location).where(Location.name == name)).one()
        for key, value in values.items():
            setattr(location, key, value)


def _store(location_id: int, *instants: datetime) -> None:
    columns = {column.name: None for column in WeatherData.__table__.columns} | {"origin": "live"}
    insert_rows(
        [columns | {"location_id": location_id, "due_at": at, "fetched_at": at, "provider": "openweathermap"} for at in instants]
    )


def _account(at: datetime, name: str = DEFAULT_SCHEDULE, when: Schedule = HOURLY) -> None:
    while past_slots.account_for_past(at, name, when):
        pass


def _run(at: datetime, *, missed: dict[str, str] | None = None, name: str = DEFAULT_SCHEDULE, when: Schedule = HOURLY) -> None:
    """One slot from claim to end: every due location is stored but those that are missed, with a reason."""
    missed = missed or {}
    claim = claims.claim_run(at, name, when)
    _account(at, name, when)
    assert claim
    assert claim.due_at == at
    for due in claims.due_locations(claim, at)[0]:
        if due.name in missed:
            row = {"location_id": due.id, "due_at": at, "reason": missed[due.name], "detail": f"at {at:%H:%M}"}
            closing.record_missed([row])
        else:
            _store(due.id, at)
    closing.finish_run(claim, 3, at + timedelta(seconds=20))


def _hours(*numbers: int) -> list[datetime]:
    return [NOON + number * HOUR for number in numbers]


def _runs(start: datetime = NOON - DAY, end: datetime = NOON + 9 * DAY, **asked: Any) -> list[RunView]:
    with get_db_session(read_only=True) as session:
        return queries.list_runs(session, start, end, **asked)[0]


def _gaps(
    start: datetime = NOON - DAY, end: datetime = NOON + 90 * DAY, **asked: Any
) -> list[tuple[str, datetime, datetime, int, str]]:
    with get_db_session(read_only=True) as session:
        found = list_gaps(session, start, end, **asked)[0]
    return [(gap.location, gap.first_slot, gap.last_slot, gap.slots, gap.reason) for gap in found]


def _coverage(start: datetime = NOON - DAY, end: datetime = NOON + 90 * DAY, **asked: Any) -> list[SlotCoverage]:
    with get_db_session(read_only=True) as session:
        return coverage.slot_coverage(session, start, end, **asked)[0]


def _counts(entries: Iterable[SlotCoverage], key: str = "location") -> dict[str, tuple[int, int, int, int]]:
    """Due, stored, missed and pending of each entry."""
    return {str(getattr(entry, key)): (entry.due, entry.stored, entry.missed, entry.pending) for entry in entries}


def test_what_the_collector_stored_and_what_failed_and_why(collecting: Simulator, driven: DrivenClock) -> None:
    _add("Athens", "Bergen", "Cork")
    collecting.set_faults("kind=html code=404 place=1,9")
    for _ in range(3):
        scheduled_ingest()
        driven.advance(HOUR)
    collecting.set_faults("")
    scheduled_ingest()
    assert _counts(_coverage()) == {"Athens": (4, 4, 0, 0), "Bergen": (4, 1, 3, 0), "Cork": (4, 4, 0, 0)}
    [bergen] = _coverage(location="Bergen")
    assert bergen.missed_by_reason == {"provider_error": 3}
    assert bergen.coverage == 0.25
    assert _gaps() == [("Bergen", NOON, NOON + 2 * HOUR, 3, "provider_error")]
    newest, *others = _runs()
    assert (newest.due_at, newest.state, newest.stored, newest.failed_by_reason) == (
        NOON + 3 * HOUR,
        "succeeded",
        3,
        {},
    )
    assert [run.failed_by_reason for run in others] == [{"provider_error": 1}] * 3
    assert [(run.state, run.due, run.stored, run.failed) for run in others] == [("partial", 3, 2, 1)] * 3
    assert all(run.calls > 0 and run.started_at and run.ended_at for run in others)


def test_slots_while_nobody_ran_are_one_gap_and_runs_of_their_own(collecting: Simulator, driven: DrivenClock) -> None:
    _add("Athens", "Bergen")
    scheduled_ingest()
    driven.advance(6 * HOUR)
    scheduled_ingest()
    assert _gaps() == [(name, NOON + HOUR, NOON + 5 * HOUR, 5, "down") for name in ("Bergen", "Athens")]
    assert [(run.state, run.reason, run.failed_by_reason) for run in _runs()] == [
        ("succeeded", None, {}),
        *[("missed", "down", {"down": 2})] * 5,
        ("succeeded", None, {}),
    ]
    assert _coverage(location="Athens")[0].coverage == 2 / 7


def test_slots_during_a_run_that_took_too_long_are_late() -> None:
    _add("Athens")
    claim = claims.claim_run(NOON, DEFAULT_SCHEDULE, HOURLY)
    assert claim
    for due in claims.due_locations(claim, NOON)[0]:
        _store(due.id, NOON)
    closing.finish_run(claim, 1, NOON + 2 * HOUR + timedelta(minutes=5))
    _run(NOON + 3 * HOUR)
    assert _gaps() == [("Athens", NOON + HOUR, NOON + 2 * HOUR, 2, "late")]
    assert [(run.reason, run.failed_by_reason) for run in _runs(state="missed")] == [("late", {"late": 1})] * 2


def test_a_slot_between_or_another_reason_parts_a_gap() -> None:
    _add("Athens")
    for number, reason in enumerate(("quota", "quota", "store_error", None, "store_error", "quota")):
        _run(NOON + number * HOUR, missed={"Athens": reason} if reason else {})
    assert _gaps() == [
        ("Athens", NOON + 5 * HOUR, NOON + 5 * HOUR, 1, "quota"),
        ("Athens", NOON + 4 * HOUR, NOON + 4 * HOUR, 1, "store_error"),
        ("Athens", NOON + 2 * HOUR, NOON + 2 * HOUR, 1, "store_error"),
        ("Athens", NOON, NOON + HOUR, 2, "quota"),
    ]
    assert [gap[1:4] for gap in _gaps(reason="store_error")] == [(at, at, 1) for at in _hours(4, 2)]
    with get_db_session(read_only=True) as session:
        [gap] = list_gaps(session, NOON, NOON + 2 * HOUR)[0]
    assert gap.detail == "at 13:00", "that of its last slot"
    assert [gap[1:4] for gap in _gaps(start=NOON + HOUR, end=NOON + 2 * HOUR)] == [(NOON + HOUR, NOON + HOUR, 1)]


def test_a_slot_missed_twice_with_a_pause_between_is_two_gaps() -> None:
    _add("Athens", "Bergen")
    _run(NOON, missed={"Athens": "quota"})
    _change("Athens", state="paused")
    _run(NOON + HOUR)
    _change("Athens", state="active")
    _run(NOON + 2 * HOUR, missed={"Athens": "quota"})
    assert [gap[1] for gap in _gaps()] == _hours(2, 0)
    assert _counts(_coverage()) == {"Athens": (2, 0, 2, 0), "Bergen": (3, 3, 0, 0)}


def test_schedules_of_several_lengths_each_have_slots_of_their_own() -> None:
    quarter, daily = Interval(timedelta(minutes=15)), parse_schedule("0 13 * * *")
    _add("hourly")
    _add("quarterly", schedule="15m")
    _add("daily", schedule="0 13 * * *")
    for number in range(9):
        at = NOON + number * timedelta(minutes=15)
        _run(at, name="15m", when=quarter, missed={"quarterly": "provider_error"} if number in (3, 4, 5) else {})
        if number % 4 == 0:
            _run(at)
        if number == 4:
            _run(at, name="0 13 * * *", when=daily, missed={"daily": "provider_error"})
    assert _counts(_coverage()) == {"daily": (1, 0, 1, 0), "hourly": (3, 3, 0, 0), "quarterly": (9, 6, 3, 0)}
    assert [(gap[0], gap[3]) for gap in _gaps()] == [("quarterly", 3), ("daily", 1)]
    at_one = {run.schedule: run.failed_by_reason for run in _runs() if run.due_at == NOON + HOUR}
    assert at_one == {"default": {}, "15m": {"provider_error": 1}, "0 13 * * *": {"provider_error": 1}}
    assert _counts(_coverage(by="day"), "day") == {"2026-03-01": (13, 9, 4, 0)}
    assert len(_runs(schedule="15m")) == 9
    assert _runs(schedule="1\0m") == _runs(schedule="nobody's") == []


@pytest.mark.parametrize("few", [0, 100])
def test_rows_on_demand_count_only_where_they_fill_a_slot_of_the_location(
    driven: DrivenClock, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(slot_counts, "_MAX_SUBTRACTED_LOCATIONS", few)
    ids = _add("Athens") | _add("daily", schedule="0 6 * * *") | _add("nowhere", state="unscheduled")
    _run(NOON - 6 * HOUR, name="0 6 * * *", when=parse_schedule("0 6 * * *"))
    for name in ids:
        _store(ids[name], NOON, NOON + timedelta(minutes=7, seconds=3), NOON + HOUR)
    for at in _hours(0, 1, 2):
        _run(at, missed={"Athens": "quota"})
    assert _counts(_coverage()) == {"Athens": (3, 2, 1, 0), "daily": (1, 1, 0, 0)}
    assert _counts(_coverage(by="day"), "day") == {"2026-03-01": (4, 3, 1, 0)}
    assert _counts(_coverage(location="nowhere")) == {"nowhere": (0, 0, 0, 0)}
    assert _coverage(location="nowhere")[0].coverage is None


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("by", coverage.BY)
def test_backfilled_rows_are_found_without_reading_all_others(by: By) -> None:
    _add("Athens")
    for at in _hours(0, 24):
        _run(at)
    asked: list[tuple[str, Any]] = []
    event.listen(get_engine(), "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
    _coverage(by=by)
    plan = []
    with get_db_session(read_only=True) as session:
        for statement, values in [one for one in asked if "'backfill'" in one[0]]:
            plan += [row[-1] for row in session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert plan
    assert [line for line in plan if "weather_data" in line and "ix_weather_data_backfill" not in line] == []


def test_a_collection_on_demand_through_the_front_door_counts_nowhere(collecting: Simulator, driven: DrivenClock) -> None:
    _add("Athens")
    scheduled_ingest()
    driven.advance(timedelta(minutes=10, seconds=1))
    assert ingest_data(0, 9)["location"] == "Athens"
    assert _counts(_coverage()) == {"Athens": (1, 1, 0, 0)}


def test_what_was_stored_under_another_schedule_still_counts_when_the_new_one_begins() -> None:
    _add("Athens")
    for at in _hours(0, 1):
        _run(at, missed={"Athens": "quota"} if at == NOON else {})
    _change("Athens", schedule="30m")
    assert _counts(_coverage()) == {"Athens": (2, 1, 1, 0)}, "before its first run"
    for number in (3, 4):
        _run(NOON + number * timedelta(minutes=30), name="30m", when=Interval(timedelta(minutes=30)))
    assert _counts(_coverage()) == {"Athens": (4, 3, 1, 0)}


def test_an_instant_that_was_a_slot_of_two_schedules_counts_once() -> None:
    _add("Athens", "Bergen")
    _add("Cork", schedule="60m")
    _run(NOON)
    _run(NOON, name="60m", when=HOURLY)
    for name in ("Athens", "Bergen"):
        _change(name, schedule="30m")
    assert _counts(_coverage(by="day"), "day") == {"2026-03-01": (3, 3, 0, 0)}
    assert _counts(_coverage()) == {"Athens": (1, 1, 0, 0), "Bergen": (1, 1, 0, 0), "Cork": (1, 1, 0, 0)}


def test_a_location_is_due_from_the_slot_on_in_which_it_was_added() -> None:
    _add("Athens")
    _run(NOON)
    _add("Bergen", at=NOON + timedelta(minutes=30))
    for at in _hours(1, 2):
        _run(at)
    assert _counts(_coverage()) == {"Athens": (3, 3, 0, 0), "Bergen": (2, 2, 0, 0)}


def test_what_a_run_has_yet_to_do_is_pending() -> None:
    ids = _add("Athens", "Bergen", "Cork") | _add("Dublin", state="paused")
    claim = claims.claim_run(NOON, DEFAULT_SCHEDULE, HOURLY)
    assert claim
    _store(ids["Athens"], NOON)
    closing.record_missed([{"location_id": ids["Bergen"], "due_at": NOON, "reason": "payload_error", "detail": None}])
    expected = {"Athens": (1, 1, 0, 0), "Bergen": (1, 0, 1, 0), "Cork": (1, 0, 0, 1), "Dublin": (0, 0, 0, 0)}
    assert _counts(_coverage()) == expected
    assert _counts(_coverage(by="day"), "day") == {"2026-03-01": (3, 1, 1, 1)}
    [run] = _runs()
    assert (run.state, run.due, run.stored, run.failed) == ("running", 3, 1, 1)
    assert run.failed_by_reason == {"payload_error": 1}
    closing.release_run(claim, 2, until=NOON + HOUR, reason=MissedReason.QUOTA)
    [run] = _runs(state="pending")
    assert (run.state, run.reason, run.stored, run.ended_at) == ("pending", "quota", 1, None)
    assert _counts(_coverage()) == expected


def test_what_was_missed_and_is_stored_after_all_is_not_missed() -> None:
    ids = _add("Athens")
    for at in _hours(0, 1, 2):
        _run(at, missed={"Athens": "quota"})
    _store(ids["Athens"], NOON + HOUR)
    assert _counts(_coverage()) == {"Athens": (3, 1, 2, 0)}
    assert [gap[3] for gap in _gaps()] == [1, 1]


def test_the_days_of_a_cron_schedule_when_the_clocks_change() -> None:
    text = "0 * * * * Europe/Athens"
    every_hour = parse_schedule(text)
    _add("Athens", schedule=text)
    begin = datetime(2026, 3, 28, 22, tzinfo=UTC)  # the clocks go from 03:00 to 04:00 at 01:00 UTC on the 29th
    for number in range(26):
        _run(begin + number * HOUR, name=text, when=every_hour, missed={"Athens": "late"} if number in (2, 3, 4) else {})
    days = _coverage(by="location,day", start=begin)
    assert [(str(day.day), day.due, day.missed) for day in days] == [("2026-03-28", 2, 0), ("2026-03-29", 24, 3)]
    assert [gap[1:4] for gap in _gaps()] == [(begin + 2 * HOUR, begin + 4 * HOUR, 3)]


def test_a_fixed_time_in_the_hour_that_the_clocks_skip_is_one_slot_and_joins_its_neighbours() -> None:
    text = "30 3 * * * Europe/Athens"
    nightly = parse_schedule(text)
    _add("Athens", schedule=text)
    slots = list(nightly.slots_between(datetime(2026, 3, 27, 12, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC)))
    for slot in slots:
        _run(slot, name=text, when=nightly, missed={"Athens": "quota"})
    assert [f"{slot:%d %H:%M}" for slot in slots] == ["28 01:30", "29 01:00", "30 00:30"]
    assert _gaps() == [("Athens", slots[0], slots[-1], 3, "quota")]


@pytest.mark.parametrize("by", ["location", "day", "location,day"])
def test_the_parts_add_up_to_the_whole_whatever_they_are_told_by(by: By) -> None:
    _add(*(f"p{number}" for number in range(5)))
    _add("q", schedule="6h")
    for number in range(40):
        at = NOON + number * HOUR
        _run(at, missed={f"p{number % 7}": "provider_error"})
        if at.hour % 6 == 0:
            _run(at, name="6h", when=Interval(6 * HOUR))
    entries = _coverage(start=NOON + 3 * HOUR, end=NOON + 33 * HOUR, by=by)
    assert sum(entry.due for entry in entries) == 30 * 5 + 5
    assert sum(entry.missed for entry in entries) == len([number for number in range(3, 33) if number % 7 < 5])
    assert all(entry.due == entry.stored + entry.missed for entry in entries)


def test_days_without_a_run_are_days_but_none_outside_the_ledger() -> None:
    assert _coverage(by="day") == []
    _add("Athens")
    _run(NOON)
    _change("Athens", state="paused")
    assert claims.claim_run(NOON + 2 * DAY, DEFAULT_SCHEDULE, HOURLY)
    _account(NOON + 2 * DAY)
    days = _counts(_coverage(by="day", start=datetime.min.replace(tzinfo=UTC), end=datetime.max.replace(tzinfo=UTC)), "day")
    assert list(days) == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert days["2026-03-02"] == (0, 0, 0, 0)


def test_pages_have_every_entry_once_in_the_order_of_the_whole() -> None:
    _add(*(f"p{number}" for number in range(4)))
    for number in range(6):
        _run(NOON + number * HOUR, missed={f"p{number % 4}": "quota", f"p{(number + 1) % 4}": "quota"})
    end = NOON + DAY
    with get_db_session(read_only=True) as session:
        for ask in (queries.list_runs, list_gaps):
            whole, place = ask(session, NOON, end)
            assert place is None
            pages: list[RunView | Gap] = []
            page, place = ask(session, NOON, end, limit=2)
            pages += page
            while place:
                page, place = ask(session, NOON, end, limit=2, after=place)
                pages += page
            assert pages == whole
        first, name = coverage.slot_coverage(session, NOON, end, limit=3)
        rest, nothing = coverage.slot_coverage(session, NOON, end, limit=3, after=name)
    assert [entry.location for entry in first + rest] == ["p0", "p1", "p2", "p3"]
    assert nothing is None


def test_a_gap_that_begins_long_before_the_newest_ones_is_told_whole() -> None:
    _add("Athens", "Bergen")
    _run(NOON)
    assert claims.claim_run(NOON + 40 * DAY, DEFAULT_SCHEDULE, HOURLY)
    _account(NOON + 40 * DAY)
    whole = [(name, NOON + HOUR, NOON + 40 * DAY - HOUR, 40 * 24 - 1, "down") for name in ("Bergen", "Athens")]
    assert _gaps(limit=1) == whole[:1]
    assert _gaps(start=NOON - 300 * DAY, end=NOON + 40 * DAY, limit=1) == whole[:1]
    assert _gaps(end=NOON + 40 * DAY) == whole


def test_a_name_that_no_location_has() -> None:
    with get_db_session(read_only=True) as session:
        for ask in (list_gaps, coverage.slot_coverage):
            with pytest.raises(LocationNotFoundError):
                ask(session, NOON, NOON + DAY, location="Atl\0ntis")


def test_the_number_of_statements_grows_with_neither_locations_nor_runs() -> None:
    _add(*(f"p{number}" for number in range(30)))
    for number in range(12):
        _run(NOON + number * HOUR, missed={"p1": "quota", f"p{number}": "late"})
    statements: list[str] = []
    event.listen(get_engine(), "before_cursor_execute", lambda *args: statements.append(args[2]))
    for ask in (_runs, _gaps, _coverage, lambda: _coverage(by="day"), lambda: _coverage(by="location,day")):
        statements.clear()
        ask()
        assert len(statements) < 14, statements


def test_a_retry_that_stores_takes_the_slot_out_of_the_pending_ones(collecting: Simulator, driven: DrivenClock) -> None:
    _add("Athens", "Bergen")
    collecting.set_faults("kind=status code=500 place=1,9")
    with stamina.set_testing(True, attempts=1):
        scheduled_ingest()
        assert _counts(_coverage())["Bergen"] == (1, 0, 0, 1)
        collecting.set_faults("")
        driven.advance(timedelta(minutes=5))
        scheduled_ingest()
    assert _counts(_coverage())["Bergen"] == (1, 1, 0, 0)
    with get_db_session(read_only=True) as session:
        assert session.scalars(select(Run.state)).all() == ["succeeded"]


def test_times_and_durations() -> None:
    assert parse_instant("7d", NOON) == NOON - 7 * DAY
    assert parse_instant("2026-03-01T14:00+02:00", NOON) == parse_instant("2026-03-01T12:00", NOON) == NOON
    assert parse_instant("2026-03-01", NOON) == NOON - 12 * HOUR
    for text in ("yesterday", "", "0001-01-01T00:00+14:00", "999999d"):
        with pytest.raises(ValueError, match="must be an ISO 8601 time"):
            parse_instant(text, NOON)
    start, end = resolve_range(None, None, NOON, DAY)
    assert start < NOON - DAY + HOUR
    assert NOON < end < NOON + timedelta(seconds=1), "the slot of this very instant is in"
    assert resolve_range(None, datetime.min.replace(tzinfo=UTC) + HOUR, NOON, DAY)[0] == datetime.min.replace(tzinfo=UTC)
    with pytest.raises(ValueError, match="before the end"):
        resolve_range(NOON, NOON, NOON, DAY)


@pytest.mark.parametrize("zone", ["Europe/Athens", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kolkata"])
def test_days_of_a_zone_are_its_own(zone: str) -> None:
    """Around the nights in which clocks change: days have 23 to 25 hours, and Lord Howe's change by half an hour."""
    first, own = datetime(2026, 3, 26, tzinfo=UTC), ZoneInfo(zone)
    hours = [first + number * HOUR for number in range(14 * 24)]
    missed = hours[5::17]
    with get_db_session() as session:
        session.add(Location(id=1, name="Athens", latitude=1, longitude=2, state="active", created_at=first))
        session.flush()
        session.execute(insert(Run), [{"schedule": "default", "due_at": at, "state": "succeeded", "shard": 0} for at in hours])
        session.execute(insert(Missed), [{"location_id": 1, "due_at": at, "reason": "down"} for at in missed])
        stored = [at for at in hours if at not in missed]
        head = {"location_id": 1, "provider": "a", "origin": "live"}
        session.execute(insert(WeatherData), [{**head, "due_at": at, "fetched_at": at} for at in stored])
    due = Counter(at.astimezone(own).date() for at in hours)
    gone = Counter(at.astimezone(own).date() for at in missed)
    for by in ("location,day", "day"):
        entries = _coverage(first, hours[-1] + HOUR, by=by, location="Athens", zone=own)
        assert {entry.day: entry.due for entry in entries} == dict(due)
        assert {entry.day: entry.missed for entry in entries if entry.missed} == dict(gone)
    assert len(_coverage(first, hours[-1] + HOUR, by="day", zone=own)) == len(due)
