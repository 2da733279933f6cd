"""Imports many locations: plans all changes of a file first, then makes them in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Table, bindparam, insert, inspect, select, text, update
from sqlalchemy.orm import Session

from ..model.proximity import ProximityGrid
from ..model.states import LocationState
from ..model.values import Coordinates
from ..storage.models import Location
from .fields import FIELDS, LocationFields
from .file_rows import MAX_BAD_ROWS, BadRow, FileRow, bad_row

#: Number of rows of one statement.
_STATEMENT_ROWS: Final = 5_000

#: Lets the transaction wait for its next statement while the rows of a large file are read and compared.
_ALLOW_PLANNING: Final = text("SELECT set_config('idle_in_transaction_session_timeout', '30min', true)")

#: Clears what a provider answered for other coordinates.
_UNRESOLVED: Final = dict.fromkeys(("resolved_name", "resolved_latitude", "resolved_longitude", "resolved_distance_km"))

#: A location that moves further than this is worth a warning [km].
_WARN_MOVE_KM: Final = 0.1


@dataclass(frozen=True, slots=True)
class PlannedUpdate:
    """All fields of an existing location after the import."""

    location_id: int
    fields: LocationFields
    state: str
    #: Names of the fields that change; none where an unscheduled location becomes active again.
    changed: tuple[str, ...]


@dataclass(slots=True)
class ImportPlan:
    """The changes that an import makes."""

    added: list[LocationFields] = field(default_factory=list)
    updated: list[PlannedUpdate] = field(default_factory=list)
    #: Ids of the updated locations that get other coordinates.
    moved: list[int] = field(default_factory=list)
    #: Number of rows that repeat an existing location.
    unchanged: int = 0
    #: The first bad rows, at most ``MAX_BAD_ROWS``, and the number of all.
    bad: list[BadRow] = field(default_factory=list)
    bad_count: int = 0
    #: Number of bad rows that are good ones with ``update_existing``.
    conflicts: int = 0
    warnings: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """Number of locations that are added or updated."""
        return len(self.added) + len(self.updated)

    def add_bad(self, row: BadRow) -> None:
        """Count a bad row, and keep it if it is one of the first."""
        self.bad_count += 1
        if len(self.bad) < MAX_BAD_ROWS:
            self.bad.append(row)


def plan_import(session: Session, rows: Iterable[FileRow | BadRow], *, update_existing: bool) -> ImportPlan:
    """Plan the import of these rows without any change to the database, except for a lock on PostgreSQL.

    A row that repeats a location is unchanged if the fields that it has are equal. A row with other values is bad, unless
    ``update_existing`` is set. A name that is twice in the file is bad. An unscheduled location of the same name at the same
    coordinates becomes active.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_ALLOW_PLANNING)
        # Keeps other processes from adding a location of the same name meanwhile. Collection can still store rows.
        session.execute(text("LOCK TABLE locations IN SHARE ROW EXCLUSIVE MODE"))
    columns = (Location.id, *(getattr(Location, name) for name in (*FIELDS, "state")))
    existing = {row.name: row for row in session.execute(select(*columns))}
    grid = ProximityGrid()
    for row in existing.values():
        grid.add(row.name, row.latitude, row.longitude)
    plan = ImportPlan()
    places: dict[str, str] = {}
    for entry in rows:
        if isinstance(entry, BadRow):
            plan.add_bad(entry)
            continue
        name = entry.values["name"]
        if name in places:
            reason = f"name={name!r}: must be in the file once, and is on {places[name]} too"
            plan.add_bad(bad_row(entry.line, reason, entry.feature))
            continue
        places[name] = entry.place
        location = existing.get(name)
        if location is None:
            plan.added.append(LocationFields(**entry.values))
        elif not _plan_update(plan, entry, location, update_existing):
            continue
        _warn_if_near(plan, entry, grid, places)
    return plan


def _plan_update(plan: ImportPlan, entry: FileRow, location: Row[Any], update_existing: bool) -> bool:
    """Plan a row whose location exists. Returns whether the location moves."""
    differences = {name: value for name, value in entry.values.items() if value != getattr(location, name)}
    moved_km = Coordinates(location.latitude, location.longitude).distance_km(
        Coordinates(entry.values["latitude"], entry.values["longitude"])
    )
    is_revived = location.state == LocationState.UNSCHEDULED and not moved_km
    if not differences and not is_revived:
        plan.unchanged += 1
        return False
    if not update_existing and not is_revived:
        plan.conflicts += 1
        details = ", ".join(f"{name} is {getattr(location, name)!r}, here {value!r}" for name, value in differences.items())
        reason = f"name={entry.values['name']!r}: the existing location differs ({details})"
        plan.add_bad(bad_row(entry.line, reason, entry.feature))
        return False
    state = LocationState.ACTIVE if location.state == LocationState.UNSCHEDULED else location.state
    fields = LocationFields(**{name: getattr(location, name) for name in FIELDS})
    plan.updated.append(PlannedUpdate(location.id, replace(fields, **differences), state, tuple(differences)))
    if moved_km:
        plan.moved.append(location.id)
    if moved_km > _WARN_MOVE_KM:
        plan.warnings.append(f"{entry.place}: {entry.values['name']!r} moves by {moved_km:.1f} km and keeps its data")
    return bool(moved_km)


def _warn_if_near(plan: ImportPlan, entry: FileRow, grid: ProximityGrid, places: dict[str, str]) -> None:
    values = entry.values
    near = grid.find_near_and_add(values["name"], values["latitude"], values["longitude"])
    if near is not None:
        where = f" ({places[near[0]]})" if near[0] in places else ""
        plan.warnings.append(f"{entry.place}: {values['name']!r} is {near[1]:.0f} m from {near[0]!r}{where}")


def execute_plan(session: Session, plan: ImportPlan, now: datetime) -> Iterator[int]:
    """Make the planned changes in several statements and yield the number of locations of each. The caller commits."""
    # Statements on the table send many rows at once; the mapped class would send them one by one.
    connection, table = session.connection(), inspect(Location).local_table
    assert isinstance(table, Table)
    for start in range(0, len(plan.added), _STATEMENT_ROWS):
        added = plan.added[start : start + _STATEMENT_ROWS]
        new = [{**_values(fields, FIELDS), "state": LocationState.ACTIVE, "created_at": now} for fields in added]
        connection.execute(insert(table), new)
        yield len(added)
    by_id = update(table).where(table.c.id == bindparam("key"))
    columns: dict[str, Any] = {**{name: bindparam(name) for name in (*FIELDS[1:], "state")}, "due_since": now}
    for start in range(0, len(plan.updated), _STATEMENT_ROWS):
        updated = plan.updated[start : start + _STATEMENT_ROWS]
        changes = [{"key": change.location_id, **_values(change.fields, FIELDS[1:]), "state": change.state} for change in updated]
        connection.execute(by_id.values(columns), changes)
        yield len(updated)
    if plan.moved:
        connection.execute(by_id.values(_UNRESOLVED), [{"key": location_id} for location_id in plan.moved])


def _values(fields: LocationFields, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(fields, name) for name in names}
