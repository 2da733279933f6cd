"""Buckets of time: which stretches a range is cut into, by the days of a time zone. Pure.

A bucket has its start and not its end, as the ranges of ``/data`` do. Months and days follow the local calendar, so a day has
23 or 25 hours where the clocks change. A shorter bucket is counted from local midnight in real time; on such a day the last
one of a length that does not divide it is shorter.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from .time_range import parse_duration

DAY: Final = timedelta(days=1)

#: Buckets of one location in an answer at most: a year of quarters of an hour, and some.
MOST_BUCKETS: Final = 50_000

BUCKET_ALLOWED: Final = "must be hour, day, month, or a length that divides a day, in whole minutes, such as 15m or 6h"

_WORDS: Final = {"hour": timedelta(hours=1), "day": DAY}


def parse_bucket(text: str) -> timedelta | None:
    """The length of a bucket; None for a month.

    Raises:
        ValueError: It is none; the text says what is allowed.
    """
    word = text.strip().lower()
    if word == "month":
        return None
    try:
        length = _WORDS.get(word) or parse_duration(word)
    except ValueError:
        raise ValueError(BUCKET_ALLOWED) from None
    if not length or DAY % length or length % timedelta(minutes=1):
        raise ValueError(BUCKET_ALLOWED)
    return length


def bucket_edges(start: datetime, end: datetime, length: timedelta | None, zone: ZoneInfo) -> list[datetime]:
    """The edges (aware UTC) of the whole buckets that ``start <= instant < end`` touches: one more than there are buckets.

    Raises:
        ValueError: There would be too many, or they would leave the calendar.
    """
    if start >= end:
        return []
    most = (end - start) // (length or DAY)
    if most > MOST_BUCKETS:
        raise ValueError(f"would give {most:,} buckets, and {MOST_BUCKETS:,} is the most: take longer ones or a shorter range")
    try:
        found = []
        for edge in iterate_edges(start, length, zone):
            found.append(edge)
            if edge >= end:
                return found
    except OverflowError:
        pass
    raise ValueError("must lie within the years 2 to 9998")


def iterate_edges(start: datetime, length: timedelta | None, zone: ZoneInfo) -> Iterator[datetime]:
    """The edges (aware UTC) from the beginning of the bucket that an instant lies in.

    Raises:
        OverflowError: The calendar has come to its end.
    """
    before = None
    for edge in _all_edges(start.astimezone(zone).date(), length, zone):
        if edge > start:
            if before is not None:
                yield before
                before = None
            yield edge
        else:
            before = edge


def _all_edges(first: date, length: timedelta | None, zone: ZoneInfo) -> Iterator[datetime]:
    """Edges from the beginning of a date's month or day on, or a little earlier."""
    if length is None:
        month = first.replace(day=1)
        while True:
            yield midnight(month, zone)
            month = (month + timedelta(days=31)).replace(day=1)
    # Where the clocks jump over midnight, or show it twice, the date of an instant may begin after it.
    day = first - DAY
    while True:
        edge, following = midnight(day, zone), midnight(day + DAY, zone)
        while edge < following:
            yield edge
            edge = edge + length if length < DAY else following
        day += DAY


@lru_cache(maxsize=4096)
def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant (aware UTC) at which a date begins in a zone."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def zone_or_utc(name: str | None) -> ZoneInfo:
    """The zone of a name that a location has; UTC for None, and for one that this machine does not know."""
    try:
        return ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")
