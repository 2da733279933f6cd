"""How much each amount of precipitation adds to what fell: windows that overlap are never counted twice. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: How far back from its slot an amount is counted at most [s].
REACH_SECONDS: Final = 86_400


def added(amounts: Iterable[tuple[float, float | None, float | None, float | None]]) -> list[float | None]:
    """What each amount adds [mm]; None where there is no amount, or nobody says in which time it fell.

    Providers shift their windows by some minutes, so of one that overlaps those before it the share is taken that does not.

    Args:
        amounts: Slot [s], end of the window [s] (None: the slot), its length [s] and the amount [mm], in the order of the slots.
    """
    found: list[float | None] = []
    covered = float("-inf")
    for slot, observed, length, amount in amounts:
        if amount is None or not length:
            found.append(None)
            continue
        end = slot if observed is None else min(observed, slot)
        begin = max(end - length, slot - REACH_SECONDS, covered)
        found.append(amount * max(0.0, end - begin) / length)
        covered = max(covered, end)
    return found
