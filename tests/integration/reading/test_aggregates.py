"""Aggregates and their rollups, on both databases: always what the rows themselves come to."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, func, select

from meteorograph import get_db_session
from meteorograph.locations import repository
from meteorograph.model.clock import DrivenClock
from meteorograph.model.flags import SUSPECT, Flag
from meteorograph.model.quantities import BY_NAME, CODES
from meteorograph.reading import aggregates, rollups
from meteorograph.reading.aggregates import Bucket
from meteorograph.storage import rollup_invalidation
from meteorograph.storage.models import DailyRollup, Location, Missed, RolledUpUntil, Run, WeatherData
from meteorograph.storage.upsert import table_of
from rows import insert_rows
from support import NOON, wait_until

pytestmark = pytest.mark.usefixtures("database")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def _location(name: str, timezone: str | None = None) -> int:
    with get_db_session() as session:
        made = Location(name=name, latitude=10, longitude=20, timezone=timezone, state="active", created_at=NOON)
        session.add(made)
        session.flush()
        return made.id


def _row(location_id: int, due_at: datetime, **values: Any) -> dict[str, Any]:
    head = {"location_id": location_id, "due_at": due_at, "fetched_at": due_at, "provider": "openweathermap", "origin": "live"}
    return {**dict.fromkeys(column.name for column in table_of(WeatherData).columns), **head, **values}


def _runs(start: datetime, end: datetime) -> None:
    with get_db_session() as session:
        slots = [start + number * HOUR for number in range((end - start) // HOUR)]
        session.add_all(Run(schedule="default", due_at=slot, state="succeeded") for slot in slots)


def _buckets(location: str, start: datetime, end: datetime, bucket: str, **asked: Any) -> list[Bucket]:
    with get_db_session(read_only=True) as session:
        return aggregates.read_buckets(session, location=location, start=start, end=end, bucket=bucket, **asked)


def _fold(now: datetime) -> None:
    for _ in range(200):
        if not rollups.roll_up(now):
            return
    pytest.fail("folding does not come to an end")


def _rolled_up() -> int:
    with get_db_session(read_only=True) as session:
        return session.scalar(select(func.count()).select_from(DailyRollup)) or 0


def test_what_the_values_of_an_hour_come_to(driven: DrivenClock) -> None:
    here = _location("Athens")
    _runs(NOON, NOON + 3 * HOUR)
    insert_rows(
        [
            _row(here, NOON, temperature=10.0, wind_direction=350.0, precipitation=1.0, precipitation_period=3600),
            _row(here, NOON + HOUR / 2, temperature=13.0, wind_direction=20.0),
            _row(here, NOON + HOUR, precipitation=0.5, precipitation_period=3600),
            _row(here, NOON + 2 * HOUR, humidity=50.0),
        ]
    )
    first, gap, last = _buckets("Athens", NOON, NOON + 3 * HOUR, "hour")
    assert (first.start, first.end, first.due, first.stored) == (NOON, NOON + HOUR, 1, 1)  # the other row is at no slot
    assert first.values["temperature"] == {"min": 10, "max": 13, "mean": 11.5, "sum": None, "count": 2}
    assert first.values["wind_direction"]["mean"] == 5
    amount = {"min": 1, "max": 1, "mean": 1, "sum": 0.5, "count": 1}  # the sum is that of 12 to 13 h
    covered = {"sum_estimated": 0.5, "covered_seconds": 3600, "unknown_count": 0, "providers": ["openweathermap"]}
    assert first.values["precipitation"] == amount | covered
    assert (first.observations, gap.observations, last.observations) == (2, 1, 1)
    assert tuple(first.values) == tuple(BY_NAME)
    nothing = {"min": None, "max": None, "mean": None, "sum": None, "count": 0}
    assert (gap.stored, gap.values["precipitation"]["mean"], gap.values["precipitation"]["sum"]) == (1, 0.5, None)
    assert gap.values["temperature"] == gap.values["wind_direction"] == nothing
    assert (last.stored, last.values["temperature"], last.values["humidity"]["mean"]) == (1, nothing, 50)


def test_coverage_is_what_is_stored_of_what_was_due() -> None:
    here = _location("Athens")
    _runs(NOON, NOON + 4 * HOUR)
    insert_rows([_row(here, NOON), _row(here, NOON + 3 * HOUR)])
    with get_db_session() as session:
        session.add_all(Missed(location_id=here, due_at=NOON + number * HOUR, reason="down") for number in (1, 2, 3))
    [found] = _buckets("Athens", NOON, NOON + HOUR, "day")
    assert (found.due, found.stored) == (4, 2)  # the last one was stored after all
    _fold(NOON + 3 * DAY)
    assert _buckets("Athens", NOON, NOON + HOUR, "day") == [found]
    assert [(each.due, each.stored) for each in _buckets("Athens", NOON, NOON + 4 * HOUR, "hour")] == [
        (1, 1),
        (1, 0),
        (1, 0),
        (1, 1),
    ]


@pytest.mark.parametrize("word", sorted(SUSPECT))
def test_values_that_are_not_to_be_trusted_are_left_out_unless_asked_for(word: str) -> None:
    here = _location("Athens")
    doubt = {"temperature": [Flag.DUPLICATE, word], "humidity": [Flag.IMPLIED_ZERO]}
    insert_rows([_row(here, NOON, temperature=10.0), _row(here, NOON + HOUR, temperature=60.0, humidity=1.0, flags=doubt)])
    for _ in range(2):
        [left_out] = _buckets("Athens", NOON, NOON + HOUR, "day")
        [taken_in] = _buckets("Athens", NOON, NOON + HOUR, "day", include_flagged=True)
        assert (left_out.values["temperature"]["max"], left_out.values["humidity"]["count"]) == (10, 1)
        assert (taken_in.values["temperature"]["max"], taken_in.values["temperature"]["count"]) == (60, 2)
        _fold(NOON + 3 * DAY)  # the same again, from the rollup


def test_a_local_day_of_23_and_of_25_hours() -> None:
    here = _location("Athens", "Europe/Athens")
    for start, hours in ((datetime(2026, 3, 28, 22, tzinfo=UTC), 23), (datetime(2026, 10, 24, 21, tzinfo=UTC), 25)):
        insert_rows([_row(here, start + number * HOUR, temperature=float(number)) for number in range(-1, hours + 1)])
        for _ in range(2):
            [day] = _buckets("Athens", start, start + HOUR, "day")
            assert (day.start, day.end) == (start, start + hours * HOUR)
            assert (day.values["temperature"]["count"], day.values["temperature"]["max"]) == (hours, hours - 1)
            [in_utc, _] = _buckets("Athens", start, start + 4 * HOUR, "day", zone="UTC")
            assert in_utc.start == start.replace(hour=0)
            _fold(start + 5 * DAY)


def test_months_are_put_together_of_days_and_have_no_holes() -> None:
    here = _location("Athens", "Europe/Athens")
    start = datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Athens")).astimezone(UTC)
    values = [(number * 37 % 101) / 4 for number in range(59 * 24)]
    rain = {"precipitation": 0.25, "precipitation_period": 3600}
    insert_rows([_row(here, start + number * HOUR, temperature=value, **rain) for number, value in enumerate(values)])
    _fold(start + 40 * DAY)
    assert _rolled_up() > 30
    january, _, march = _buckets("Athens", start, start + 60 * DAY, "month")
    assert january.values["temperature"]["count"] == 31 * 24
    assert january.values["temperature"]["mean"] == pytest.approx(sum(values[: 31 * 24]) / (31 * 24))
    assert (january.values["precipitation"]["sum"], january.values["precipitation"]["count"]) == (31 * 24 / 4, 31 * 24)
    assert march.values["temperature"]["count"] == 0


def test_amounts_whose_windows_overlap_are_not_added_twice() -> None:
    here = _location("Athens")
    rain = {"precipitation": 3.0, "precipitation_period": 3 * 3600}
    midnight = NOON - 12 * HOUR
    insert_rows([_row(here, midnight + number * HOUR, **rain) for number in range(-2, 25)])
    for _ in range(2):
        [day] = _buckets("Athens", midnight, midnight + HOUR, "day")
        assert (day.values["precipitation"]["sum"], day.values["precipitation"]["count"]) == (24, 24)
        hours = _buckets("Athens", midnight, midnight + DAY, "hour")
        assert {each.values["precipitation"]["sum"] for each in hours} == {1}
        _fold(NOON + 3 * DAY)


def test_live_rows_forget_nothing_and_late_ones_their_day(driven: DrivenClock) -> None:
    here, other = _location("Athens"), _location("Bergen")
    insert_rows([_row(id_, NOON - 10 * DAY + number * HOUR, temperature=1.0) for id_ in (here, other) for number in range(240)])
    _fold(NOON)
    before = _rolled_up()
    insert_rows([_row(here, NOON, temperature=5.0)])
    assert _rolled_up() == before
    insert_rows([_row(here, NOON - 5 * DAY, temperature=50.0)])
    assert before - 4 <= _rolled_up() < before
    [day] = _buckets("Athens", NOON - 5 * DAY, NOON - 5 * DAY + HOUR, "day")
    assert day.values["temperature"]["max"] == 50
    _fold(NOON)
    assert _rolled_up() == before
    assert _buckets("Athens", NOON - 5 * DAY, NOON - 5 * DAY + HOUR, "day") == [day]


def test_another_zone_begins_anew() -> None:
    here = _location("Athens")
    insert_rows([_row(here, NOON - 10 * DAY + number * HOUR, temperature=1.0) for number in range(200)])
    _fold(NOON)
    with get_db_session() as session:
        repository.change_location(session, "Athens", {"timezone": "Asia/Kolkata"})
    days = _buckets("Athens", NOON - 9 * DAY, NOON - 5 * DAY, "day")
    _fold(NOON)
    assert _buckets("Athens", NOON - 9 * DAY, NOON - 5 * DAY, "day") == days
    with get_db_session(read_only=True) as session:
        starts = session.scalars(select(DailyRollup.__table__.c.start_at)).all()
        assert {(start.hour, start.minute) for start in starts} == {(18, 30)}
        assert session.scalar(select(RolledUpUntil.timezone)) == "Asia/Kolkata"


def test_a_location_goes_with_its_rollups() -> None:
    here = _location("Athens")
    insert_rows([_row(here, NOON - 3 * DAY, temperature=1.0)])
    _fold(NOON)
    assert _rolled_up()
    with get_db_session() as session:
        repository.remove_location(session, "Athens", "delete")
    assert _rolled_up() == 0


@pytest.mark.parametrize("seed", range(3))
def test_after_any_operations_all_is_what_the_rows_come_to(driven: DrivenClock, seed: int) -> None:
    chance = random.Random(seed)
    zones = [None, "Europe/Athens", "Asia/Kolkata", "America/New_York"]
    names = {_location(name, zone): name for name, zone in zip("ABC", zones, strict=False)}
    start = NOON
    _runs(start - 30 * DAY, start + 10 * DAY)

    def some_rows(since: datetime, count: int) -> None:
        rows = []
        for _ in range(count):
            values: dict[str, Any] = {
                name: chance.randint(0, 99) if name in CODES else float(chance.randint(0, 100))
                for name in BY_NAME
                if chance.random() < 0.8
            }
            values["precipitation_period"] = chance.choice([None, 3600, 10800])
            if chance.random() < 0.3:
                values["flags"] = {chance.choice(list(BY_NAME)): [chance.choice([Flag.RANGE, Flag.IMPLIED_ZERO])]}
            due_at = since + chance.randint(0, 47) * HOUR
            values["observed_at"] = chance.choice([None, due_at - timedelta(minutes=chance.randint(0, 90))])
            rows.append(_row(chance.choice(list(names)), due_at, **values))
        insert_rows(rows)

    some_rows(start - 30 * DAY, 5)
    for _ in range(40):
        match chance.randint(0, 5):
            case 0 | 1:
                some_rows(driven() - timedelta(hours=chance.randint(0, 24 * 30)), 60)  # backfill, or a reparse
            case 2:
                driven.advance(timedelta(hours=chance.randint(1, 30)))
            case 3:
                rollups.roll_up(driven())
            case 4:
                _fold(driven())
            case _:
                with get_db_session() as session:
                    repository.change_location(session, chance.choice("ABC"), {"timezone": chance.choice(zones)})
    _fold(driven())
    assert _rolled_up() > 20
    asked = [(name, bucket, taken) for name in "ABC" for bucket in ("day", "month") for taken in (False, True)]

    def everything() -> list[list[Bucket]]:
        return [_buckets(name, start - 40 * DAY, driven(), bucket, include_flagged=taken) for name, bucket, taken in asked]

    by_rollups = everything()
    with get_db_session() as session:
        session.execute(delete(DailyRollup))
    for found, wanted in zip(by_rollups, everything(), strict=True):
        for one, other in zip(found, wanted, strict=True):
            assert (one.start, one.due, one.stored, one.observations) == (
                other.start,
                other.due,
                other.stored,
                other.observations,
            )
            for name in BY_NAME:
                for part, value in one.values[name].items():
                    expected = other.values[name][part]
                    assert value == (expected if isinstance(expected, list) else pytest.approx(expected)), (name, part)


def test_who_rolls_up_waits_for_who_forgets(database: str, driven: DrivenClock) -> None:
    here = _location("Athens")
    late = NOON - 5 * DAY
    insert_rows([_row(here, late, temperature=1.0)])
    folded = threading.Event()

    def fold() -> None:
        _fold(NOON)
        folded.set()

    with get_db_session() as session:
        rollup_invalidation.invalidate_rollups(session, [_row(here, late)], NOON)
        thread = threading.Thread(target=fold)
        thread.start()
        session.execute(delete(DailyRollup))
        assert not folded.wait(0.3)
    wait_until(folded.is_set, 20, "the fold")
    thread.join()
    assert _rolled_up() > 0


def test_all_locations_come_one_by_one() -> None:
    ids = [_location(name) for name in "ABC"]
    insert_rows([_row(id_, NOON, temperature=float(id_)) for id_ in ids[:2]])
    with get_db_session(read_only=True) as session:
        asked: dict[str, Any] = {"start": NOON, "end": NOON + HOUR, "bucket": "day", "quantities": ["temperature"]}
        found = {each.name: each.buckets() for each in aggregates.read_bucket_page(session, **asked)}
        assert [each.name for each in aggregates.read_bucket_page(session, **asked, after=ids[0], limit=1)] == ["B"]
    assert [(name, [each.values["temperature"]["max"] for each in of_one]) for name, of_one in found.items()] == [
        ("A", [ids[0]]),
        ("B", [ids[1]]),
        ("C", [None]),
    ]
    assert found == {name: _buckets(name, NOON, NOON + HOUR, "day", quantities=["temperature"]) for name in "ABC"}
