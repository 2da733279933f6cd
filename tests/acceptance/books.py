"""What the database of the test says: runs, rows and missed slots, read while services write."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.exc import ProgrammingError

from meteorograph import WeatherData, get_db_session, init_db
from meteorograph.errors import StoreError
from meteorograph.storage.models import Heartbeat, Location, Missed, Run


class Books(NamedTuple):
    """All runs by slot, and the locations with a row, and those with a reason, of each slot."""

    runs: list[Run]
    stored: dict[datetime, set[int]]
    missed: dict[datetime, dict[int, str]]

    def ended(self) -> list[Run]:
        """The runs that collected and came to their end."""
        return [run for run in self.runs if run.state in ("succeeded", "partial", "failed")]

    def without_last_if_given_back(self) -> Books:
        """Without a run that was given back as the services ended, since nobody was left to go on with it."""
        return self._replace(runs=self.runs[:-1]) if self.runs and self.runs[-1].state == "pending" else self


def books() -> Books:
    """The ledger and the rows of the locations on schedule; empty while there is no schema yet."""
    stored: dict[datetime, set[int]] = defaultdict(set)
    missed: dict[datetime, dict[int, str]] = defaultdict(dict)
    on_schedule = select(Location.id).where(Location.state == "active")
    rows = select(WeatherData.due_at, WeatherData.location_id).where(WeatherData.location_id.in_(on_schedule))
    try:
        with get_db_session(read_only=True) as session:
            for due_at, location in session.execute(rows):
                stored[due_at].add(location)
            for one in session.scalars(select(Missed)):
                missed[one.due_at][one.location_id] = one.reason
            return Books(list(session.scalars(select(Run).order_by(Run.due_at))), stored, missed)
    except (StoreError, ProgrammingError):
        return Books([], {}, {})


def pids() -> set[int]:
    """The processes whose scheduler has left a sign of life."""
    try:
        with get_db_session(read_only=True) as session:
            return {int(holder.rpartition(":")[2]) for holder in session.scalars(select(Heartbeat.holder))}
    except (StoreError, ProgrammingError):
        return set()


def add_places(number: int) -> None:
    """Make the schema and so many locations on schedule."""
    add_locations((f"place {index}", float(index), 10.0) for index in range(number))


def add_locations(places: Iterable[tuple[str, float, float]]) -> None:
    """Make the schema and locations of these names, latitudes and longitudes on schedule."""
    init_db()
    with get_db_session() as session:
        for name, latitude, longitude in places:
            at = {"latitude": latitude, "longitude": longitude, "created_at": datetime.now(UTC)}
            session.add(Location(name=name, state="active", **at))


def unaccounted(kept: Books, due: int, interval: timedelta) -> list[Any]:
    """Slots from the first to the last, and what is wrong with each: whatever is due is stored or has its reason, not both."""
    wrong: list[Any] = []
    by_slot = {run.due_at: run for run in kept.runs}
    slot = kept.runs[0].due_at
    while slot <= kept.runs[-1].due_at:
        run, stored, missed = by_slot.get(slot), kept.stored.get(slot, set()), kept.missed.get(slot, {})
        if run is None:
            wrong.append((slot, "no run"))
        elif run.state == "missed":
            if (run.failed, len(stored), bool(run.reason)) != (due, 0, True):
                wrong.append((slot, run.state, run.reason, run.failed, len(stored)))
        elif run.state not in ("succeeded", "partial", "failed"):
            wrong.append((slot, run.state))
        elif stored & missed.keys() or len(stored) + len(missed) != due or run.stored + run.failed != due:
            wrong.append((slot, run.state, len(stored), len(missed), run.stored, run.failed))
        slot += interval
    return wrong
