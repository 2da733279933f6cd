"""Totals of weather rows between edges of time, computed from the rows themselves."""

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
from ..storage.rollup_invalidation import PRECIPITATION_LAG
from .columns import as_seconds, as_text, suspect_quantities

#: Number of columns before the quantities: slot, end and length of the precipitation window, flags.
_HEAD_COLUMNS: Final = 4


@dataclass(slots=True)
class BucketTotals:
    """Totals of the rows of one bucket."""

    #: Number of rows at slots.
    stored: int = 0
    #: Number of suspect values.
    suspect: int = 0
    #: Summary of each quantity.
    summaries: dict[str, Summary] = field(default_factory=dict)


def read_bucket_totals(
    session: Session,
    edges_by_location: Mapping[int, Sequence[datetime]],
    quantities: Sequence[str],
    *,
    include_flagged: bool = False,
) -> Iterator[tuple[int, list[BucketTotals]]]:
    """Yield the id of each location with the totals between each two of its edges (aware UTC). Skips locations without rows."""
    if not edges_by_location:
        return
    all_edges = edges_by_location.values()
    slots = _read_slots(session, min(edges[0] for edges in all_edges), max(edges[-1] for edges in all_edges))
    by_range: dict[tuple[datetime, datetime], list[int]] = {}
    for location_id, edges in edges_by_location.items():
        by_range.setdefault((edges[0], edges[-1]), []).append(location_id)
    for (start, end), location_ids in by_range.items():
        rows = _select_rows(session, location_ids, start, end, quantities)
        for location_id, group in groupby(rows, key=itemgetter(0)):
            marks = [edge.timestamp() for edge in edges_by_location[location_id]]
            yield location_id, _compute_totals([row[1:] for row in group], marks, slots, quantities, include_flagged)


def _select_rows(session: Session, location_ids: list[int], start: datetime, end: datetime, quantities: Sequence[str]) -> Any:
    at, dialect = WeatherData.due_at, session.get_bind().dialect
    head = (
        as_seconds(dialect, at),
        as_seconds(dialect, WeatherData.observed_at),
        WeatherData.precipitation_period,
        as_text(dialect, WeatherData.flags),
    )
    values = [getattr(WeatherData, name) for name in quantities]
    # Precipitation that fell before the end may be reported by a row after the end.
    within = (WeatherData.location_id.in_(location_ids), at >= start, at <= end + PRECIPITATION_LAG)
    query = select(WeatherData.location_id, *head, *values).where(*within)
    return session.connection().execute(query.order_by(WeatherData.location_id, at))


def _read_slots(session: Session, start: datetime, end: datetime) -> frozenset[float]:
    """The instants of runs [Unix s]. Rows of collections on demand lie at other instants."""
    within = (Run.schedule.in_(schedules_with_runs(session)), Run.due_at >= start, Run.due_at < end)
    instants = session.connection().execute(select(as_seconds(session.get_bind().dialect, Run.due_at)).where(*within))
    return frozenset(row[0] for row in instants)


def _compute_totals(
    rows: list[tuple[Any, ...]], edges: list[float], slots: frozenset[float], quantities: Sequence[str], include_flagged: bool
) -> list[BucketTotals]:
    columns = [list(column) for column in zip(*rows, strict=True)]
    due, flags = columns[0], columns[3]
    values = dict(zip(quantities, columns[_HEAD_COLUMNS:], strict=True))
    suspects: list[tuple[int, str]] = []
    for index, text in enumerate(flags):
        if text is not None:
            suspects += [(index, name) for name in suspect_quantities(text) if name in values and values[name][index] is not None]
    if not include_flagged:
        for index, name in suspects:
            values[name][index] = None
    windows = _precipitation_windows(due, columns[1], columns[2], values.get(AMOUNT, ()))
    bounds = [bisect_left(due, edge) for edge in edges]
    totals = []
    for (start, end), (first, last) in zip(pairwise(edges), pairwise(bounds), strict=True):
        summaries = {}
        for name in quantities:
            numbers = [value for value in values[name][first:last] if value is not None]
            amount = _precipitation_between(windows, due, first, start, end) if name == AMOUNT else None
            summaries[name] = summarise(name, numbers, amount)
        totals.append(BucketTotals(sum(instant in slots for instant in due[first:last]), 0, summaries))
    for index, _ in suspects:
        if index < bounds[-1]:
            totals[bisect_right(bounds, index) - 1].suspect += 1
    return totals


def _precipitation_windows(
    due: list[float], ends: list[float | None], lengths: list[float | None], amounts: Sequence[float | None]
) -> list[Window | None]:
    """The window of each row's amount; None without an amount or without a known length."""
    return [
        None if amount is None or not length else Window(slot if end is None else min(end, slot), length, amount)
        for slot, end, length, amount in zip(due, ends, lengths, amounts, strict=False)
    ]


def _precipitation_between(windows: list[Window | None], due: list[float], first: int, start: float, end: float) -> float | None:
    """Total of the precipitation between two edges [mm], from the windows of the rows from index ``first`` on."""
    last = bisect_right(due, end + PRECIPITATION_LAG.total_seconds())
    return total_range([window for window in windows[first:last] if window is not None], start, end).amount
