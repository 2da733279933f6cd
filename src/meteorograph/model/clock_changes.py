"""The instants at which the clocks of a time zone change. Pure.

``zoneinfo`` keeps its table of changes private, so a change is found by comparing UTC offsets.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

SECOND: Final = timedelta(seconds=1)

#: Distance of the instants at which offsets are compared. Two changes of one zone are never as close as this.
_STEP: Final = timedelta(days=1)


class ClockChange(NamedTuple):
    """A change of a zone's UTC offset."""

    #: The first instant with the new offset (aware UTC).
    at: datetime
    #: Offset from UTC before the change.
    before: timedelta
    #: Offset from UTC from ``at`` on.
    after: timedelta


def utc_offset(zone: str, at: datetime) -> timedelta:
    """The offset from UTC of a zone at an instant (aware UTC)."""
    return at.astimezone(ZoneInfo(zone)).utcoffset() or timedelta(0)


def first_change(zone: str, after: datetime, until: datetime) -> ClockChange | None:
    """The first change with ``after < at <= until``; None if there is none."""
    for year in range(after.year, until.year + 1):
        for change in _changes_of_year(zone, year):
            if after < change.at <= until:
                return change
    return None


def last_change(zone: str, after: datetime, until: datetime) -> ClockChange | None:
    """The last change with ``after < at <= until``; None if there is none."""
    for year in range(until.year, after.year - 1, -1):
        for change in reversed(_changes_of_year(zone, year)):
            if after < change.at <= until:
                return change
    return None


@lru_cache(maxsize=1024)
def _changes_of_year(zone: str, year: int) -> tuple[ClockChange, ...]:
    """The changes in a year of UTC, oldest first."""
    at, end = datetime(year, 1, 1, tzinfo=UTC) - SECOND, datetime(year + 1, 1, 1, tzinfo=UTC) - SECOND
    changes, before = [], utc_offset(zone, at)
    while at < end:
        later = min(at + _STEP, end)
        if (after := utc_offset(zone, later)) != before:
            changes.append(ClockChange(_first_instant_with(zone, after, at, later), before, after))
        at, before = later, after
    return tuple(changes)


def _first_instant_with(zone: str, offset: timedelta, before: datetime, at: datetime) -> datetime:
    """The first whole second with this offset, between an instant before the change and one after it."""
    while at - before > SECOND:
        middle = before + (at - before) // SECOND // 2 * SECOND
        before, at = (before, middle) if utc_offset(zone, middle) == offset else (middle, at)
    return at
