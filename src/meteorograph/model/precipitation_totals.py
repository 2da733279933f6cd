"""Totals of precipitation from amounts whose windows overlap, have gaps, or have an unknown length. Pure.

An amount fell in ``(end - seconds, end]``; times are Unix seconds. The windows are placed without overlap: shorter windows
first, and of equally long windows the earlier one first:

- A window that overlaps no placed window is placed whole.
- A window that contains placed windows gets the rest of its time, and its amount minus their amounts.
- A window that partly overlaps a placed window is dropped, because the shared amount is unknown.

So nothing is counted twice and no amount is split by a guess; time without a placed window shows in the coverage. Amounts of an
unknown period are never added, but counted.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

#: How far a window may overlap its neighbour, or exceed the range of a total, and still count as next to it, or inside it [s].
#: Providers' times jitter, and hourly reports are made up to ten minutes before the hour.
SLACK: Final = 600.0


class Window(NamedTuple):
    """An amount and the time in which it fell."""

    #: End [Unix s].
    end: float
    #: Length [s]; None if the provider does not say.
    seconds: float | None
    #: Amount [mm], 0 or more.
    amount: float


class PlacedWindow(NamedTuple):
    """The time that a window covers alone, as stretches that overlap no other window's, and the amount that fell in them."""

    #: Start and end of each stretch, in order [Unix s].
    stretches: tuple[tuple[float, float], ...]
    #: [mm]
    amount: float


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


def total_ranges(windows: Sequence[Window], edges: Sequence[float], slack: float = SLACK) -> list[Total]:
    """The precipitation between each two neighbouring edges.

    A placed window counts in the range that contains it. If it exceeds a range by ``slack`` at most, it counts in the range that
    contains its middle. A window that exceeds it further counts in no range.

    Args:
        windows: In any order.
        edges: Instants [Unix s], ascending.
        slack: As for ``place_windows``; 0 for windows with exact ends.
    """
    amounts: list[float | None] = [None] * (len(edges) - 1)
    covered, unknown = [0.0] * len(amounts), [0] * len(amounts)
    for stretches, amount in place_windows(windows, slack):
        start, end = stretches[0][0], stretches[-1][1]
        n = bisect_left(edges, (start + end) / 2) - 1
        if 0 <= n < len(amounts) and start >= edges[n] - slack and end <= edges[n + 1] + slack:
            amounts[n] = (amounts[n] or 0.0) + amount
            covered[n] += sum(max(0.0, min(last, edges[n + 1]) - max(first, edges[n])) for first, last in stretches)
    for window in windows:
        n = bisect_left(edges, window.end) - 1
        if not window.seconds and 0 <= n < len(amounts):
            unknown[n] += 1
    return [
        Total(None if amount is None else round(amount, 6), seconds, end - start, count)
        for (start, end), amount, seconds, count in zip(pairwise(edges), amounts, covered, unknown, strict=True)
    ]


def total_range(windows: Sequence[Window], start: float, end: float, slack: float = SLACK) -> Total:
    """The precipitation of one time range, from the windows inside it only; windows around it have no influence.

    Args:
        windows: In any order.
        start: Start of the range [Unix s].
        end: End of the range [Unix s].
        slack: As for ``total_ranges``.
    """
    inside = [
        window
        for window in windows
        if window.seconds is None
        or (
            window.end - window.seconds >= start - slack
            and window.end <= end + slack
            and start < window.end - window.seconds / 2 <= end
        )
    ]
    return total_ranges(inside, (start, end), slack)[0]


def place_windows(windows: Sequence[Window], slack: float = SLACK) -> list[PlacedWindow]:
    """The windows without overlap, in order of time; windows of an unknown period are ignored.

    Args:
        windows: In any order.
        slack: A window that overlaps its neighbour by at most this much [s], and at most a sixth of its own length, is trimmed to
            the neighbour's edge.
    """
    timed = sorted((window.end, window.seconds, window.amount) for window in windows if window.seconds)
    if all(before[0] <= after[0] - after[1] for before, after in pairwise(timed)):
        return [PlacedWindow(((end - seconds, end),), amount) for end, seconds, amount in timed]
    stretches: list[tuple[float, float, int]] = []  # start, end, index in ``placed``
    placed: list[PlacedWindow] = []
    for end, seconds, amount in sorted(timed, key=lambda window: (window[1], window[0])):
        trimmed = _trim(stretches, placed, end - seconds, end, min(slack, seconds / 6))
        if trimmed is None:
            continue
        start, end, first, last = trimmed
        inside = stretches[first:last]
        gaps = _gaps(start, end, inside)
        if gaps:
            rest = max(0.0, amount - sum(placed[index].amount for index in {index for _, _, index in inside}))
            stretches[first:last] = sorted([*inside, *((*gap, len(placed)) for gap in gaps)])
            placed.append(PlacedWindow(tuple(gaps), rest))
    return sorted(placed)


def _trim(
    stretches: Sequence[tuple[float, float, int]], placed: Sequence[PlacedWindow], start: float, end: float, slack: float
) -> tuple[float, float, int, int] | None:
    """A window trimmed by its slack, and the slice of the stretches inside it; None if it partly overlaps a placed window."""
    first = bisect_right(stretches, start, key=lambda stretch: stretch[1])
    last = bisect_left(stretches, end, key=lambda stretch: stretch[0])
    if first < last and start > stretches[first][0] and stretches[first][1] - start <= slack:
        start, first = stretches[first][1], first + 1
    if first < last and end < stretches[last - 1][1] and end - stretches[last - 1][0] <= slack:
        end, last = stretches[last - 1][0], last - 1
    for _, _, index in stretches[first:last]:
        parts = placed[index].stretches
        if parts[0][0] < start or parts[-1][1] > end:
            return None
    return (start, end, first, last) if start < end else None


def _gaps(start: float, end: float, inside: Sequence[tuple[float, float, int]]) -> list[tuple[float, float]]:
    """The parts of a window that the stretches inside it do not cover."""
    edges = [start, *(edge for first, last, _ in inside for edge in (first, last)), end]
    return [(edges[n], edges[n + 1]) for n in range(0, len(edges), 2) if edges[n] < edges[n + 1]]
