"""The situations that ``/health`` knows (``docs/health.md``): problems, causes before their effects, with counts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from .. import scheduler, scheduler_start
from ..accounts.account_state import AccountStatus
from ..config.settings import Settings
from ..failover.database_file import damaged_files
from ..failover.state import get_state
from ..journal.writer import open_journal
from ..ledger.health import MISSED_COUNTED, LedgerHealth
from ..model.flags import Flag
from ..model.states import KeyState
from ..model.words import are, plural, were
from ..providers.registry import PROVIDERS
from ..service_state import SERVICE_STATE
from ..storage.database_errors import UNREACHABLE
from .background_look import Look
from .database_look import DatabaseLook
from .integration_state import integration_problems

#: A look that takes longer than this means that the database hangs, unless the last one is younger [s].
PATIENCE_SECONDS: Final = 10.0

#: States of a key that the provider does not accept.
_REFUSED: Final = (KeyState.INVALID, KeyState.PENDING, KeyState.BLOCKED, KeyState.PLAN_MISSING)


@dataclass(frozen=True, slots=True)
class Problem:
    """A reason why the service is not well."""

    text: str
    #: Whether nothing, or not much, can be collected because of it.
    is_failure: bool = False


def find_problems(settings: Settings, look: Look[DatabaseLook], now: datetime, *, is_running: bool) -> list[Problem]:
    """Everything that is wrong, causes first."""
    seen = look.value or DatabaseLook()
    database = list(_database_problems(settings, look))
    groups = (
        database,
        _scheduler_problems(settings, seen, now, is_running=is_running),
        _key_problems(settings, seen),
        _provider_problems(seen),
        _clock_problems(),
        () if database or not settings.scheduler_enabled else _tick_problems(),
        _file_problems(settings),
        _audit_problems(),
        _backup_problems(settings, seen, now) if seen.ledger else (),
        _data_problems(seen) if seen.ledger else (),
        _job_problems(seen),
        map(Problem, integration_problems(settings, seen.integrations, now)),
        _alert_problems(seen),
    )
    return list(chain.from_iterable(groups))


def _database_problems(settings: Settings, look: Look[DatabaseLook]) -> Iterator[Problem]:
    away = get_state().away_reason
    if away is not None and look.value and look.value.ledger and not look.waited and _cause(away) in UNREACHABLE:
        away = None  # the next tick finds that it is back
    heartbeat = SERVICE_STATE.heartbeat_problem() if settings.scheduler_enabled else None
    failure = look.value.failure if look.value else None  # of the look before the one in progress: it knows the cause
    if look.waited and failure is None and (look.value is None or look.age > PATIENCE_SECONDS):
        yield Problem(f"the database has not answered for {max(look.waited, 1):.0f} s", is_failure=True)
    elif failure is not None:
        yield Problem(f"the database does not answer: {_cause(failure)}", is_failure=True)
    elif reason := away or heartbeat:
        yield Problem(f"the database does not take the work: {_cause(reason)}", is_failure=True)
    else:
        return
    if away is not None and get_state().uses_fallback:
        yield Problem("rows are collected in the fallback database until the database is back")


def _cause(text: str) -> str:
    """The cause in the text of an error, without the address of the database."""
    return _ADDRESS.sub("it was", text.rpartition("cannot be used: ")[2])


_ADDRESS: Final = re.compile(r"^the database \S+ was")


def _scheduler_problems(settings: Settings, look: DatabaseLook, now: datetime, *, is_running: bool) -> Iterator[Problem]:
    count, seconds = look.unworked_jobs
    if count:
        wait = "job has waited" if count == 1 else "jobs have waited"
        yield Problem(f"no worker takes jobs: {count} {wait} for {seconds:.0f} s, start meteorograph worker", is_failure=True)
    if is_running:
        return
    if settings.scheduler_enabled:
        error = scheduler_start.start_error()
        why = f"the scheduler could not be started: {error}" if error else "the scheduler is not running"
        yield Problem(why, is_failure=True)
    elif look.ledger and (text := _missing_collector(look.ledger, now)):
        yield Problem(text, is_failure=True)


def _missing_collector(ledger: LedgerHealth, now: datetime) -> str | None:
    """That the process that collected is gone; None if rows are stored without it, as by a command that cron runs."""
    age, newest = min(ledger.heartbeats.values(), default=None), ledger.newest_slot
    if not ledger.freshness or (age is None and not ledger.stale):
        return None
    if age is None:
        return "no process collects"
    has_other = newest is not None and (now - newest).total_seconds() < age - scheduler.STALE_HEARTBEAT_SECONDS
    return None if has_other and not ledger.stale else f"no process collects: the last heartbeat is {age:.0f} s old"


def _key_problems(settings: Settings, look: DatabaseLook) -> Iterator[Problem]:
    if settings.scheduler_enabled and all(settings.key(name) is None for name in settings.providers):
        names = (PROVIDERS[name].key_setting or "" for name in settings.providers)
        yield Problem(f"no provider has a key: set {' or '.join(names)}", is_failure=True)
    refused = {name: account for name, account in look.accounts.items() if account.key_state in _REFUSED}
    usable = [name for name in settings.providers if name not in refused and settings.key(name) is not None]
    for name, account in refused.items():
        words = "does not accept the key yet" if account.key_state == KeyState.PENDING else "refuses the key"
        reason = _without_name(name, account)
        yield Problem(f"{name} {words}: {reason}", is_failure=name in settings.providers and not usable)


def _provider_problems(look: DatabaseLook) -> Iterator[Problem]:
    for name, account in look.accounts.items():
        if account.closed_until is not None and account.key_state not in _REFUSED:
            yield Problem(f"{name} is closed until {account.closed_until.isoformat()}: {_without_name(name, account)}")
        elif (usage := look.used_up.get(name)) is not None:
            spent = f"{usage.used} of {usage.limit} {plural(usage.limit, 'call')} of the {usage.window}"
            yield Problem(f"the quota of {name} is used up until {usage.resets_at.isoformat()}: {spent}")


def _without_name(name: str, account: AccountStatus) -> str:
    return (account.reason or "").removeprefix(f"{name}: ")


def _clock_problems() -> Iterator[Problem]:
    """That the clock of this machine is wrong, by the answers of providers to this process."""
    if (error := scheduler.clock_error()) is not None:
        direction = "ahead" if error > timedelta(0) else "behind"
        yield Problem(f"the clock of this machine is wrong: {abs(error.total_seconds()):.0f} s {direction}")


def _tick_problems() -> Iterator[Problem]:
    if SERVICE_STATE.tick_failure is not None:
        yield Problem(f"the last collection failed: {SERVICE_STATE.tick_failure}", is_failure=True)


def _file_problems(settings: Settings) -> Iterator[Problem]:
    """What is wrong with the journal and with the fallback database."""
    if settings.journal_days and (failure := open_journal(settings.journal_dir).failure) is not None:
        yield Problem(f"the journal cannot be written: {failure}")
    if files := damaged_files(settings):
        yield Problem(
            f"the fallback database was damaged and is set aside as {files[-1]}: delete this file, or keep it elsewhere"
        )
    if (reason := SERVICE_STATE.archive_failure) is not None:
        yield Problem(f"the archive of sealed months: {_cause(reason)}")
    if (reason := get_state().snapshot_failure) is not None:
        yield Problem(f"the fallback database cannot be updated: {_cause(reason)}")


def _audit_problems() -> Iterator[Problem]:
    if unaccounted := SERVICE_STATE.unaccounted:
        slots, their = plural(unaccounted, "slot"), "its" if unaccounted == 1 else "their"
        yield Problem(f"the audit has found {unaccounted} {slots} without an account; {their} reason is recorded now")


def _backup_problems(settings: Settings, look: DatabaseLook, now: datetime) -> Iterator[Problem]:
    """That backups fail, or that nobody makes them."""
    if settings.backup_dir is None:
        return
    last, period = look.last_backup, timedelta(hours=settings.backup_hours)
    since = f"the last good one is of {last.isoformat()}" if last else "there is no good one"
    if SERVICE_STATE.backup_failure is not None:
        yield Problem(f"the last backup failed, {since}: {_cause(SERVICE_STATE.backup_failure)}")
    elif last is not None and now - last > 2 * period:
        yield Problem(f"no backup was made when it was due: {since}")


def _data_problems(look: DatabaseLook) -> Iterator[Problem]:
    """What is wrong with the data."""
    assert look.ledger is not None
    total = len(look.ledger.freshness)
    for (flag, provider), names in sorted(look.ledger.standing_still.items()):
        text = _STANDS_STILL[flag].format(provider=provider, places=f"{len(names)} of {total} {plural(total, 'location')}")
        yield Problem(text, is_failure=flag == Flag.OLD and _is_most(names, total))
    if look.missed:
        count = sum(look.missed.values())
        reasons = ", ".join(f"{reason} {number}" for reason, number in sorted(look.missed.items()))
        or_more = " or more" if count >= MISSED_COUNTED else ""
        yield Problem(f"{count}{or_more} {plural(count, 'slot')} of the last 24 hours {were(count)} missed: {reasons}")
    if (stale := look.ledger.stale) and not is_first_collection():
        yield Problem(
            f"{len(stale)} of {total} {plural(total, 'location')} {are(len(stale))} stale", is_failure=_is_most(stale, total)
        )


def _job_problems(look: DatabaseLook) -> Iterator[Problem]:
    """That jobs of the user's own failed, which never stops the service itself."""
    if jobs := look.failed_jobs:
        names = f"{', '.join(jobs[:5])}{', …' if len(jobs) > 5 else ''}"
        yield Problem(f"the last run of {len(jobs)} {plural(len(jobs), 'job')} failed: {names}")


def _alert_problems(look: DatabaseLook) -> Iterator[Problem]:
    """That alerts cannot be told or evaluated, which never stops the service itself."""
    for one in look.failing_channels:
        count = f"{one.waiting} {'message waits' if one.waiting == 1 else 'messages wait'}"
        yield Problem(f"the channel {one.channel} does not accept alerts, {count} since {one.since.isoformat()}: {one.error}")
    for name, reason in look.failing_rules.items():
        yield Problem(f"the rule {name} cannot be evaluated: {reason}")


_STANDS_STILL: Final = {
    Flag.OLD: "{provider} stands still: its observations are too old at {places}",
    Flag.STALE: "{provider} stands still: its values no longer change at {places}",
    Flag.FUTURE: "{provider} has observations of the future at {places}",
}


def _is_most(names: Collection[str], total: int) -> bool:
    return 2 * len(names) >= total > 0


def is_first_collection() -> bool:
    """Whether this process was just started and its first collection goes on, so that old rows are no news."""
    return SERVICE_STATE.is_starting and not SERVICE_STATE.has_ticked
