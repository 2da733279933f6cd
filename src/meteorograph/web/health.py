"""``/health``, ``/livez``, ``/readyz`` and ``/api/version``: the state of the service."""

from __future__ import annotations

from statistics import median
from typing import Any

from flask import Blueprint, g

from ..storage import migrations
from ..version import __version__
from . import params
from .health_report import HealthReport, HealthStatus, read_report
from .integration_state import integration_object

blueprint = Blueprint("health", __name__)


def report_object(report: HealthReport) -> dict[str, Any]:
    """The state of the service as a JSON object."""
    last = report.last_run
    ages = [age for age in report.freshness.values() if age is not None]
    return {
        "status": report.status,
        "problems": report.problems,
        "scheduler_running": report.is_scheduler_running,
        "collectors": report.collectors,
        "database": "ok" if report.is_database_up else "unreachable",
        "age_seconds": round(report.age, 3),
        "freshness": {"oldest": max(ages, default=None), "median": median(ages) if ages else None},
        "stale": len(report.stale),
        "last_run": last
        and {
            "due_at": last.due_at.isoformat(),
            "state": last.state,
            "due": last.due,
            "stored": last.stored,
            "failed": last.failed,
        },
        "next_run": report.next_run and report.next_run.isoformat(),
        "last_backup": report.last_backup and report.last_backup.isoformat(),
        "integrations": {state.record.name: integration_object(state) for state in report.integrations},
        "providers": {
            name: {
                "key": account.key_state,
                "closed_until": account.closed_until and account.closed_until.isoformat(),
                "reason": account.reason,
            }
            for name, account in report.accounts.items()
        },
    }


def _location_page(report: HealthReport) -> dict[str, Any]:
    """The age of each location's newest observation [s], by name, with the cursor of the next page."""
    after, limit, stale = params.after() or "", params.limit(), set(report.stale)
    names = [name for name in sorted(report.freshness) if name > after]
    page = [{"location": name, "age": report.freshness[name], "stale": name in stale} for name in names[:limit]]
    return {"locations": page, "next": params.cursor(names[limit - 1]) if len(names) > limit else None}


@blueprint.get("/health")
def health() -> tuple[dict[str, Any], int]:
    """The state of the service: 200, or 503 with the causes in ``problems``."""
    params.refuse_unknown(("locations", "limit", "cursor"))
    with_locations = params.word("locations", ("true", "false")) == "true"
    report = read_report()
    content = {**report_object(report), **(_location_page(report) if with_locations else {}), "request_id": g.request_id}
    return content, 200 if report.status in (HealthStatus.OK, HealthStatus.DEGRADED) else 503


@blueprint.get("/livez")
def livez() -> dict[str, Any]:
    """Liveness only; checks no dependency."""
    return {"status": "alive", "request_id": g.request_id}


@blueprint.get("/readyz")
def readyz() -> tuple[dict[str, Any], int]:
    """Whether this process can serve: 503 while it starts, and without the database."""
    report = read_report()
    is_ready = report.is_database_up and report.status != HealthStatus.STARTING
    return {"status": "ready" if is_ready else "not ready", "request_id": g.request_id}, 200 if is_ready else 503


@blueprint.get("/api/version")
def version() -> dict[str, Any]:
    """Versions of the program and of its database schema."""
    return {"version": __version__, "schema": migrations.newest_revision(), "request_id": g.request_id}
