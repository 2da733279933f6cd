"""Accounts on both databases: what closes a provider, until when, and who tries whether it is well again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from meteorograph import create_app, get_db_session, ingest_data, tick
from meteorograph.accounts import account_state
from meteorograph.accounts.account_state import AccountStatus, Closed
from meteorograph.collecting.call_gate import CallGate
from meteorograph.collecting.circuit_breaker import OUTAGE_FAILURES
from meteorograph.collecting.event_loop import run_async
from meteorograph.config.loading import load_settings
from meteorograph.errors import AccountError, PermanentFetchError, ProviderClosedError, QuotaExceededError, RetryableFetchError
from meteorograph.model.account import Account
from meteorograph.model.clock import DrivenClock
from meteorograph.scheduler import scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage.engine import ENGINES
from meteorograph.storage.models import AccountState
from support import KEY, NOON, RAIN_KEY

pytestmark = pytest.mark.usefixtures("database")

NAME = "openweathermap"
MINUTE = timedelta(minutes=1)
OUTAGE_ERROR = RetryableFetchError(NAME, "HTTP 503 without a message", status=503)
INVALID = AccountError(NAME, "401: Invalid API key", key_state="invalid", status=401)


def _used_up(until: datetime) -> QuotaExceededError:
    return QuotaExceededError(NAME, "429: too many", retry_at=until, status=429)


def _known(now: datetime, key: str = KEY) -> AccountStatus:
    with get_db_session(read_only=True) as session:
        return account_state.account_status(session, NAME, key, now)


def _restart() -> None:
    """Forget everything that is not in the database."""
    tick.TICK_MEMORY.reset()
    ENGINES.reset()


def _opened(key: str, now: datetime) -> AccountState:
    account = account_state.open_account(NAME, key, now)
    assert isinstance(account, AccountState)
    return account


def _closed(now: datetime) -> Closed:
    account = account_state.open_account(NAME, KEY, now)
    assert isinstance(account, Closed)
    return account


def test_an_error_for_a_closed_account_is_a_new_one_each_time() -> None:
    closed = Closed(NAME, "503", NOON, by_quota=False)
    raised = []
    for _ in range(3):
        with pytest.raises(ProviderClosedError, match="503") as error:
            raise closed.error()
        raised.append(error.value)
    assert len(set(map(id, raised))) == 3
    assert [error.__context__ for error in raised] == [None] * 3


def test_a_key_that_was_never_used_is_untested_and_open() -> None:
    with get_db_session(read_only=True) as session:
        assert account_state.account_status(session, NAME, None, NOON) == AccountStatus("missing")
    assert _known(NOON) == AccountStatus("untested")
    assert _opened(KEY, NOON).key_state == "untested"
    assert _known(NOON) == AccountStatus("untested")
    account_state.record_success(NAME, KEY, NOON)
    assert _known(NOON) == AccountStatus("active")


@pytest.mark.parametrize("state", ["plan_missing", "blocked"])
def test_what_the_provider_says_of_a_key_is_its_state(state: str) -> None:
    until = account_state.record_failure(NAME, KEY, AccountError(NAME, "no", key_state=state, status=200), NOON)
    assert _known(NOON) == AccountStatus(state, until, f"{NAME}: no")


def test_a_new_key_that_is_refused_is_pending_for_hours_and_then_invalid() -> None:
    now = NOON
    account_state.open_account(NAME, KEY, now)
    states = []
    while now < NOON + 2 * account_state.KEY_ACTIVATION:
        account_state.record_failure(NAME, KEY, INVALID, now)
        states.append((now - NOON, _known(now).key_state))
        now += timedelta(minutes=30)
    assert {state for age, state in states if age < account_state.KEY_ACTIVATION} == {"pending"}
    assert {state for age, state in states if age >= account_state.KEY_ACTIVATION} == {"invalid"}
    account_state.record_success(NAME, KEY, now)
    assert _known(now) == AccountStatus("active")
    account_state.record_failure(NAME, KEY, INVALID, now)
    assert _known(now).key_state == "invalid", "it was good once, so it is not new"


def test_a_refused_key_is_tried_again_after_minutes_then_every_half_hour() -> None:
    now, waits = NOON, []
    for _ in range(6):
        until = account_state.record_failure(NAME, KEY, INVALID, now)
        waits.append((until - now) // MINUTE)
        closed = _closed(until - timedelta(seconds=1))
        assert "401: Invalid API key" in closed.reason
        assert (closed.retry_at, closed.by_quota) == (until, False)
        assert type(closed.error()) is ProviderClosedError
        now = until
    assert waits == [5, 10, 20, 30, 30, 30]


def test_an_outage_is_waited_for_twice_as_long_each_time() -> None:
    now, waits = NOON, []
    for _ in range(8):
        until = account_state.record_failure(NAME, KEY, OUTAGE_ERROR, now)
        waits.append((until - now).total_seconds())
        now = until
    assert waits == [30, 60, 120, 240, 480, 600, 600, 600]
    assert _known(NOON).key_state == "untested"


def test_another_key_begins_anew_and_so_does_the_first_one_when_it_is_back() -> None:
    account_state.record_success(NAME, KEY, NOON)
    account_state.record_failure(NAME, KEY, _used_up(NOON + timedelta(days=9)), NOON)
    assert _known(NOON, RAIN_KEY) == AccountStatus("untested")
    account = _opened(RAIN_KEY, NOON + MINUTE)
    assert (account.key_state, account.closed_until, account.succeeded_at) == ("untested", None, None)
    assert account.key_since == NOON + MINUTE
    assert RAIN_KEY not in str(account.key_fingerprint)
    assert _known(NOON) == AccountStatus("untested")


@pytest.mark.parametrize("days", [0.01, 30])
def test_a_quota_that_is_used_up_closes_until_its_end_whatever_comes_of_earlier_calls(days: float) -> None:
    until = NOON + timedelta(days=days)
    account_state.record_success(NAME, KEY, NOON)
    account_state.record_failure(NAME, KEY, _used_up(until), NOON)
    account_state.record_success(NAME, KEY, NOON)
    account_state.record_failure(NAME, KEY, OUTAGE_ERROR, NOON)
    account_state.record_failure(NAME, KEY, INVALID, NOON)
    account_state.record_failure(NAME, KEY, _used_up(NOON + MINUTE), NOON)
    for now in (NOON, NOON + MINUTE, until - timedelta(seconds=1)):
        _restart()
        closed = _closed(now)
        assert (closed.retry_at, closed.by_quota) == (until, True)
        assert isinstance(closed.error(), QuotaExceededError)
    assert _known(NOON) == AccountStatus("active", until, f"{NAME}: 429: too many", by_quota=True)
    account_state.open_account(NAME, KEY, until)
    account_state.record_success(NAME, KEY, until)
    assert _known(until) == AccountStatus("active")


def _at_once(count: int, work: Callable[[], bool]) -> list[bool]:
    """What so many threads get that begin together."""
    begin, results = threading.Barrier(count), list[bool]()

    def run() -> None:
        begin.wait()
        results.append(work())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def _may_call(now: datetime) -> bool:
    account = account_state.open_account(NAME, KEY, now)
    return not isinstance(account, Closed) or account.retry_at <= now


def test_one_of_eight_tries_whether_it_is_well_again() -> None:
    until = account_state.record_failure(NAME, KEY, OUTAGE_ERROR, NOON)
    assert _at_once(8, lambda: _may_call(until - timedelta(seconds=1))) == [False] * 8
    assert sorted(_at_once(8, lambda: _may_call(until))) == [False] * 7 + [True]
    assert not _may_call(until + account_state.PROBE_TIMEOUT - timedelta(seconds=1)), "the one is given its time"
    assert sorted(_at_once(8, lambda: _may_call(until + account_state.PROBE_TIMEOUT))) == [False] * 7 + [True], (
        "it never came back"
    )
    account_state.record_success(NAME, KEY, until + MINUTE)
    assert _at_once(8, lambda: _may_call(until + MINUTE)) == [True] * 8


def test_one_that_fails_closes_it_again_for_all() -> None:
    until = account_state.record_failure(NAME, KEY, OUTAGE_ERROR, NOON)
    assert _may_call(until)
    longer = account_state.record_failure(NAME, KEY, OUTAGE_ERROR, until)
    assert longer - until == MINUTE
    assert _at_once(8, lambda: _may_call(longer - timedelta(seconds=1))) == [False] * 8
    assert _may_call(longer)


@pytest.fixture
def gate(driven: DrivenClock) -> Iterator[CallGate]:
    made = CallGate(Account(NAME, {}, "UTC"), KEY, expected=100)
    run_async(made.open())
    yield made
    run_async(made.close())


def test_a_refusal_of_one_place_says_that_the_key_is_good(gate: CallGate) -> None:
    assert gate.is_probing
    run_async(gate.report(PermanentFetchError(NAME, "404: city not found", status=404)))
    assert _known(NOON) == AccountStatus("active")
    assert not gate.is_probing


def test_no_answer_at_all_says_nothing_of_the_key_and_closes_when_it_goes_on(gate: CallGate) -> None:
    untrusted = PermanentFetchError(NAME, "the certificate of api.example is not trusted")
    for _ in range(OUTAGE_FAILURES - 1):
        run_async(gate.report(untrusted))
    assert _known(NOON) == AccountStatus("untested")
    run_async(gate.report(untrusted))
    assert _known(NOON) == AccountStatus("untested", NOON + account_state.FIRST_OUTAGE_PAUSE, str(untrusted))
    with pytest.raises(ProviderClosedError):
        run_async(gate.spend())


def test_failures_with_answers_in_between_close_nothing(gate: CallGate) -> None:
    for _ in range(3):
        for _ in range(OUTAGE_FAILURES - 1):
            run_async(gate.report(OUTAGE_ERROR))
        run_async(gate.report(None))
    assert gate.closed is None


def test_after_429_no_call_is_made_until_the_window_ends_however_often_it_is_restarted(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    collecting.set_faults("kind=status code=429 retry_after=900 count=1")
    scheduled_ingest()
    assert collecting.count() == 1
    for _ in range(29):
        driven.advance(timedelta(seconds=30))
        _restart()
        scheduled_ingest()
        with pytest.raises(QuotaExceededError):
            ingest_data()
    assert collecting.count() == 1
    driven.advance(timedelta(seconds=31))
    scheduled_ingest()
    assert collecting.count() == 2


@pytest.mark.parametrize(("now", "until"), [("2026-03-01T12:00", "2026-04-01"), ("2026-12-31T23:00", "2027-01-01")])
def test_104_of_weatherstack_closes_it_until_the_first_of_the_next_month(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch, now: str, until: str
) -> None:
    driven.advance(datetime.fromisoformat(now).replace(tzinfo=UTC) - NOON)
    end = datetime.fromisoformat(until).replace(tzinfo=UTC)
    with Simulator(keys=(RAIN_KEY,), weatherstack_calls_per_month=1) as small:
        monkeypatch.setenv("METEOROGRAPH_WEATHERSTACK_BASE_URL", small.url)
        assert ingest_data()["providers"] == {"precipitation": "weatherstack"}
        driven.advance(MINUTE)
        for _ in range(3):
            assert ingest_data()["providers"] is None, "OpenWeatherMap's own rain"
            driven.advance(MINUTE)
        assert small.count() == 2
        with get_db_session(read_only=True) as session:
            known = account_state.account_status(session, "weatherstack", RAIN_KEY, driven())
        assert (known.key_state, known.closed_until, known.by_quota) == ("active", end, True)
        driven.advance(end - driven())
        assert ingest_data()["providers"] == {"precipitation": "weatherstack"}


def test_health_tells_what_is_known_of_each_key(driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWM_API_KEY", KEY)
    client = create_app(load_settings(scheduler_enabled=False)).test_client()
    missing = {"key": "missing", "closed_until": None, "reason": None}
    untested = {"key": "untested", "closed_until": None, "reason": None}
    assert client.get("/health").get_json()["providers"] == {NAME: untested, "weatherstack": missing}
    account_state.record_failure(NAME, KEY, INVALID, NOON)
    told = {"key": "pending", "closed_until": "2026-03-01T12:05:00+00:00", "reason": f"{NAME}: 401: Invalid API key"}
    assert client.get("/health").get_json()["providers"][NAME] == told
    driven.advance(5 * MINUTE)
    assert client.get("/health").get_json()["providers"][NAME] == {**told, "closed_until": None}
    account_state.record_success(NAME, RAIN_KEY, NOON)
    assert client.get("/health").get_json()["providers"][NAME] == untested, "that was another key"
