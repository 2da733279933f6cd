"""``/health``, ``/livez`` and ``/api/version``: the state of the service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, g
from sqlalchemy.exc import SQLAlchemyError

from .. import scheduler
from ..accounts import account_state
from ..config.loading import get_settings
from ..config.settings import Settings
from ..errors import MeteorographError
from ..ledger.health import LedgerHealth, read_health
from ..log_output import get_logger
from ..model import clock, schedule
from ..model.states import KeyState
from ..storage import migrations
from ..storage.engine import get_db_session
from ..storage.models import Run
from ..version import __version__

log = get_logger(__name__)
blueprint = Blueprint("health", __name__)


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The state of the service."""

    #: Why the service is not healthy.
    problems: list[str]
    is_scheduler_running: bool
    is_database_up: bool
    #: Age of each scheduled location's newest slot [s]; None for a location without a row.
    freshness: dict[str, float | None]
    #: Names of stale locations.
    stale: list[str]
    last_run: Run | None
    #: The next slot of the default schedule; None without a running scheduler.
    next_run: datetime | None
    #: Configured provider → state of its key, and until when the provider is closed.
    accounts: dict[str, account_state.AccountStatus]

    @property
    def is_healthy(self) -> bool:
        """Whether there are no problems."""
        return not self.problems


def read_report() -> HealthReport:
    """Read the state of the service; works without the database."""
    settings, now = get_settings(), clock.now()
    ledger: LedgerHealth | None = None
    accounts = {
        name: account_state.AccountStatus(KeyState.MISSING if settings.key(name) is None else "unknown")
        for name in settings.named_providers
    }
    try:
        with get_db_session(read_only=True) as session:
            ledger = read_health(session, now, schedule.Interval(settings.interval))
            accounts = {
                name: account_state.account_status(session, name, settings.key(name), now) for name in settings.named_providers
            }
    except (MeteorographError, SQLAlchemyError) as error:
        log.error("the database does not answer", reason=str(error))  # noqa: TRY400  # the reason is enough
    is_running = _is_scheduler_running(settings, ledger)
    return HealthReport(
        problems=_problems(settings, ledger, is_running=is_running),
        is_scheduler_running=is_running,
        is_database_up=ledger is not None,
        freshness=ledger.freshness if ledger else {},
        stale=ledger.stale if ledger else [],
        last_run=ledger.last_run if ledger else None,
        next_run=schedule.Interval(settings.interval).next_after(now) if is_running else None,
        accounts=accounts,
    )


def _problems(settings: Settings, ledger: LedgerHealth | None, *, is_running: bool) -> list[str]:
    problems = [] if ledger else ["the database does not answer"]
    if settings.scheduler_enabled and not is_running:
        problems.append("the scheduler is not running")
    if ledger and is_running and ledger.stale:
        problems.append(f"{len(ledger.stale)} of {len(ledger.freshness)} locations are stale: {', '.join(ledger.stale[:5])}")
    return problems


def _report_object(report: HealthReport) -> dict[str, Any]:
    last = report.last_run
    return {
        "status": "ok" if report.is_healthy else "unhealthy",
        "problems": report.problems,
        "scheduler_running": report.is_scheduler_running,
        "database": "ok" if report.is_database_up else "unreachable",
        "freshness": report.freshness,
        "stale": report.stale,
        "last_run": last
        and {
            "due_at": last.due_at.isoformat(),
            "state": last.state,
            "due": last.due,
            "stored": last.stored,
            "failed": last.failed,
        },
        "next_run": report.next_run and report.next_run.isoformat(),
        "providers": {
            name: {
                "key": account.key_state,
                "closed_until": account.closed_until and account.closed_until.isoformat(),
                "reason": account.reason,
            }
            for name, account in report.accounts.items()
        },
    }


def _is_scheduler_running(settings: Settings, ledger: LedgerHealth | None) -> bool:
    """Whether the scheduler of this process runs; if it is disabled, whether any process has a recent heartbeat."""
    if settings.scheduler_enabled:
        return scheduler.is_running()
    age = ledger.heartbeat_seconds if ledger else None
    return age is not None and age < scheduler.STALE_HEARTBEAT_SECONDS


@blueprint.get("/health")
def health() -> tuple[dict[str, Any], int]:
    """The state of the service: 200, or 503 with the causes in ``problems``."""
    report = read_report()
    return {**_report_object(report), "request_id": g.request_id}, 200 if report.is_healthy else 503


@blueprint.get("/livez")
def livez() -> dict[str, Any]:
    """Liveness only; checks no dependency."""
    return {"status": "alive", "request_id": g.request_id}


@blueprint.get("/api/version")
def version() -> dict[str, Any]:
    """Versions of the program and of its database schema."""
    return {"version": __version__, "schema": migrations.newest_revision(), "request_id": g.request_id}
