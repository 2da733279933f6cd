"""Words that follow a number, and the windows of a quota in words."""

from __future__ import annotations

from typing import Final

from ..i18n import Phrase, phrase_in
from .states import MissedReason

#: Reasons of missed slots in a word or two.
REASONS: Final[dict[str, Phrase]] = {
    MissedReason.DOWN: phrase_in("reason", "down"),
    MissedReason.STOPPED: phrase_in("reason", "stopped"),
    MissedReason.DATABASE: phrase_in("reason", "database"),
    MissedReason.INTERNAL: phrase_in("reason", "internal"),
    MissedReason.UNRECORDED: phrase_in("reason", "unrecorded"),
    MissedReason.QUOTA: phrase_in("reason", "quota"),
    MissedReason.PROVIDER_ERROR: phrase_in("reason", "provider error"),
    MissedReason.PAYLOAD_ERROR: phrase_in("reason", "payload error"),
    MissedReason.STORE_ERROR: phrase_in("reason", "store error"),
    MissedReason.LATE: phrase_in("reason", "late"),
}

#: Windows of a quota.
WINDOWS: Final[dict[str, Phrase]] = {
    "minute": phrase_in("window", "minute"),
    "hour": phrase_in("window", "hour"),
    "day": phrase_in("window", "day"),
    "month": phrase_in("window", "month"),
}


def plural(count: float, noun: str) -> str:
    """A noun as it follows a count: ``slot`` after 1, ``slots`` after any other."""
    return noun if count == 1 else f"{noun}s"


def counted(count: int, noun: str) -> str:
    """A count with its noun, such as ``1 slot`` or ``1,200 slots``."""
    return f"{count:,} {plural(count, noun)}"


def are(count: float) -> str:
    """The verb that follows a count."""
    return "is" if count == 1 else "are"


def were(count: float) -> str:
    """The same of the past."""
    return "was" if count == 1 else "were"
