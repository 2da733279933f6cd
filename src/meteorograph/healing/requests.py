"""Combines missed slots into requests to a history, and matches observations to slots. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ..model.values import DueLocation, Observation
from ..providers.base import History, has_values

HOUR: Final = timedelta(hours=1)

#: Maximum distance of an observation from the slot that it fills.
MATCH_WITHIN: Final = timedelta(minutes=30)

#: A slot is unrecoverable after this number of answers without data, at least ``EMPTY_WAIT`` apart.
EMPTY_TRIES: Final = 3
EMPTY_WAIT: Final = timedelta(days=1)

#: Wait after the first failure; doubled after each further one, up to ``FAILED_LONGEST``.
FAILED_FIRST: Final = timedelta(minutes=10)
FAILED_LONGEST: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """Slots of one location that one request fills, newest first."""

    location: DueLocation
    slots: tuple[datetime, ...]

    @property
    def start(self) -> datetime:
        """The first hour of the request."""
        return hour_of(self.slots[-1])

    @property
    def end(self) -> datetime:
        """The last hour of the request."""
        return hour_of(self.slots[0])


def hour_of(slot: datetime) -> datetime:
    """The full hour nearest to a slot, the earlier one of two: histories are hourly."""
    hour = slot.replace(minute=0, second=0, microsecond=0)
    return hour + HOUR if slot - hour > MATCH_WITHIN else hour


def is_published(history: History, slot: datetime, now: datetime) -> bool:
    """Whether a history has published the data of a slot by now."""
    return hour_of(slot) <= now - history.delay


def is_within_reach(history: History, slot: datetime, now: datetime) -> bool:
    """Whether a history reaches back to a slot."""
    return history.reach is None or hour_of(slot) >= now - history.reach


def make_requests(location: DueLocation, slots: Sequence[datetime], history: History) -> Iterator[HistoryRequest]:
    """Combine slots into the fewest requests that cost the least, newest first.

    A request grows towards the past as long as the history allows its span, and as long as it costs no more than a new one.
    """
    group: list[datetime] = []
    for slot in sorted(slots, reverse=True):
        if group and not _fits(history, hour_of(slot), hour_of(group[-1]), hour_of(group[0])):
            yield HistoryRequest(location, tuple(group))
            group = []
        group.append(slot)
    if group:
        yield HistoryRequest(location, tuple(group))


def _fits(history: History, hour: datetime, start: datetime, end: datetime) -> bool:
    """Whether an earlier hour fits into a request from ``start`` to ``end``."""
    cost = history.cost(hour, end)
    return end - hour <= history.span and cost <= history.cost(start, end) + history.cost(hour, hour)


def match_slots(slots: Sequence[datetime], observations: Sequence[Observation]) -> dict[datetime, Observation]:
    """For each slot, the nearest observation with a value, the earlier one of two. Slots without one are left out."""
    by_instant = {
        observation.observed_at: observation
        for observation in observations
        if observation.observed_at is not None and has_values(observation)
    }
    instants = sorted(by_instant)
    matches = {}
    for slot in slots:
        index = bisect_left(instants, slot)
        nearest = min(instants[max(0, index - 1) : index + 1], key=lambda at: abs(at - slot), default=None)
        if nearest is not None and abs(nearest - slot) <= MATCH_WITHIN:
            matches[slot] = by_instant[nearest]
    return matches


def wait_after_failure(tried_at: datetime | None, next_try_at: datetime | None) -> timedelta:
    """How long a slot waits after a failed request: twice as long as the last time."""
    last = next_try_at - tried_at if tried_at and next_try_at else timedelta(0)
    return min(max(FAILED_FIRST, 2 * last), FAILED_LONGEST)
