"""Which rows are sealed: ranges of slots at one distance from each other. They answer for the rows without reading a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Float, and_, exists, func, or_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from ..models import SealedRange, WeatherData

#: Location ids of one statement: SQLite allows 32,766 parameters.
MAX_IN_VALUES: Final = 10_000


class _SecondsOffStep(FunctionElement[float]):
    """Seconds from the last of the steps, counted from ``first``, to an instant."""

    inherit_cache = True
    type = Float()


@compiles(_SecondsOffStep, "sqlite")
def _compile_for_sqlite(element: _SecondsOffStep, compiler: Any, **options: Any) -> str:
    at, first, step = (compiler.process(clause, **options) for clause in element.clauses)
    return f"(({at} - {first}) - CAST(({at} - {first}) / {step} AS INTEGER) * {step})"  # % would cut fractions of seconds


@compiles(_SecondsOffStep, "postgresql")
def _compile_for_postgresql(element: _SecondsOffStep, compiler: Any, **options: Any) -> str:
    at, first, step = (compiler.process(clause, **options) for clause in element.clauses)
    return f"mod(extract(epoch FROM ({at} - {first})), {step})"


def is_sealed(location_id: Any, due_at: Any) -> ColumnElement[bool]:
    """Condition: the row of a location and slot is in the archive."""
    on_step = _SecondsOffStep(due_at, SealedRange.first_at, SealedRange.step_seconds) == 0
    within = and_(SealedRange.first_at <= due_at, SealedRange.last_at >= due_at)
    return exists().where(SealedRange.location_id == location_id, within, on_step)


def has_row(location_id: Any, due_at: Any) -> ColumnElement[bool]:
    """Condition: a location has a row for a slot, in the table or in the archive."""
    in_table = exists().where(WeatherData.location_id == location_id, WeatherData.due_at == due_at)
    return or_(in_table, is_sealed(location_id, due_at))


def has_no_row(location_id: Any, due_at: Any) -> ColumnElement[bool]:
    """Condition: a location has no row for a slot. Not the negation of ``has_row``, which PostgreSQL would look up row by row."""
    in_table = exists().where(WeatherData.location_id == location_id, WeatherData.due_at == due_at)
    return and_(~in_table, ~is_sealed(location_id, due_at))


class RangeView(NamedTuple):
    """A range of sealed rows."""

    location_id: int
    file_id: int
    first_at: datetime
    last_at: datetime
    step_seconds: int
    rows: int
    provider: str
    origin: str

    def slots(self, start: datetime | None = None, end: datetime | None = None) -> Iterator[datetime]:
        """Yield its slots with ``start <= slot < end``."""
        step = timedelta(seconds=self.step_seconds)
        skipped = max(0, -((self.first_at - start) // step)) if start is not None else 0
        for number in range(skipped, self.rows):
            at = self.first_at + number * step
            if end is not None and at >= end:
                return
            yield at

    def count_slots(self, start: datetime | None, end: datetime | None) -> int:
        """Number of its slots with ``start <= slot < end``."""
        step = timedelta(seconds=self.step_seconds)
        first = max(0, -((self.first_at - start) // step)) if start is not None else 0
        last = min(self.rows, -((self.first_at - end) // step)) if end is not None else self.rows
        return max(0, last - first)


_COLUMNS: Final = [getattr(SealedRange, name) for name in RangeView._fields]


def read_ranges(
    session: Session,
    location_ids: Iterable[int] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    *conditions: ColumnElement[bool],
) -> list[RangeView]:
    """The ranges with slots in ``start <= slot < end``, of some locations or of all; by location and time."""
    within = [*conditions]
    if start is not None:
        within.append(SealedRange.last_at >= start)
    if end is not None:
        within.append(SealedRange.first_at < end)
    query = select(*_COLUMNS).where(*within).order_by(SealedRange.location_id, SealedRange.first_at)
    if location_ids is None:
        return [RangeView(*row) for row in session.execute(query)]
    ids, found = sorted(location_ids), list[RangeView]()
    for first in range(0, len(ids), MAX_IN_VALUES):
        part = query.where(SealedRange.location_id.in_(ids[first : first + MAX_IN_VALUES]))
        found += [RangeView(*row) for row in session.execute(part)]
    return found


def sealed_edges(session: Session, location_id: int | None = None) -> tuple[datetime, datetime] | None:
    """The first and the last sealed slot, of a location or of all; None without one."""
    query = select(func.min(SealedRange.first_at), func.max(SealedRange.last_at))
    if location_id is not None:
        query = query.where(SealedRange.location_id == location_id)
    edges: Any = session.execute(query).one()
    return None if None in edges else (edges[0], edges[1])


def sealed_slots(session: Session, location_id: int, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the sealed slots of a location with ``start <= slot < end``."""
    for found in read_ranges(session, [location_id], start, end):
        yield from found.slots(start, end)


def last_sealed_slot(session: Session, location_id: int, start: datetime, end: datetime) -> datetime | None:
    """The last sealed slot of a location with ``start <= slot < end``; None without one."""
    for found in reversed(read_ranges(session, [location_id], start, end)):
        if count := found.count_slots(None, end):
            slot = found.first_at + (count - 1) * timedelta(seconds=found.step_seconds)
            return slot if slot >= start else None
    return None


def make_ranges(rows: Sequence[tuple[datetime, str, str]]) -> Iterator[dict[str, Any]]:
    """The ranges of rows of a location, which are given by slot, provider and origin, oldest first."""
    index = 0
    while index < len(rows):
        first_at, provider, origin = rows[index]
        last, step = index, timedelta(seconds=1)
        if index + 1 < len(rows) and rows[index + 1][1:] == (provider, origin):
            step = rows[index + 1][0] - first_at
            if first_at.microsecond == 0 and step.microseconds == 0:
                last = _last_on_step(rows, index, step)
        count = last - index + 1
        seconds = int(step.total_seconds()) if count > 1 else 1
        named = {"first_at": first_at, "last_at": rows[last][0], "provider": provider, "origin": origin}
        yield {**named, "step_seconds": seconds, "rows": count}
        index = last + 1


def _last_on_step(rows: Sequence[tuple[datetime, str, str]], index: int, step: timedelta) -> int:
    """Index of the last row that follows the rows before it at the same distance, with the same provider and origin."""
    same, last = rows[index][1:], index
    while last + 1 < len(rows) and rows[last + 1][1:] == same and rows[last + 1][0] - rows[last][0] == step:
        last += 1
    return last
