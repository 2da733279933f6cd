"""What a look at the stored data finds for one subject of a rule. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """Whether the condition of a rule holds for a subject. None of these ever stands for another one."""

    FIRING = "firing"
    FINE = "fine"
    #: Between the limit and the limit of its end: what is open stays open, and nothing new opens.
    BETWEEN = "between"
    #: The data do not say: no row, too old, flagged as suspect, or too little of the time covered.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found for a subject."""

    status: Status
    #: Since when the condition holds according to the data; None for now.
    since: datetime | None = None
    #: Why, in words that are equal for all subjects with the same cause; empty if each has its own.
    cause: str = ""
    #: The values, for the message.
    detail: str = ""


#: Subject → what was found. A subject that is missing is no longer watched.
Findings = dict[str, Finding]

FINE = Finding(Status.FINE)
UNKNOWN = Finding(Status.UNKNOWN)


def compare(value: float, limit: float, clear_limit: float, *, is_below: bool) -> Status:
    """The status of a value: at the limit it is firing, and behind the limit of the end fine."""
    sign = -1 if is_below else 1
    if sign * value >= sign * limit:
        return Status.FIRING
    return Status.FINE if sign * value <= sign * clear_limit else Status.BETWEEN
