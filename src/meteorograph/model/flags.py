"""Flags of values. A flag says something about a value and never changes the value."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class Flag(StrEnum):
    """The flags that providers' parsers and the quality checks set."""

    #: The provider omits the value, which means that nothing fell.
    IMPLIED_ZERO = "implied_zero"
    #: The quantity cannot have this value, so the value was left out. Stored as ``impossible:<value>``.
    IMPOSSIBLE = "impossible"
    #: The provider's field cannot be read, so the value was left out. Stored as ``unreadable:<what stood there>``.
    UNREADABLE = "unreadable"
    #: An amount too small to be measured, given as 0.
    TRACE = "trace"
    #: An instrument saw no cloud within its range; clouds above the range are not known.
    CLEAR_BELOW = "clear_below"
    #: The true value is this or more: the instrument's or the message's range ends here.
    AT_LEAST = "at_least"
    #: Not given by the provider, but computed from other values of the same observation.
    DERIVED = "derived"
    #: Not observed, but from a weather model, as the imported file says.
    MODELLED = "modelled"
    #: The provider does not say whether a pressure is that at sea level or that at the station, and nothing decides it.
    LEVEL_UNKNOWN = "level_unknown"
    #: Rejected or questioned by the provider's own quality control.
    REJECTED = "rejected"
    #: Outside the range of all values ever measured on earth.
    RANGE = "range"
    #: Outside the range that is likely for the location's latitude and the month.
    CLIMATE = "climate"
    #: Differs from the previous value by more than the quantity changes in that time.
    STEP = "step"
    #: Far from the level of the last weeks at the location, as from a wrong unit.
    LEVEL = "level"
    #: Unchanged for longer than the quantity ever stays constant.
    PERSISTENCE = "persistence"
    #: Contradicts another value of the same row.
    INCONSISTENT = "inconsistent"
    #: The provider's answer has not changed for several slots.
    STALE = "stale"
    #: The same observation as the previous row.
    DUPLICATE = "duplicate"
    #: Observed later than it was fetched.
    FUTURE = "future"
    #: Observed longer before it was fetched than the provider's data may be old.
    OLD = "old"
    #: Another provider gave a different value for the same slot.
    DISAGREES = "disagrees"


#: Aliases that provider plug-ins may import.
IMPLIED_ZERO: Final = Flag.IMPLIED_ZERO
IMPOSSIBLE: Final = Flag.IMPOSSIBLE
UNREADABLE: Final = Flag.UNREADABLE
TRACE: Final = Flag.TRACE
CLEAR_BELOW: Final = Flag.CLEAR_BELOW
AT_LEAST: Final = Flag.AT_LEAST
REJECTED: Final = Flag.REJECTED

#: Flags of values that are probably wrong: aggregates leave such values out by default.
SUSPECT: Final = frozenset(
    {
        Flag.LEVEL_UNKNOWN,
        Flag.REJECTED,
        Flag.RANGE,
        Flag.STEP,
        Flag.LEVEL,
        Flag.PERSISTENCE,
        Flag.INCONSISTENT,
        Flag.STALE,
        Flag.FUTURE,
        Flag.OLD,
    }
)


def is_suspect(flags: Iterable[str]) -> bool:
    """Whether any of a value's flags says that the value is probably wrong."""
    return any(flag in SUSPECT for flag in flags)
