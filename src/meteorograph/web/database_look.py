"""What ``/health`` reads from the database, in one look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ..accounts import account_state, quota
from ..alerts.deliveries import FailingChannel, failing_channels
from ..alerts.rules import list_rules
from ..backups.folder import last_backup
from ..config.loading import get_settings
from ..config.settings import Settings
from ..errors import MeteorographError
from ..jobs.queries import failed_jobs
from ..ledger.gaps import count_missed
from ..ledger.health import LedgerHealth, read_health
from ..ledger.queue_counts import count_unworked_jobs
from ..log_output import get_logger
from ..model import clock, schedule
from ..storage import outbox
from ..storage.database_errors import plain_reason
from ..storage.engine import get_db_session
from .background_look import BackgroundLook, Look

log = get_logger(__name__)

#: Windows of a quota in which it is news that they are used up.
_LONG_WINDOWS: Final = ("day", "month")

#: How long a request waits for the look before it takes the one before it [s].
WAIT_SECONDS: float = 0.7

#: How old the look of a page may be [s], if there are more locations than this. The page says how old one of some minutes is.
_RECENT_SECONDS: Final = 600.0
_MANY: Final = 1000


@dataclass(frozen=True, slots=True)
class DatabaseLook:
    """The state of the ledger and of the accounts."""

    #: None if the database failed.
    ledger: LedgerHealth | None = None
    #: Configured provider → state of its key, and until when the provider is closed.
    accounts: Mapping[str, account_state.AccountStatus] = field(default_factory=dict)
    #: Provider → the used-up window of its quota that ends last.
    used_up: Mapping[str, quota.Usage] = field(default_factory=dict)
    #: Reason → missed slots of the last day.
    missed: Mapping[str, int] = field(default_factory=dict)
    #: Names of the user's own jobs that failed last time.
    failed_jobs: Sequence[str] = ()
    #: When the newest backup was made; None without one.
    last_backup: datetime | None = None
    #: How the sending to each integration goes.
    integrations: Sequence[outbox.IntegrationState] = ()
    #: The channels of alerts that do not accept their messages, and the rules that cannot be evaluated, with the reasons.
    failing_channels: Sequence[FailingChannel] = ()
    failing_rules: Mapping[str, str] = field(default_factory=dict)
    #: Jobs of shards that wait although no process takes jobs, and for how long [s].
    unworked_jobs: tuple[int, float] = (0, 0.0)
    #: Why the database failed; None if it did not.
    failure: str | None = None
    #: The database that was looked at.
    database: SecretStr | None = None


def look_at_database(wait: float | None = None, *, may_be_recent: bool = False) -> Look[DatabaseLook]:
    """The newest look: one that is made now, if the database answers within ``wait`` [s].

    With many locations a look takes a while; if it ``may_be_recent``, the one before it is good enough.
    """
    if may_be_recent and (look := _LOOK.get_recent(_RECENT_SECONDS)) is not None:
        if look.value is not None and _is_of_many(look.value):
            return look
    return _LOOK.get(WAIT_SECONDS if wait is None else wait)


def _is_of_many(seen: DatabaseLook) -> bool:
    """Whether a look at the present database has found many locations."""
    return seen.ledger is not None and len(seen.ledger.freshness) > _MANY and seen.database == get_settings().database_url


def _read() -> DatabaseLook:
    try:
        settings, now = get_settings(), clock.now()
        with get_db_session(read_only=True) as session:
            return DatabaseLook(
                read_health(session, now, schedule.Interval(settings.interval)),
                _accounts(session, settings, now),
                _used_up(session, settings, now),
                count_missed(session, now),
                failed_jobs(session, now),
                last_backup(settings.backup_dir) if settings.backup_dir else None,
                outbox.read_states(session),
                failing_channels(session),
                {rule.name: rule.failure for rule in list_rules(session) if rule.failure is not None},
                count_unworked_jobs(session),
                database=settings.database_url,
            )
    except (MeteorographError, SQLAlchemyError) as error:
        reason = str(error) if isinstance(error, MeteorographError) else plain_reason(error)
        log.error("the database does not answer", reason=reason)  # noqa: TRY400  # the reason is enough
        return DatabaseLook(failure=reason)
    except Exception as error:  # a fault of our own must be seen in /health
        log.exception("the look at the database failed")
        return DatabaseLook(failure=f"unexpected {type(error).__name__}")


def _accounts(session: Session, settings: Settings, now: datetime) -> dict[str, account_state.AccountStatus]:
    return {name: account_state.account_status(session, name, settings.key(name), now) for name in settings.named_providers}


def _used_up(session: Session, settings: Settings, now: datetime) -> dict[str, quota.Usage]:
    found: dict[str, quota.Usage] = {}
    for name in settings.named_providers:
        if settings.key(name) is not None:
            for usage in quota.usage(session, settings.account(name), now):
                if usage.window in _LONG_WINDOWS and usage.used >= usage.limit - quota.reserve_of(usage.limit):
                    found[name] = usage
    return found


_LOOK: Final = BackgroundLook(_read)
