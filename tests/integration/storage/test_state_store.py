"""States that are stored with some rows only: the flags are those of states that are stored with each row.

Each location has a twin at the same latitude and elevation, whose states are stored with each row. Both get the same rows.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from meteorograph import WeatherData, get_db_session
from meteorograph.model import clock
from meteorograph.model.values import Observation
from meteorograph.quality.dew_point import derive_dew_point
from meteorograph.storage import state_memory, state_store
from meteorograph.storage.models import CheckState, Location
from meteorograph.storage.observations import Row, to_row, write_rows
from meteorograph.storage.state_memory import STATE_MEMORY, StateMemory
from meteorograph.storage.state_store import load_states, settle_states
from support import NOON

pytestmark = pytest.mark.usefixtures("database")

HOUR = timedelta(hours=1)
PLACES = (1, 2, 3)
#: Id of a location → id of its twin.
TWIN = 1000


@pytest.fixture(autouse=True)
def _locations(database: str) -> None:
    STATE_MEMORY.clear()
    with get_db_session() as session:
        for number in PLACES:  # 1 and 2 are neighbours, as their twins are
            for id_, longitude in ((number, 10.0), (number + TWIN, -100.0)):
                point = {"latitude": 47.0 + number // 3 * 5 + number / 10, "longitude": longitude, "elevation": 400.0 * number}
                session.add(Location(id=id_, name=f"place {id_}", state="active", created_at=NOON, **point))


def _row(place: int, hour: float, noise: random.Random, **changes: Any) -> Row:
    at = NOON + hour * HOUR
    values: dict[str, Any] = {
        "temperature": round(8 + noise.uniform(-1, 1), 1),
        "humidity": noise.randrange(50, 95),
        "pressure": 1010.0 + hour % 7,
        "wind_speed": round(noise.uniform(1, 5), 1),
        "weather_code": noise.choice([None, 3, 61]),
        "precipitation": 0,
    }
    defects: list[dict[str, Any]] = [
        {"temperature": noise.choice([30.0, -25.0, 70.0, 46.4])},
        {"pressure": 966.0},
        {"humidity": 0},
        {"wind_speed": 40.0},
        {"flags": {"temperature": ["rejected"]}},
        {"flags": {"temperature": ["confirmed"]}, "temperature": 30.0},
        {"flags": {"precipitation": ["implied_zero"], "wind_speed": ["at_least"]}},
        {"flags": {"temperature": ["disagrees"]}, "temperature": 20.0},
        {"observed_at": at + 2 * HOUR},
        {"observed_at": at - 40 * HOUR},
        {"observed_at": None, "provider": "b"},
        dict.fromkeys(values),
        {"temperature": 8.0, "humidity": 60, "wind_speed": 2.0, "pressure": 1012.0, "weather_code": 3},  # may become stale
    ]
    if noise.random() < 0.35:
        values |= noise.choice(defects)
    given = {"provider": "a", "fetched_at": at, "observed_at": at, **values, **changes}
    return to_row(place, at, derive_dew_point(Observation(**given)))


def _put(rows: Sequence[Row], monkeypatch: pytest.MonkeyPatch, *, replace: bool = True) -> None:
    """Store rows, and those of the twins in a process that stores each state."""
    with get_db_session() as session:
        write_rows(session, rows, replace=replace)
    with monkeypatch.context() as eager, get_db_session() as session:
        eager.setattr(state_store, "ROWS_PER_SAVE", 1)
        eager.setattr(state_store, "STATE_MEMORY", StateMemory())
        write_rows(session, [{**row, "location_id": row["location_id"] + TWIN} for row in rows], replace=replace)


def _stored() -> dict[int, list[tuple[Any, ...]]]:
    """Location → its rows with their flags, with the location replaced by its twin's."""
    found: dict[int, list[tuple[Any, ...]]] = {}
    with get_db_session(read_only=True) as session:
        for row in session.scalars(select(WeatherData).order_by(WeatherData.location_id, WeatherData.due_at)):
            found.setdefault(row.location_id, []).append((row.due_at, row.temperature, row.origin, row.flags))
    return found


