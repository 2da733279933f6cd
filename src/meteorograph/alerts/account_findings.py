"""Findings about the accounts with providers: closed, key refused, quota that does not last."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from ..accounts import quota
from ..accounts.account_state import key_fingerprint
from ..config.settings import Settings
from ..model.states import KeyState
from ..model.words import counted
from ..storage.models import AccountState
from .findings import FINE, UNKNOWN, Finding, Findings, Status

#: States of a key that the provider does not accept.
REFUSED: Final = (KeyState.INVALID, KeyState.PENDING, KeyState.BLOCKED, KeyState.PLAN_MISSING)

#: Windows of a quota that may be used up for hours.
_LONG_WINDOWS: Final = ("day", "month")

#: Share of the quota that must be used for a forecast, and share of the window by which a quota must end too early, or nearly so.
_MIN_USED: Final = 0.2
_MIN_SHORTFALL: Final = 0.1
_SMALL_SHORTFALL: Final = 0.05

#: A quota that is used up for a shorter time is that of a minute or an hour.
_BRIEF: Final = timedelta(hours=1)


def _state(session: Session, settings: Settings, provider: str) -> AccountState | None:
    """What is known of the account with the key in use; None before its first call."""
    state, key = session.get(AccountState, provider), settings.key(provider)
    return state if state is not None and key is not None and state.key_fingerprint == key_fingerprint(key) else None


def find_closed_providers(session: Session, settings: Settings) -> Findings:
    """Providers that have failed since their last success. At the end of a pause such a one is not well yet."""
    findings: Findings = {}
    for name in settings.named_providers:
        findings[name] = FINE
        state = _state(session, settings, name)
        if state is not None and state.failures and state.closed_until is not None and state.key_state not in REFUSED:
            reason = _reason(state)
            # Not the last success: of those in a row only the first one is recorded.
            detail = f"closed {counted(state.failures, 'time')} in a row, now until {state.closed_until:%Y-%m-%d %H:%M} UTC"
            findings[name] = Finding(Status.FIRING, None, reason, detail)
    return findings


def find_refused_keys(session: Session, settings: Settings) -> Findings:
    """Providers that do not accept the key."""
    findings: Findings = {}
    for name in settings.named_providers:
        state = _state(session, settings, name)
        if state is None or state.key_state == KeyState.UNTESTED:
            findings[name] = UNKNOWN
        elif state.key_state in REFUSED:
            findings[name] = Finding(Status.FIRING, None, _reason(state), f"the key is {state.key_state.replace('_', ' ')}")
        else:
            findings[name] = FINE
    return findings


def _reason(state: AccountState) -> str:
    """Why the account is closed, without the times and the numbers in which two looks may differ."""
    return " ".join((state.reason or "no reason is known").split())


def find_short_quotas(session: Session, settings: Settings, now: datetime) -> Findings:
    """Providers with a quota that is used up, or will be used up before it resets at the pace of its window so far."""
    findings: Findings = {}
    for name in settings.named_providers:
        if settings.key(name) is None:
            continue
        usages = [one for one in quota.usage(session, settings.account(name), now) if one.window in _LONG_WINDOWS]
        found = [_judge(one, now) for one in usages]
        state = _state(session, settings, name)
        if state is not None and not state.failures and state.closed_until is not None and state.closed_until - now > _BRIEF:
            cause = f"the provider says that the quota is used up: {_reason(state)}"
            found.append(Finding(Status.FIRING, None, cause, f"no call before {state.closed_until:%Y-%m-%d %H:%M} UTC"))
        firing = [one for one in found if one.status == Status.FIRING]
        between = [one for one in found if one.status == Status.BETWEEN]
        findings[name] = (firing or between or [FINE])[-1]
    return findings


def _judge(usage: quota.Usage, now: datetime) -> Finding:
    usable = usage.limit - quota.reserve_of(usage.limit)
    spent = f"{usage.used:,} of {usage.limit:,} calls of the {usage.window}"
    resets = f"it resets at {usage.resets_at:%Y-%m-%d %H:%M} UTC"
    if usage.used >= usable:
        return Finding(Status.FIRING, None, f"the quota of the {usage.window} is used up", f"{spent} are made; {resets}")
    length, elapsed = usage.resets_at - usage.starts_at, now - usage.starts_at
    if usage.used < _MIN_USED * usable or elapsed <= timedelta(0):
        return FINE
    ends_at = usage.starts_at + elapsed * (usable / usage.used)
    shortfall = (usage.resets_at - ends_at) / length
    if shortfall < _SMALL_SHORTFALL:
        return FINE
    detail = f"{spent} are made; at this pace it is used up at {ends_at:%Y-%m-%d %H:%M} UTC, and {resets}"
    cause = f"the quota of the {usage.window} does not last"
    return Finding(Status.FIRING if shortfall >= _MIN_SHORTFALL else Status.BETWEEN, None, cause, detail)
