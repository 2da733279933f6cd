"""Totals of precipitation from amounts whose windows overlap, are missing, or are of an unknown length. Pure.

An amount fell in ``(end - seconds, end]``. The windows are laid out without overlap, the shorter ones first, of equal ones the
earlier first:

- A window that meets none of those before it is taken whole.
- One that holds others whole is taken for the rest of its time: what they leave of it, with its amount less theirs.
- One that meets another one in part is not taken: how much fell in the part they share cannot be known.

So nothing is counted twice, nothing is split by guessing, and what is not covered shows in the coverage. An amount of an unknown
period is never added; it is told.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

#: How far a window may reach over another one, or out of a total's time, and still count as beside it, or in it [s].
#: Providers' times jitter, and reports for an hour are made up to ten minutes before it.
SLACK: Final = 600


@dataclass(frozen=True, slots=True)
class Amount:
    """What fell in a window of time."""

    #: End of the window (aware).
    end: datetime
    #: Its length [s]; None where the provider does not say.
    seconds: int | None
    #: What fell [mm], 0 or more.
    amount: float


@dataclass(frozen=True, slots=True)
class Piece:
    """Time that is covered once: stretches that do not touch any other piece's, and what fell in all of them together."""

    #: Begin and end of each stretch, in order [Unix s].
    stretches: tuple[tuple[float, float], ...]
    #: [mm]
    amount: float


@dataclass(frozen=True, slots=True)
class Total:
    """What fell in ``(start, end]``."""

    start: datetime
    end: datetime
    #: Of the covered time [mm]; None where none is.
    amount: float | None
    covered_seconds: float
    #: Amounts that end in this time and could not be added, since their period is not known.
    unknown: int = 0

    @property
    def seconds(self) -> float:
        """Length of the whole time [s]."""
        return (self.end - self.start).total_seconds()

    @property
    def coverage(self) -> float:
        """Covered part of the whole time, 0 to 1."""
        return self.covered_seconds / self.seconds


def cover(amounts: Iterable[Amount], slack: float = SLACK) -> list[Piece]:
    """The pieces of time that the amounts cover, in order; amounts of an unknown period are passed over.

    Args:
        amounts: In any order.
        slack: A window that reaches over another one by so much at most [s] ends, or begins, where that one begins or ends.
    """
    known = [(one.seconds, one.end.timestamp(), one.amount) for one in amounts if one.seconds]
    laid: list[tuple[float, float, int]] = []  # begin, end, number of the piece
    pieces: list[Piece] = []
    for seconds, end, amount in sorted(known):
        slack_here = min(slack, seconds / 6)
        span = _between(laid, pieces, end - seconds, end, slack_here)
        if span is None:
            continue
        begin, end, first, last = span
        inside = laid[first:last]
        left = _left(begin, end, inside)
        if left:
            rest = max(0.0, amount - sum(pieces[number].amount for number in {number for _, _, number in inside}))
            laid[first:last] = sorted([*inside, *((*stretch, len(pieces)) for stretch in left)])
            pieces.append(Piece(tuple(left), rest))
    return sorted(pieces, key=lambda piece: piece.stretches)


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


def totals(amounts: Sequence[Amount], bounds: Sequence[datetime], slack: float = SLACK) -> list[Total]:
    """What fell between each two bounds that follow each other.

    A piece counts where it lies whole; where it reaches out of the time by ``slack`` [s] at most it counts where most of it
    lies. One that reaches further belongs to no total.

    Args:
        amounts: In any order.
        bounds: Aware instants, ascending.
        slack: As for ``cover``; 0 for windows whose ends are exact.
    """
    edges = [bound.timestamp() for bound in bounds]
    sums: list[float | None] = [None] * (len(edges) - 1)
    covered, unknown = [0.0] * len(sums), [0] * len(sums)
    for piece in cover(amounts, slack):
        middle = (piece.stretches[0][0] + piece.stretches[-1][1]) / 2
        n = bisect_left(edges, middle) - 1
        if not 0 <= n < len(sums):
            continue
        start, end = edges[n], edges[n + 1]
        if piece.stretches[0][0] >= start - slack and piece.stretches[-1][1] <= end + slack:
            sums[n] = (sums[n] or 0.0) + piece.amount
            covered[n] += sum(max(0.0, min(stop, end) - max(begin, start)) for begin, stop in piece.stretches)
    for one in amounts:
        n = bisect_left(edges, one.end.timestamp()) - 1
        if not one.seconds and 0 <= n < len(sums):
            unknown[n] += 1
    return [
        Total(start, end, None if amount is None else round(amount, 6), seconds, missing)
        for (start, end), amount, seconds, missing in zip(pairwise(bounds), sums, covered, unknown, strict=True)
    ]


def hours(start: datetime, end: datetime) -> list[datetime]:
    """The full hours (UTC) from the one that ``start`` lies in to the first that is not before ``end``."""
    bounds = [start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)]
    while bounds[-1] < end:
        bounds.append(bounds[-1] + timedelta(hours=1))
    return bounds


def days(first: date, last: date, zone: ZoneInfo) -> list[datetime]:
    """The midnights of a place from the beginning of its day ``first`` to the end of ``last`` (UTC); a day has 23 to 25 hours."""
    count = (last - first).days + 2
    return [datetime.combine(first + timedelta(days=n), time.min, zone).astimezone(UTC) for n in range(count)]
