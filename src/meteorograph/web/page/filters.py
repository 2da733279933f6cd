"""Template filters: values as text. Pure."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

from ...model.states import MissedReason

_POINTS: Final = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")

#: Stands for a missing value.
DASH: Final = "–"  # noqa: RUF001  # a typographic sign, like the minus below

#: Missed reason → text.
REASONS: Final[dict[str, str]] = {
    MissedReason.DOWN: "the service was down",
    MissedReason.STOPPED: "the service was stopped",
    MissedReason.DATABASE: "the database did not take the work",
    MissedReason.INTERNAL: "the service had an internal error",
    MissedReason.UNRECORDED: "the run ended without an account of it",
    MissedReason.LATE: "the run before it was still at work",
    MissedReason.QUOTA: "the quota was used up",
    MissedReason.PROVIDER_ERROR: "the provider failed",
    MissedReason.PAYLOAD_ERROR: "the answer was not understood",
    MissedReason.STORE_ERROR: "the database did not take it",
}


def ago(instant: datetime | None, now: datetime) -> str:
    """Age of an instant in one unit."""
    if instant is None:
        return "unknown"
    seconds = int((now - instant).total_seconds())
    return "in the future" if seconds < 0 else f"{duration(seconds)} ago"


def duration(seconds: float) -> str:
    """A duration [s] in the largest unit of which it has at least two."""
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"


def number(value: float | None, decimals: int = 0) -> str:
    """A number with fixed decimals, with separators from 10,000 on; a dash for None."""
    if value is None:
        return DASH
    rounded = round(value, decimals) + 0.0  # never "-0"
    grouped = f"{rounded:,.{decimals}f}" if abs(rounded) >= 10_000 else f"{rounded:.{decimals}f}"
    return grouped.replace("-", "−")  # noqa: RUF001


def percent(part: float | None) -> str:
    """A fraction in percent, rounded down: only 1 is 100 %."""
    return DASH if part is None else f"{math.floor(part * 1000 + 1e-9) / 10:.1f} %"


def compass(degrees: float | None) -> str:
    """The compass point from which the wind comes."""
    return "" if degrees is None else _POINTS[round(degrees / 45) % 8]


def period(seconds: int) -> str:
    """A duration [s] in hours if it is a whole number of them, else in minutes."""
    return f"{seconds // 3600} h" if seconds % 3600 == 0 else f"{seconds // 60} min"


def instant(at: datetime | None) -> str:
    """An instant in UTC to the minute, or to the second if it has seconds."""
    return DASH if at is None else at.strftime("%Y-%m-%d %H:%M:%S" if at.second else "%Y-%m-%d %H:%M")


def reason(word: str) -> str:
    """Text of a missed reason."""
    return REASONS.get(word, word)


def reasons(missed: dict[str, int]) -> str:
    """Counts of missed slots by reason, as text."""
    return "; ".join(f"{many} missed because {reason(word)}" for word, many in missed.items())


#: The functions that templates use as filters, by their names.
FILTERS: Final = (ago, duration, number, percent, compass, period, instant, reason, reasons)
