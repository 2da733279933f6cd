"""Raw rows to tallies: what the rows of locations come to between edges of time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..ledger.queries import schedules_with_runs
from ..model.precipitation_totals import Window, total_range
from ..model.statistics import AMOUNT, Summary, summarise
from ..storage.models import Run, WeatherData
from ..storage.rollup_invalidation import AHEAD
from .columns import json_text, seconds, suspect_quantities

#: Columns before those of the quantities: the slot, the end and the length of the precipitation's window, flags.
_HEAD: Final = 4


@dataclass(slots=True)
class BucketTotals:
    """What the rows of a stretch of time come to."""

    #: Rows at slots.
    stored: int = 0
    #: Values that are not to be trusted.
    suspect: int = 0
    tallies: dict[str, Summary] = field(default_factory=dict)


def bucket_totals(
    session: Session,
    edges: Mapping[int, Sequence[datetime]],
    quantities: Sequence[str],
    *,
    include_flagged: bool = False,
) -> Iterator[tuple[int, list[BucketTotals]]]:
    """By location, what its rows come to between each two of its edges (aware UTC); nothing of one without rows there."""
    if not edges:
        return
    slots = _slots(session, min(each[0] for each in edges.values()), max(each[-1] for each in edges.values()))
    together: dict[tuple[datetime, datetime], list[int]] = {}
    for location, each in edges.items():
        together.setdefault((each[0], each[-1]), []).append(location)
    for (start, end), locations in together.items():
        rows = _rows(session, locations, start, end, quantities)
        for location, group in groupby(rows, key=itemgetter(0)):
            marks = [edge.timestamp() for edge in edges[location]]
            yield location, _cells([row[1:] for row in group], marks, slots, quantities, include_flagged)


def _rows(session: Session, locations: list[int], start: datetime, end: datetime, quantities: Sequence[str]) -> Any:
    at, through = WeatherData.due_at, WeatherData.observed_at
    dialect = session.get_bind().dialect
    head = (
        seconds(dialect, at),
        seconds(dialect, through),
        WeatherData.precipitation_period,
        json_text(dialect, WeatherData.flags),
    )
    values = [getattr(WeatherData, name) for name in quantities]
    within = (WeatherData.location_id.in_(locations), at >= start, at <= end + AHEAD)
    query = select(WeatherData.location_id, *head, *values).where(*within)
    return session.connection().execute(query.order_by(WeatherData.location_id, at))


def _slots(session: Session, start: datetime, end: datetime) -> frozenset[float]:
    """The instants of runs [s]; a row of a collection on demand lies at none."""
    within = (Run.schedule.in_(schedules_with_runs(session)), Run.due_at >= start, Run.due_at < end)
    instants = session.connection().execute(select(seconds(session.get_bind().dialect, Run.due_at)).where(*within))
    return frozenset(row[0] for row in instants)


def _cells(
    rows: list[tuple[Any, ...]], marks: list[float], slots: frozenset[float], quantities: Sequence[str], include_flagged: bool
) -> list[BucketTotals]:
    columns = [list(column) for column in zip(*rows, strict=True)]
    dues, flags = columns[0], columns[3]
    values = dict(zip(quantities, columns[_HEAD:], strict=True))
    doubtful: list[tuple[int, str]] = []
    for number, text in enumerate(flags):
        if text is not None:
            doubtful += [
                (number, name) for name in suspect_quantities(text) if name in values and values[name][number] is not None
            ]
    if not include_flagged:
        for number, name in doubtful:
            values[name][number] = None
    windows = _windows(dues, columns[1], columns[2], values.get(AMOUNT, ()))
    places = [bisect_left(dues, mark) for mark in marks]
    found = []
    for (start, end), (first, last) in zip(pairwise(marks), pairwise(places), strict=True):
        tallies = {}
        for name in quantities:
            given = [value for value in values[name][first:last] if value is not None]
            tallies[name] = summarise(name, given, _fell(windows, dues, first, start, end) if name == AMOUNT else None)
        found.append(BucketTotals(sum(due in slots for due in dues[first:last]), 0, tallies))
    for number, _ in doubtful:
        if number < places[-1]:
            found[bisect_right(places, number) - 1].suspect += 1
    return found


def _windows(
    dues: list[float], ends: list[float | None], lengths: list[float | None], amounts: Sequence[float | None]
) -> list[Window | None]:
    """The window of each row's amount; None where there is none, or nobody says how long it is."""
    return [
        None if amount is None or not length else Window(due if end is None else min(end, due), length, amount)
        for due, end, length, amount in zip(dues, ends, lengths, amounts, strict=False)
    ]


def _fell(windows: list[Window | None], dues: list[float], first: int, start: float, end: float) -> float | None:
    last = bisect_right(dues, end + AHEAD.total_seconds())
    return total_range([window for window in windows[first:last] if window is not None], start, end).amount
