"""Budget of an account for healing: the calls that live collection does not need until each window ends."""

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
    """Calls of one quota window."""

    window: str
    limit: int
    used: int
    #: Calls that live collection needs until the window ends.
    live: int
    resets_at: datetime

    @property
    def calls(self) -> int:
        """Calls that healing may make: the limit without the reserve, the used calls and those of live collection."""
        return max(0, self.limit - quota.reserve_of(self.limit) - self.used - self.live)


def read_window_budgets(session: Session, settings: Settings, account: Account, now: datetime) -> list[WindowBudget]:
    """The budget of each window of an account; empty without a quota."""
    if not account.limits:
        return []
    need = _live_need(session, settings, account.name, now)
    return [
        WindowBudget(usage.window, usage.limit, usage.used, need.calls_until(usage.resets_at), usage.resets_at)
        for usage in quota.usage(session, account, now)
    ]


@dataclass(frozen=True, slots=True)
class _LiveNeed:
    """What live collection needs of an account."""

    #: Calls of one location in one slot.
    cost: float
    groups: Sequence[ScheduleGroup]
    #: Locations that open runs have not collected yet.
    waiting: int
    now: datetime

    def calls_until(self, until: datetime) -> int:
        slots = sum(group.locations * sum(1 for _ in group.schedule.slots_between(self.now, until)) for group in self.groups)
        return math.ceil(self.cost * (self.waiting + slots))


def _live_need(session: Session, settings: Settings, account: str, now: datetime) -> _LiveNeed:
    if account not in _live_providers(settings):
        return _LiveNeed(0, (), 0, now)
    groups = plan_inputs.schedule_groups(session, settings)
    return _LiveNeed(PROVIDERS[account].cost, groups, _count_waiting(session, now), now)


def _live_providers(settings: Settings) -> set[str]:
    """The providers that are called in every slot. Other providers are called only when these fail."""
    usable = [name for name in settings.providers if settings.key(name) is not None]
    rain = [name for name in settings.quantity_orders().get("precipitation", ()) if settings.key(name) is not None]
    before = rain[: rain.index(usable[0])] if usable and usable[0] in rain else rain
    single = [name for names in settings.quantity_providers.values() for name in names[:1]]
    return {*usable[:1], *before, *single}


def _count_waiting(session: Session, now: datetime) -> int:
    """Number of locations that open runs have not collected yet."""
    open_runs = select(Run.schedule, Run.due_at).where(Run.state.in_(OPEN_STATES), Run.due_at > now - timedelta(days=1))
    waiting = 0
    for schedule, due_at in session.execute(open_runs.distinct()).all():
        closed = [exists().where(model.location_id == Location.id, model.due_at == due_at) for model in (WeatherData, Missed)]
        query = select(func.count()).select_from(Location)
        query = query.where(Location.state == LocationState.ACTIVE, FOLLOWED_SCHEDULE == schedule)
        waiting += session.scalar(query.where(*(~condition for condition in closed))) or 0
    return waiting
