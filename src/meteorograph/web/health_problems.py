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
from ..i18n import Phrase, joined, phrase_n
from ..journal.store_state import STORE_STATE
from ..journal.writer import open_journal
from ..ledger.health import LedgerHealth
from ..model.flags import Flag
from ..model.states import KeyState
from ..model.words import REASONS, WINDOWS
from ..providers.registry import PROVIDERS
from ..service_state import SERVICE_STATE
from ..storage.database_errors import UNREACHABLE
from .background_look import Look
from .database_look import DatabaseLook
from .health_texts import missed_text, stands_still
from .integration_state import integration_problems

#: A look that takes longer than this means that the database hangs, unless the last one is younger [s].
PATIENCE_SECONDS: Final = 10.0

#: States of a key that the provider does not accept.
_REFUSED: Final = (KeyState.INVALID, KeyState.PENDING, KeyState.BLOCKED, KeyState.PLAN_MISSING)


@dataclass(frozen=True, slots=True)
class Problem:
    """A reason why the service is not well."""

    text: Phrase
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
        yield Problem(Phrase("the database has not answered for {seconds:.0f} s", seconds=max(look.waited, 1)), is_failure=True)
    elif failure is not None:
        yield Problem(Phrase("the database does not answer: {cause}", cause=_cause(failure)), is_failure=True)
    elif reason := away or heartbeat:
        yield Problem(Phrase("the database does not take the work: {cause}", cause=_cause(reason)), is_failure=True)
    else:
        return
    if away is not None and get_state().uses_fallback:
        yield Problem(Phrase("rows are collected in the fallback database until the database is back"))


def _cause(text: str) -> str:
    """The cause in the text of an error, without the address of the database."""
    return _ADDRESS.sub("it was", text.rpartition("cannot be used: ")[2])


_ADDRESS: Final = re.compile(r"^the database \S+ was")


def _scheduler_problems(settings: Settings, look: DatabaseLook, now: datetime, *, is_running: bool) -> Iterator[Problem]:
    count, seconds = look.unworked_jobs
    if count:
        text = phrase_n(
            "no worker takes jobs: {count:,} job has waited for {seconds:.0f} s, start meteorograph worker",
            "no worker takes jobs: {count:,} jobs have waited for {seconds:.0f} s, start meteorograph worker",
            count,
            seconds=seconds,
        )
        yield Problem(text, is_failure=True)
    if is_running:
        return
    if settings.scheduler_enabled:
        error = scheduler_start.start_error()
        why = Phrase("the scheduler is not running")
        if error:
            why = Phrase("the scheduler could not be started: {error}", error=error)
        yield Problem(why, is_failure=True)
    elif look.ledger and (missing := _missing_collector(look.ledger, now)):
        yield Problem(missing, is_failure=True)


def _missing_collector(ledger: LedgerHealth, now: datetime) -> Phrase | None:
    """That the process that collected is gone; None if rows are stored without it, as by a command that cron runs."""
    age, newest = min(ledger.heartbeats.values(), default=None), ledger.newest_slot
    if not ledger.freshness or (age is None and not ledger.stale):
        return None
    if age is None:
        return Phrase("no process collects")
    has_other = newest is not None and (now - newest).total_seconds() < age - scheduler.STALE_HEARTBEAT_SECONDS
    if has_other and not ledger.stale:
        return None
    return Phrase("no process collects: the last heartbeat is {seconds:.0f} s old", seconds=age)


def _key_problems(settings: Settings, look: DatabaseLook) -> Iterator[Problem]:
    if settings.scheduler_enabled and all(settings.key(name) is None for name in settings.providers):
        names = [PROVIDERS[name].key_setting or "" for name in settings.providers]
        text = Phrase("no provider has a key: set {setting}", setting=names[0])
        for name in names[1:]:
            text = Phrase("{all} or {last}", all=text, last=name)
        yield Problem(text, is_failure=True)
    refused = {name: account for name, account in look.accounts.items() if account.key_state in _REFUSED}
    usable = [name for name in settings.providers if name not in refused and settings.key(name) is not None]
    for name, account in refused.items():
        reason = _without_name(name, account)
        text = Phrase("{provider} refuses the key: {reason}", provider=name, reason=reason)
        if account.key_state == KeyState.PENDING:
            text = Phrase("{provider} does not accept the key yet: {reason}", provider=name, reason=reason)
        yield Problem(text, is_failure=name in settings.providers and not usable)


def _provider_problems(look: DatabaseLook) -> Iterator[Problem]:
    for name, account in look.accounts.items():
        if account.closed_until is not None and account.key_state not in _REFUSED:
            reason = _without_name(name, account)
            yield Problem(
                Phrase("{provider} is closed until {time}: {reason}", provider=name, time=account.closed_until, reason=reason)
            )
        elif (usage := look.used_up.get(name)) is not None:
            spent = phrase_n(
                "{used:,} of {count:,} call of the {window}",
                "{used:,} of {count:,} calls of the {window}",
                usage.limit,
                used=usage.used,
                window=WINDOWS.get(usage.window, usage.window),
            )
            yield Problem(
                Phrase(
                    "the quota of {provider} is used up until {time}: {spent}", provider=name, time=usage.resets_at, spent=spent
                )
            )


def _without_name(name: str, account: AccountStatus) -> str:
    return (account.reason or "").removeprefix(f"{name}: ")


