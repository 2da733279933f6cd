"""``meteorograph check-keys`` and ``meteorograph plan``: what they say of real answers, on both databases."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from integration.upstream import Upstream, answers, response
from meteorograph import get_db_session
from meteorograph.accounts import account_state, plan_inputs, quota
from meteorograph.cli.main import cli
from meteorograph.collecting.key_check import KeyReport, check_keys
from meteorograph.config.loading import get_settings
from meteorograph.errors import ConfigurationError, QuotaExceededError
from meteorograph.model.clock import DrivenClock
from meteorograph.model.schedule import DEFAULT_SCHEDULE
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Location
from support import KEY, NOON, RAIN_KEY

pytestmark = pytest.mark.usefixtures("database", "driven")

OWM, RAIN = "openweathermap", "weatherstack"
WRONG = "ffffffffffffffffffffffffffffffff"


def _check() -> dict[str, KeyReport]:
    return {one.provider: one for one in check_keys(get_settings())}


def _states() -> dict[str, str]:
    return {name: one.state for name, one in _check().items()}


def _run(*args: str) -> Result:
    return CliRunner().invoke(cli, args, catch_exceptions=False)


def _used(provider: str) -> set[int]:
    with get_db_session(read_only=True) as session:
        return {one.used for one in quota.usage(session, get_settings().account(provider), NOON)}


def test_keys_that_work_are_active_and_cost_one_call_each(collecting: Simulator) -> None:
    ended = _run("check-keys")
    assert (ended.exit_code, ended.stdout) == (0, "OpenWeatherMap  active\nWeatherstack    active\n")
    assert (collecting.count(OWM), collecting.count(RAIN)) == (1, 1)
    assert _used(OWM) == _used(RAIN) == {1}


def test_only_keys_that_are_there_are_tried(collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    assert _states() == {OWM: "active"}
    monkeypatch.delenv("OWM_API_KEY")
    with pytest.raises(ConfigurationError, match="OWM_API_KEY or WEATHERSTACK_API_KEY"):  # exit code 2
        _run("check-keys")


def test_a_new_key_that_is_refused_may_yet_become_active(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OWM_API_KEY", WRONG)
    ended = _run("check-keys")
    assert ended.exit_code == 1
    assert "OpenWeatherMap  pending activation\n                401: Invalid API key." in ended.stdout
    assert "closed until 2026-03-01 12:05:00 UTC\n" in ended.stdout
    assert "a new key takes up to two hours" in ended.stdout
    assert ended.stdout.endswith("Weatherstack    active\n")
    assert WRONG not in ended.output
    driven.advance(account_state.KEY_ACTIVATION)
    report = _check()[OWM]
    assert report.state == "invalid"
    assert report.advice
    assert "OWM_API_KEY" in report.advice
    collecting.set_faults("")
    monkeypatch.setenv("OWM_API_KEY", KEY)
    assert _states()[OWM] == "active"


def test_one_that_becomes_active_is_found_to_be_although_it_is_closed(collecting: Simulator) -> None:
    collecting.set_faults("kind=status code=401 count=1 provider=openweathermap")
    assert _states()[OWM] == "pending"
    assert _states()[OWM] == "active"
    with get_db_session(read_only=True) as session:
        assert account_state.account_status(session, OWM, KEY, NOON).closed_until is None


@pytest.mark.parametrize(
    ("code", "kind", "state", "advice"),
    [
        (101, "invalid_access_key", "pending", "two hours"),
        (102, "inactive_user", "blocked", "support"),
        (105, "function_access_restricted", "plan_missing", "choose a plan"),
    ],
)
def test_weatherstack_says_it_in_the_body(monkeypatch: pytest.MonkeyPatch, code: int, kind: str, state: str, advice: str) -> None:
    monkeypatch.setenv("WEATHERSTACK_API_KEY", RAIN_KEY)
    info = f"No, and least of all {RAIN_KEY}."
    body = json.dumps({"success": False, "error": {"code": code, "type": kind, "info": info}}).encode()
    with Upstream(answers(response(200, body))) as upstream:
        monkeypatch.setenv("METEOROGRAPH_WEATHERSTACK_BASE_URL", upstream.url)
        report = _check()[RAIN]
        printed = _run("check-keys", "--json")
    assert (report.state, report.reached, report.is_good) == (state, True, False)
    assert report.said == f"{code}: {kind} - No, and least of all [redacted]."
    assert advice in (report.advice or "")
    assert printed.exit_code == 1
    [told] = json.loads(printed.stdout)
    assert (told["key_state"], told["called"], told["reached"]) == (state, True, True)
    assert RAIN_KEY not in printed.output


@pytest.mark.parametrize("known", ["untested", "active"])
def test_without_a_network_nothing_is_learned(collecting: Simulator, known: str) -> None:
    if known == "active":
        assert set(_states().values()) == {"active"}
    collecting.stop()
    for _ in range(3):
        reports = _check()
        assert {one.state for one in reports.values()} == {known}
        assert {one.closed_until for one in reports.values()} == {None}
    ended = _run("check-keys")
    assert ended.exit_code == 1
    assert ended.stdout.count(f"{known}\n") == 2
    assert ended.stdout.count("connection refused") == 2
    assert ended.stdout.count("could not be reached") == 2
    made = 1 if known == "active" else 0
    assert {collecting.count(name) for name in (OWM, RAIN)} == {made}
    assert (_used(OWM), _used(RAIN)) == ({made}, {made}), "what never left this machine is not charged"
    assert not any(one.called or one.is_good for one in reports.values())


def test_an_answer_that_is_none_leaves_the_state(collecting: Simulator) -> None:
    collecting.set_faults("kind=html provider=openweathermap")
    report = _check()[OWM]
    assert (report.state, report.reached, report.is_good) == ("untested", True, False)
    assert "HTML" in (report.said or "")


def test_one_whose_quota_is_used_up_is_not_called(collecting: Simulator, driven: DrivenClock) -> None:
    until = NOON + timedelta(minutes=10)
    collecting.set_faults("kind=status code=429 retry_after=600 count=1 provider=openweathermap")
    report = _check()[OWM]
    assert (report.state, report.called, report.closed_until) == ("untested", True, until)
    spent = collecting.count(OWM)
    ended = _run("check-keys")
    assert collecting.count(OWM) == spent
    assert ended.exit_code == 1
    assert "closed until 2026-03-01 12:10:00 UTC" in ended.stdout
    assert "was not called now" in ended.stdout
    driven.advance(timedelta(minutes=10))
    assert _states()[OWM] == "active"
    account_state.record_failure(OWM, KEY, QuotaExceededError(OWM, "429: no", retry_at=driven() + timedelta(days=3)), driven())
    reports = _check()
    assert (reports[OWM].state, reports[OWM].called, reports[OWM].is_good) == ("active", False, True)


def test_our_own_count_is_heeded_too(collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_WEATHERSTACK_CALLS_PER_MONTH", "1")
    assert _states() == {OWM: "active", RAIN: "active"}
    report = _check()[RAIN]
    assert collecting.count(RAIN) == 1
    assert (report.called, report.is_good) == (False, True)
    assert report.closed_until is not None
    assert report.closed_until.isoformat() == "2026-04-01T00:00:00+00:00"


def _add(count: int, schedule: str | None = None, state: str = "active") -> None:
    with get_db_session() as session:
        for number in range(count):
            name = f"{schedule} {state} {number}"
            place = {"latitude": number / 100, "longitude": 0, "state": state, "created_at": NOON}
            session.add(Location(name=name, schedule=schedule, **place))


def _plan(*args: str) -> tuple[int, dict[str, Any]]:
    ended = _run("plan", "--json", *args)
    return ended.exit_code, json.loads(ended.stdout)


def test_the_plan_without_locations_is_that_of_the_default_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWM_API_KEY", KEY)
    monkeypatch.setenv("WEATHERSTACK_API_KEY", RAIN_KEY)
    ended = _run("plan")
    assert ended.exit_code == 0
    assert ended.stdout.startswith("1 location, every 1 h\n")
    assert "a month      744  999,950  1,000,000  enough\n" in ended.stdout
    assert "Weatherstack gives the precipitation of 12 % of slots" in ended.stdout
    monkeypatch.setenv("OWM_API_KEY", "")
    assert _run("plan").exit_code == 0, "it needs no key"


def test_the_plan_counts_active_locations_by_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    _add(3)
    _add(2, "15m")
    _add(4, state="paused")
    _add(4, "5m", state="unscheduled")
    code, told = _plan()
    assert (code, told["holds"]) == (0, True)
    assert told["schedules"] == [{"schedule": DEFAULT_SCHEDULE, "locations": 3}, {"schedule": "15m", "locations": 2}]
    months = [window["calls"] for window in told["providers"][0]["windows"] if window["window"] == "month"]
    assert months == [3 * 744 + 2 * 4 * 744]
    monkeypatch.setenv("METEOROGRAPH_DEFAULT_LATITUDE", "80")
    assert _plan()[1]["schedules"][0]["locations"] == 4, "the default place that the user chose comes on top"
    monkeypatch.setenv("METEOROGRAPH_DEFAULT_LATITUDE", "0.01")
    monkeypatch.setenv("METEOROGRAPH_DEFAULT_LONGITUDE", "0")
    assert _plan()[1]["schedules"][0]["locations"] == 3, "that is one of them"


def test_a_plan_that_does_not_hold_ends_with_1_and_serve_says_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("METEOROGRAPH_OWM_CALLS_PER_MONTH", "11000")
    _add(41)
    ended = _run("plan")
    assert ended.exit_code == 1
    sentence = ended.stdout.splitlines()[-1]
    assert "NOT ENOUGH" in ended.stdout
    assert sentence.endswith("What would fit: 14 locations at this schedule, or these 41 every 3 h.")
    with caplog.at_level(logging.WARNING):
        plan_inputs.log_plan(get_settings(), NOON)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert sentence in caplog.text
    caplog.clear()
    monkeypatch.setenv("METEOROGRAPH_INTERVAL", "3h")
    plan_inputs.log_plan(get_settings(), NOON)
    assert caplog.records == []
