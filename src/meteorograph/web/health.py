"""``/health``, ``/livez`` and ``/api/version``: the state of the service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from statistics import median
from typing import Any, Final

from flask import Blueprint, g
from sqlalchemy.exc import SQLAlchemyError

from .. import scheduler, scheduler_start
from ..accounts import account_state
from ..config.loading import get_settings
from ..config.settings import Settings
from ..errors import MeteorographError
from ..jobs.queries import failed_jobs
from ..ledger.health import LedgerHealth, read_health
from ..log_output import get_logger
from ..model import clock, schedule
from ..model.flags import Flag
from ..model.states import KeyState
from ..storage import migrations
from ..storage.engine import get_db_session
from ..storage.models import Run
from ..storage.process import process_name
from ..version import __version__
from . import params

log = get_logger(__name__)
blueprint = Blueprint("health", __name__)

#: Names of stale locations in an answer.
MAX_NAMES: Final = 100


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
    #: Why the service is not healthy, causes before their effects.
    problems: list[str]
    is_scheduler_running: bool
    is_database_up: bool
    #: Age of each scheduled location's newest observation [s]; None without a row, and for an observation of the future.
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
    jobs: list[str] = []
    accounts = {
        name: account_state.AccountStatus(KeyState.MISSING if settings.key(name) is None else "unknown")
        for name in settings.named_providers
    }
    try:
        with get_db_session(read_only=True) as session:
            ledger = read_health(session, now, schedule.Interval(settings.interval))
            jobs = failed_jobs(session, now)
            accounts = {
                name: account_state.account_status(session, name, settings.key(name), now) for name in settings.named_providers
            }
    except (MeteorographError, SQLAlchemyError) as error:
        log.error("the database does not answer", reason=str(error))  # noqa: TRY400  # the reason is enough
    is_running = _is_scheduler_running(settings, ledger)
    failures = _failures(settings, ledger, now, is_running=is_running)
    problems = [*failures, *_clock_problems(), *(_source_problems(ledger, accounts) if ledger else ()), *_job_problems(jobs)]
    if failures or (ledger and 2 * len(ledger.stale) >= len(ledger.freshness) > 0):
        status = HealthStatus.FAILING
    elif is_running and ledger and settings.scheduler_enabled and process_name() not in ledger.heartbeats:
        status, problems = HealthStatus.STARTING, [*problems, "the scheduler has just been started"]
    else:
        status = HealthStatus.DEGRADED if problems else HealthStatus.OK
    return HealthReport(
        status=status,
        problems=problems,
        is_scheduler_running=is_running,
        is_database_up=ledger is not None,
        freshness=ledger.freshness if ledger else {},
        stale=ledger.stale if ledger else [],
        last_run=ledger.last_run if ledger else None,
        next_run=schedule.Interval(settings.interval).next_after(now) if is_running else None,
        accounts=accounts,
    )


def _failures(settings: Settings, ledger: LedgerHealth | None, now: datetime, *, is_running: bool) -> list[str]:
    """Why nothing can be collected at all."""
    problems = [] if ledger else ["the database does not answer"]
    if settings.scheduler_enabled and not is_running:
        error = scheduler_start.start_error()
        problems.append(f"the scheduler could not be started: {error}" if error else "the scheduler is not running")
    elif ledger and not is_running:
        problems += _missing_collector(ledger, now)
    return problems


def _missing_collector(ledger: LedgerHealth, now: datetime) -> list[str]:
    """That the process that collected is gone; nothing if rows are stored without it, as by a command that cron runs."""
    age, newest = min(ledger.heartbeats.values(), default=None), ledger.newest_slot
    if not ledger.freshness or (age is None and not ledger.stale):
        return []
    if age is None:
        return ["no process collects"]
    has_other = newest is not None and (now - newest).total_seconds() < age - scheduler.STALE_HEARTBEAT_SECONDS
    return [] if has_other and not ledger.stale else [f"no process collects: the last heartbeat is {age:.0f} s old"]


def _clock_problems() -> Iterator[str]:
    """That the clock of this machine is wrong, by the answers of providers to this process."""
    if (error := scheduler.clock_error()) is not None:
        direction = "ahead" if error.total_seconds() > 0 else "behind"
        yield f"the clock of this machine is wrong: {abs(error.total_seconds()):.0f} s {direction}"


def _source_problems(ledger: LedgerHealth, accounts: Mapping[str, account_state.AccountStatus]) -> Iterator[str]:
    """What is wrong with the data, and why as far as it is known."""
    if ledger.stale:
        for name, account in accounts.items():
            if account.closed_until is not None:
                yield f"{name} is closed until {account.closed_until.isoformat()}: {account.reason}"
    for (flag, provider), names in sorted(ledger.standing_still.items()):
        yield _TIME_PROBLEMS[flag].format(provider=provider, places=_places(names, ledger))
    if ledger.stale:
        yield f"{len(ledger.stale)} of {len(ledger.freshness)} locations are stale: {', '.join(ledger.stale[:5])}"


def _job_problems(failed: Sequence[str]) -> Iterator[str]:
    """That jobs of the user's own failed, which never stops the service itself."""
    if failed:
        yield f"the last run of {len(failed)} {'job' if len(failed) == 1 else 'jobs'} failed: {', '.join(failed[:5])}"


