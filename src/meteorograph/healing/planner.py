"""Plans requests for missed slots: which history, which slots, and the calls that each request costs."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
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
from .budget import WindowBudget, read_window_budgets
from .refusals import REFUSALS, REFUSED_WAIT
from .requests import HistoryRequest, is_published, is_within_reach, make_requests

#: States of a key that a history refuses.
_REFUSED_STATES: Final = (KeyState.INVALID, KeyState.PLAN_MISSING)

#: Maximum number of concurrent requests.
MAX_CONCURRENT_REQUESTS: Final = 8

#: Budget of an account without a quota [calls].
UNLIMITED: Final = 1_000_000_000

#: Locations with slots to fill.
SlotsByLocation = Iterable[tuple[DueLocation, Sequence[datetime]]]


@dataclass(slots=True)
class AccountBudget:
    """Calls that healing may make with the account of one or more histories."""

    name: str
    gate: CallGate = field(repr=False)
    windows: Sequence[WindowBudget]
    #: Until when the account must not be called, and why.
    closed_until: datetime | None = None
    reason: str | None = None
    #: Whether the account is closed because the provider refuses the key.
    is_refused: bool = False
    #: Calls planned in this round.
    planned: int = 0

    @property
    def is_open(self) -> bool:
        """Whether the account may be called."""
        return self.closed_until is None and self.gate.closed is None

    def remaining(self, windows: Sequence[str]) -> int:
        """Calls that are left in each of these windows, without the planned ones."""
        return min((window.calls for window in self.windows if window.window in windows), default=UNLIMITED) - self.planned

    def reserve(self, calls: int, windows: Sequence[str]) -> bool:
        """Plan calls, if they are left in each of these windows. Returns whether they were."""
        if not self.is_open or calls > self.remaining(windows):
            return False
        self.planned += calls
        return True


@dataclass(frozen=True, slots=True)
class HistorySource:
    """A history of a provider with a key and a budget."""

    provider: Provider
    history: History
    base_url: str
    key: str = field(repr=False)
    budget: AccountBudget
    #: Unique among the histories of all providers and keys.
    name: str

    def is_refused(self, now: datetime) -> bool:
        """Whether the history refuses the key, as far as this process knows."""
        return self.budget.is_refused or REFUSALS.has_refused(self.name, now)

    def record_refusal(self, now: datetime) -> None:
        """Record that the history refuses the key. Other histories of the account may accept it."""
        REFUSALS.record(self.name, now)


def history_providers(settings: Settings) -> list[Provider]:
    """The providers whose histories can be used, in the order of the settings."""
    names = settings.backfill_providers or settings.providers
    return [PROVIDERS[name] for name in names if PROVIDERS[name].history and settings.key(name) is not None]


def load_history_sources(session: Session, settings: Settings, now: datetime) -> list[HistorySource]:
    """The history sources, best first, with the budgets of their accounts."""
    budgets: dict[str, AccountBudget] = {}
    sources = []
    for provider in history_providers(settings):
        key = settings.key(provider.name) or ""
        for number, history in enumerate(provider.history):
            if history.account not in budgets:
                budgets[history.account] = _load_budget(session, settings, history.account, provider, now)
            url = settings.base_url(provider.name, history)
            name = f"{provider.name} {number} {url} {account_state.key_fingerprint(key)}"
            sources.append(HistorySource(provider, history, url, key, budgets[history.account], name))
    return sources


def _load_budget(session: Session, settings: Settings, name: str, provider: Provider, now: datetime) -> AccountBudget:
    key, account = settings.key(provider.name) or "", settings.account(name)
    windows = read_window_budgets(session, settings, account, now)
    gate = CallGate(
        account,
        key,
        expected=min((window.calls for window in windows), default=UNLIMITED),
        leave={window.window: window.live for window in windows},
        concurrency=MAX_CONCURRENT_REQUESTS,
    )
    status = account_state.account_status(session, name, key, now)
    until, is_refused = status.closed_until, status.key_state in _REFUSED_STATES
    if is_refused and (last := session.get_one(AccountState, name).closed_until):
        until = max(last, last - account_state.LONGEST_REFUSAL_PAUSE + REFUSED_WAIT)
        until = until if until > now else None
    return AccountBudget(name, gate, windows, until, status.reason if until else None, is_refused and until is not None)


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """A request to one history source."""

    source: HistorySource
    request: HistoryRequest
    #: Calls that are charged for the request.
    cost: int


class Planner:
    """Finds for each slot the first history that may have it and may be called.

    Args:
        sources: The history sources in their order.
        now: Current time (aware UTC).
        stations: The station of each location and provider, if it was looked up.
        windows: Names of the quota windows that limit the plan. Without the minute, requests may be planned that have to wait.
    """

    def __init__(
        self,
        sources: Sequence[HistorySource],
        now: datetime,
        stations: Mapping[tuple[int, str], str],
        windows: Sequence[str] = WINDOWS,
    ) -> None:
        self.sources = sources
        self.now = now
        self.stations = stations
        self.windows = windows

    def plan_requests(self, work: SlotsByLocation, max_requests: int, after: HistorySource | None = None) -> list[PlannedRequest]:
        """Plan requests for slots of locations, newest first, and reserve their calls.

        With ``after``, only the history sources that follow it are used.
        """
        number = itertools.count()
        heap: list[tuple[float, int, HistorySource, HistoryRequest]] = []

        def push(candidates: Iterable[tuple[HistorySource, HistoryRequest]]) -> None:
            for source, request in candidates:
                heapq.heappush(heap, (-request.end.timestamp(), next(number), source, request))

        for location, slots in work:
            push(self._candidates(location, slots, after))
        planned: list[PlannedRequest] = []
        while heap and len(planned) < max_requests:
            _, _, source, request = heapq.heappop(heap)
            cost = source.history.cost(request.start, request.end)
            if source.budget.reserve(cost, self.windows):
                planned.append(PlannedRequest(source, request, cost))
            elif len(request.slots) > 1 and source.budget.remaining(self.windows):  # the budget may suffice for a part
                half = len(request.slots) // 2
                parts = (request.slots[:half], request.slots[half:])
                push((source, HistoryRequest(request.location, part)) for part in parts)
            else:
                push(self._candidates(request.location, request.slots, source))
        return planned

    def _candidates(
        self, location: DueLocation, slots: Sequence[datetime], after: HistorySource | None
    ) -> Iterator[tuple[HistorySource, HistoryRequest]]:
        """Yield the requests to the first usable source of each slot."""
        remaining = set(slots)
        for source in self.sources[0 if after is None else self.sources.index(after) + 1 :]:
            if (
                source.budget.is_open
                and not source.is_refused(self.now)
                and (available := [slot for slot in remaining if self.may_have(source, location, slot)])
            ):
                remaining.difference_update(available)
                yield from ((source, request) for request in make_requests(location, available, source.history))

    def may_have(self, source: HistorySource, location: DueLocation, slot: datetime) -> bool:
        """Whether a history may have a slot by now."""
        return self.may_ever_have(source, location, slot) and is_published(source.history, slot, self.now)

    def may_ever_have(self, source: HistorySource, location: DueLocation, slot: datetime) -> bool:
        """Whether a history may have a slot, now or later."""
        has_station = source.provider.stations is None or (location.id, source.provider.name) in self.stations
        return has_station and is_within_reach(source.history, slot, self.now)
