"""Statistics of any time ranges, each location with its own edges. Stop 9 of the walk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from sqlalchemy.orm import Session

from ..model.statistics import PARTS, STATISTICS, Statistics, compute_statistics, merge_summaries
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


def read_ranges(session: Session, edges: Mapping[int, tuple[float, ...]], names: Sequence[str]) -> dict[int, RangeStatistics]:
    """Read the statistics between each two edges, by location id; suspect values are left out.

    Args:
        session: Session to read with.
        edges: Location id → edges of its ranges [Unix s].
        names: The quantities.
    """
    columns = read_columns(session, edges, names, daily=False, include_flagged=False)
    return {id_: RangeStatistics(own, columns[id_], names) for id_, own in edges.items()}
