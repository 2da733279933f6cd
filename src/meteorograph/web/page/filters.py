"""Template filters: values as text, in the language of the page. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime
from functools import wraps
from typing import Any, Final

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from ...i18n import ENGLISH, DateStyle, Language, Phrase, phrase_in
from .words import POINTS, REASONS

#: Units of durations [s], the largest first.
_LENGTHS: Final = ((86400, phrase_in("unit", "d")), (3600, phrase_in("unit", "h")), (60, phrase_in("unit", "min")))

#: Missed reasons in the cause of an incident: alone, one after the other, or before what the provider said.
_REASON_CODES: Final = re.compile(rf"(?:(?<=^)|(?<=, ))(?:{'|'.join(REASONS)})(?=$|, |: )")

#: Code within a text.
_CODE: Final = re.compile(r"``(.+?)``")

#: Stands for a missing value.
DASH: Final = "–"  # noqa: RUF001  # a typographic sign, like the minus below


def ago(instant: datetime | None, now: datetime, *, language: Language = ENGLISH) -> str:
    """Age of an instant in one unit."""
    if instant is None:
        return language.say("unknown")
    seconds = int((now - instant).total_seconds())
    if seconds < 0:
        return language.say("in the future")
    return language.say("{duration} ago", duration=duration(seconds, language=language))


def duration(seconds: float, *, language: Language = ENGLISH) -> str:
    """A duration [s] in the largest unit of which it has at least two."""
    for length, unit in _LENGTHS:
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {language.say(unit)}"
    return f"{int(seconds)} s"


def number(value: float | None, decimals: int = 0, *, language: Language = ENGLISH) -> str:
    """A number with fixed decimals; a dash for None. Whole numbers have separators from 1,000 on, others from 10,000 on."""
    if value is None:
        return DASH
    rounded = round(value, decimals) + 0.0  # never "-0"
    grouped = f"{rounded:,.{decimals}f}" if abs(rounded) >= (10_000 if decimals else 1000) else f"{rounded:.{decimals}f}"
    return language.numeral(grouped.replace("-", "−"))  # noqa: RUF001


def percent(part: float | None, *, language: Language = ENGLISH) -> str:
    """A fraction in percent, rounded down: only 1 is 100 %."""
    return DASH if part is None else language.with_percent(f"{math.floor(part * 1000 + 1e-9) / 10:.1f}")


def compass(degrees: float | None, *, language: Language = ENGLISH) -> str:
    """The compass point from which the wind comes."""
    return "" if degrees is None else language.say(POINTS[round(degrees / 45) % 8])


def period(seconds: int) -> str:
    """A duration [s] in hours if it is a whole number of them, else in minutes."""
    return f"{seconds // 3600} h" if seconds % 3600 == 0 else f"{seconds // 60} min"


def instant(at: datetime | None, *, language: Language = ENGLISH) -> str:
    """An instant in UTC to the minute, or to the second if it has seconds."""
    return DASH if at is None else f"{language.date(at)} {at:{'%H:%M:%S' if at.second else '%H:%M'}}"


def day(at: date | None, style: str = "NUMERIC", *, language: Language = ENGLISH) -> str:
    """A date; ``style`` is the name of a ``DateStyle``."""
    return DASH if at is None else language.date(at, DateStyle[style])


def reason(word: str, *, language: Language = ENGLISH) -> str:
    """Text of a missed reason."""
    return language.say(REASONS[word]) if word in REASONS else word


def reasons(missed: dict[str, int], *, language: Language = ENGLISH) -> str:
    """Counts of missed slots by reason, as text."""
    said = [(many, reason(word, language=language)) for word, many in missed.items()]
    return "; ".join(language.say("{count:,} missed because {reason}", count=many, reason=why) for many, why in said)


def cause(text: str, *, language: Language = ENGLISH) -> str:
    """The cause of an incident, with words for the missed reasons that it begins with."""
    return _REASON_CODES.sub(lambda found: reason(found[0], language=language), text)


def say(text: str, *, language: Language = ENGLISH) -> str:
    """A phrase in the language of the page; a text that is no phrase as it is."""
    return language.say(text) if isinstance(text, Phrase) else text


def code_marks(text: str) -> Markup:
    """A text in which double backticks mark code, as HTML."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped


#: The functions that templates use as filters, by their names.
FILTERS: Final = (ago, duration, number, percent, compass, instant, day, reason, reasons, cause, say)


def in_language_of_page(function: Callable[..., str]) -> Callable[..., str]:
    """A filter for templates, which takes the language from the variables of the template."""

    @pass_context
    @wraps(function)
    def write(context: Context, *values: Any) -> str:
        return function(*values, language=context["language"])

    return write
