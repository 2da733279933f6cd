"""Aggregates of time ranges as columns of plain numbers: from the rollups of past days, otherwise from the rows.

The first columns are the numbers of stored slots and of observations, followed by the parts of each quantity's summary
(``statistics.PARTS``). Days stay columns from the driver to the answer where possible: an object for each day costs more than the
query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, compress, groupby, pairwise
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..ledger.queries import STILL_MISSED
from ..model.statistics import PARTS, summarise
from ..storage.models import DailyRollup, Missed
from ..storage.plain_columns import as_seconds
from ..storage.upsert import table_of
from .bucket_rows import BucketTotals, read_bucket_totals
from .columns import iterate_rows

#: Number of columns before those of the quantities.
HEAD_COLUMNS: Final = 2

#: The numbers of one range.
AggregateRow = tuple[Any, ...]

#: The numbers of many ranges, column by column.
AggregateColumns = Sequence[Sequence[Any]]

#: Location id → edges of its ranges [Unix s], one more than there are ranges.
EdgesByLocation = Mapping[int, tuple[float, ...]]


def read_columns(
    session: Session, edges: EdgesByLocation, quantities: Sequence[str], *, daily: bool, include_flagged: bool
) -> dict[int, AggregateColumns]:
    """Read the numbers between each two edges, by location id. Rollups are used if ``daily``: the edges are those of days."""
    rolled_up = _read_rollups(session, edges, quantities, include_flagged) if daily and edges else {}
    missing = {
        location_id: ranges
        for location_id, own in edges.items()
        if (ranges := _missing_ranges(own, rolled_up[location_id].starts if location_id in rolled_up else ()))
    }
    from_rows: dict[int, dict[float, AggregateRow]] = {}
    for index in range(max(map(len, missing.values()), default=0)):
        part = {location_id: ranges[index] for location_id, ranges in missing.items() if index < len(ranges)}
        instants = {location_id: [datetime.fromtimestamp(edge, UTC) for edge in own] for location_id, own in part.items()}
        for location_id, totals in read_bucket_totals(session, instants, quantities, include_flagged=include_flagged):
            numbers = (_to_row(bucket, quantities) for bucket in totals)
            from_rows.setdefault(location_id, {}).update(zip(part[location_id], numbers, strict=False))
    empty_row = _to_row(BucketTotals(summaries={name: summarise(name, ()) for name in quantities}), quantities)
    no_days = _Days((), [()] * len(empty_row))
    return {
        location_id: _merge(own, rolled_up.get(location_id, no_days), from_rows.get(location_id, {}), empty_row)
        for location_id, own in edges.items()
    }


class _Days(NamedTuple):
    """The rolled-up days of a location, oldest first."""

    #: Start of each day [Unix s].
    starts: Sequence[float]
    columns: AggregateColumns


def _merge(
    edges: tuple[float, ...], days: _Days, rows: Mapping[float, AggregateRow], empty_row: AggregateRow
) -> AggregateColumns:
    """Complete the columns of days with rows, which are given by the start of their range."""
    count = len(days.starts)
    if days.starts == edges[:count]:  # all ranges without a rollup follow the rolled-up days
        rest = [rows.get(edge, empty_row) for edge in edges[count:-1]]
        if not rest:
            return days.columns
        return [(*column, *more) for column, more in zip(days.columns, zip(*rest, strict=True), strict=True)]
    by_start = {**dict(zip(days.starts, zip(*days.columns, strict=True), strict=True)), **rows}
    return list(zip(*(by_start.get(edge, empty_row) for edge in edges[:-1]), strict=True))


def _to_row(totals: BucketTotals, quantities: Sequence[str]) -> AggregateRow:
    return (totals.stored, totals.observations, *chain.from_iterable(totals.summaries[name] for name in quantities))


def _read_rollups(session: Session, edges: EdgesByLocation, quantities: Sequence[str], include_flagged: bool) -> dict[int, _Days]:
    """The rollups of the ranges that are days, by location id."""
    table, dialect = table_of(DailyRollup), session.get_bind().dialect
    start, end = _span(edges)
    parts = [table.c[f"{name}_{part}"] for name in quantities for part in PARTS[name]]
    day = (as_seconds(dialect, table.c.start_at), as_seconds(dialect, table.c.end_at), table.c.location_id)
    within = [table.c.location_id.in_(edges), table.c.start_at >= start, table.c.end_at <= end]
    if include_flagged:  # rollups leave suspect values out, so only days without any are complete
        within.append(table.c.suspect == 0)
    query = (
        select(table.c.stored, table.c.observations, *parts, *day).where(*within).order_by(table.c.location_id, table.c.start_at)
    )
    days: dict[int, _Days] = {}
    for location_id, rows in groupby(iterate_rows(session, query), key=itemgetter(-1)):
        own = edges[location_id]
        *columns, starts, ends, _ = zip(*rows, strict=True)
        count = len(starts)
        is_prefix = starts == own[:count] and ends == own[1 : count + 1]
        days[location_id] = _Days(starts, columns) if is_prefix else _select_days(own, starts, ends, columns)
    return days


def _select_days(edges: tuple[float, ...], starts: Sequence[float], ends: Sequence[float], columns: AggregateColumns) -> _Days:
    """The days that lie exactly between two edges; none if the days of the query are those of another time zone."""
    end_of = dict(pairwise(edges))
    selected = [end_of.get(start) == end for start, end in zip(starts, ends, strict=True)]
    return _Days(tuple(compress(starts, selected)), [tuple(compress(column, selected)) for column in columns])


def _span(edges: EdgesByLocation) -> tuple[datetime, datetime]:
    """The first and the last edge of all locations (aware UTC)."""
    first, last = min(own[0] for own in edges.values()), max(own[-1] for own in edges.values())
    return datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC)


def _missing_ranges(edges: Sequence[float], starts: Sequence[float]) -> list[list[float]]:
    """Edges of consecutive ranges that are not rolled up; ``starts`` are the starts of the rolled-up ones."""
    if len(starts) == len(edges) - 1:
        return []
    rolled_up = frozenset(starts)
    missing: list[list[float]] = []
    for start, end in pairwise(edges):
        if start in rolled_up:
            continue
        if missing and missing[-1][-1] == start:
            missing[-1].append(end)
        else:
            missing.append([start, end])
    return missing


def read_missed_instants(session: Session, edges: EdgesByLocation) -> dict[int, list[float]]:
    """The instants of slots that are still missed, by location id [Unix s]."""
    if not edges:
        return {}
    start, end = _span(edges)
    within = (Missed.location_id.in_(edges), Missed.due_at >= start, Missed.due_at < end, STILL_MISSED)
    at = as_seconds(session.get_bind().dialect, Missed.due_at)
    instants: dict[int, list[float]] = {}
    for location_id, instant in iterate_rows(session, select(Missed.location_id, at).where(*within)):
        instants.setdefault(location_id, []).append(instant)
    return instants
