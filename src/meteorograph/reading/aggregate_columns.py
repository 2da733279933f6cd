"""What stretches of time come to, as columns of plain numbers: from the rollups of days that are over, else from the rows.

The first column is the number of stored slots; those of the tally of each quantity follow (``tallies.PARTS``). Days stay columns
from the driver to the answer wherever they can: to take up each of a year of many locations costs more than to read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, compress, groupby, pairwise
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..ledger.queries import STILL_MISSED
from ..model.statistics import PARTS, summarise
from ..storage.models import DailyRollup, Missed
from ..storage.upsert import table_of
from .bucket_rows import BucketTotals, bucket_totals
from .columns import iterate_rows, seconds

#: The numbers of one stretch.
Row = tuple[Any, ...]

#: Those of many stretches.
Columns = Sequence[Sequence[Any]]

#: Edges of stretches of time by location [Unix s].
Marks = Mapping[int, tuple[float, ...]]


def read_columns(
    session: Session, marks: Marks, quantities: Sequence[str], *, daily: bool, include_flagged: bool
) -> dict[int, Columns]:
    """By location, the numbers between each two of its edges; ``daily`` where these are the edges of days."""
    known = _rolled_up(session, marks, quantities, include_flagged) if daily and marks else {}
    rest = {id_: gaps for id_, own in marks.items() if (gaps := _gaps(own, known[id_].starts if id_ in known else ()))}
    read: dict[int, dict[float, Row]] = {}
    for number in range(max(map(len, rest.values()), default=0)):
        stretch = {id_: gaps[number] for id_, gaps in rest.items() if number < len(gaps)}
        instants = {id_: [datetime.fromtimestamp(mark, UTC) for mark in gap] for id_, gap in stretch.items()}
        for id_, found in bucket_totals(session, instants, quantities, include_flagged=include_flagged):
            rows = (_row(cell, quantities) for cell in found)
            read.setdefault(id_, {}).update(zip(stretch[id_], rows, strict=False))
    nothing = _row(BucketTotals(tallies={name: summarise(name, ()) for name in quantities}), quantities)
    none = _Days((), [()] * len(nothing))
    return {id_: _joined(own, known.get(id_, none), read.get(id_, {}), nothing) for id_, own in marks.items()}


class _Days(NamedTuple):
    """Days of a location that are rolled up, oldest first."""

    starts: Sequence[float]
    columns: Columns


def _joined(marks: tuple[float, ...], days: _Days, rows: Mapping[float, Row], nothing: Row) -> Columns:
    """The columns of days, completed by rows that are known by the beginning of their stretch."""
    many = len(days.starts)
    if days.starts == marks[:many]:  # what is not rolled up yet comes after what is
        rest = [rows.get(mark, nothing) for mark in marks[many:-1]]
        if not rest:
            return days.columns
        return [(*column, *more) for column, more in zip(days.columns, zip(*rest, strict=True), strict=True)]
    known = {**dict(zip(days.starts, zip(*days.columns, strict=True), strict=True)), **rows}
    return list(zip(*(known.get(mark, nothing) for mark in marks[:-1]), strict=True))


def _row(cell: BucketTotals, quantities: Sequence[str]) -> Row:
    return (cell.stored, *chain.from_iterable(cell.tallies[name] for name in quantities))


def _rolled_up(session: Session, marks: Marks, quantities: Sequence[str], include_flagged: bool) -> dict[int, _Days]:
    """The rollups of the days that are asked for, by location."""
    table, dialect = table_of(DailyRollup), session.get_bind().dialect
    start, end = _span(marks)
    parts = [table.c[f"{name}_{part}"] for name in quantities for part in PARTS[name]]
    days = (seconds(dialect, table.c.start_at), seconds(dialect, table.c.end_at), table.c.location_id)
    within = [table.c.location_id.in_(marks), table.c.start_at >= start, table.c.end_at <= end]
    if include_flagged:
        within.append(table.c.suspect == 0)
    query = select(table.c.stored, *parts, *days).where(*within).order_by(table.c.location_id, table.c.start_at)
    found: dict[int, _Days] = {}
    for id_, rows in groupby(iterate_rows(session, query), key=itemgetter(-1)):
        own = marks[id_]
        *columns, starts, ends, _ = zip(*rows, strict=True)
        many = len(starts)
        is_whole = starts == own[:many] and ends == own[1 : many + 1]
        found[id_] = _Days(starts, columns) if is_whole else _of_days(own, starts, ends, columns)
    return found


def _of_days(marks: tuple[float, ...], starts: Sequence[float], ends: Sequence[float], columns: Columns) -> _Days:
    """Those of the days that are between two of the edges; in another zone than is asked for there are none."""
    until = dict(pairwise(marks))
    kept = [until.get(start) == end for start, end in zip(starts, ends, strict=True)]
    return _Days(tuple(compress(starts, kept)), [tuple(compress(column, kept)) for column in columns])


def _span(marks: Marks) -> tuple[datetime, datetime]:
    """The first and the last edge (aware UTC)."""
    first, last = min(own[0] for own in marks.values()), max(own[-1] for own in marks.values())
    return datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC)


def _gaps(marks: Sequence[float], starts: Sequence[float]) -> list[list[float]]:
    """The edges of each stretch of time that is yet to be read, where those that begin at ``starts`` are known."""
    if len(starts) == len(marks) - 1:
        return []
    known = frozenset(starts)
    stretches: list[list[float]] = []
    for begin, end in pairwise(marks):
        if begin in known:
            continue
        if stretches and stretches[-1][-1] == begin:
            stretches[-1].append(end)
        else:
            stretches.append([begin, end])
    return stretches


def missed_instants(session: Session, marks: Marks) -> dict[int, list[float]]:
    """The instants of slots with nothing stored, by location [Unix s]."""
    if not marks:
        return {}
    start, end = _span(marks)
    within = (Missed.location_id.in_(marks), Missed.due_at >= start, Missed.due_at < end, STILL_MISSED)
    at = seconds(session.get_bind().dialect, Missed.due_at)
    found: dict[int, list[float]] = {}
    for id_, instant in iterate_rows(session, select(Missed.location_id, at).where(*within)):
        found.setdefault(id_, []).append(instant)
    return found
