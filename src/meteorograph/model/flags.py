"""The words a value may be flagged with. A flag tells what is to be known of a value and never changes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: Not given by the provider, which means that nothing fell.
IMPLIED_ZERO: Final = "implied_zero"
#: Cannot be the quantity at all, so it was left out; the word goes on with ``:<value>``.
IMPOSSIBLE: Final = "impossible"
#: The true value is this or more: the instrument or the message goes no further.
AT_LEAST: Final = "at_least"
#: Rejected or questioned by the provider's own quality control.
REJECTED: Final = "rejected"
#: Outside what was ever measured on earth.
RANGE: Final = "range"
#: Outside what the place's latitude and the month make likely.
CLIMATE: Final = "climate"
#: Further from the value before it than the quantity moves in that time.
STEP: Final = "step"
#: The same for longer than the quantity ever stands still.
PERSISTENCE: Final = "persistence"
#: Contradicts another value of the same row.
INCONSISTENT: Final = "inconsistent"
#: The provider's answer has not changed for several slots.
STALE: Final = "stale"
#: The same observation as the row before it.
DUPLICATE: Final = "duplicate"
#: True of a time later than it was fetched.
FUTURE: Final = "future"
#: Another provider gave another value for the same slot.
DISAGREES: Final = "disagrees"

#: Words that mean that a value is not to be trusted: aggregates leave such values out unless asked not to.
SUSPECT: Final = frozenset({REJECTED, RANGE, STEP, PERSISTENCE, INCONSISTENT, STALE, FUTURE})


def is_suspect(words: Iterable[str]) -> bool:
    """Whether any of a value's flags means that it is not to be trusted."""
    return any(word in SUSPECT for word in words)
