"""Many locations at once: what a file would change is worked out first, then done in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Table, bindparam, insert, inspect, select, text, update
from sqlalchemy.orm import Session

from ..model.proximity import ProximityGrid
from ..model.states import LocationState
from ..model.values import Coordinates
from ..storage.models import Location
from .fields import FIELDS
from .files import BadRow, FileRow

#: Rows that go to the database at a time.
_CHUNK: Final = 5_000

_NEW: Final = {**dict.fromkeys(FIELDS), "state": LocationState.ACTIVE}
#: What the provider said of the point, which is not true of another one.
_UNRESOLVED: Final = dict.fromkeys(("resolved_name", "resolved_latitude", "resolved_longitude", "resolved_distance_km"))
_MOVED_KM: Final = 0.1


@dataclass(slots=True)
class ImportPlan:
    """What an import would do."""

    added: list[dict[str, Any]] = field(default_factory=list)
    updated: list[dict[str, Any]] = field(default_factory=list)
    #: The ids of those that are at another point afterwards.
    moved: list[int] = field(default_factory=list)
    #: How many rows say what is there already.
    unchanged: int = 0
    bad: list[BadRow] = field(default_factory=list)
    #: How many of the bad rows ``replace`` would have taken.
    conflicts: int = 0
    warnings: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """How many locations change."""
        return len(self.added) + len(self.updated)

    def summary(self) -> dict[str, Any]:
        """The numbers, and every bad row and warning."""
        return {
            "added": len(self.added),
            "updated": len(self.updated),
            "unchanged": self.unchanged,
            "bad": len(self.bad),
            "errors": [{"line": row.line, "reason": row.reason} for row in self.bad],
            "warnings": self.warnings,
        }


def plan_import(session: Session, rows: Iterable[FileRow | BadRow], *, replace: bool) -> ImportPlan:
    """What it takes to have these locations; nothing is changed yet.

    A row that repeats a location is fine, in the fields that it gives; one with other values is bad, unless ``replace``
    lets it overrule them. A name that is in the file twice is bad. An unscheduled location of the same name at the same
    point becomes an active one.
    """
    if session.get_bind().dialect.name == "postgresql":
        # Nobody adds a location of the same name meanwhile; what is collected is stored all the same.
        session.execute(text("LOCK TABLE locations IN SHARE ROW EXCLUSIVE MODE"))
    known = {
        row.name: row for row in session.execute(select(Location.id, *(getattr(Location, name) for name in (*FIELDS, "state"))))
    }
    grid = ProximityGrid()
    for row in known.values():
        grid.add(row.name, row.latitude, row.longitude)
    made = ImportPlan()
    lines: dict[str, int] = {}
    for entry in rows:
        if isinstance(entry, BadRow):
            made.bad.append(entry)
            continue
        name = entry.values["name"]
        if name in lines:
            made.bad.append(BadRow(entry.line, f"name={name!r}: must be in the file once, and is on line {lines[name]} too"))
            continue
        lines[name] = entry.line
        found = known.get(name)
        if found is None:
            made.added.append(entry.values)
        elif not _merge(made, entry, found, replace):
            continue
        _warn_if_near(made, entry, grid, lines)
    return made


def _merge(made: ImportPlan, entry: FileRow, found: Row[Any], replace: bool) -> bool:
    """Take a row whose name is there; whether it is at a new point."""
    differing = {name: value for name, value in entry.values.items() if value != getattr(found, name)}
    moved_km = Coordinates(found.latitude, found.longitude).distance_km(
        Coordinates(entry.values["latitude"], entry.values["longitude"])
    )
    revived = found.state == LocationState.UNSCHEDULED and not moved_km
    if not differing and not revived:
        made.unchanged += 1
    elif not replace and not revived:
        made.conflicts += 1
        told = ", ".join(f"{name} is {getattr(found, name)!r}, here {value!r}" for name, value in differing.items())
        made.bad.append(BadRow(entry.line, f"name={entry.values['name']!r}: there is one with other values ({told})"))
    else:
        state = {"state": LocationState.ACTIVE} if found.state == LocationState.UNSCHEDULED else {"state": found.state}
        kept = {name: getattr(found, name) for name in FIELDS[1:]}
        made.updated.append({"key": found.id, **kept, **differing, **state})
        if moved_km:
            made.moved.append(found.id)
        if moved_km > _MOVED_KM:
            made.warnings.append(f"line {entry.line}: {entry.values['name']!r} moves by {moved_km:.1f} km and keeps its data")
        return bool(moved_km)
    return False


def _warn_if_near(made: ImportPlan, entry: FileRow, grid: ProximityGrid, lines: dict[str, int]) -> None:
    values = entry.values
    near = grid.find_near_and_add(values["name"], values["latitude"], values["longitude"])
    if near is not None:
        where = f" (line {lines[near[0]]})" if near[0] in lines else ""
        made.warnings.append(f"line {entry.line}: {values['name']!r} is {near[1]:.0f} m from {near[0]!r}{where}")


def execute_plan(session: Session, made: ImportPlan, now: datetime) -> Iterator[int]:
    """Do what is planned, a piece at each step; gives how many locations each piece had. The caller commits."""
    # Through the tables: the mapped class would send its rows one by one.
    connection, table = session.connection(), inspect(Location).local_table
    assert isinstance(table, Table)
    for start in range(0, len(made.added), _CHUNK):
        piece = made.added[start : start + _CHUNK]
        connection.execute(insert(table), [{**_NEW, **values, "created_at": now} for values in piece])
        yield len(piece)
    values: dict[str, Any] = {**{name: bindparam(name) for name in (*FIELDS[1:], "state")}, "due_since": now}
    for start in range(0, len(made.updated), _CHUNK):
        piece = made.updated[start : start + _CHUNK]
        connection.execute(update(table).where(table.c.id == bindparam("key")).values(values), piece)
        yield len(piece)
    if made.moved:
        forget = update(table).where(table.c.id == bindparam("key")).values(_UNRESOLVED)
        connection.execute(forget, [{"key": moved} for moved in made.moved])
