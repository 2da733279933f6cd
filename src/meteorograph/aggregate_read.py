"""What stretches of time come to, as rows of plain numbers: from the rollups of days that are over, else from the rows.

A row is the number of stored slots, followed by the tally of each quantity (``tallies.PARTS``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, groupby, pairwise, repeat
from operator import itemgetter
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from .days import Cell, cells
from .history import STILL_MISSED
from .series_rows import fetched, seconds
from .tables import Daily, Missed
from .tallies import PARTS, tally
from .upsert import table_of

Row = tuple[Any, ...]


#: Edges of stretches of time by location [Unix s].
Marks = Mapping[int, tuple[float, ...]]


def read(
    session: Session, marks: Marks, quantities: Sequence[str], *, daily: bool, include_flagged: bool
) -> dict[int, list[Row]]:
    """By location, a row for each two of its edges; ``daily`` where these are the edges of days."""
    known = _rolled_up(session, marks, quantities, include_flagged) if daily and marks else {}
    rest = {id_: gaps for id_, own in marks.items() if (gaps := _gaps(own, known.get(id_, {})))}
    for number in range(max(map(len, rest.values()), default=0)):
        stretch = {id_: gaps[number] for id_, gaps in rest.items() if number < len(gaps)}
        instants = {id_: [datetime.fromtimestamp(mark, UTC) for mark in gap] for id_, gap in stretch.items()}
        for id_, found in cells(session, instants, quantities, include_flagged=include_flagged):
            rows = (_row(cell, quantities) for cell in found)
            known.setdefault(id_, {}).update(zip(stretch[id_], rows, strict=False))
    nothing = _row(Cell(tallies={name: tally(name, ()) for name in quantities}), quantities)
    made = {}
    for id_, own in marks.items():
        of_location = known.get(id_, {})
        made[id_] = list(map(of_location.get, own[:-1], repeat(nothing)))
    return made


def _row(cell: Cell, quantities: Sequence[str]) -> Row:
    return (cell.stored, *chain.from_iterable(cell.tallies[name] for name in quantities))


def _rolled_up(session: Session, marks: Marks, quantities: Sequence[str], include_flagged: bool) -> dict[int, dict[float, Row]]:
    """The rollups of the days that are asked for, by location and beginning."""
    table, dialect = table_of(Daily), session.get_bind().dialect
    start, end = _span(marks)
    parts = [table.c[f"{name}_{part}"] for name in quantities for part in PARTS[name]]
    days = (seconds(dialect, table.c.start_at), seconds(dialect, table.c.end_at), table.c.location_id)
    within = [table.c.location_id.in_(marks), table.c.start_at >= start, table.c.end_at <= end]
    if include_flagged:
        within.append(table.c.suspect == 0)
    query = select(table.c.stored, *parts, *days).where(*within).order_by(table.c.location_id)
    lengths = {own: dict(pairwise(own)) for own in set(marks.values())}
    found: dict[int, dict[float, Row]] = {}
    for id_, rows in groupby(fetched(session, query), key=itemgetter(-1)):
        own = lengths[marks[id_]]  # a day of another zone than the one that is asked for is none
        found[id_] = {row[-3]: row[:-3] for row in rows if own.get(row[-3]) == row[-2]}
    return found


def _span(marks: Marks) -> tuple[datetime, datetime]:
    """The first and the last edge (aware UTC)."""
    first, last = min(own[0] for own in marks.values()), max(own[-1] for own in marks.values())
    return datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC)


def _gaps(marks: Sequence[float], known: Mapping[float, Row]) -> list[list[float]]:
    """The edges of each stretch of time that is yet to be read."""
    if len(known) == len(marks) - 1:
        return []
    stretches: list[list[float]] = []
    for begin, end in pairwise(marks):
        if begin in known:
            continue
        if stretches and stretches[-1][-1] == begin:
            stretches[-1].append(end)
        else:
            stretches.append([begin, end])
    return stretches


def missed(session: Session, marks: Marks) -> dict[int, list[float]]:
    """The instants of slots with nothing stored, by location [Unix s]."""
    if not marks:
        return {}
    start, end = _span(marks)
    within = (Missed.location_id.in_(marks), Missed.due_at >= start, Missed.due_at < end, STILL_MISSED)
    at = seconds(session.get_bind().dialect, Missed.due_at)
    found: dict[int, list[float]] = {}
    for id_, instant in fetched(session, select(Missed.location_id, at).where(*within)):
        found.setdefault(id_, []).append(instant)
    return found
