"""Totals of precipitation from amounts whose windows overlap, have gaps, or have an unknown length. Pure.

An amount fell in ``(end - seconds, end]``; times are Unix seconds. ``docs/precipitation.md`` derives the rule:

- An amount is a rate over the seconds of its window. A total is the rate over the covered seconds of its range, so a window that
  exceeds the range is split at the edge.
- Where windows of several lengths cover a second, the shortest speaks; of equally long ones the earliest, so that the total of a
  past hour does not change when a later window overlaps it.
- A window that contains all shorter windows that it overlaps has, in the rest of its time, the rest of its amount. A window that
  shares seconds with a shorter one only in part has its own rate in the rest of its time.
- Of several amounts for the same window, the newest counts.

The rate of a second depends only on the windows around it, so the totals of hours add up to that of their day. Amounts of an
unknown period are never added, but counted.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Final, NamedTuple

#: Share of a range that must be covered for an estimate of the whole range.
MIN_COVERAGE_OF_ESTIMATE: Final = 0.75

#: Decimal places of an amount [mm]: hides the rounding of binary fractions.
DECIMALS: Final = 6


class Window(NamedTuple):
    """An amount and the time in which it fell."""

    #: End [Unix s].
    end: float
    #: Length [s]; None if the provider does not say.
    seconds: float | None
    #: Amount [mm], 0 or more.
    amount: float


class Stretch(NamedTuple):
    """A time in which the rate of precipitation is constant."""

    #: Start and end [Unix s].
    start: float
    end: float
    #: [mm/s]
    rate: float


class Total(NamedTuple):
    """The precipitation of a time range."""

    #: Amount in the covered time [mm]; None if no time is covered.
    amount: float | None
    covered_seconds: float
    #: Length of the whole range [s].
    seconds: float
    #: Number of amounts of an unknown period that end in the range; they are not part of ``amount``.
    unknown: int

    @property
    def coverage(self) -> float:
        """Covered share of the range, 0 to 1."""
        return self.covered_seconds / self.seconds

    @property
    def estimate(self) -> float | None:
        """Amount of the whole range [mm], as ``estimate_total`` scales it."""
        return estimate_total(self.amount, self.covered_seconds, self.seconds)


def estimate_total(amount: float | None, covered_seconds: float, seconds: float) -> float | None:
    """The amount scaled from the covered time to the whole range [mm]; None if less than three quarters are covered."""
    if amount is None or covered_seconds < MIN_COVERAGE_OF_ESTIMATE * seconds:
        return None
    return round(amount * seconds / covered_seconds, DECIMALS)


def total_ranges(windows: Sequence[Window], edges: Sequence[float]) -> list[Total]:
    """The precipitation between each two neighbouring edges.

    Args:
        windows: In the order in which the amounts were fetched, oldest first.
        edges: Instants [Unix s], ascending.
    """
    count = len(edges) - 1
    amounts, covered, unknown = [0.0] * count, [0.0] * count, [0] * count
    n = 0
    for start, end, rate in rate_stretches(windows):
        while n < count and edges[n + 1] <= start:
            n += 1
        within = n
        while within < count and edges[within] < end:
            seconds = min(end, edges[within + 1]) - max(start, edges[within])
            amounts[within] += rate * seconds
            covered[within] += seconds
            within += 1
    for window in windows:
        n = bisect_left(edges, window.end) - 1
        if not window.seconds and 0 <= n < count:
            unknown[n] += 1
    return [
        Total(round(amount, DECIMALS) if seconds else None, seconds, end - start, number)
        for (start, end), amount, seconds, number in zip(pairwise(edges), amounts, covered, unknown, strict=True)
    ]


def rate_stretches(windows: Iterable[Window]) -> list[Stretch]:
    """The rate of precipitation over time, as stretches that do not overlap, oldest first.

    Args:
        windows: In the order in which the amounts were fetched, oldest first. Those of an unknown period are ignored.
    """
    amounts = {(end, seconds): amount for end, seconds, amount in windows if seconds}  # the newest amount of each window
    timed = sorted((end, seconds, amount) for (end, seconds), amount in amounts.items())
    if all(before[0] <= after[0] - after[1] for before, after in pairwise(timed)):
        return [Stretch(end - seconds, end, amount / seconds) for end, seconds, amount in timed]
    stretches: list[Stretch] = []
    shorter = _Edges()
    for seconds, group in groupby(sorted(timed, key=itemgetter(1, 0)), key=itemgetter(1)):
        equally_long = [(end, amount) for end, _, amount in group]
        placed = [
            Stretch(end - seconds, end, _rate(end - seconds, end, amount, stretches, shorter)) for end, amount in equally_long
        ]
        stretches = sorted([*stretches, *_subtract(_cut_overlaps(placed), stretches)])
        shorter.add(placed)
    return stretches


class _Edges:
    """The starts and the ends of windows, each in order."""

    def __init__(self) -> None:
        self._starts: list[float] = []
        self._ends: list[float] = []

    def add(self, windows: Iterable[Stretch]) -> None:
        self._starts = sorted([*self._starts, *(window.start for window in windows)])
        self._ends = sorted([*self._ends, *(window.end for window in windows)])

    def cross(self, at: float) -> bool:
        """Whether an instant lies within a window."""
        return bisect_left(self._starts, at) > bisect_right(self._ends, at)


def _rate(start: float, end: float, amount: float, stretches: Sequence[Stretch], shorter: _Edges) -> float:
    """The rate of a window in the time that no shorter window covers [mm/s]."""
    if not stretches or shorter.cross(start) or shorter.cross(end):
        return amount / (end - start)
    inside = _overlapping(stretches, start, end)
    rest = end - start - sum(stretch.end - stretch.start for stretch in inside)
    return max(0.0, amount - sum(stretch.rate * (stretch.end - stretch.start) for stretch in inside)) / rest if rest else 0.0


def _cut_overlaps(windows: Iterable[Stretch]) -> Iterator[Stretch]:
    """Equally long windows, in order of time, each without the time that an earlier one covers."""
    covered_until = -math.inf
    for start, end, rate in windows:
        if end > covered_until:
            yield Stretch(max(start, covered_until), end, rate)
            covered_until = end


def _subtract(stretches: Iterable[Stretch], covered: Sequence[Stretch]) -> list[Stretch]:
    """The parts of stretches that lie outside the covered time."""
    parts = []
    for start, end, rate in stretches:
        inside = _overlapping(covered, start, end)
        edges = [start, *(edge for stretch in inside for edge in (stretch.start, stretch.end)), end]
        parts += [Stretch(edges[n], edges[n + 1], rate) for n in range(0, len(edges), 2) if edges[n] < edges[n + 1]]
    return parts


def _overlapping(stretches: Sequence[Stretch], start: float, end: float) -> Sequence[Stretch]:
    """The stretches that overlap a time; they come in order and do not overlap each other."""
    first = bisect_right(stretches, start, key=lambda stretch: stretch.end)
    return stretches[first : bisect_left(stretches, end, key=lambda stretch: stretch.start)]
