"""Locations in the database: added, changed, imported, paused and removed, on SQLite and on PostgreSQL."""

from __future__ import annotations

import io
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, func, select
from sqlalchemy.exc import IntegrityError

from meteorograph import WeatherData, get_db_session
from meteorograph.errors import InvalidLocationError, LocationExistsError, LocationHasDataError, LocationNotFoundError
from meteorograph.locations import repository as subject
from meteorograph.locations import views
from meteorograph.locations.file_rows import BadRow
from meteorograph.locations.files import read_locations, write_locations
from meteorograph.locations.importing import ImportPlan, execute_plan, plan_import
from meteorograph.model.states import LocationState
from meteorograph.storage.engine import get_engine
from meteorograph.storage.models import Location, Missed
from meteorograph.web.json_objects import import_object
from support import NOON

pytestmark = pytest.mark.usefixtures("database")

HEADER = "name,latitude,longitude\n"


def _all() -> dict[str, Location]:
    with get_db_session(read_only=True) as session:
        return {location.name: location for location in session.scalars(select(Location))}


def _add(name: str, latitude: float = 1, longitude: float = 2, **more: object) -> list[str]:
    with get_db_session() as session:
        return subject.add_location(session, {"name": name, "latitude": latitude, "longitude": longitude, **more}, NOON)[1]


def _set(name: str, **values: object) -> None:
    with get_db_session() as session:
        for field, value in values.items():
            setattr(subject.get_location(session, name), field, value)


def _store(name: str, slots: int) -> None:
    with get_db_session() as session:
        key = subject.get_location(session, name).id
        for slot in range(slots):
            due_at = NOON + timedelta(hours=slot)
            session.add(WeatherData(location_id=key, due_at=due_at, fetched_at=NOON, provider="openweathermap"))
        session.add(Missed(location_id=key, due_at=NOON - timedelta(hours=1), reason="down"))


def _count(table: type[WeatherData] | type[Missed] | type[Location]) -> int:
    with get_db_session(read_only=True) as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def _import(text: str, format: str = "csv", *, update_existing: bool = False, skip: bool = False) -> ImportPlan:
    rows = list(read_locations(io.BytesIO(text.encode()), format))
    with get_db_session() as session:
        made = plan_import(session, rows, update_existing=update_existing)
        if skip or not made.bad:
            list(execute_plan(session, made, NOON))
    return made


def _told(made: ImportPlan) -> tuple[int, int, int, list[str]]:
    return len(made.added), len(made.updated), made.unchanged, [str(row) for row in made.bad]


def test_a_location_is_added_with_all_its_fields() -> None:
    more = {"elevation": 20, "timezone": "Europe/Dublin", "schedule": "15m", "tags": ["b", "a"]}
    assert _add(" Dublin ", 53.35, -6.26, **more) == []
    found = _all()["Dublin"]
    assert (found.latitude, found.longitude, found.elevation, found.timezone) == (53.35, -6.26, 20, "Europe/Dublin")
    assert (found.schedule, found.tags, found.state, found.created_at) == ("15m", ["a", "b"], "active", NOON)


def test_a_name_is_taken_once_and_wrong_fields_change_nothing() -> None:
    _add("Dublin")
    with pytest.raises(LocationExistsError, match="'Dublin': must be unique"):
        _add("Dublin", 53.35, -6.26)
    with pytest.raises(InvalidLocationError, match=r"latitude=91.*timezone='X'"):
        _add("Cork", 91, 2, timezone="X")
    assert [(location.name, location.latitude) for location in _all().values()] == [("Dublin", 1)]


def test_a_location_within_100_m_of_another_is_warned_about() -> None:
    _add("A", 0, 179.9999)
    _add("B", 0, 179.9995)
    assert _add("C", 0, -179.9999) == ["'C' is 22 m from 'A'", "'C' is 67 m from 'B'"]
    assert _add("D", 0.001, -179.9999) == []


def test_fields_are_changed_and_the_place_is_not() -> None:
    _add("Dublin", tags=["a"], timezone="UTC")
    with get_db_session() as session:
        subject.change_location(session, "Dublin", {"state": "paused", "tags": ["z", "y"], "timezone": None, "elevation": 3})
    found = _all()["Dublin"]
    assert (found.state, found.tags, found.timezone, found.elevation) == ("paused", ["y", "z"], None, 3)
    for wrong in ({"latitude": 3}, {"name": ""}, {"state": "unscheduled"}, {"elevation": "high"}):
        with pytest.raises(InvalidLocationError), get_db_session() as session:
            subject.change_location(session, "Dublin", wrong)
    assert _all()["Dublin"].latitude == 1


