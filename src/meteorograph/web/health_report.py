"""The state of the service, for ``/health``, the pages and the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from .. import scheduler
from ..accounts.account_state import AccountStatus
from ..config.loading import get_settings
from ..config.settings import Settings
from ..i18n import Phrase
from ..ledger.health import LedgerHealth
from ..model import clock, schedule
from ..model.states import KeyState
from ..service_state import SERVICE_STATE
from ..storage.models import Run
from ..storage.outbox import IntegrationState
from ..storage.process import process_name
from .database_look import DatabaseLook, look_at_database
from .health_problems import Problem, find_problems, is_first_collection

#: Age from which a look is said to be one of before [s].
_OLD_SECONDS: Final = 60.0


class HealthStatus(StrEnum):
    """What ``status`` says. ``/health`` answers 200 for the first two, and 503 for the others."""

    OK = "ok"
    #: It works, but not everywhere: ``problems`` says what.
    DEGRADED = "degraded"
    #: The scheduler of this process has just been started.
    STARTING = "starting"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The state of the service."""

    status: HealthStatus
    #: Why the service is not healthy, causes before their effects; those that are phrases can be said in other languages.
    problems: Sequence[str]
    is_scheduler_running: bool
    #: Processes with a recent heartbeat.
    collectors: int
    is_database_up: bool
    #: Age of each scheduled location's newest observation [s]; None without a row, and for an observation of the future.
    freshness: dict[str, float | None]
    #: Names of stale locations.
    stale: list[str]
    last_run: Run | None
    #: The next slot of the default schedule; None without a running scheduler.
    next_run: datetime | None
    #: Configured provider → state of its key, and until when the provider is closed.
    accounts: Mapping[str, AccountStatus]
    #: When the newest backup was made; None without one.
    last_backup: datetime | None
    #: How the sending to each integration goes.
    integrations: Sequence[IntegrationState]
    #: How old the look at the database is [s].
    age: float
    #: When the newest row of a scheduled location was due.
    newest_slot: datetime | None = None
    #: Slots of the last day without a row.
    missed_slots: int = 0

    @property
    def seen_at(self) -> datetime | None:
        """When the database was looked at, if that was more than a minute ago."""
        return clock.now() - timedelta(seconds=self.age) if self.age > _OLD_SECONDS else None

    @property
    def is_healthy(self) -> bool:
        """Whether there are no problems."""
        return not self.problems


def read_report(*, wait: float | None = None, may_be_recent: bool = False) -> HealthReport:
    """Read the state of the service; works without the database, and waits for one that hangs for ``wait`` [s] at most.

    If it ``may_be_recent``, the state with many locations is up to ten minutes old, and nothing waits.
    """
    settings, now = get_settings(), clock.now()
    look = look_at_database(wait, may_be_recent=may_be_recent)
    seen = look.value or DatabaseLook()
    is_running = _is_scheduler_running(settings, seen.ledger)
    problems = find_problems(settings, look, now, is_running=is_running)
    status = _status(settings, seen.ledger, problems, is_running=is_running)
    texts = [problem.text for problem in problems]
    has_answered = seen.ledger is not None and not any(text.startswith("the database has not answered") for text in texts)
    return HealthReport(
        status=status,
        problems=[*texts, Phrase("the scheduler has just been started")] if status == HealthStatus.STARTING else texts,
        is_scheduler_running=is_running,
        collectors=_count_collectors(seen.ledger),
        is_database_up=has_answered,
        freshness=seen.ledger.freshness if seen.ledger else {},
        stale=seen.ledger.stale if seen.ledger else [],
        last_run=seen.ledger.last_run if seen.ledger else None,
        next_run=schedule.Interval(settings.interval).next_after(now) if is_running else None,
        accounts=seen.accounts or _unknown_accounts(settings),
        last_backup=seen.last_backup,
        integrations=seen.integrations,
        age=look.age,
        newest_slot=seen.ledger.newest_slot if seen.ledger else None,
        missed_slots=sum(seen.missed.values()),
    )


def _status(settings: Settings, ledger: LedgerHealth | None, problems: list[Problem], *, is_running: bool) -> HealthStatus:
    if any(problem.is_failure for problem in problems):
        return HealthStatus.FAILING
    if is_running and ledger and settings.scheduler_enabled and SERVICE_STATE.is_starting:
        if process_name() not in ledger.heartbeats or (ledger.stale and is_first_collection()):
            return HealthStatus.STARTING
    return HealthStatus.DEGRADED if problems else HealthStatus.OK


def _unknown_accounts(settings: Settings) -> dict[str, AccountStatus]:
    return {
        name: AccountStatus(KeyState.MISSING if settings.key(name) is None else "unknown") for name in settings.named_providers
    }


def _count_collectors(ledger: LedgerHealth | None) -> int:
    return sum(age < scheduler.STALE_HEARTBEAT_SECONDS for age in ledger.heartbeats.values()) if ledger else 0


def _is_scheduler_running(settings: Settings, ledger: LedgerHealth | None) -> bool:
    """Whether the scheduler of this process runs, or another process has a recent heartbeat."""
    if settings.scheduler_enabled and scheduler.is_running():
        return True
    # The last heartbeat of this process may be recent although its scheduler is dead.
    own = process_name() if settings.scheduler_enabled else None
    beats = ledger.heartbeats if ledger else {}
    return any(age < scheduler.STALE_HEARTBEAT_SECONDS for name, age in beats.items() if name != own)
