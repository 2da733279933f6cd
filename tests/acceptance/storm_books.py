"""What has become of every slot after the storm: by the ledger, from the rows, and from what the simulator saw."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import func, select

from acceptance.storm import END, START, slots_of
from meteorograph import WeatherData, get_db_session
from meteorograph.accounts.quota import period_start
from meteorograph.ledger.coverage import slot_coverage
from meteorograph.model.quantities import QUANTITIES
from meteorograph.simulator import Simulator
from meteorograph.simulator.tally import Call
from meteorograph.storage.models import Location, Missed, Run

#: A location's id and a slot.
Key = tuple[int, datetime]


class Counts(NamedTuple):
    """What has become of the slots of a location."""

    live: int
    backfilled: int
    missed: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Books:
    """All that is in the database."""

    #: Location's id → its slots by an oracle of our own, oldest first.
    due: dict[int, list[datetime]]
    #: Location's id → its point.
    points: dict[int, tuple[float, float]]
    rows: dict[Key, WeatherData]
    missed: dict[Key, str]
    open_runs: list[Run]
    #: The calls of all runs.
    calls: int
    by_ledger: dict[int, Counts]

    def slots(self) -> set[Key]:
        """Every slot of every location."""
        return {(id_, slot) for id_, slots in self.due.items() for slot in slots}

    def of_origin(self, origin: str) -> set[Key]:
        """The slots with a row of that origin."""
        return {key for key, row in self.rows.items() if row.origin == origin}

    def by_rows(self) -> dict[int, Counts]:
        """What the rows and the reasons come to."""
        live, late = (Counter(id_ for id_, _ in self.of_origin(origin)) for origin in ("live", "backfill"))
        reasons = {id_: Counter[str]() for id_ in self.due}
        for (id_, _), reason in self.missed.items():
            reasons[id_][reason] += 1
        return {id_: Counts(live[id_], late[id_], tuple(sorted(reasons[id_].items()))) for id_ in self.due}


def books() -> Books:
    """The database as it is now."""
    with get_db_session(read_only=True) as session:
        places = session.scalars(select(Location)).all()
        # The slot before the first one was not half an hour old when the collector began, so it collected that too.
        rows = {
            (row.location_id, row.due_at): row for row in session.scalars(select(WeatherData).where(WeatherData.due_at >= START))
        }
        reasons = select(Missed).where(Missed.due_at >= START)
        missed = {(one.location_id, one.due_at): one.reason for one in session.scalars(reasons)}
        told, _ = slot_coverage(session, START, END, by="location", limit=1000)
        unfinished = session.scalars(select(Run).where(Run.state.in_(("pending", "running")))).all()
        calls = session.scalar(select(func.sum(Run.calls))) or 0
    ids = {place.name: place.id for place in places}
    ledger = {
        ids[str(one.location)]: Counts(one.stored - one.backfilled, one.backfilled, tuple(sorted(one.missed_by_reason.items())))
        for one in told
    }
    due = {place.id: slots_of(place.schedule) for place in places}
    points = {place.id: (place.latitude, place.longitude) for place in places}
    return Books(due, points, rows, missed, list(unfinished), calls, ledger)


def answered_live(kept: Books, calls: Iterable[Call], shown: Mapping[datetime, datetime]) -> set[Key]:
    """The slots of calls that the simulator gave a sound answer to, by what the collector's clock showed then."""
    ids = {point: id_ for id_, point in kept.points.items()}
    found = set()
    for call in calls:
        if call.provider == "openweathermap":
            (point,) = call.points
            slots = kept.due[ids[point]]
            if shown[call.at] >= slots[0]:
                found.add((ids[point], slots[bisect_right(slots, shown[call.at]) - 1]))
    return found


def untrue(kept: Books, simulator: Simulator, true: Mapping[datetime, datetime]) -> list[object]:
    """Rows that are not what was true: of a live one when it was asked for, of a backfilled one at the full hour nearest."""
    wrong: list[object] = []
    for (id_, slot), row in kept.rows.items():
        at = true[row.fetched_at] if row.origin == "live" else row.observed_at
        assert at is not None
        assert row.origin == "live" or abs(at - slot) <= timedelta(minutes=30)
        truth = simulator.truth(*kept.points[id_], at)
        # The simulator's truth has no derived quantities and no codes; the parsers' tests hold those against recorded bodies.
        given = {one.name: getattr(row, one.name) for one in QUANTITIES if one.name in truth}
        needed = {name for name, value in truth.items() if value is not None and name in given} - {"dew_point"}
        if any(value is not None and not _is(value, truth[name]) for name, value in given.items()):
            wrong.append((id_, slot, row.origin, given, truth))
        elif missing := {name for name in needed if given[name] is None}:
            wrong.append((id_, slot, row.origin, missing))
    return wrong


def _is(value: float, truth: float | str | None) -> bool:
    """Whether it is that, but for the last bit: rain and snow are added."""
    return isinstance(truth, float | int) and math.isclose(value, truth, rel_tol=1e-12)


def used(calls: tuple[Call, ...], provider: str, window: str) -> float:
    """The calls of the fullest period of a window."""
    spent: Counter[datetime] = Counter()
    for call in calls:
        if call.provider == provider:
            spent[period_start(window, call.at, "UTC")] += call.weight  # type: ignore[assignment]  # it may be a fraction
    return max(spent.values(), default=0)