@pytest.mark.parametrize("name", ["Nowhere", "", "a\0b", "a\ud800"])
def test_a_name_that_no_location_has(name: str) -> None:
    _add("Dublin")
    with get_db_session() as session, pytest.raises(LocationNotFoundError):
        subject.get_location(session, name)


def test_pause_and_resume_by_name_and_by_tag() -> None:
    for name, tags in (("A", ["x"]), ("B", ["x", "y"]), ("C", [])):
        _add(name, tags=tags)
    _add("D", tags=["x"])
    _set("D", state="unscheduled")
    with get_db_session() as session:
        assert subject.set_state(session, LocationState.PAUSED, ["A", "Nope"]) == (1, ["Nope"])
        assert subject.set_state_by_tag(session, LocationState.PAUSED, "x") == (1, 2)
    assert {name: location.state for name, location in _all().items()} == {
        "A": "paused", "B": "paused", "C": "active", "D": "unscheduled",
    }  # fmt: skip
    with get_db_session() as session:
        assert subject.set_state_by_tag(session, LocationState.ACTIVE) == (2, 3)
        assert subject.set_state(session, LocationState.ACTIVE, ["D"]) == (1, [])
    assert {location.state for location in _all().values()} == {"active"}


def test_a_location_without_data_goes_with_what_it_missed() -> None:
    _add("A")
    _store("A", 0)
    with get_db_session() as session:
        assert subject.remove_location(session, "A") == 0
    assert (_count(Location), _count(Missed)) == (0, 0)


def test_a_location_with_data_goes_only_when_that_is_said() -> None:
    _add("A", tags=["x"])
    _add("B", 3, 4)
    _store("A", 3)
    _store("B", 1)
    with pytest.raises(LocationHasDataError, match="'A' has 3 rows of data"), get_db_session() as session:
        subject.remove_location(session, "A")
    assert _all()["A"].state == "active"
    with get_db_session() as session:
        assert subject.remove_location(session, "A", "keep") == 3
    assert (_all()["A"].state, _count(WeatherData), _count(Missed)) == ("unscheduled", 4, 2)
    with get_db_session() as session:
        assert subject.remove_location(session, "A", "delete") == 3
    assert (list(_all()), _count(WeatherData), _count(Missed)) == (["B"], 1, 1)


def test_a_location_that_was_kept_for_its_data_is_taken_up_again_at_its_point() -> None:
    _add("A", 1, 2)
    _store("A", 1)
    with get_db_session() as session:
        subject.remove_location(session, "A", "keep")
    with pytest.raises(LocationExistsError):
        _add("A", 1, 2.5)
    _add("A", 1, 2, tags=["new"])
    assert (_all()["A"].state, _all()["A"].tags, _count(WeatherData)) == ("active", ["new"], 1)
    _set("A", state="unscheduled")
    assert _told(_import(f"{HEADER}A,1,2\n")) == (0, 1, 0, [])
    assert _all()["A"].state == "active"


def test_a_row_that_is_stored_while_its_location_is_removed_is_lost_or_refused_but_never_left_behind() -> None:
    _add("A")
    _store("A", 1)
    key = _all()["A"].id
    errors: list[Exception] = []

    def store() -> None:
        try:
            with get_db_session() as session:
                session.add(WeatherData(location_id=key, due_at=NOON - timedelta(days=1), fetched_at=NOON, provider="x"))
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=store)

    @event.listens_for(get_engine(), "before_cursor_execute")
    def _meanwhile(*details: Any) -> None:
        if details[2].startswith("DELETE FROM locations"):  # the rows of data are deleted by now
            thread.start()
            thread.join(0.5)

    with get_db_session() as session:
        subject.remove_location(session, "A", "delete")
    thread.join(20)
    assert len(errors) == 1
    assert (_count(Location), _count(WeatherData)) == (0, 0)


