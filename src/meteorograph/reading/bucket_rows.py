"""Totals of weather rows between edges of time, computed from the rows themselves.

Slots count by ``due_at``, values by the time at which they are true (``valid_time.py``).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..ledger.queries import schedules_with_runs
from ..model.precipitation_totals import Total, total_ranges
from ..model.quantities import AMOUNTS
from ..model.statistics import Summary, summarise
from ..model.valid_time import MAX_DISPLACEMENT, MAX_PERIOD, is_credible, valid_time
from ..storage.archive.files import read_files
from ..storage.models import Run, WeatherData
from ..storage.plain_columns import as_seconds, as_text
from .amount_windows import ProviderWindow, read_windows
from .columns import iterate_rows, provider_overrides, suspect_quantities
from .sealed_rows import iterate_sealed, merge_rows, read_unchanged

#: Columns before those of the quantities.
_HEAD_NAMES: Final = ("due_at", "observed_at", "provider", "flags", "precipitation_period", "providers", "other_values")
_HEAD_COLUMNS: Final = len(_HEAD_NAMES)

#: Rows of slots up to this long before the first edge, and after the last one, may have values between the edges.
_READ_BEFORE: Final = timedelta(seconds=MAX_DISPLACEMENT)
_READ_AFTER: Final = timedelta(seconds=MAX_DISPLACEMENT + MAX_PERIOD)


@dataclass(slots=True)
class BucketTotals:
    """Totals of the rows of one bucket."""

    #: Number of slots with a row.
    stored: int = 0
    #: Number of different observations; the same observation in two slots counts once.
    observations: int = 0
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
        rows = _read_rows(session, location_ids, start - _READ_BEFORE, end + _READ_AFTER, quantities)
        for location_id, group in groupby(rows, key=itemgetter(0)):
            marks = [edge.timestamp() for edge in edges_by_location[location_id]]
            table = _RowTable([row[1:] for row in group], quantities, include_flagged=include_flagged)
            yield location_id, table.totals(marks, slots)


def _read_rows(
    session: Session, location_ids: list[int], start: datetime, end: datetime, quantities: Sequence[str]
) -> Iterable[tuple[Any, ...]]:
    """The rows with ``start <= due_at <= end`` of the table and of sealed months, by location and slot."""
    if not read_files(session, start, end):
        rows = _select_rows(session, location_ids, start, end, quantities)
        if session.get_bind().dialect.name == "sqlite":
            return rows
        if not read_files(session, start, end):  # the driver holds all rows: none of them was sealed before they were read
            return rows
    names = ("location_id", *_HEAD_NAMES, *quantities)

    def read() -> Iterable[tuple[Any, ...]]:
        in_table = _select_rows(session, location_ids, start, end, quantities)
        sealed = iterate_sealed(session, location_ids, start, end + timedelta(microseconds=1), names)
        return merge_rows(in_table, sealed, itemgetter(0, 1))

    return read_unchanged(session, start, end, location_ids, read)


def _select_rows(
    session: Session, location_ids: list[int], start: datetime, end: datetime, quantities: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    at, dialect = WeatherData.due_at, session.get_bind().dialect
    head = (
        as_seconds(dialect, at),
        as_seconds(dialect, WeatherData.observed_at),
        WeatherData.provider,
        as_text(dialect, WeatherData.flags),
        WeatherData.precipitation_period,
        as_text(dialect, WeatherData.providers),
        as_text(dialect, WeatherData.other_values),
    )
    values = [getattr(WeatherData, name) for name in quantities]
    within = (WeatherData.location_id.in_(location_ids), at >= start, at <= end)
    query = select(WeatherData.location_id, *head, *values).where(*within)
    return iterate_rows(session, query.order_by(WeatherData.location_id, at))


def _read_slots(session: Session, start: datetime, end: datetime) -> frozenset[float]:
    """The instants of runs [Unix s]. Rows of collections on demand lie at other instants."""
    within = (Run.schedule.in_(schedules_with_runs(session)), Run.due_at >= start, Run.due_at < end)
    instants = session.connection().execute(select(as_seconds(session.get_bind().dialect, Run.due_at)).where(*within))
    return frozenset(row[0] for row in instants)


class _RowTable:
    """The rows of one location, oldest slot first, as columns of plain values.

    Args:
        rows: The columns of ``_select_rows``, without the location.
        quantities: Names of the quantities.
        include_flagged: Whether suspect values are kept.
    """

    def __init__(self, rows: list[tuple[Any, ...]], quantities: Sequence[str], *, include_flagged: bool) -> None:
        columns = [list(column) for column in zip(*rows, strict=True)]
        self._due, self._observed, self._providers, flags, periods, overrides, others = columns[:_HEAD_COLUMNS]
        self._values = dict(zip(quantities, columns[_HEAD_COLUMNS:], strict=True))
        self._instants = list(map(valid_time, self._due, self._observed))
        self._overrides = [provider_overrides(text) if text else {} for text in overrides]
        self._suspects = self._find_suspects(flags, periods)
        if not include_flagged:
            for index, name in self._suspects:
                self._values[name][index] = None
        self._windows = {
            name: read_windows(name, self._values[name], periods, self._due, self._instants, self._all_providers(name), others)
            for name in quantities
            if name in AMOUNTS
        }
        self._repeated = self._drop_repeated()

    def totals(self, edges: list[float], slots: frozenset[float]) -> list[BucketTotals]:
        """The totals between each two edges [Unix s]; ``slots`` are the instants of runs."""
        order, instants = self._order()
        slot_bounds = [bisect_left(self._due, edge) for edge in edges]
        bounds = [bisect_left(instants, edge) for edge in edges]
        values = {name: column if order is None else [column[index] for index in order] for name, column in self._values.items()}
        observed = self._count_observations(order)
        amounts = {name: _total_amounts(windows, edges) for name, windows in self._windows.items()}
        totals = []
        for n, (first, last) in enumerate(pairwise(bounds)):
            stored = sum(instant in slots for instant in self._due[slot_bounds[n] : slot_bounds[n + 1]])
            summaries = {}
            for name, column in values.items():
                numbers = [value for value in column[first:last] if value is not None]
                summaries[name] = summarise(name, numbers, *(amounts[name][n] if name in amounts else ()))
            totals.append(BucketTotals(stored, sum(observed[first:last]), 0, summaries))
        self._count_suspects(totals, edges)
        return totals

    def _find_suspects(self, flags: list[str | None], periods: list[float | None]) -> list[tuple[int, str]]:
        return [
            (index, name)
            for index, text in enumerate(flags)
            if text is not None
            for name in suspect_quantities(text)
            if name in self._values and self._values[name][index] is not None
        ]

    def _all_providers(self, name: str) -> list[str]:
        """The provider of a quantity in each row."""
        return [overrides.get(name, own) for overrides, own in zip(self._overrides, self._providers, strict=True)]

    def _drop_repeated(self) -> set[int]:
        """Drop all but the newest usable value of an observation that several slots have; gives the rows of the older slots."""
        newest: dict[tuple[str, float], int] = {}
        repeated = set()
        for index in range(len(self._due) - 1, -1, -1):
            if self._observed[index] is None:
                continue
            later = newest.setdefault((self._providers[index], self._observed[index]), index)
            if later != index:
                repeated.add(index)
                for name, column in self._values.items():
                    if name in self._overrides[index] or name in self._overrides[later]:
                        continue
                    if column[later] is None:
                        column[later] = column[index]
                    column[index] = None
        return repeated

    def _order(self) -> tuple[list[int] | None, list[float]]:
        """The rows in the order of their valid times, None if that is their own order, and these times."""
        if all(earlier <= later for earlier, later in pairwise(self._instants)):
            return None, self._instants
        order = sorted(range(len(self._instants)), key=self._instants.__getitem__)
        return order, [self._instants[index] for index in order]

    def _count_observations(self, order: Iterable[int] | None) -> list[bool]:
        """Whether each row has an observation of its own, with a time that is unknown or credible."""
        return [
            index not in self._repeated
            and (self._observed[index] is None or is_credible(self._due[index], self._observed[index]))
            for index in (order or range(len(self._due)))
        ]

    def _count_suspects(self, totals: list[BucketTotals], edges: list[float]) -> None:
        """Count the suspect values of each bucket; a suspect amount in each bucket that its longest possible window overlaps."""
        for index, name in self._suspects:
            at = self._instants[index]
            last = bisect_right(edges, at) - 1
            first = bisect_right(edges, at - MAX_PERIOD) - 1 if name in AMOUNTS else last
            for n in range(max(0, first), min(last, len(totals) - 1) + 1):
                totals[n].suspect += 1


def _total_amounts(windows: Sequence[ProviderWindow], edges: Sequence[float]) -> list[tuple[Total, list[str]]]:
    """The total between each two edges, and the providers whose amounts it contains."""
    totals = total_ranges([window for window, _ in windows], edges)
    names = sorted({provider for _, provider in windows})
    if len(names) == 1:
        return [(total, names if total.covered_seconds else []) for total in totals]
    covered: list[set[str]] = [set() for _ in totals]
    for (end, seconds, _), provider in windows:
        if seconds:
            first = max(0, bisect_right(edges, end - seconds) - 1)
            for n in range(first, min(bisect_left(edges, end), len(totals))):
                covered[n].add(provider)
    return [(total, sorted(found)) for total, found in zip(totals, covered, strict=True)]