def _states() -> dict[int, Any]:
    with get_db_session(read_only=True) as session:
        ids = [*PLACES, *(number + TWIN for number in PLACES)]
        states = {id_: past.state for id_, past in load_states(session, ids).past.items()}
    for state in states.values():
        if state is not None:
            state.elevation = None  # says when the state was stored last
    return states


def _assert_equal_to_twins(what: object) -> None:
    stored, states = _stored(), _states()
    for number in PLACES:
        assert stored.get(number) == stored.get(number + TWIN), what
        assert states[number] == states[number + TWIN], what


class _Story:
    """What happens to a database: rows in any order, from two processes that die and start again."""

    def __init__(self, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.noise = random.Random(seed)
        self.patch = monkeypatch
        self.hour = 0
        self.memories = [StateMemory(), StateMemory()]
        self.use(0)

    def use(self, process: int) -> None:
        for module in (state_store, state_memory):
            self.patch.setattr(module, "STATE_MEMORY", self.memories[process])

    def step(self) -> str:
        # Mostly the next slot of all, as in production.
        what = self.noise.choice(
            [*["slot"] * 12, "front", "front", "late", "again", "batch", "other", "kill", "move", "ahead", "backfill", "refuse"]
        )
        getattr(self, what)()
        return what

    def rows(self, *hours: float, **changes: Any) -> list[Row]:
        places = [number for number in PLACES if self.noise.random() < 0.9]
        return [_row(number, hour, self.noise, **changes) for number in places for hour in hours]

    def slot(self) -> None:
        self.hour += self.noise.choice([1, 1, 1, 1, 1, 7])
        _put(self.rows(self.hour), self.patch)

    def batch(self) -> None:
        hours = [self.hour + number for number in range(1, 4)]
        self.hour += 3
        rows = self.rows(*hours)
        self.noise.shuffle(rows)
        _put(rows, self.patch)

    def late(self) -> None:
        back = self.noise.choice([0.5, 1.5, 3.5, 8.5, 0.5 - 1 / 3600 / 4])
        _put(self.rows(self.hour - back), self.patch)

    def again(self) -> None:
        _put(self.rows(self.hour - self.noise.randrange(8)), self.patch)

    def backfill(self) -> None:
        _put(self.rows(self.hour - 2, self.hour - 0.25, self.hour + 0.5), self.patch, replace=False)
        self.hour += 1

    def front(self) -> None:
        """It gets warmer at two neighbours, one of which is stored first; sometimes with a row of the slot after it."""
        self.hour += 1
        warm = round(self.noise.uniform(25, 32), 1)
        values = {"temperature": warm, "observed_at": NOON + self.hour * HOUR, "provider": "a"}
        _put([_row(1, self.hour, self.noise, **values)], self.patch)
        rows = [_row(2, self.hour, self.noise, **values)]
        if self.noise.random() < 0.5:
            self.hour += 1
            rows += [_row(number, self.hour, self.noise) for number in self.noise.sample((1, 2), self.noise.randrange(3))]
        _put(rows, self.patch)

    def other(self) -> None:
        self.use(self.noise.randrange(2))

    def kill(self) -> None:
        self.memories[self.noise.randrange(2)].clear()

    def move(self) -> None:
        number = self.noise.choice(PLACES)
        elevation = self.noise.choice([None, 10.0, 350.0, 700.0])
        with get_db_session() as session:
            ids = (number, number + TWIN)
            session.execute(update(Location).where(Location.id.in_(ids)).values(elevation=elevation))

    def ahead(self) -> None:
        """The clock of a process is ahead, stores a row, and is set right."""
        with clock.driven_by(clock.DrivenClock(NOON + (self.hour + 30) * HOUR)):
            _put(self.rows(self.hour + self.noise.choice([3, 29, 40])), self.patch)

    def refuse(self) -> None:
        """A transaction is rolled back after its rows and states were written."""
        rows = self.rows(self.hour + 1)

        def fail() -> None:
            with get_db_session() as session:
                write_rows(session, rows)
                raise KeyError("no")

        with pytest.raises(KeyError):
            fail()


@pytest.mark.parametrize("seed", range(6))
def test_flags_and_states_are_those_of_states_that_are_stored_with_each_row(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    story = _Story(seed, monkeypatch)
    done: list[str] = []
    for _ in range(120):
        with clock.driven_by(clock.DrivenClock(NOON + (story.hour + 12) * HOUR)):
            done.append(story.step())
            if len(done) % 10 == 0:
                _assert_equal_to_twins((seed, len(done), done[-12:]))


def _plain(place: int, hour: int, **changes: Any) -> Row:
    """A row that depends on its hour only."""
    return _row(place, hour, random.Random(hour), **{"temperature": 8.0 + hour % 3, "observed_at": NOON + hour * HOUR, **changes})


def _stored_slots() -> list[int]:
    """The hours of the stored states, in the order of the locations without a twin."""
    with get_db_session(read_only=True) as session:
        states = session.scalars(select(CheckState).where(CheckState.location_id < TWIN).order_by(CheckState.location_id))
        return [round((state.due_at - NOON) / HOUR) for state in states]


def test_a_state_is_stored_with_one_row_in_six_and_needs_none_of_them() -> None:
    hours = []
    for hour in range(22):
        with get_db_session() as session:
            write_rows(session, [_plain(1, hour)])
        hours += _stored_slots()
    assert len(set(hours)) == 5
    STATE_MEMORY.clear()  # another process: its first row is compared with the last one, which is in no stored state
    assert hours[-1] < 21
    with get_db_session() as session:
        write_rows(session, [_plain(1, 22, temperature=30.0)])
    assert (_stored()[1][-1][3] or {})["temperature"] == ["step"]


def test_states_of_locations_beside_each_other_are_stored_together() -> None:
    for hour in range(20):
        with get_db_session() as session:
            write_rows(session, [_plain(number, hour) for number in PLACES])
        assert len(set(_stored_slots())) == 1


def test_rows_are_followed_with_the_elevation_that_they_were_checked_with(monkeypatch: pytest.MonkeyPatch) -> None:
    for hour in range(3):
        _put([_plain(2, hour, pressure=1010.0)], monkeypatch)
    _put([_plain(2, 3, pressure=1010.0 - 91.0)], monkeypatch)  # the drop of 800 m: from now on it is that of the station
    assert _states()[2].shifts
    with get_db_session() as session:
        session.execute(update(Location).where(Location.id.in_((2, 2 + TWIN))).values(elevation=5.0))
    STATE_MEMORY.clear()
    for hour in range(4, 9):
        _put([_plain(2, hour, pressure=919.0 + hour % 2)], monkeypatch)
        STATE_MEMORY.clear()
        _assert_equal_to_twins(hour)


def test_a_settled_state_needs_no_row() -> None:
    for hour in range(5):
        with get_db_session() as session:
            write_rows(session, [_plain(1, hour)])
    before = _states()[1]
    with get_db_session() as session:
        settle_states(session, [1])
        session.execute(delete(WeatherData))
    STATE_MEMORY.clear()
    assert _states()[1] == before


_CHILD = """
import sys
from meteorograph import get_db_session
from meteorograph.storage.observations import write_rows
sys.path.insert(0, sys.argv[2])
from test_state_store import _plain
for hour in range(int(sys.argv[1]), 10**6):
    with get_db_session() as session:
        write_rows(session, [_plain(1, hour), _plain(3, hour)])
    print(hour, flush=True)
"""


def test_a_killed_process_loses_no_state(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hour = 0
    for rows in (1, 3, 4, 2):
        command = [sys.executable, "-c", _CHILD, str(hour), os.path.dirname(__file__)]
        environment = {**os.environ, "DATABASE_URL": database, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as child:
            assert child.stdout is not None
            for _ in range(rows):
                assert child.stdout.readline()
            child.send_signal(signal.SIGKILL)
        stored = {number: [due_at for due_at, *_ in rows] for number, rows in _stored().items()}
        last = round((max(stored[1]) - NOON) / HOUR)
        with monkeypatch.context() as eager:
            eager.setattr(state_store, "ROWS_PER_SAVE", 1)
            eager.setattr(state_store, "STATE_MEMORY", StateMemory())
            for slot in range(hour, last + 1):
                with get_db_session() as session:
                    write_rows(session, [_plain(1 + TWIN, slot), _plain(3 + TWIN, slot)])
        hour = last + 1
        _assert_equal_to_twins(hour)
