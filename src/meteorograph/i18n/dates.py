"""Patterns of dates by language, from the locale data of Babel. Pure."""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from babel import Locale


class DateStyle(StrEnum):
    """How a date is written. The values are skeletons of the Unicode locale data."""

    #: In tables: ``2026-03-01``.
    NUMERIC = "yMd"
    #: ``1 Mar``, with the year, and with the whole name of the month.
    DAY = "MMMd"
    DAY_YEAR = "yMMMd"
    LONG = "yMMMMd"
    #: ``Sun 1 Mar``, and with whole names.
    WEEKDAY_DAY = "MMMEd"
    WEEKDAY_LONG = "MMMMEd"
    MONTH_YEAR = "yMMM"
    MONTH_YEAR_LONG = "yMMMM"
    #: Names alone.
    MONTH = "LLL"
    MONTH_LONG = "LLLL"
    WEEKDAY = "ccc"
    WEEKDAY_NAME = "cccc"


#: The patterns of English: as in Britain, with ISO dates in tables.
_ENGLISH: Final = {
    DateStyle.NUMERIC: "yyyy-MM-dd",
    DateStyle.DAY: "d MMM",
    DateStyle.DAY_YEAR: "d MMM y",
    DateStyle.LONG: "d MMMM y",
    DateStyle.WEEKDAY_DAY: "EEE d MMM",
    DateStyle.WEEKDAY_LONG: "EEEE d MMMM",
    DateStyle.MONTH_YEAR: "MMM y",
    DateStyle.MONTH_YEAR_LONG: "MMMM y",
}


@cache
def _pattern(locale: Locale, style: DateStyle) -> str:
    if locale.language == "en" and style in _ENGLISH:
        return _ENGLISH[style]
    known = locale.datetime_skeletons
    if style not in known:
        return str(style)  # a name alone is its own pattern
    pattern = str(known[style].pattern)
    if style == DateStyle.NUMERIC:  # two digits, so that tables align
        return re.sub(r"\bM\b", "MM", re.sub(r"\bd\b", "dd", pattern))
    return re.sub(r"\bE\b", "EEEE", pattern) if style == DateStyle.WEEKDAY_LONG else pattern


@lru_cache(4096)
def write_date(day: date, style: DateStyle, locale: Locale) -> str:
    """A date as text."""
    from babel.dates import format_date

    return format_date(day, _pattern(locale, style), locale=locale)
