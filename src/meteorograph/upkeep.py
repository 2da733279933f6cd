"""Keep the database and the journal in order: roll up days, delete what is old, audit the ledger. The scheduler calls this."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from .archiving.candidates import seals
from .archiving.files import find_damage
from .archiving.sealing import seal_months
from .background import tasks
from .backups.create import create_backup
from .backups.folder import last_backup
from .collecting.process_memory import PROCESS_MEMORY
from .config.loading import get_settings
from .errors import BackupError
from .jobs import queries as job_queries
from .journal import retention
from .journal.copying import COPIER
from .journal.store import open_store
from .ledger import audit, claims
from .ledger.past_slots import Explain, no_explanation
from .log_output import get_logger
from .model import clock, schedule
from .reading import rollups
from .service_state import SERVICE_STATE
from .storage import month_order, outbox
from .storage.database_errors import error_text
from .storage.engine import get_db_session, init_db

log = get_logger(__name__)

#: The pause between two steps of rolling up, in which others may use the database [s].
_ROLL_UP_PAUSE_SECONDS: Final = 0.05

#: How far the ticks may be behind before the audit records the reasons in their place.
_AUDIT_LAG: Final = timedelta(hours=1)

#: How far back to audit the ledger.
_AUDITED: Final = timedelta(days=2)

#: How long to seal at once [s]: what is left is sealed an hour later.
_SEAL_SECONDS: Final = 900.0

#: How long to put past months in order at once [s].
_ORDER_SECONDS: Final = 900.0

#: How often to look for journal files without a copy [s].
_COPY_SECONDS: Final = 300.0

#: How often to tidy [s].
_TIDY_SECONDS: Final = 3600


@dataclass(slots=True)
class _State:
    """What this process has done."""

    #: Monotonic time at which it tidied last.
    last_tidied: float | None = None
    #: Monotonic time at which it copied journal files last.
    last_copied: float | None = None
    #: How often it has looked at the files of sealed months.
    looks: int = 0


_state: Final = _State()


def reset() -> None:
    """Forget everything, as in a child of a fork."""
    _state.last_tidied, _state.last_copied, _state.looks = None, None, 0
    COPIER.reset()


def roll_up_days(stop: threading.Event) -> None:
    """Roll up the days that have ended, until there are none left or ``stop`` is set; logs a failure and never raises."""
    try:
        init_db()
        while rollups.roll_up(clock.now()) and not stop.wait(_ROLL_UP_PAUSE_SECONDS):
            pass
    except Exception as error:
        log.warning("days could not be rolled up", reason=error_text(error))


def audit_ledger(explain: Explain = no_explanation) -> None:
    """Find slots without an account, and record their reason; logs each finding, and never raises.

    Args:
        explain: Says why this process did not collect a slot.
    """
    try:
        init_db()
        schedules = claims.due_schedules(schedule.Interval(get_settings().interval))
        now = clock.now()
        findings = audit.audit(now, schedules, since=now - _AUDITED, lag=_AUDIT_LAG, explain=explain)
        SERVICE_STATE.unaccounted = sum(finding.missing for finding in findings)
        SERVICE_STATE.has_audited = True
        for finding in findings:
            log.error(
                "slots had no account; their reason is recorded now",
                schedule=finding.schedule,
                first_slot=finding.first_slot.isoformat(),
                last_slot=finding.last_slot.isoformat(),
                missing=finding.missing,
                reason=finding.reason,
            )
    except Exception as error:
        log.warning("the ledger could not be audited", reason=error_text(error))


def _delete_old_journals() -> None:
    try:
        settings = get_settings()
        retention.delete_old_files(settings.journal_dir, clock.now(), settings.journal_days)
    except Exception as error:
        log.warning("old journal files could not be deleted", reason=str(error))


def copy_journals(stop: threading.Event) -> None:
    """Copy complete journal files to the journal store every five minutes, if there is one; logs a failure, and never raises."""
    settings, last = get_settings(), _state.last_copied
    store = open_store(settings.journal_store)
    if store is None or not settings.journal_days or settings.demo or not PROCESS_MEMORY.clock_check.is_trusted:
        return
    if last is not None and time.monotonic() - last < _COPY_SECONDS:
        return
    _state.last_copied = time.monotonic()
    COPIER.copy_closed(store, settings.journal_dir, clock.now(), settings.journal_days, stop)


def copy_journals_at_stop() -> None:
    """Copy the newest journal files of this process, which has stopped; logs a failure, and never raises."""
    try:
        settings = get_settings()
        if settings.journal_days and not settings.demo and (store := open_store(settings.journal_store)) is not None:
            COPIER.copy_at_stop(store, settings.journal_dir, clock.now())
    except Exception as error:
        log.warning("the newest journal files could not be copied", reason=error_text(error))


def _delete_old_job_runs() -> None:
    try:
        init_db()
        with get_db_session() as session:
            job_queries.delete_old_runs(session, clock.now())
            tasks.delete_old_tasks(session)
    except Exception as error:
        log.warning("old runs of jobs and background tasks could not be deleted", reason=error_text(error))


def _forget_unused_integrations() -> None:
    try:
        init_db()
        with get_db_session() as session:
            names = outbox.unsubscribe_unused(session, clock.now())
        for name in names:
            log.warning("no process has been set up with an integration for a week: its rows no longer wait", integration=name)
    except Exception as error:
        log.warning("unused integrations could not be looked for", reason=error_text(error))


def make_due_backup() -> None:
    """Make a backup if the settings ask for one and the last good one is too old; logs a failure, and never raises."""
    settings, now = get_settings(), clock.now()
    if settings.backup_dir is None or settings.demo:
        return
    try:
        last = last_backup(settings.backup_dir)
        if last is not None and timedelta(0) <= now - last < timedelta(hours=settings.backup_hours):
            return
        made = create_backup(settings, settings.backup_dir, now, keep=settings.backup_keep)
        SERVICE_STATE.backup_failure = None
        log.info("backup made", folder=str(made.folder), rows=sum(made.manifest.rows.values()))
    except Exception as error:
        SERVICE_STATE.backup_failure = error.reason if isinstance(error, BackupError) else error_text(error)
        log.error("the backup failed", reason=error_text(error))  # noqa: TRY400  # the reason is enough


def seal_old_months(stop: threading.Event) -> None:
    """Look at the files of sealed months, and seal what is old enough, for a while or until ``stop`` is set; never raises."""
    settings = get_settings()
    if settings.demo:
        return
    try:
        init_db()
        SERVICE_STATE.archive_failure = find_damage(_state.looks)
        _state.looks += 1
        result = seal_months(stop, max_seconds=_SEAL_SECONDS) if seals(settings) else None
        if result is not None and result.files:
            log.info("months sealed", files=result.files, rows=result.rows, bytes=result.size)
    except Exception as error:
        SERVICE_STATE.archive_failure = error_text(error)
        log.error("old rows could not be sealed", reason=error_text(error))  # noqa: TRY400  # the reason is enough


def order_past_months(stop: threading.Event) -> None:
    """Put rows of past months into the order of their locations; logs a failure, and never raises."""
    try:
        init_db()
        month_order.order_months(stop, max_seconds=_ORDER_SECONDS)
    except Exception as error:
        log.warning("past months could not be put in order", reason=error_text(error))


def tidy(explain: Explain = no_explanation, stop: threading.Event | None = None) -> None:
    """Tidy once an hour, but only while the clock is trusted: by a wrong one, all is old, and what is to come was missed."""
    last = _state.last_tidied
    if not PROCESS_MEMORY.clock_check.is_trusted or (last is not None and time.monotonic() - last < _TIDY_SECONDS):
        return
    _state.last_tidied = time.monotonic()
    _delete_old_job_runs()
    _forget_unused_integrations()
    _delete_old_journals()
    audit_ledger(explain)
    make_due_backup()
    stop = stop or threading.Event()
    seal_old_months(stop)
    order_past_months(stop)
