"""The state of the account with each provider: its key's state, and until when it may not be called.

One row per account in the database, so that a provider that refused stays closed across restarts and processes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import CursorResult, or_, update
from sqlalchemy.orm import Session

from ..errors import AccountError, ProviderClosedError, QuotaExceededError, RetryableFetchError
from ..log_output import get_logger
from ..model.states import KeyState
from ..redaction import redact
from ..storage.engine import get_db_session
from ..storage.models import AccountState
from ..storage.process import process_name
from ..storage.upsert import insert_or_ignore

log = get_logger(__name__)

#: A new OpenWeatherMap key becomes active within two hours; until then it is refused like a wrong key.
KEY_ACTIVATION: Final = timedelta(hours=3)

#: Pauses after a refused key: first minutes, then half an hour, so that a key that becomes active is used in its hourly slot.
FIRST_REFUSAL_PAUSE: Final = timedelta(minutes=5)
LONGEST_REFUSAL_PAUSE: Final = timedelta(minutes=30)

#: Pauses after an outage, doubled each time.
FIRST_OUTAGE_PAUSE: Final = timedelta(seconds=30)
LONGEST_OUTAGE_PAUSE: Final = timedelta(minutes=10)

#: How long the other processes wait for the one that tries whether the provider answers again.
PROBE_TIMEOUT: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Closed:
    """Why an account may not be called, and until when."""

    #: Name of the provider, or of the separate account of its history.
    account: str
    reason: str
    #: No call before this instant (aware UTC).
    retry_at: datetime
    #: Whether its quota is used up; otherwise it failed or refused the key.
    by_quota: bool

    def error(self) -> ProviderClosedError:
        """A new error that says so. Never raise one twice: its traceback would grow each time and keep every frame alive."""
        kind = QuotaExceededError if self.by_quota else ProviderClosedError
        return kind(self.account, self.reason, retry_at=self.retry_at)


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """The state of an account, as pages and commands show it."""

    #: A ``KeyState``; ``missing`` without a key.
    key_state: str
    closed_until: datetime | None = None
    reason: str | None = None
    #: Whether it is closed because its quota is used up.
    by_quota: bool = False
    #: When the provider last answered a call with this key.
    last_answer_at: datetime | None = field(default=None, compare=False)


def account_status(session: Session, account: str, key: str | None, now: datetime) -> AccountStatus:
    """The state of an account with this key; what was learned with another key does not count."""
    if key is None:
        return AccountStatus(KeyState.MISSING)
    state = session.get(AccountState, account)
    if state is None or state.key_fingerprint != key_fingerprint(key):
        return AccountStatus(KeyState.UNTESTED)
    closed_until = state.closed_until if state.closed_until and state.closed_until > now else None
    return AccountStatus(state.key_state, closed_until, state.reason, _is_used_up(state, now), state.succeeded_at)


def _is_used_up(state: AccountState, now: datetime) -> bool:
    """Whether the account is closed because of its quota: only then is it closed without a failure."""
    return state.failures == 0 and state.closed_until is not None and state.closed_until > now


def key_fingerprint(key: str) -> str:
    """A hash that differs between keys and does not reveal them."""
    return hashlib.blake2b(key.encode(), digest_size=12, person=b"meteorograph").hexdigest()


def load_or_create(session: Session, account: str, key: str, now: datetime) -> AccountState:
    """The row of an account; with another key than the last one, all of its state is reset."""
    new = {
        "provider": account,
        "key_state": KeyState.UNTESTED,
        "key_since": now,
        "failures": 0,
        "key_fingerprint": key_fingerprint(key),
    }
    state = session.get(AccountState, account)
    if state is None:
        insert_or_ignore(session, AccountState, [new])
        state = session.get_one(AccountState, account)
    if state.key_fingerprint != key_fingerprint(key):
        reset = {"closed_until": None, "reason": None, "probe_holder": None, "probe_until": None, "succeeded_at": None}
        for name, value in (new | reset).items():
            setattr(state, name, value)
    return state


def open_account(account: str, key: str, now: datetime) -> AccountState | Closed:
    """The state of an account that may be called: it is not closed, or this process may probe whether it answers again.

    Gives why not, where it may not be called.
    """
    with get_db_session() as session:
        state = load_or_create(session, account, key, now)
        if state.closed_until is None:
            return state
        session.flush()
        if state.closed_until <= now and _take_probe(session, account, now):
            return state
        retry_at = state.closed_until if state.closed_until > now else now + PROBE_TIMEOUT
        reason = f"not called before {retry_at:%Y-%m-%d %H:%M:%S} UTC: {state.reason}"
        return Closed(account, reason, retry_at, by_quota=state.failures == 0)


def _take_probe(session: Session, account: str, now: datetime) -> bool:
    free = or_(AccountState.probe_until.is_(None), AccountState.probe_until <= now)
    taken = session.execute(
        update(AccountState)
        .where(AccountState.provider == account, free)
        .values(probe_holder=process_name(), probe_until=now + PROBE_TIMEOUT)
        .execution_options(synchronize_session=False)
    )
    return bool(taken.rowcount)  # type: ignore[attr-defined]  # an UPDATE gives a cursor result


def record_success(account: str, key: str, now: datetime) -> None:
    """Record that the provider has answered: the key is good, and the account is open."""
    with get_db_session() as session:
        state = load_or_create(session, account, key, now)
        if state.key_state != KeyState.ACTIVE or state.closed_until is not None:
            log.info("provider answers", provider=account, was=state.key_state, reason=state.reason)
        state.key_state, state.succeeded_at = KeyState.ACTIVE, now
        if _is_used_up(state, now):
            return  # the answer is to a call from before the quota was used up
        state.failures = 0
        state.closed_until = state.reason = state.probe_holder = state.probe_until = None


def record_failure(account: str, key: str, error: Exception, now: datetime) -> datetime:
    """Close an account whose provider refused it, said that its quota is used up, or is down; gives until when."""
    with get_db_session() as session:
        state = load_or_create(session, account, key, now)
        if isinstance(error, QuotaExceededError):
            until, state.failures = error.retry_at, 0
        elif _is_used_up(state, now) and state.closed_until is not None:
            return state.closed_until  # the failure of an earlier call neither shortens this nor changes the reason
        elif isinstance(error, AccountError):
            state.failures += 1
            state.key_state = _key_state(state, error, now)
            until = now + _pause(state.failures, FIRST_REFUSAL_PAUSE, LONGEST_REFUSAL_PAUSE)
        else:
            state.failures += 1
            until = now + _pause(state.failures, FIRST_OUTAGE_PAUSE, LONGEST_OUTAGE_PAUSE)
            if isinstance(error, RetryableFetchError) and error.wait:
                until = max(until, now + error.wait)
        state.closed_until = max(until, state.closed_until or until)
        state.reason = redact(str(error))[:500]
        state.probe_holder = state.probe_until = None
        log.warning("provider closed", provider=account, until=state.closed_until.isoformat(), reason=str(error))
        return state.closed_until


def reopen(account: str) -> bool:
    """Let a closed account be called again at once; False if it is not closed. Its key is tried as an unknown one."""
    values = {"closed_until": None, "failures": 0, "reason": None, "key_state": KeyState.UNTESTED}
    closed = AccountState.closed_until.is_not(None)
    with get_db_session() as session:
        result = session.execute(update(AccountState).where(AccountState.provider == account, closed).values(**values))
        assert isinstance(result, CursorResult)
        if result.rowcount:
            log.warning("provider reopened on command", provider=account)
        return result.rowcount > 0


def _pause(failures: int, first: timedelta, longest: timedelta) -> timedelta:
    """The pause after so many failures in a row: doubled each time, up to the longest."""
    doubled: timedelta = first * 2 ** min(failures - 1, 10)
    return min(doubled, longest)


def _key_state(state: AccountState, error: AccountError, now: datetime) -> str:
    """The state of a refused key. A key that never worked may be new: it is refused in the same words as a wrong key."""
    if error.key_state == KeyState.INVALID and state.succeeded_at is None and now - state.key_since < KEY_ACTIVATION:
        return KeyState.PENDING
    return error.key_state