def test_the_listing_shows_the_newest_slot_and_the_place_that_the_provider_answers_for() -> None:
    _add("B", tags=["x"])
    _add("A", 3, 4)
    _store("B", 2)
    _set("B", resolved_name="Town", resolved_latitude=1.2, resolved_longitude=2.0, resolved_distance_km=22.2, state="paused")
    with get_db_session(read_only=True) as session:
        first, second = views.list_locations(session)
        assert views.list_locations(session, tag="x") == views.list_locations(session, state="paused") == [second]
        assert views.get_location_view(session, "B") == second
        assert views.list_locations(session, tag="y") == []
        assert views.list_fields(session, tag="y") == []
        assert [row.name for row in views.list_fields(session)] == ["A", "B"]
    assert (first.name, first.last_at, first.resolved, first.tags) == ("A", None, None, [])
    assert (second.name, second.last_at, second.state) == ("B", NOON + timedelta(hours=1), "paused")
    assert second.resolved == views.ResolvedPlace("Town", 1.2, 2.0, 22.2)


def test_an_import_adds_and_the_same_again_changes_nothing() -> None:
    text = HEADER[:-1] + ",tags\nA,1,2,y;x\nB,3,4,\n"
    assert _told(_import(text)) == (2, 0, 0, [])
    _set("A", state="paused")
    before = {name: (found.id, found.state, found.tags) for name, found in _all().items()}
    assert _told(_import(text)) == (0, 0, 2, [])
    assert _told(_import(f"{HEADER}A,1,2\n")) == (0, 0, 1, [])  # a column that is not there says nothing of the tags
    assert {name: (found.id, found.state, found.tags) for name, found in _all().items()} == before
    assert before["A"][1:] == ("paused", ["x", "y"])


def test_other_values_of_a_known_name_are_an_error_unless_they_are_to_replace_them() -> None:
    _add("A", 1, 2, tags=["x"], elevation=5)
    _add("B", 5, 6, timezone="UTC")
    _set("A", resolved_name="Town", resolved_distance_km=3.0, state="paused")
    _set("B", resolved_name="Village", resolved_distance_km=4.0)
    text = "name,latitude,longitude,elevation\nA,1,3,\nB,5,6,7\n"
    made = _import(text)
    assert (made.conflicts, len(made)) == (2, 0)
    assert "name='A': the existing location differs (longitude is 2.0, here 3.0, elevation is 5.0, here None)" in str(made.bad[0])
    assert _all()["A"].longitude == 2
    made = _import(text, update_existing=True)
    assert _told(made) == (0, 2, 0, [])
    assert made.warnings == ["line 2: 'A' moves by 111.2 km and keeps its data"]
    a, b = _all()["A"], _all()["B"]
    assert (a.longitude, a.elevation, a.tags, a.state, a.resolved_name, a.resolved_distance_km) == (
        3,
        None,
        ["x"],
        "paused",
        None,
        None,
    )
    assert (b.elevation, b.timezone, b.state, b.resolved_name) == (7, "UTC", "active", "Village")


def test_a_name_twice_in_a_file_is_an_error_with_both_lines() -> None:
    made = _import(f"{HEADER}A,1,2\nB,3,4\nA,1,2\n")
    assert [str(row) for row in made.bad] == ["line 4: name='A': must be in the file once, and is on line 2 too"]
    assert _all() == {}


def test_near_duplicates_in_a_file_and_in_the_database_are_warned_about() -> None:
    _add("A", 1, 2)
    made = _import(f"{HEADER}B,1,2.0005\nA,1,2\nC,7,7\nD,7.0001,7\n")
    assert made.warnings == ["line 2: 'B' is 56 m from 'A'", "line 5: 'D' is 11 m from 'C' (line 4)"]
    assert _import(f"{HEADER}B,1,2.0005\nA,1,2\nC,7,7\nD,7.0001,7\n").warnings == []


def test_a_single_bad_line_leaves_nothing_and_can_be_passed_over() -> None:
    lines = [f"place {number},{number % 90},{number % 180}" for number in range(12_000)]
    lines[11_000] = "place 11000,nan,7"
    text = HEADER + "\n".join(lines)
    told = ["line 11002: latitude='nan': must be a number from -90 to 90"]
    assert [str(row) for row in _import(text).bad] == told
    assert _count(Location) == 0
    made = _import(text, skip=True)
    assert (len(made.added), [str(row) for row in made.bad]) == (11_999, told)
    assert _count(Location) == 11_999


