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

#: Shortest and longest period that can be chosen. One that goes on to the present may be shorter: a day that has just begun.
_SHORTEST: Final = HOUR
_LONGEST: Final = 3 * 366 * DAY

#: Years of the end of a period.
_FIRST_YEAR: Final = 1980
_LAST_YEAR: Final = 9998


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
    #: Whether all of it is still to come.
    is_future: bool = False
    #: Whether days at its end, which were asked for, are still to come and left out.
    is_cut: bool = False

    @property
    def last(self) -> datetime:
        """The last minute of the period."""
        return self.end - MINUTE


def read_period(now: datetime, zone: ZoneInfo) -> Period:
    """The parameters ``range``, ``start`` and ``end``. A date is that of ``zone``; the period contains its first and last date.

    A period that has begun ends at the end of this minute at the latest.

    Raises:
        BadInputError: One of them is invalid.
    """
    word, start, end = params.word("range", tuple(RANGES)), _instant("start", zone, 0), _end(zone)
    latest = floor(now, MINUTE) + MINUTE
    last = min(end or latest, latest)
    is_now, is_cut = end is None, end is not None and end > latest + DAY
    if start is None:
        chosen = RANGES[word or "24h"]
        if end is not None and end - chosen.length >= latest:
            return Period(word or "24h", chosen, end - chosen.length, end, is_now, is_future=True)
        start = floor(last - chosen.length, DAY if chosen.bucket == "day" else HOUR)
        return Period(word or "24h", chosen, start, last, is_now, is_cut=is_cut)
    if word is not None:
        raise BadInputError("range", word, "must not be given together with start")
    is_future = start > now
    if is_future:
        last = end or start + DAY
    if not (_SHORTEST if last == end else timedelta(0)) <= last - start <= _LONGEST:
        raise BadInputError("start", request.args["start"], "must be an hour to three years before the end")
    chosen = next((one for one in RANGES.values() if last - start <= one.length), RANGES["1y"])
    return Period(None, chosen, start, last, is_now, is_future, is_cut and not is_future)


def _instant(name: str, zone: ZoneInfo, days: int) -> datetime | None:
    """A parameter that is an instant, or a date: then the midnight so many days after it."""
    text = request.args.get(name)
    if text is None or not _DATE.fullmatch(text):
        return params.instant(name)
    try:
        return midnight(date.fromisoformat(text) + days * DAY, zone)
    except (ValueError, OverflowError):
        raise BadInputError(name, text, "must be a date such as 2026-03-01") from None


def _end(zone: ZoneInfo) -> datetime | None:
    """The parameter ``end``; None without one."""
    end = _instant("end", zone, 1)
    if end is not None and not _FIRST_YEAR <= end.year <= _LAST_YEAR:
        raise BadInputError("end", request.args["end"], f"must be in {_FIRST_YEAR} to {_LAST_YEAR}")
    return end


def floor(at: datetime, length: timedelta) -> datetime:
    """An instant rounded down to a length that divides a UTC day."""
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return day + (at - day) // length * length
