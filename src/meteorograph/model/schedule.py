"""Stop 1 of the walk: takes a schedule and the time, gives the slot that is due. Pure.

Slots of an interval lie on a grid that starts at the Unix epoch, not at the start of a process, so a restart neither shifts
nor repeats a slot. Slots of a cron expression follow its time zone as Debian's cron does (``cron``): a fixed time that the clocks
skip is due right after the jump, a fixed time that the clocks show twice is due once, and an hourly expression has a slot in
every real hour.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from .cron import Cron
from .time_range import parse_duration
from .valid_time import MAX_DISPLACEMENT

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

#: Name of the schedule of all locations without their own schedule.
DEFAULT_SCHEDULE: Final = "default"

#: How long after its instant a slot may still be collected: providers give the weather at the time of the call, not of the slot.
#: Of an interval that is longer, the slot lasts as long as the interval, up to the longest grace; values that are true of a time
#: further away would count at the slot.
GRACE: Final = timedelta(hours=1)
LONGEST_GRACE: Final = timedelta(seconds=MAX_DISPLACEMENT)

SCHEDULE_ALLOWED: Final = (
    "must be an interval from 1m to 24h in whole minutes, such as 15m or 1h, or a cron expression of five fields, "
    "with a time zone unless it is UTC, such as '0 6,18 * * * Europe/Athens'"
)


class Schedule(Protocol):
    """When locations are due."""

    def slot_at(self, now: datetime) -> datetime | None:
        """The latest slot at or before ``now`` (aware UTC); None if there is none."""

    def slots_between(self, after: datetime, before: datetime) -> Iterator[datetime]:
        """The slots strictly between two instants, oldest first."""

    def next_after(self, now: datetime) -> datetime | None:
        """The first slot after ``now``; None if there is none."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A slot every ``length``, on the UTC grid."""

    length: timedelta

    def slot_at(self, now: datetime) -> datetime:
        """The latest slot at or before ``now`` (aware UTC)."""
        return EPOCH + (now - EPOCH) // self.length * self.length

    def slots_between(self, after: datetime, before: datetime) -> Iterator[datetime]:
        """The slots strictly between two instants, oldest first."""
        slot = self.next_after(after)
        while slot < before:
            yield slot
            slot += self.length

    def next_after(self, now: datetime) -> datetime:
        """The first slot after ``now``."""
        return self.slot_at(now) + self.length


@lru_cache(maxsize=10_000)
def parse_schedule(text: str) -> Schedule:
    """Parse the text of a location's own schedule.

    Raises:
        ValueError: The text is no schedule; the message says what is allowed.
    """
    fields = text.split()
    if len(fields) in (5, 6):
        expression, zone = " ".join(fields[:5]), fields[5] if len(fields) == 6 else "UTC"
        try:
            ZoneInfo(zone)
            if next(CronSim(expression, EPOCH), None) is None:
                raise ValueError(SCHEDULE_ALLOWED)
        except (CronSimError, KeyError, OSError) as error:
            raise ValueError(f"{SCHEDULE_ALLOWED} ({error})") from None
        return Cron(expression, zone)
    try:
        length = parse_duration(text)
    except ValueError:
        raise ValueError(SCHEDULE_ALLOWED) from None
    if not timedelta(minutes=1) <= length <= timedelta(days=1) or length % timedelta(minutes=1):
        raise ValueError(SCHEDULE_ALLOWED)
    return Interval(length)


def default_grace(when: Schedule) -> timedelta:
    """How long after its instant a slot may still be collected, unless a setting says so. A cron expression names times."""
    return max(GRACE, min(when.length, LONGEST_GRACE)) if isinstance(when, Interval) else GRACE


def tick_seconds(interval: timedelta) -> int:
    """How often to look for due slots [s]: at most every 15 s, and so that every slot of the interval coincides with a tick."""
    return math.gcd(int(interval.total_seconds()), 15)


def lease_length(until_next: timedelta) -> timedelta:
    """How long a run's lease lasts unless it is renewed: 30 s, or half the time to the next slot where slots are closer.

    Half, so that another process can still finish the run of a dead one.
    """
    return min(timedelta(seconds=30), until_next / 2)