def test_an_import_that_fails_half_way_leaves_nothing() -> None:
    rows = list(read_locations(io.BytesIO((HEADER + "".join(f"p{n},1,{n / 100}\n" for n in range(12_000))).encode()), "csv"))
    with get_db_session() as session:
        made = plan_import(session, rows, update_existing=False)
    made.added[11_000] = replace(made.added[11_000], latitude=91.0)  # what the database refuses, after two pieces of three
    with pytest.raises(IntegrityError, match="latitude"), get_db_session() as session:
        list(execute_plan(session, made, NOON))
    assert _count(Location) == 0


def test_100_000_locations_are_imported_in_one_transaction_and_again_as_a_no_op() -> None:
    chance = random.Random(1)
    places = ((chance.uniform(-60, 70), chance.uniform(-180, 180)) for _ in range(100_000))
    lines = (f"p {n},{lat:.5f},{lon:.5f},{n % 3000},Europe/Athens,1h,a;b{n % 7}\n" for n, (lat, lon) in enumerate(places))
    text = "name,latitude,longitude,elevation,timezone,schedule,tags\n" + "".join(lines)
    made = _import(text)
    assert _told(made) == (100_000, 0, 0, [])
    assert len(made.warnings) < 1000
    assert _count(Location) == 100_000
    assert _told(_import(text)) == (0, 0, 100_000, [])


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_an_import_may_plan_for_longer_than_transactions_may_be_idle(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_DB_IDLE_TRANSACTION_TIMEOUT_SECONDS", "1")

    def slow_rows() -> Iterator[Any]:
        yield from read_locations(io.BytesIO(f"{HEADER}A,1,2\n".encode()), "csv")
        with psycopg.connect(database) as other:
            other.execute("SELECT pg_sleep(2)")

    with get_db_session() as session:
        list(execute_plan(session, plan_import(session, slow_rows(), update_existing=False), NOON))
    assert _count(Location) == 1


def test_names_that_come_in_meanwhile_are_not_taken_twice(database: str) -> None:
    """What another process adds between the look at the names and the end of the import waits for it."""
    outcome: list[str] = []

    def add() -> None:
        try:
            _add("A", 7, 7)
        except LocationExistsError:
            outcome.append("exists")

    rows: Sequence[Any] = list(read_locations(io.BytesIO(f"{HEADER}A,1,2\n".encode()), "csv"))
    with get_db_session() as session:
        made = plan_import(session, rows, update_existing=False)
        thread = threading.Thread(target=add)
        thread.start()
        time.sleep(0.2)
        list(execute_plan(session, made, NOON))
    thread.join(70)
    assert outcome == ["exists"], database
    assert _all()["A"].latitude == 1


_names = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=30).map(str.strip).filter(bool)
_place_names = _names.filter(lambda name: name not in (".", ".."))
_fields = st.fixed_dictionaries(
    {
        "latitude": st.floats(-90, 90, allow_subnormal=False),
        "longitude": st.floats(-180, 180, allow_subnormal=False),
        "elevation": st.none() | st.floats(-500, 9000, allow_subnormal=False),
        "timezone": st.none() | st.just("Europe/Athens"),
        "schedule": st.none() | st.just("0 6,18 * * *"),
        "tags": st.none() | st.lists(_names.filter(lambda tag: ";" not in tag), max_size=3),
    }
)


@pytest.mark.parametrize("format", ["csv", "geojson"])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(_place_names, _fields, min_size=1, max_size=4))
def test_an_export_imported_again_is_a_no_op_and_rebuilds_an_empty_database(
    format: str, locations: dict[str, dict[str, Any]]
) -> None:
    with get_db_session() as session:
        session.execute(delete(Location))
        for name, fields in locations.items():
            subject.add_location(session, {"name": name, **fields}, NOON)
    with get_db_session(read_only=True) as session:
        before = views.list_fields(session)
    text = "".join(write_locations(before, format))
    assert _told(_import(text, format)) == (0, 0, len(locations), [])
    with get_db_session() as session:
        session.execute(delete(Location))
    assert _told(_import(text, format)) == (len(locations), 0, 0, [])
    with get_db_session(read_only=True) as session:
        assert views.list_fields(session) == before


def test_rows_that_the_reader_refused_stay_refused() -> None:
    with get_db_session() as session:
        made = plan_import(session, [BadRow(7, "is odd")], update_existing=True)
    assert import_object(made) == {
        "added": 0, "updated": 0, "unchanged": 0, "bad": 1, "errors": [{"line": 7, "reason": "is odd"}], "warnings": [],
    }  # fmt: skip
