"""What is known of the account with each provider: its key's state, and whether it may be called.

One row per provider in the database, so that a provider that refused stays closed across restarts and processes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from ..errors import AccountError, ProviderClosedError, QuotaExceededError, RetryableFetchError
from ..log_output import get_logger
from ..model.states import KeyState
from ..storage.engine import get_db_session
from ..storage.models import Account
from ..storage.process import process_name
from ..storage.upsert import insert_or_ignore

log = get_logger(__name__)

#: A new OpenWeatherMap key becomes active within two hours; until then it is refused like a wrong one.
ACTIVATION: Final = timedelta(hours=3)

#: After a refused key: minutes first, then half an hour, so that an hourly slot outlives a key that becomes active in it.
REFUSED_FIRST: Final = timedelta(minutes=5)
REFUSED_MOST: Final = timedelta(minutes=30)

#: After an outage, doubled each time.
OUTAGE_FIRST: Final = timedelta(seconds=30)
OUTAGE_MOST: Final = timedelta(minutes=10)

#: How long the others wait for the one that tries whether the provider is well again.
PROBE: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """What is to be told of an account: its key's state (``missing`` without one), and until when and why it is closed."""

    key_state: str
    closed_until: datetime | None = None
    reason: str | None = None
    #: Whether it is closed because its quota is used up.
    by_quota: bool = False


def account_status(session: Session, provider: str, key: str | None, now: datetime) -> AccountStatus:
    """What is known of the account with this key; of another key than the last one used, nothing is."""
    if key is None:
        return AccountStatus(KeyState.MISSING)
    account = session.get(Account, provider)
    if account is None or account.key_fingerprint != key_fingerprint(key):
        return AccountStatus(KeyState.UNTESTED)
    closed_until = account.closed_until if account.closed_until and account.closed_until > now else None
    return AccountStatus(account.key_state, closed_until, account.reason, _is_used_up(account, now))


def _is_used_up(account: Account, now: datetime) -> bool:
    """Whether it is closed because of its quota: only then has nothing failed."""
    return account.failures == 0 and account.closed_until is not None and account.closed_until > now


def key_fingerprint(key: str) -> str:
    """Tells one key from another without telling the key."""
    return hashlib.blake2b(key.encode(), digest_size=12, person=b"meteorograph").hexdigest()


def load_or_create(session: Session, provider: str, key: str, now: datetime) -> Account:
    """The account's row; another key than the last one begins anew."""
    new = {
        "provider": provider,
        "key_state": KeyState.UNTESTED,
        "key_since": now,
        "failures": 0,
        "key_fingerprint": key_fingerprint(key),
    }
    account = session.get(Account, provider)
    if account is None:
        insert_or_ignore(session, Account, [new])
        account = session.get_one(Account, provider)
    if account.key_fingerprint != key_fingerprint(key):
        fresh = {"closed_until": None, "reason": None, "probe_holder": None, "probe_until": None, "succeeded_at": None}
        for name, value in (new | fresh).items():
            setattr(account, name, value)
    return account


def check_open(provider: str, key: str, now: datetime) -> Account:
    """The account, if it may be called: it is not closed, or this process is the one to try whether it is well again.

    Raises:
        ProviderClosedError: It may not; a ``QuotaExceededError`` where the quota is used up.
    """
    with get_db_session() as session:
        account = load_or_create(session, provider, key, now)
        if account.closed_until is None:
            return account
        session.flush()
        if account.closed_until <= now and _take_probe(session, provider, now):
            return account
        kind = QuotaExceededError if account.failures == 0 else ProviderClosedError
        retry_at = account.closed_until if account.closed_until > now else now + PROBE
        raise kind(provider, f"not called before {retry_at:%Y-%m-%d %H:%M:%S} UTC: {account.reason}", retry_at=retry_at)


def _take_probe(session: Session, provider: str, now: datetime) -> bool:
    free = or_(Account.probe_until.is_(None), Account.probe_until <= now)
    taken = session.execute(
        update(Account)
        .where(Account.provider == provider, free)
        .values(probe_holder=process_name(), probe_until=now + PROBE)
        .execution_options(synchronize_session=False)
    )
    return bool(taken.rowcount)  # type: ignore[attr-defined]  # an UPDATE gives a cursor result


def record_success(provider: str, key: str, now: datetime) -> None:
    """The provider has answered: open it, and note that the key is good."""
    with get_db_session() as session:
        account = load_or_create(session, provider, key, now)
        if account.key_state != KeyState.ACTIVE or account.closed_until is not None:
            log.info("provider answers", provider=provider, was=account.key_state, reason=account.reason)
        account.key_state, account.succeeded_at = KeyState.ACTIVE, now
        if _is_used_up(account, now):
            return  # a call made before that: it says nothing against it
        account.failures = 0
        account.closed_until = account.reason = account.probe_holder = account.probe_until = None


def record_failure(provider: str, key: str, error: Exception, now: datetime) -> datetime:
    """The provider has refused the account, used up its quota, or is down: close it; gives until when."""
    with get_db_session() as session:
        account = load_or_create(session, provider, key, now)
        if isinstance(error, QuotaExceededError):
            until, account.failures = error.retry_at, 0
        elif _is_used_up(account, now) and account.closed_until is not None:
            return account.closed_until  # nothing that a call made before that came to shortens it or gives another reason
        elif isinstance(error, AccountError):
            account.failures += 1
            account.key_state = _key_state(account, error, now)
            until = now + min(REFUSED_FIRST * 2 ** min(account.failures - 1, 10), REFUSED_MOST)
        else:
            account.failures += 1
            until = now + min(OUTAGE_FIRST * 2 ** min(account.failures - 1, 10), OUTAGE_MOST)
            if isinstance(error, RetryableFetchError) and error.wait:
                until = max(until, now + error.wait)
        account.closed_until = max(until, account.closed_until or until)
        account.reason = str(error)[:500]
        account.probe_holder = account.probe_until = None
        log.warning("provider closed", provider=provider, until=account.closed_until.isoformat(), reason=str(error))
        return account.closed_until


def _key_state(account: Account, error: AccountError, now: datetime) -> str:
    """A key that was never good may be new: it is refused in the same words as a wrong one."""
    if error.key_state == KeyState.INVALID and account.succeeded_at is None and now - account.key_since < ACTIVATION:
        return KeyState.PENDING
    return error.key_state
