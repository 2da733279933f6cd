"""Parse the instants, durations and time ranges of settings, commands and routes. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

DURATION_ALLOWED: Final = "a whole number and a unit, such as 30s, 10m, 1h or 1d"

_DURATION: Final = re.compile(r"([0-9]{1,9})\s*(s|m|min|h|d)")
_SECONDS: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> timedelta:
    """Parse a duration such as ``10s``, ``15m``, ``1h`` or ``1d``.

    Raises:
        ValueError: The text is no duration; the message says what is allowed.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if not match:
        raise ValueError(DURATION_ALLOWED)
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


#: Default ranges: of lists of runs, and of everything else.
RUNS_RANGE: Final = timedelta(days=1)
DEFAULT_RANGE: Final = timedelta(days=7)

INSTANT_ALLOWED: Final = (
    "must be an ISO 8601 time such as 2026-11-23T12:00Z (without a zone it is UTC), a time with the name of a zone such as "
    "2026-11-23T12:00 Europe/Dublin, or a time back from now such as 7d"
)

#: A time, and the name of a zone after a space or in brackets (RFC 9557).
_WITH_ZONE: Final = re.compile(r"(\S+(?: \S+)?)(?: |\[)([A-Za-z]+(?:[/_+-][A-Za-z0-9]+)*)\]?")


def parse_time(text: str) -> datetime:
    """Parse an ISO 8601 time with an offset, with the name of a zone, or of UTC; gives aware UTC.

    A local time that the clocks show twice is the first one; one that they skip is counted from before the jump.

    Raises:
        ValueError, OverflowError: The text is no time, there is no such zone, or its offset is another one.
    """
    match, zone = _WITH_ZONE.fullmatch(text), ZoneInfo("UTC")
    if match:
        text = match[1]
        try:
            zone = ZoneInfo(match[2])
        except (KeyError, OSError):
            raise ValueError(INSTANT_ALLOWED) from None
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=zone)
    elif match and instant.astimezone(zone).utcoffset() != instant.utcoffset():
        raise ValueError(INSTANT_ALLOWED)
    return instant.astimezone(UTC)


def parse_instant(text: str, now: datetime) -> datetime:
    """Parse an instant (aware UTC): a time (``parse_time``), or a duration before ``now``.

    Raises:
        ValueError: The text is neither; the message says what is allowed.
    """
    try:
        return now - parse_duration(text)
    except OverflowError:
        raise ValueError(INSTANT_ALLOWED) from None
    except ValueError:
        pass
    try:
        return parse_time(text)
    except (ValueError, OverflowError):
        raise ValueError(INSTANT_ALLOWED) from None


def to_instant(value: str | date, now: datetime) -> datetime:
    """The instant (aware UTC) that a text, a date (its midnight) or a datetime means; without a zone it is UTC.

    Raises:
        ValueError: The text is no time, or the value has another type; the message says what is allowed.
    """
    if isinstance(value, str):
        return parse_instant(value, now)
    if isinstance(value, datetime):
        try:
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValueError(INSTANT_ALLOWED) from None
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise ValueError(f"{INSTANT_ALLOWED}, a date or a datetime")


def resolve_range(start: datetime | None, end: datetime | None, now: datetime, length: timedelta) -> tuple[datetime, datetime]:
    """The start and the end (exclusive) of a range. The default end includes ``now``; the default start is ``length`` earlier.

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
