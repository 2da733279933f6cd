"""The histories that missed slots are healed from, in their order, and what may be asked of each."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from ..accounts import account_state
from ..accounts.quota import WINDOWS
from ..collecting.call_gate import CallGate
from ..config.settings import Settings
from ..model.states import KeyState
from ..model.values import DueLocation
from ..providers.base import History, Provider
from ..providers.registry import PROVIDERS
from ..storage.models import AccountState
from . import budget
from .budget import WindowBudget
from .requests import HistoryRequest, is_published, is_within_reach, make_requests

#: How long a history is left alone that the key may not use.
REFUSED_WAIT: Final = timedelta(days=1)

#: States of a key that may not use a history.
REFUSED: Final = (KeyState.INVALID, KeyState.PLAN_MISSING)

#: Requests under way at once.
REQUESTS_AT_ONCE: Final = 8

#: Calls of an account without a quota.
UNLIMITED: Final = 1_000_000_000


#: Locations with slots to fill.
MissedByLocation = Iterable[tuple[DueLocation, Sequence[datetime]]]


@dataclass(slots=True)
class Budget:
    """What may be spent of the account of one or more histories."""

    name: str
    gate: CallGate = field(repr=False)
    windows: Sequence[WindowBudget]
    #: Until when it may not be called, and why.
    closed_until: datetime | None = None
    reason: str | None = None
    #: Whether that is because the key may not use it.
    is_refused: bool = False
    #: Calls planned in this round.
    planned: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it may be called at all."""
        return self.closed_until is None and self.gate.closed is None

    def spare(self, windows: Sequence[str]) -> int:
        """Calls that these windows leave beside those planned."""
        return min((one.calls for one in self.windows if one.window in windows), default=UNLIMITED) - self.planned

    def reserve(self, calls: int, windows: Sequence[str]) -> bool:
        """Plan some calls, if these windows leave them."""
        if not self.is_open or calls > self.spare(windows):
            return False
        self.planned += calls
        return True


@dataclass(frozen=True, slots=True)
class HistorySource:
    """One history."""

    provider: Provider
    history: History
    base_url: str
    key: str = field(repr=False)
    budget: Budget
    #: Tells it from the other histories of all providers and keys.
    name: str

    def is_refused(self, now: datetime) -> bool:
        """Whether the key may not use it, as far as was seen in the last day."""
        return self.budget.is_refused or (self.name in _refused and now < _refused[self.name] + REFUSED_WAIT)

    def note_refusal(self, now: datetime) -> None:
        """The key may not use it, though it may use others of the account."""
        _refused[self.name] = now


#: When histories were refused by this process; of an account, the database knows.
_refused: dict[str, datetime] = {}


def history_providers(settings: Settings) -> list[Provider]:
    """The providers with a history that can be used, in the order in which they are asked."""
    named = settings.backfill_providers or settings.providers
    return [PROVIDERS[name] for name in named if PROVIDERS[name].history and settings.key(name) is not None]


def history_sources(session: Session, settings: Settings, now: datetime) -> list[HistorySource]:
    """The histories, best first, with what their accounts have left."""
    opened: dict[str, Budget] = {}
    found = []
    for provider in history_providers(settings):
        key = settings.key(provider.name) or ""
        for number, history in enumerate(provider.history):
            if history.account not in opened:
                opened[history.account] = _budget(session, settings, history.account, provider, now)
            url = settings.base_url(provider.name, history)
            name = f"{provider.name} {number} {url} {account_state.key_fingerprint(key)}"
            found.append(HistorySource(provider, history, url, key, opened[history.account], name))
    return found


def _budget(session: Session, settings: Settings, name: str, provider: Provider, now: datetime) -> Budget:
    key, account = settings.key(provider.name) or "", settings.account(name)
    windows = budget.budget_of(session, settings, account, now)
    gate = CallGate(
        account,
        key,
        expected=min((one.calls for one in windows), default=UNLIMITED),
        leave={one.window: one.live for one in windows},
        concurrency=REQUESTS_AT_ONCE,
    )
    known = account_state.account_status(session, name, key, now)
    until, is_refused = known.closed_until, known.key_state in REFUSED
    if is_refused and (last := session.get_one(AccountState, name).closed_until):
        until = max(last, last - account_state.LONGEST_REFUSAL_PAUSE + REFUSED_WAIT)
        until = until if until > now else None
    return Budget(name, gate, windows, until, known.reason if until else None, is_refused and until is not None)


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """A request to make."""

    past: HistorySource
    stretch: HistoryRequest
    #: Calls that are charged for it.
    cost: int


class Planner:
    """Finds for each slot the first history that may know it and may be asked.

    Args:
        asked: The histories in their order.
        now: The time.
        stations: The station of a location and provider, where one is known.
        windows: The windows whose calls count; who waits for the next minute leaves the minute out.
    """

    def __init__(
        self,
        asked: Sequence[HistorySource],
        now: datetime,
        stations: Mapping[tuple[int, str], str],
        windows: Sequence[str] = WINDOWS,
    ) -> None:
        self.asked = asked
        self.now = now
        self.stations = stations
        self.windows = windows

    def jobs(self, work: MissedByLocation, most: int, after: HistorySource | None = None) -> list[PlannedRequest]:
        """At most so many requests for slots of locations, newest first, with their calls reserved.

        Only histories that come ``after`` another one are asked, if one is given.
        """
        number = itertools.count()
        heap: list[tuple[float, int, HistorySource, HistoryRequest]] = []

        def add(found: Iterable[tuple[HistorySource, HistoryRequest]]) -> None:
            for past, stretch in found:
                heapq.heappush(heap, (_newest_first(stretch.end), next(number), past, stretch))

        for location, slots in work:
            add(self._candidates(location, slots, after))
        planned: list[PlannedRequest] = []
        while heap and len(planned) < most:
            _, _, past, stretch = heapq.heappop(heap)
            cost = past.history.cost(stretch.start, stretch.end)
            if past.budget.reserve(cost, self.windows):
                planned.append(PlannedRequest(past, stretch, cost))
            elif len(stretch.slots) > 1 and past.budget.spare(self.windows):  # a part of it may be had
                half = len(stretch.slots) // 2
                add((past, HistoryRequest(stretch.location, slots)) for slots in (stretch.slots[:half], stretch.slots[half:]))
            else:
                add(self._candidates(stretch.location, stretch.slots, past))
        return planned

    def _candidates(
        self, location: DueLocation, slots: Sequence[datetime], after: HistorySource | None
    ) -> Iterator[tuple[HistorySource, HistoryRequest]]:
        left = set(slots)
        for past in self.asked[0 if after is None else self.asked.index(after) + 1 :]:
            if (
                past.budget.is_open
                and not past.is_refused(self.now)
                and (mine := [slot for slot in left if self.may_know(past, location, slot)])
            ):
                left.difference_update(mine)
                yield from ((past, stretch) for stretch in make_requests(location, mine, past.history))

    def may_know(self, past: HistorySource, location: DueLocation, slot: datetime) -> bool:
        """Whether a history may know a slot by now."""
        return self.will_know(past, location, slot) and is_published(past.history, slot, self.now)

    def will_know(self, past: HistorySource, location: DueLocation, slot: datetime) -> bool:
        """Whether a history may know a slot, now or later."""
        known = past.provider.stations is None or (location.id, past.provider.name) in self.stations
        return known and is_within_reach(past.history, slot, self.now)


def _newest_first(instant: datetime) -> float:
    return -instant.timestamp()
