"""Reads a source and says what an import would do; then does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Final, NamedTuple

from sqlalchemy import select

from ..errors import LocationNotFoundError
from ..model.names import normalise_name
from ..model.quantities import QUANTITIES
from ..model.time_buckets import zone_or_utc
from ..model.values import Observation
from ..storage.engine import get_db_session
from ..storage.models import Location
from .entries import ImportedRow, RefusedRow, Source, refusal
from .preview import LocationPreview, preview_location
from .staging import Staging
from .storing import StoredCounts, count_rows, store_rows
from .unit_changes import UnitChange, find_unit_changes

#: Refused rows that a plan keeps.
_MAX_REFUSED: Final = 1000

#: Rows between two calls of ``progress``.
_PROGRESS_ROWS: Final = 1000

_values: Final = attrgetter(*(quantity.name for quantity in QUANTITIES))


class ImportLocation(NamedTuple):
    """A location that rows can be imported for."""

    id: int
    name: str
    timezone: str | None


class RepeatedRow(NamedTuple):
    """A row whose slot has an earlier row."""

    line: int
    location: str
    due_at: datetime
    first_line: int


@dataclass(slots=True)
class ImportPlan:
    """The rows of a source, ready to be stored."""

    source: Source
    staging: Staging
    previews: list[LocationPreview] = field(default_factory=list)
    #: Location id → what storing its rows does.
    counts: dict[int, StoredCounts] = field(default_factory=dict)
    #: The first refused rows, and the number of all.
    refused: list[RefusedRow] = field(default_factory=list)
    refused_count: int = 0
    #: Rows that say the same as an earlier row of their slot.
    repeated: int = 0
    #: Rows whose slot has an earlier row, of a source that keeps the first.
    repeats: list[RepeatedRow] = field(default_factory=list)
    #: Places where the unit of a quantity seems to change.
    unit_changes: list[UnitChange] = field(default_factory=list)

    @property
    def total(self) -> StoredCounts:
        """The counts of all locations."""
        total = StoredCounts()
        for counts in self.counts.values():
            total.new += counts.new
            total.imported += counts.imported
            total.kept += counts.kept
        return total


def read_import_locations() -> dict[str, ImportLocation]:
    """All locations by name."""
    with get_db_session(read_only=True) as session:
        rows = session.execute(select(Location.id, Location.name, Location.timezone)).all()
    return {row.name: ImportLocation(row.id, row.name, row.timezone) for row in rows}


def _find_location(locations: Mapping[str, ImportLocation], name: str) -> ImportLocation | None:
    """The location that a file or the user names, in whichever form of Unicode."""
    return locations.get(name) or locations.get(normalise_name(name))


def make_plan(
    source: Source,
    location: str | None,
    now: datetime,
    report: Callable[[RefusedRow], None],
    progress: Callable[[int], None] = lambda _: None,
) -> ImportPlan:
    """Read all rows of a source and compare them with the database. Stores nothing.

    Args:
        source: The rows.
        location: Name of the location of rows that name none.
        now: Time of the import (aware UTC); later rows are refused.
        report: Called for each refused row.
        progress: Called with the number of rows that are read, now and then.

    Raises:
        LocationNotFoundError: The location does not exist.
        HistoryFileError: The source cannot be read.
    """
    locations = read_import_locations()
    if location is not None and _find_location(locations, location) is None:
        raise LocationNotFoundError(location)
    plan = ImportPlan(source, Staging())

    def refuse(row: RefusedRow) -> None:
        plan.refused_count += 1
        if len(plan.refused) < _MAX_REFUSED:
            plan.refused.append(row)
        report(row)

    found: dict[int, ImportLocation] = {}
    for number, entry in enumerate(source.entries, 1):
        if number % _PROGRESS_ROWS == 0:
            progress(number)
        if isinstance(entry, RefusedRow):
            refuse(entry)
            continue
        name = entry.location if entry.location is not None else location
        place = _find_location(locations, name or "")
        if place is None:
            refuse(RefusedRow(entry.line, refusal("location", name, "must be the name of an existing location")))
        elif entry.due_at > now:
            refuse(RefusedRow(entry.line, refusal("time", entry.due_at.isoformat(), "must not be later than now")))
        elif not _has_value(entry.observation):
            source.note("rows without a value")
        else:
            found[place.id] = place
            problem = _stage(plan, place, entry)
            if problem:
                refuse(problem)
    for place in found.values():
        preview = preview_location(plan.staging, place.id, place.name, zone_or_utc(place.timezone))
        if preview is not None:
            plan.previews.append(preview)
            plan.counts[place.id] = count_rows(plan.staging, place.id)
            plan.unit_changes += find_unit_changes(plan.staging.read(place.id))
    return plan


def _has_value(observation: Observation) -> bool:
    return any(value is not None for value in _values(observation)) or bool(observation.flags)


def _stage(plan: ImportPlan, place: ImportLocation, entry: ImportedRow) -> RefusedRow | None:
    """Add a row; the reason if another row has its slot and says something else."""
    earlier = plan.staging.add(place.id, entry.due_at, entry.line, entry.observation)
    if earlier is None:
        return None
    line, is_same = earlier
    if plan.source.keeps_first:
        plan.repeats.append(RepeatedRow(entry.line, place.name, entry.due_at, line))
        plan.source.note("rows whose slot has an earlier row, which stays")
        return None
    if is_same:
        plan.repeated += 1
        return None
    allowed = f"must be in the file once, and {plan.source.line_word} {line} has other values for it"
    return RefusedRow(entry.line, refusal("time", entry.due_at.isoformat(), allowed))


def execute_plan(plan: ImportPlan, progress: Callable[[int, int], None]) -> StoredCounts:
    """Store the rows of a plan. Rows that are stored by then stay if it is interrupted, and the next import stores the others.

    Args:
        plan: What to store.
        progress: Called with the number of rows done, and of all rows.

    Raises:
        StoreError: The database cannot be reached.
    """
    total, done = sum(preview.rows for preview in plan.previews), 0
    result = StoredCounts()

    def report(rows: int) -> None:
        nonlocal done
        done += rows
        progress(done, total)

    for location_id in plan.counts:
        counts = store_rows(plan.staging, location_id, report)
        result.new += counts.new
        result.imported += counts.imported
        result.kept += counts.kept
        result.refused += counts.refused
    return result
