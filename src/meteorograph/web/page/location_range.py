"""The period that the page of a location shows, from the address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from flask import request

from ...errors import BadInputError
from ...i18n import Phrase
from ...model.time_buckets import midnight
from .. import params

MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")

#: Shortest and longest period that can be chosen.
_SHORTEST: Final = HOUR
_LONGEST: Final = 3 * 366 * DAY


class Range(NamedTuple):
    """A period to choose from."""

    title: Phrase
    length: timedelta
    #: Buckets of the summary, and of the charts if there are too many rows.
    bucket: str
    coarse: str
    #: Whether charts show single rows if there are few enough.
    has_rows: bool


RANGES: Final = {
    "24h": Range(Phrase("24 hours"), DAY, "hour", "5m", has_rows=True),
    "7d": Range(Phrase("7 days"), 7 * DAY, "hour", "hour", has_rows=True),
    "30d": Range(Phrase("30 days"), 30 * DAY, "hour", "hour", has_rows=True),
    "1y": Range(Phrase("1 year"), 365 * DAY, "day", "day", has_rows=False),
}


@dataclass(frozen=True, slots=True)
class Period:
    """The chosen period."""

    #: Key of ``RANGES``; None for a period with a start of its own.
    word: str | None
    range: Range
    start: datetime
    end: datetime
    #: Whether it ends now.
    is_now: bool

    @property
    def last(self) -> datetime:
        """The last minute of the period."""
        return self.end - MINUTE


def read_period(now: datetime, zone: ZoneInfo) -> Period:
    """The parameters ``range``, ``start`` and ``end``. A date is that of ``zone``; the period contains its first and last date.

    Raises:
        BadInputError: One of them is invalid.
    """
    word, start, end = params.word("range", tuple(RANGES)), _instant("start", zone, 0), _end(now, zone)
    if start is None:
        chosen = RANGES[word or "24h"]
        start = floor(end - chosen.length, DAY if chosen.bucket == "day" else HOUR)
        return Period(word or "24h", chosen, start, end, "end" not in request.args)
    if word is not None:
        raise BadInputError("range", word, "must not be given together with start")
    if not _SHORTEST <= end - start <= _LONGEST:
        raise BadInputError("start", request.args["start"], "must be an hour to three years before the end")
    chosen = next((one for one in RANGES.values() if end - start <= one.length), RANGES["1y"])
    return Period(None, chosen, start, end, "end" not in request.args)


def _instant(name: str, zone: ZoneInfo, days: int) -> datetime | None:
    """A parameter that is an instant, or a date: then the midnight so many days after it."""
    text = request.args.get(name)
    if text is None or not _DATE.fullmatch(text):
        return params.instant(name)
    try:
        return midnight(date.fromisoformat(text) + days * DAY, zone)
    except (ValueError, OverflowError):
        raise BadInputError(name, text, "must be a date such as 2026-03-01") from None


def _end(now: datetime, zone: ZoneInfo) -> datetime:
    """End of the period: the parameter ``end``, but at most the end of this minute."""
    end, latest = _instant("end", zone, 1), floor(now, MINUTE) + MINUTE
    if end is None:
        return latest
    if end < datetime(1980, 1, 1, tzinfo=now.tzinfo):
        raise BadInputError("end", request.args["end"], "must be in 1980 or later")
    return min(end, latest)


def floor(at: datetime, length: timedelta) -> datetime:
    """An instant rounded down to a length that divides a UTC day."""
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return day + (at - day) // length * length
