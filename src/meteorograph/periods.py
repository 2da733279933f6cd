"""Which stretch of time is asked for: instants and durations back from now. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from .durations import parse_duration

#: What is looked at when nobody says what.
RUNS_PERIOD: Final = timedelta(days=1)
PERIOD: Final = timedelta(days=7)

MOMENT: Final = (
    "must be an ISO 8601 time such as 2026-11-23T12:00Z (without a zone it is UTC), or a time back from now such as 7d"
)


def moment(text: str, now: datetime) -> datetime:
    """An instant (aware UTC) from an ISO 8601 time, or from a duration back from ``now``.

    Raises:
        ValueError: It is neither; the text says what is allowed.
    """
    try:
        return now - parse_duration(text)
    except OverflowError:
        raise ValueError(MOMENT) from None
    except ValueError:
        pass
    try:
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(MOMENT) from None


def period(start: datetime | None, end: datetime | None, now: datetime, length: timedelta) -> tuple[datetime, datetime]:
    """From when to when (exclusive): without an end up to and with ``now``, without a start so long before the end.

    Raises:
        ValueError: The start is not before the end.
    """
    end = end or now + timedelta(microseconds=1)
    try:
        start = start or end - length
    except OverflowError:
        start = datetime.min.replace(tzinfo=UTC)
    if start >= end:
        raise ValueError(f"must be before the end, {end.isoformat(timespec='seconds')}")
    return start, end
