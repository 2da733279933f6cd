"""The rows of accounts: exact times, reasons and fields after each event."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from meteorograph import get_db_session
from meteorograph.accounts import account_state, quota
from meteorograph.accounts.account_state import AccountStatus, Closed
from meteorograph.accounts.quota import Grant, Usage
from meteorograph.errors import AccountError, ProviderClosedError, QuotaExceededError, RetryableFetchError
from meteorograph.model.account import Account
from meteorograph.storage.models import AccountState
from meteorograph.storage.process import process_name
from support import KEY, NOON, RAIN_KEY

pytestmark = pytest.mark.usefixtures("database")

NAME = "openweathermap"
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
INVALID = AccountError(NAME, "401: Invalid API key", key_state="invalid", status=401)


def _outage(wait: timedelta | None = None) -> RetryableFetchError:
    return RetryableFetchError(NAME, "HTTP 503", status=503, wait=wait)


def _row(account: str = NAME) -> dict[str, Any]:
    with get_db_session(read_only=True) as session:
        state = session.get_one(AccountState, account)
        return {column.key: getattr(state, column.key) for column in AccountState.__table__.columns}


def _status(now: datetime, key: str | None = KEY) -> AccountStatus:
    with get_db_session(read_only=True) as session:
        return account_state.account_status(session, NAME, key, now)


def test_a_new_row() -> None:
    account_state.open_account(NAME, KEY, NOON)
    assert _row() == {
        "provider": NAME,
        "key_state": "untested",
        "key_since": NOON,
        "key_fingerprint": account_state.key_fingerprint(KEY),
        "succeeded_at": None,
        "failures": 0,
        "closed_until": None,
        "reason": None,
        "probe_holder": None,
        "probe_until": None,
    }
    account_state.open_account(NAME, KEY, NOON + MINUTE)
    assert _row()["key_since"] == NOON


def test_fingerprints_differ_and_are_short() -> None:
    assert account_state.key_fingerprint(KEY) != account_state.key_fingerprint(RAIN_KEY)
    assert len(account_state.key_fingerprint(KEY)) == 24


def test_another_key_resets_every_field() -> None:
    account_state.record_success(NAME, KEY, NOON)
    until = account_state.record_failure(NAME, KEY, _outage(), NOON)
    account_state.open_account(NAME, KEY, until)
    used = _row()
    assert (used["succeeded_at"], used["failures"], used["closed_until"]) == (NOON, 1, until)
    assert (used["probe_holder"], used["probe_until"]) == (process_name(), until + MINUTE)
    account_state.open_account(NAME, RAIN_KEY, NOON + MINUTE)
    reset = _row()
    assert (reset["key_state"], reset["key_since"], reset["failures"]) == ("untested", NOON + MINUTE, 0)
    assert reset["key_fingerprint"] == account_state.key_fingerprint(RAIN_KEY)
    empty = ("closed_until", "reason", "probe_holder", "probe_until", "succeeded_at")
    assert [reset[name] for name in empty] == [None] * 5


def test_a_closed_account_says_why_and_until_when() -> None:
    until = account_state.record_failure(NAME, KEY, _outage(), NOON)
    assert until == NOON + 30 * SECOND
    reason = "not called before 2026-03-01 12:0{} UTC: openweathermap: HTTP 503"
    assert account_state.open_account(NAME, KEY, NOON) == Closed(NAME, reason.format("0:30"), until, by_quota=False)
    assert isinstance(account_state.open_account(NAME, KEY, until), AccountState)  # the one that probes
    other = account_state.open_account(NAME, KEY, until)
    assert other == Closed(NAME, reason.format("1:30"), until + MINUTE, by_quota=False)
    assert isinstance(account_state.open_account(NAME, KEY, until + MINUTE), AccountState)
    assert _row()["probe_until"] == until + 2 * MINUTE


def test_an_error_of_a_closed_account() -> None:
    error = Closed(NAME, "why", NOON, by_quota=False).error()
    assert (type(error), str(error), error.retry_at) == (ProviderClosedError, "openweathermap: why", NOON)
    error = Closed(NAME, "why", NOON, by_quota=True).error()
    assert (type(error), str(error), error.retry_at) == (QuotaExceededError, "openweathermap: why", NOON)


@pytest.mark.parametrize(
    ("wait", "seconds"), [(None, 30), (timedelta(0), 30), (29 * SECOND, 30), (31 * SECOND, 31), (timedelta(days=2), 172_800)]
)
def test_the_longer_of_the_pause_and_the_wait_of_the_provider_counts(wait: timedelta | None, seconds: int) -> None:
    assert account_state.record_failure(NAME, KEY, _outage(wait), NOON) == NOON + seconds * SECOND
    assert _row()["closed_until"] == NOON + seconds * SECOND


def test_a_failure_never_opens_an_account_earlier() -> None:
    account_state.record_failure(NAME, KEY, _outage(timedelta(hours=1)), NOON)
    assert account_state.record_failure(NAME, KEY, _outage(), NOON + SECOND) == NOON + 60 * MINUTE
    assert (_row()["failures"], _row()["reason"]) == (2, "openweathermap: HTTP 503")


def test_a_failure_ends_the_probe_and_a_success_clears_everything() -> None:
    until = account_state.record_failure(NAME, KEY, _outage(), NOON)
    account_state.open_account(NAME, KEY, until)
    account_state.record_failure(NAME, KEY, _outage(), until)
    assert (_row()["probe_holder"], _row()["probe_until"], _row()["failures"]) == (None, None, 2)
    account_state.open_account(NAME, KEY, until + MINUTE)
    account_state.record_success(NAME, KEY, until + MINUTE)
    row = _row()
    assert (row["key_state"], row["succeeded_at"], row["failures"]) == ("active", until + MINUTE, 0)
    assert [row[name] for name in ("closed_until", "reason", "probe_holder", "probe_until")] == [None] * 4


def test_a_long_reason_is_cut() -> None:
    account_state.record_failure(NAME, KEY, RetryableFetchError(NAME, "x" * 900), NOON)
    assert _row()["reason"] == f"{NAME}: " + "x" * (500 - len(NAME) - 2)


def test_the_pauses_stay_at_the_longest_after_very_many_failures() -> None:
    account_state.record_failure(NAME, KEY, _outage(), NOON)
    with get_db_session() as session:
        session.get_one(AccountState, NAME).failures = 5000
    now = NOON + timedelta(days=1)
    assert account_state.record_failure(NAME, KEY, _outage(), now) == now + 10 * MINUTE
    assert account_state.record_failure(NAME, KEY, INVALID, now) == now + 30 * MINUTE


@pytest.mark.parametrize(
    ("hours", "succeeded", "reported", "state"),
    [
        (0, False, "invalid", "pending"),
        (3 - 1 / 3600, False, "invalid", "pending"),
        (3, False, "invalid", "invalid"),
        (0, True, "invalid", "invalid"),
        (0, False, "blocked", "blocked"),
        (0, False, "plan_missing", "plan_missing"),
    ],
)
def test_the_state_of_a_refused_key(hours: float, succeeded: bool, reported: str, state: str) -> None:
    account_state.open_account(NAME, KEY, NOON)
    if succeeded:
        account_state.record_success(NAME, KEY, NOON)
    account_state.record_failure(NAME, KEY, AccountError(NAME, "no", key_state=reported), NOON + timedelta(hours=hours))
    assert _status(NOON).key_state == state


def test_the_status_of_an_account() -> None:
    until = NOON + MINUTE
    assert _status(NOON, None) == AccountStatus("missing", None, None, by_quota=False)
    account_state.record_failure(NAME, KEY, QuotaExceededError(NAME, "429", retry_at=until), NOON)
    assert _status(until - SECOND) == AccountStatus("untested", until, f"{NAME}: 429", by_quota=True)
    assert _status(until) == AccountStatus("untested", None, f"{NAME}: 429", by_quota=False)
    account_state.record_failure(NAME, KEY, _outage(), until)
    assert _status(until) == AccountStatus("untested", until + 30 * SECOND, f"{NAME}: HTTP 503", by_quota=False)
    assert _status(NOON, RAIN_KEY) == AccountStatus("untested", None, None, by_quota=False)


def test_a_grant_names_the_charged_periods() -> None:
    account = Account(NAME, {"minute": 10, "hour": 100, "day": 1000}, "America/Los_Angeles")
    now = NOON + timedelta(minutes=7, seconds=8, microseconds=9)
    starts = {"minute": NOON + 7 * MINUTE, "hour": NOON, "day": NOON - timedelta(hours=4)}
    assert quota.spend(account, 4, now) == Grant(4, None, starts, NOON + 8 * MINUTE)
    with get_db_session(read_only=True) as session:
        usages = quota.usage(session, account, now)
    ends = {"minute": NOON + 8 * MINUTE, "hour": NOON + 60 * MINUTE, "day": NOON + timedelta(hours=20)}
    assert usages == [Usage(window, limit, 4, starts[window], ends[window]) for window, limit in account.limits.items()]
    assert quota.spend(account, 7, now, least=7) == Grant(0, NOON + 8 * MINUTE)
    assert quota.spend(account, 6, now, least=6).calls == 6
    assert quota.spend(account, 0, now, least=0).calls == 0
    with get_db_session(read_only=True) as session:
        later = quota.usage(session, account, now + MINUTE)
    assert [(one.window, one.used, one.starts_at) for one in later] == [
        ("minute", 0, NOON + 8 * MINUTE),
        ("hour", 10, NOON),
        ("day", 10, NOON - timedelta(hours=4)),
    ]


def test_calls_that_are_given_back_never_go_below_zero() -> None:
    account = Account(NAME, {"day": 100}, "UTC")
    grant = quota.spend(account, 5, NOON)
    other = quota.spend(Account("other", {"day": 100}, "UTC"), 5, NOON)
    assert other.periods == grant.periods
    for calls, used in ((1, 4), (4, 0), (1, 0)):
        quota.give_back(account, grant, calls)
        with get_db_session(read_only=True) as session:
            assert quota.usage(session, account, NOON)[0].used == used
            assert quota.usage(session, Account("other", {"day": 100}, "UTC"), NOON)[0].used == 5
    quota.spend(account, 5, NOON)
    quota.give_back(account, grant, 6)
    with get_db_session(read_only=True) as session:
        assert quota.usage(session, account, NOON)[0].used == 0


def test_windows_that_start_together_get_calls_back_once() -> None:
    account = Account(NAME, {"minute": 10, "hour": 100, "day": 1000}, "UTC")
    midnight = NOON - timedelta(hours=12)
    quota.give_back(account, quota.spend(account, 8, midnight), 3)
    with get_db_session(read_only=True) as session:
        assert [one.used for one in quota.usage(session, account, midnight)] == [5, 5, 5]
