"""Totals of precipitation from amounts whose windows overlap, are missing, or are of an unknown length. Pure.

An amount fell in ``(end - seconds, end]``; times are Unix seconds. The windows are laid out without overlap, the shorter ones
first, of equal ones the earlier first:

- A window that meets none of those before it is taken whole.
- One that holds others whole is taken for the rest of its time: what they leave of it, with its amount less theirs.
- One that meets another one in part is not taken: how much fell in the part they share cannot be known.

So nothing is counted twice, nothing is split by guessing, and what is not covered shows in the coverage. An amount of an unknown
period is never added; it is told.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

#: How far a window may reach over another one, or out of a total's time, and still count as beside it, or in it [s].
#: Providers' times jitter, and reports for an hour are made up to ten minutes before it.
SLACK: Final = 600.0


class Window(NamedTuple):
    """What fell in a window of time."""

    #: End [Unix s].
    end: float
    #: Length [s]; None where the provider does not say.
    seconds: float | None
    #: What fell [mm], 0 or more.
    amount: float


class Piece(NamedTuple):
    """Time that is covered once: stretches that do not touch any other piece's, and what fell in all of them together."""

    #: Begin and end of each stretch, in order [Unix s].
    stretches: tuple[tuple[float, float], ...]
    #: [mm]
    amount: float


class Total(NamedTuple):
    """What fell in a stretch of time."""

    #: In the covered time [mm]; None where none is.
    amount: float | None
    covered_seconds: float
    #: Length of the whole stretch [s].
    seconds: float
    #: Amounts that end in it and could not be added, since their period is not known.
    unknown: int

    @property
    def coverage(self) -> float:
        """Covered part of the whole, 0 to 1."""
        return self.covered_seconds / self.seconds


def totals(windows: Sequence[Window], marks: Sequence[float], slack: float = SLACK) -> list[Total]:
    """What fell between each two marks that follow each other.

    A piece counts where it lies whole; where it reaches out of the time by ``slack`` at most it counts where its middle lies. One
    that reaches further belongs to no total.

    Args:
        windows: In any order.
        marks: Instants [Unix s], ascending.
        slack: As for ``cover``; 0 for windows whose ends are exact.
    """
    amounts: list[float | None] = [None] * (len(marks) - 1)
    covered, unknown = [0.0] * len(amounts), [0] * len(amounts)
    for stretches, amount in cover(windows, slack):
        begin, end = stretches[0][0], stretches[-1][1]
        n = bisect_left(marks, (begin + end) / 2) - 1
        if 0 <= n < len(amounts) and begin >= marks[n] - slack and end <= marks[n + 1] + slack:
            amounts[n] = (amounts[n] or 0.0) + amount
            covered[n] += sum(max(0.0, min(stop, marks[n + 1]) - max(start, marks[n])) for start, stop in stretches)
    for window in windows:
        n = bisect_left(marks, window.end) - 1
        if not window.seconds and 0 <= n < len(amounts):
            unknown[n] += 1
    return [
        Total(None if amount is None else round(amount, 6), seconds, end - start, told)
        for (start, end), amount, seconds, told in zip(pairwise(marks), amounts, covered, unknown, strict=True)
    ]


def total(windows: Sequence[Window], start: float, end: float, slack: float = SLACK) -> Total:
    """What fell in one stretch of time by the windows that lie in it alone: what lies around it makes no difference.

    Args:
        windows: In any order.
        start: Where the stretch begins [Unix s].
        end: Where it ends.
        slack: As for ``totals``.
    """
    inside = [
        one
        for one in windows
        if one.seconds is None
        or (one.end - one.seconds >= start - slack and one.end <= end + slack and start < one.end - one.seconds / 2 <= end)
    ]
    return totals(inside, (start, end), slack)[0]


def cover(windows: Sequence[Window], slack: float = SLACK) -> list[Piece]:
    """The pieces of time that the windows cover, in order; those of an unknown period are passed over.

    Args:
        windows: In any order.
        slack: A window that reaches over another one by so much at most [s], and by a sixth of its own length, ends, or begins,
            where that one begins or ends.
    """
    known = sorted((window.end, window.seconds, window.amount) for window in windows if window.seconds)
    if all(before[0] <= after[0] - after[1] for before, after in pairwise(known)):
        return [Piece(((end - seconds, end),), amount) for end, seconds, amount in known]
    laid: list[tuple[float, float, int]] = []  # begin, end, number of the piece
    pieces: list[Piece] = []
    for end, seconds, amount in sorted(known, key=lambda window: (window[1], window[0])):
        place = _between(laid, pieces, end - seconds, end, min(slack, seconds / 6))
        if place is None:
            continue
        begin, end, first, last = place
        inside = laid[first:last]
        left = _left(begin, end, inside)
        if left:
            rest = max(0.0, amount - sum(pieces[number].amount for number in {number for _, _, number in inside}))
            laid[first:last] = sorted([*inside, *((*stretch, len(pieces)) for stretch in left)])
            pieces.append(Piece(tuple(left), rest))
    return sorted(pieces)


def _between(
    laid: Sequence[tuple[float, float, int]], pieces: Sequence[Piece], begin: float, end: float, slack: float
) -> tuple[float, float, int, int] | None:
    """A window trimmed by its slack, and which stretches lie in it; None where one does in part, or its piece does."""
    first = bisect_right(laid, begin, key=lambda stretch: stretch[1])
    last = bisect_left(laid, end, key=lambda stretch: stretch[0])
    if first < last and begin > laid[first][0] and laid[first][1] - begin <= slack:
        begin, first = laid[first][1], first + 1
    if first < last and end < laid[last - 1][1] and end - laid[last - 1][0] <= slack:
        end, last = laid[last - 1][0], last - 1
    for _, _, number in laid[first:last]:
        stretches = pieces[number].stretches
        if stretches[0][0] < begin or stretches[-1][1] > end:
            return None
    return (begin, end, first, last) if begin < end else None


def _left(begin: float, end: float, inside: Sequence[tuple[float, float, int]]) -> list[tuple[float, float]]:
    """What the stretches leave of a window."""
    edges = [begin, *(edge for start, stop, _ in inside for edge in (start, stop)), end]
    return [(edges[n], edges[n + 1]) for n in range(0, len(edges), 2) if edges[n] < edges[n + 1]]
