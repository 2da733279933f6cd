"""Which hours to ask of a history, and which of its answers belong to which slot. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ..model.quantities import QUANTITIES
from ..model.values import DueLocation, Observation
from ..providers.base import History

HOUR: Final = timedelta(hours=1)

#: How far an observation may lie from the slot that it stands for.
MATCH_WITHIN: Final = timedelta(minutes=30)

#: An hour for which histories answered so often without data, at least a day apart, is unrecoverable.
EMPTY_TRIES: Final = 3
EMPTY_WAIT: Final = timedelta(days=1)

#: After a failure, doubled each time.
FAILED_FIRST: Final = timedelta(minutes=10)
FAILED_LONGEST: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """Slots of one location that one request is to fill, newest first."""

    location: DueLocation
    slots: tuple[datetime, ...]

    @property
    def start(self) -> datetime:
        """The first hour that is asked for."""
        return hour_of(self.slots[-1])

    @property
    def end(self) -> datetime:
        """The last hour that is asked for."""
        return hour_of(self.slots[0])


def hour_of(slot: datetime) -> datetime:
    """The full hour nearest to a slot, the earlier one of two: histories are hourly."""
    hour = slot.replace(minute=0, second=0, microsecond=0)
    return hour + HOUR if slot - hour > MATCH_WITHIN else hour


def is_published(history: History, slot: datetime, now: datetime) -> bool:
    """Whether a history has the data of a slot by now, if it ever had them."""
    return hour_of(slot) <= now - history.delay


def is_within_reach(history: History, slot: datetime, now: datetime) -> bool:
    """Whether a history goes back as far as a slot."""
    return history.reach is None or hour_of(slot) >= now - history.reach


def make_requests(location: DueLocation, slots: Sequence[datetime], history: History) -> Iterator[HistoryRequest]:
    """The slots in as few requests as cost least, newest first.

    A stretch grows towards the past as long as one request may cover it, and does not cost more than a new one would.
    """
    some: list[datetime] = []
    for slot in sorted(slots, reverse=True):
        if some and not _belongs(history, hour_of(slot), hour_of(some[-1]), hour_of(some[0])):
            yield HistoryRequest(location, tuple(some))
            some = []
        some.append(slot)
    if some:
        yield HistoryRequest(location, tuple(some))


def _belongs(history: History, hour: datetime, start: datetime, end: datetime) -> bool:
    together = history.cost(hour, end)
    return end - hour <= history.span and together <= history.cost(start, end) + history.cost(hour, hour)


def match_slots(slots: Sequence[datetime], observations: Sequence[Observation]) -> dict[datetime, Observation]:
    """The observation nearest to each slot, the earlier of two, of those that say anything; slots without one are left out."""
    said = {one.observed_at: one for one in observations if one.observed_at is not None and _says_anything(one)}
    instants = sorted(said)
    found = {}
    for slot in slots:
        place = bisect_left(instants, slot)
        near = min(instants[max(0, place - 1) : place + 1], key=lambda at: abs(at - slot), default=None)
        if near is not None and abs(near - slot) <= MATCH_WITHIN:
            found[slot] = said[near]
    return found


def _says_anything(observation: Observation) -> bool:
    return any(getattr(observation, quantity.name) is not None for quantity in QUANTITIES)


def wait_after_failure(tried_at: datetime | None, next_try_at: datetime | None) -> timedelta:
    """How long to leave a slot alone that could not be asked for: twice as long as the last time."""
    last = next_try_at - tried_at if tried_at and next_try_at else timedelta(0)
    return min(max(FAILED_FIRST, 2 * last), FAILED_LONGEST)
