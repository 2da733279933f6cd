"""What fell in a stretch of time, from amounts that each fell in a window of their own. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

#: How far a window may reach out of a stretch of time, or over another window, and still count as in it, or beside it [s].
SLACK: Final = 600


class Window(NamedTuple):
    """An amount of precipitation and when it fell."""

    #: End [Unix s] and length [s].
    end: float
    seconds: float
    #: [mm]
    amount: float


def fallen(windows: Sequence[Window], start: float, end: float) -> float | None:
    """What fell from ``start`` to ``end`` [Unix s]: the amounts of windows that lie there, of those that overlap only one."""
    inside = [one for one in windows if _lies_in(one, start, end)]
    if not inside:
        return None
    inside.sort()
    if any(after.end - after.seconds < before.end for before, after in pairwise(inside)):
        inside = _apart(inside)
    return round(math.fsum(one.amount for one in inside), 6)


def _lies_in(one: Window, start: float, end: float) -> bool:
    begin = one.end - one.seconds
    return begin >= start - SLACK and one.end <= end + SLACK and start < (begin + one.end) / 2 <= end


def _apart(windows: Sequence[Window]) -> list[Window]:
    """Windows that do not overlap, the shorter ones first, of equal ones the earlier first."""
    taken: list[Window] = []
    for one in sorted(windows, key=lambda window: (window.seconds, window.end)):
        slack = min(SLACK, one.seconds / 6)
        if all(other.end <= one.end - one.seconds + slack or one.end <= other.end - other.seconds + slack for other in taken):
            taken.append(one)
    return taken