_TIME_PROBLEMS: Final = {
    Flag.OLD: "{provider} stands still: its observations are too old at {places}",
    Flag.STALE: "{provider} stands still: its values no longer change at {places}",
    Flag.FUTURE: "{provider} has observations of the future at {places}",
}


def _places(names: Sequence[str], ledger: LedgerHealth) -> str:
    return f"{len(names)} of {len(ledger.freshness)} locations: {', '.join(names[:5])}"


def _report_object(report: HealthReport) -> dict[str, Any]:
    last = report.last_run
    ages = [age for age in report.freshness.values() if age is not None]
    return {
        "status": report.status,
        "problems": report.problems,
        "scheduler_running": report.is_scheduler_running,
        "database": "ok" if report.is_database_up else "unreachable",
        "freshness": {"oldest": max(ages, default=None), "median": median(ages) if ages else None},
        "stale": report.stale[:MAX_NAMES],
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


def _location_page(report: HealthReport) -> dict[str, Any]:
    """The age of each location's newest observation [s], by name, with the cursor of the next page."""
    after, limit, stale = params.after() or "", params.limit(), set(report.stale)
    names = [name for name in sorted(report.freshness) if name > after]
    page = [{"location": name, "age": report.freshness[name], "stale": name in stale} for name in names[:limit]]
    return {"locations": page, "next": params.cursor(names[limit - 1]) if len(names) > limit else None}


def _is_scheduler_running(settings: Settings, ledger: LedgerHealth | None) -> bool:
    """Whether the scheduler of this process runs, or another process has a recent heartbeat."""
    if settings.scheduler_enabled and scheduler.is_running():
        return True
    # The last heartbeat of this process may be recent although its scheduler is dead.
    own = process_name() if settings.scheduler_enabled else None
    beats = ledger.heartbeats if ledger else {}
    return any(age < scheduler.STALE_HEARTBEAT_SECONDS for name, age in beats.items() if name != own)


@blueprint.get("/health")
def health() -> tuple[dict[str, Any], int]:
    """The state of the service: 200, or 503 with the causes in ``problems``."""
    params.refuse_unknown(("locations", "limit", "cursor"))
    with_locations = params.word("locations", ("true", "false")) == "true"
    report = read_report()
    content = {**_report_object(report), **(_location_page(report) if with_locations else {}), "request_id": g.request_id}
    return content, 200 if report.status in (HealthStatus.OK, HealthStatus.DEGRADED) else 503


@blueprint.get("/livez")
def livez() -> dict[str, Any]:
    """Liveness only; checks no dependency."""
    return {"status": "alive", "request_id": g.request_id}


@blueprint.get("/api/version")
def version() -> dict[str, Any]:
    """Versions of the program and of its database schema."""
    return {"version": __version__, "schema": migrations.newest_revision(), "request_id": g.request_id}
