"""Three facts of the overview: slots missed in 24 hours, the quota that runs out first, and open incidents."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from ...accounts import plan_inputs, quota
from ...accounts.call_plan import make_plan
from ...alerts.queries import count_open_incidents
from ...config.settings import Settings
from ...providers.registry import PROVIDERS
from ..health_report import HealthReport
from .quota_gauges import Gauge, gauges

#: Windows of a quota that are news: shorter ones only slow the collection down.
_LONG_WINDOWS: Final = ("day", "month")


@dataclass(frozen=True, slots=True)
class QuotaFact:
    """The window of a quota that runs out first, or has the least left."""

    title: str
    gauge: Gauge

    @property
    def left(self) -> int:
        """Calls that are left."""
        return max(0, self.gauge.limit - self.gauge.used)


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of the overview."""

    missed: int
    #: None if no provider with a key has a limit by day or month.
    quota: QuotaFact | None
    incidents: int


def read_facts(session: Session, settings: Settings, report: HealthReport, now: datetime) -> Facts:
    """Read the facts at ``now``. The missed slots are those of the report: to count them reads the slots of each location."""
    plan = make_plan(plan_inputs.schedule_groups(session, settings), settings, now)
    found: list[QuotaFact] = []
    for part in plan.providers:
        if settings.key(part.provider) is None:
            continue
        usages = quota.usage(session, settings.account(part.provider), now)
        planned = {need.window: need.calls for need in part.needs}
        title = PROVIDERS[part.provider].title
        found += [QuotaFact(title, one) for one in gauges(usages, planned, now) if one.window in _LONG_WINDOWS]
    return Facts(report.missed_slots, tightest(found), count_open_incidents(session))


def tightest(facts: Iterable[QuotaFact]) -> QuotaFact | None:
    """The quota that runs out first; if none does before it resets, the one with the least part left."""

    def order(fact: QuotaFact) -> tuple[bool, float, float]:
        at = fact.gauge.exhausted_at
        return at is None, at.timestamp() if at else 0.0, -fact.gauge.share

    return min(facts, key=order, default=None)
