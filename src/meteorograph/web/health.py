"""``/health``, ``/livez`` and ``/api/version``: the state of the service."""

from __future__ import annotations

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
from ..version import __version__

log = get_logger(__name__)
blueprint = Blueprint("health", __name__)


def report() -> tuple[dict[str, Any], int]:
    """The state of the service and its HTTP status: 200, or 503 with the causes in ``problems``."""
    settings, now = get_settings(), clock.now()
    database: LedgerHealth | None = None
    accounts = {
        name: account_state.AccountStatus(KeyState.MISSING if settings.key(name) is None else "unknown")
        for name in settings.named_providers
    }
    try:
        with get_db_session(read_only=True) as session:
            database = read_health(session, now, schedule.Interval(settings.interval))
            accounts = {
                name: account_state.account_status(session, name, settings.key(name), now) for name in settings.named_providers
            }
    except (MeteorographError, SQLAlchemyError) as error:
        log.error("the database does not answer", reason=str(error))  # noqa: TRY400  # the reason is enough
    running = _is_scheduler_running(settings, database)
    problems = [] if database else ["the database does not answer"]
    if settings.scheduler_enabled and not running:
        problems.append("the scheduler is not running")
    if database and running and database.stale:
        problems.append(
            f"{len(database.stale)} of {len(database.freshness)} locations are stale: {', '.join(database.stale[:5])}"
        )
    last = database.last_run if database else None
    return {
        "status": "unhealthy" if problems else "ok",
        "problems": problems,
        "scheduler_running": running,
        "database": "ok" if database else "unreachable",
        "freshness": database.freshness if database else {},
        "stale": database.stale if database else [],
        "last_run": last
        and {
            "due_at": last.due_at.isoformat(),
            "state": last.state,
            "due": last.due,
            "stored": last.stored,
            "failed": last.failed,
        },
        "next_run": schedule.Interval(settings.interval).next_after(now).isoformat() if running else None,
        "providers": {
            name: {
                "key": account.key_state,
                "closed_until": account.closed_until and account.closed_until.isoformat(),
                "reason": account.reason,
            }
            for name, account in accounts.items()
        },
    }, (503 if problems else 200)


def _is_scheduler_running(settings: Settings, database: LedgerHealth | None) -> bool:
    """Whether the scheduler of this process runs; if it is disabled, whether any process has a recent heartbeat."""
    if settings.scheduler_enabled:
        return scheduler.is_running()
    age = database.heartbeat_seconds if database else None
    return age is not None and age < scheduler.STALE_HEARTBEAT_SECONDS


@blueprint.get("/health")
def health() -> tuple[dict[str, Any], int]:
    """The state of the service."""
    body, status = report()
    return {**body, "request_id": g.request_id}, status


@blueprint.get("/livez")
def livez() -> dict[str, Any]:
    """Liveness only; checks no dependency."""
    return {"status": "alive", "request_id": g.request_id}


@blueprint.get("/api/version")
def version() -> dict[str, Any]:
    """Versions of the program and of its database schema."""
    return {"version": __version__, "schema": migrations.newest_revision(), "request_id": g.request_id}