def _clock_problems() -> Iterator[Problem]:
    """That the clock of this machine is wrong, by the answers of providers to this process."""
    if (error := scheduler.clock_error()) is not None:
        seconds = abs(error.total_seconds())
        if error > timedelta(0):
            yield Problem(Phrase("the clock of this machine is wrong: {seconds:.0f} s ahead", seconds=seconds))
        else:
            yield Problem(Phrase("the clock of this machine is wrong: {seconds:.0f} s behind", seconds=seconds))


def _tick_problems() -> Iterator[Problem]:
    if SERVICE_STATE.tick_failure is not None:
        yield Problem(Phrase("the last collection failed: {reason}", reason=SERVICE_STATE.tick_failure), is_failure=True)


def _file_problems(settings: Settings) -> Iterator[Problem]:
    """What is wrong with the journal and with the fallback database."""
    if settings.journal_days and (failure := open_journal(settings.journal_dir).failure) is not None:
        yield Problem(Phrase("the journal cannot be written: {reason}", reason=failure))
    if settings.journal_store and (reason := STORE_STATE.failure) is not None and STORE_STATE.since is not None:
        yield Problem(Phrase("the journal store cannot be used since {time}: {reason}", time=STORE_STATE.since, reason=reason))
    if files := damaged_files(settings):
        text = Phrase(
            "the fallback database was damaged and is set aside as {file}: delete this file, or keep it elsewhere", file=files[-1]
        )
        yield Problem(text)
    if (reason := SERVICE_STATE.archive_failure) is not None:
        yield Problem(Phrase("the archive of sealed months: {reason}", reason=_cause(reason)))
    if (reason := get_state().snapshot_failure) is not None:
        yield Problem(Phrase("the fallback database cannot be updated: {reason}", reason=_cause(reason)))


def _audit_problems() -> Iterator[Problem]:
    if unaccounted := SERVICE_STATE.unaccounted:
        text = phrase_n(
            "the audit has found {count:,} slot without an account; its reason is recorded now",
            "the audit has found {count:,} slots without an account; their reason is recorded now",
            unaccounted,
        )
        yield Problem(text)


def _backup_problems(settings: Settings, look: DatabaseLook, now: datetime) -> Iterator[Problem]:
    """That backups fail, or that nobody makes them."""
    if settings.backup_dir is None:
        return
    last, period = look.last_backup, timedelta(hours=settings.backup_hours)
    since = Phrase("the last good one is of {time}", time=last) if last else Phrase("there is no good one")
    if SERVICE_STATE.backup_failure is not None:
        reason = _cause(SERVICE_STATE.backup_failure)
        yield Problem(Phrase("the last backup failed, {since}: {reason}", since=since, reason=reason))
    elif last is not None and now - last > 2 * period:
        yield Problem(Phrase("no backup was made when it was due: {since}", since=since))


def _data_problems(look: DatabaseLook) -> Iterator[Problem]:
    """What is wrong with the data."""
    assert look.ledger is not None
    total = len(look.ledger.freshness)
    for (flag, provider), names in sorted(look.ledger.standing_still.items()):
        places = phrase_n("{part:,} of {count:,} location", "{part:,} of {count:,} locations", total, part=len(names))
        text = stands_still(flag, provider, places)
        yield Problem(text, is_failure=flag == Flag.OLD and _is_most(names, total))
    if look.missed:
        count = sum(look.missed.values())
        counts = sorted(look.missed.items())
        reasons = joined(
            [Phrase("{reason} {count:,}", reason=REASONS.get(word, word), count=many) for word, many in counts], ", "
        )
        yield Problem(missed_text(count, reasons))
    if (stale := look.ledger.stale) and not is_first_collection():
        places = phrase_n("{part:,} of {count:,} location", "{part:,} of {count:,} locations", total, part=len(stale))
        text = phrase_n("{places} is stale", "{places} are stale", len(stale), places=places)
        yield Problem(text, is_failure=_is_most(stale, total))


def _job_problems(look: DatabaseLook) -> Iterator[Problem]:
    """That jobs of the user's own failed, which never stops the service itself."""
    if jobs := look.failed_jobs:
        names = f"{', '.join(jobs[:5])}{', …' if len(jobs) > 5 else ''}"
        text = phrase_n(
            "the last run of {count:,} job failed: {names}",
            "the last run of {count:,} jobs failed: {names}",
            len(jobs),
            names=names,
        )
        yield Problem(text)


def _alert_problems(look: DatabaseLook) -> Iterator[Problem]:
    """That alerts cannot be sent or evaluated, which never stops the service itself."""
    for one in look.failing_channels:
        text = phrase_n(
            "the channel {channel} does not accept alerts, {count:,} message waits since {time}: {reason}",
            "the channel {channel} does not accept alerts, {count:,} messages wait since {time}: {reason}",
            one.waiting,
            channel=one.channel,
            time=one.since,
            reason=one.error,
        )
        yield Problem(text)
    for name, reason in look.failing_rules.items():
        yield Problem(Phrase("the rule {name} cannot be evaluated: {reason}", name=name, reason=reason))


def _is_most(names: Collection[str], total: int) -> bool:
    return 2 * len(names) >= total > 0


def is_first_collection() -> bool:
    """Whether this process was just started and its first collection goes on, so that old rows are no news."""
    return SERVICE_STATE.is_starting and not SERVICE_STATE.has_ticked
