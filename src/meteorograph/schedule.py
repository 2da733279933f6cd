"""Stop 1 of the walk: takes an interval and the time, gives the slot that is due. Pure.

Slots lie on a grid that starts at the Unix epoch, not at the start of a process, so a restart neither shifts nor repeats one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def slot_at(now: datetime, interval: timedelta) -> datetime:
    """The newest slot at or before ``now`` (aware UTC)."""
    return EPOCH + (now - EPOCH) // interval * interval


def slots_between(after: datetime, before: datetime, interval: timedelta) -> Iterator[datetime]:
    """The slots strictly between two instants, oldest first."""
    slot = slot_at(after, interval) + interval
    while slot < before:
        yield slot
        slot += interval


def tick_seconds(interval: timedelta) -> int:
    """How often to look for due slots [s]: at most 15, and so that no slot falls between two looks."""
    return math.gcd(int(interval.total_seconds()), 15)


def lease(interval: timedelta) -> timedelta:
    """How long a run is held without a sign of life: 30 s, less where slots are so close that another could not finish."""
    return min(timedelta(seconds=30), interval / 2)
