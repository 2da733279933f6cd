"""Whether a neighbour confirms a step: the same change at the same time, a front and no mistake. Part of stop 7; pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

#: Locations up to this far away are neighbours [km].
NEIGHBOUR_KM: Final = 50.0

#: The share of a step that a neighbour must have, too.
CONFIRMING_SHARE: Final = 0.5


class Change(NamedTuple):
    """A value of a quantity, and the value before it [unit of the quantity]."""

    before: float
    value: float
    observed_at: datetime | None
    provider: str


def confirms(step: Change, other: Change) -> bool:
    """Whether the change of a neighbour confirms a step. The same measurement, stored for two locations, confirms nothing."""
    if step == other:
        return False
    change, other_change = step.value - step.before, other.value - other.before
    return change * other_change > 0 and abs(other_change) >= CONFIRMING_SHARE * abs(change)
