"""What an account has left for healing: what live collection is sure not to need before a window ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from ..accounts import plan_inputs, quota
from ..accounts.call_plan import ScheduleGroup
from ..config.settings import Settings
from ..ledger.queries import FOLLOWED_SCHEDULE
from ..model.account import Account
from ..model.states import OPEN_STATES, LocationState
from ..providers.registry import PROVIDERS
from ..storage.models import Location, Missed, Run, WeatherData


@dataclass(frozen=True, slots=True)
class WindowBudget:
    """Calls of one window."""

    window: str
    limit: int
    used: int
    #: Calls that live collection will need until the window ends.
    live: int
    resets_at: datetime

    @property
    def calls(self) -> int:
        """Calls that healing may make: what is used, and what others are still to need, is not among them."""
        return max(0, self.limit - quota.reserve_of(self.limit) - self.used - self.live)


def budget_of(session: Session, settings: Settings, account: Account, now: datetime) -> list[WindowBudget]:
    """What is left of each window of an account; nothing for one without a quota."""
    if not account.limits:
        return []
    needed = _live(session, settings, account.name, now)
    return [
        WindowBudget(one.window, one.limit, one.used, needed(one.resets_at), one.resets_at)
        for one in quota.usage(session, account, now)
    ]


class _Need:
    """Calls that live collection will make of an account by some time."""

    def __init__(self, cost: float, groups: Sequence[ScheduleGroup], waiting: int, now: datetime) -> None:
        self._cost, self._groups, self._waiting, self._now = cost, groups, waiting, now

    def __call__(self, until: datetime) -> int:
        slots = sum(group.locations * sum(1 for _ in group.schedule.slots_between(self._now, until)) for group in self._groups)
        return math.ceil(self._cost * (self._waiting + slots))


def _live(session: Session, settings: Settings, account: str, now: datetime) -> _Need:
    if account not in _asked_live(settings):
        return _Need(0, (), 0, now)
    return _Need(PROVIDERS[account].cost, plan_inputs.schedule_groups(session, settings), _waiting(session, now), now)


def _asked_live(settings: Settings) -> set[str]:
    """The providers that are asked in every slot; the others only when those fail."""
    known = [name for name in settings.providers if settings.key(name) is not None]
    rain = [name for name in settings.precipitation_providers if settings.key(name) is not None]
    before = rain[: rain.index(known[0])] if known and known[0] in rain else rain
    single = [name for names in settings.quantity_providers.values() for name in names[:1]]
    return {*known[:1], *before, *single}


def _waiting(session: Session, now: datetime) -> int:
    """Locations that runs under way have yet to collect."""
    open_runs = select(Run.schedule, Run.due_at).where(Run.state.in_(OPEN_STATES), Run.due_at > now - timedelta(days=1))
    waiting = 0
    for schedule, due_at in session.execute(open_runs.distinct()).all():
        done = [exists().where(model.location_id == Location.id, model.due_at == due_at) for model in (WeatherData, Missed)]
        query = select(func.count()).select_from(Location)
        mine = query.where(Location.state == LocationState.ACTIVE, FOLLOWED_SCHEDULE == schedule, *(~one for one in done))
        waiting += session.scalar(mine) or 0
    return waiting
