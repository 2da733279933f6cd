"""Statistics of any time ranges, each location with its own edges. Stop 9 of the walk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise, takewhile
from typing import Any

from sqlalchemy.orm import Session

from ..model.statistics import PARTS, STATISTICS, Statistics, compute_statistics, merge_summaries
from ..model.time_buckets import DAY, iterate_edges, zone_or_utc
from ..storage.models import Location
from .aggregate_columns import HEAD_COLUMNS, AggregateColumns, read_columns


class RangeStatistics:
    """The statistics of the ranges between the edges of one location.

    Args:
        edges: Edges of the ranges [Unix s], one more than there are ranges.
        columns: The numbers of the ranges.
        names: The quantities in the columns.
    """

    def __init__(self, edges: Sequence[float], columns: AggregateColumns, names: Sequence[str]) -> None:
        self.edges = edges
        self._parts: dict[str, Sequence[Sequence[Any]]] = {}
        index = HEAD_COLUMNS
        for name in names:
            width = len(PARTS[name])
            self._parts[name] = columns[index : index + width]
            index += width

    def each(self, name: str) -> list[Statistics]:
        """The statistics of a quantity in each range."""
        seconds = [end - start for start, end in pairwise(self.edges)]
        rows = zip(*compute_statistics(name, self._parts[name], seconds), strict=True)
        return [dict(zip(STATISTICS[name], row, strict=True)) for row in rows]

    def merged(self, name: str, start: float, end: float) -> Statistics:
        """The statistics of a quantity in all ranges that lie between two of the edges."""
        inside = [start <= first and last <= end for first, last in pairwise(self.edges)]
        parts = [[value for value, is_inside in zip(part, inside, strict=True) if is_inside] for part in self._parts[name]]
        columns = [(value,) for value in merge_summaries(name, parts)]
        [row] = zip(*compute_statistics(name, columns, [end - start]), strict=True)
        return dict(zip(STATISTICS[name], row, strict=True))


def read_ranges(
    session: Session, edges: Mapping[int, tuple[float, ...]], names: Sequence[str], *, daily: bool = False
) -> dict[int, RangeStatistics]:
    """Read the statistics between each two edges, by location id; suspect values are left out.

    Args:
        session: Session to read with.
        edges: Location id → edges of its ranges [Unix s].
        names: The quantities.
        daily: Whether ranges may be days of their location, which have rollups.
    """
    columns = read_columns(session, edges, names, daily=daily, include_flagged=False)
    return {id_: RangeStatistics(own, columns[id_], names) for id_, own in edges.items()}


def read_periods(
    session: Session, locations: Sequence[Location], start: datetime, end: datetime, names: Sequence[str]
) -> dict[int, dict[str, Statistics]]:
    """The statistics of the time with ``start <= instant < end`` as one range: location id → quantity → its statistics.

    All pages that say the lowest, mean or highest value, or the total, of a period take it from here. The mean is that of the
    values, as in ``/data/aggregate``: each value counts once, however long the time to the next one is.
    """
    edges = {one.id: tuple(_day_edges(start, end, one.timezone)) for one in locations}
    ranges = read_ranges(session, edges, names, daily=True)
    return {id_: {name: own.merged(name, own.edges[0], own.edges[-1]) for name in names} for id_, own in ranges.items()}


def _day_edges(start: datetime, end: datetime, zone: str | None) -> Iterator[float]:
    """A time cut at the midnights of a location [Unix s], so that its whole days are read from their rollups."""
    yield start.timestamp()
    later = (edge for edge in iterate_edges(start, DAY, zone_or_utc(zone)) if edge > start)
    yield from (edge.timestamp() for edge in takewhile(lambda edge: edge < end, later))
    yield end.timestamp()
