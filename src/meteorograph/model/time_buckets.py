"""Buckets: how a time range is divided, by the days of a time zone. Pure.

A bucket includes its start and excludes its end, as the ranges of ``/data`` do. Months and days follow the local calendar, so a
day has 23 or 25 hours when the clocks change. Shorter buckets count from local midnight in real time; if the bucket length does
not divide such a day, the last bucket of the day is shorter.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from .time_range import parse_duration

DAY: Final = timedelta(days=1)

#: Most buckets of one location in an answer: a year of quarter-hours, with some room.
MAX_BUCKETS: Final = 50_000

BUCKET_ALLOWED: Final = "must be hour, day, month, or a length that divides a day, in whole minutes, such as 15m or 6h"

_WORDS: Final = {"hour": timedelta(hours=1), "day": DAY}


def parse_bucket(text: str) -> timedelta | None:
    """Parse the length of a bucket; None for a month.

    Raises:
        ValueError: The text is no length; the message says what is allowed.
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
    """The edges (aware UTC) of all buckets that overlap ``start <= instant < end``: one edge more than buckets.

    Raises:
        ValueError: There are too many buckets, or they exceed the years of the calendar.
    """
    if start >= end:
        return []
    count = (end - start) // (length or DAY)
    if count > MAX_BUCKETS:
        raise ValueError(
            f"would give {count:,} buckets, and at most {MAX_BUCKETS:,} are allowed: use longer buckets or a shorter range"
        )
    try:
        edges = []
        for edge in iterate_edges(start, length, zone):
            edges.append(edge)
            if edge >= end:
                return edges
    except OverflowError:
        pass
    raise ValueError("must lie within the years 2 to 9998")


def iterate_edges(start: datetime, length: timedelta | None, zone: ZoneInfo) -> Iterator[datetime]:
    """The edges (aware UTC), from the start of the bucket that contains an instant.

    Raises:
        OverflowError: An edge is beyond the last year of the calendar.
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
    """The edges from the start of a date's month, or of the day before the date."""
    if length is None:
        month = first.replace(day=1)
        while True:
            yield midnight(month, zone)
            month = (month + timedelta(days=31)).replace(day=1)
    # If the clocks skip midnight or show it twice, the local date of an instant may start after the instant.
    day = first - DAY
    while True:
        edge, following = midnight(day, zone), midnight(day + DAY, zone)
        while edge < following:
            yield edge
            edge = edge + length if length < DAY else following
        day += DAY


@lru_cache(maxsize=4096)
def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant (aware UTC) at which a date starts in a time zone."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def zone_or_utc(name: str | None) -> ZoneInfo:
    """The time zone of this name; UTC for None and for a name that this machine does not know."""
    try:
        return ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")
