"""The sentence that says how the service does: a table of states, worst truth first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from meteorograph.accounts.account_state import AccountStatus
from meteorograph.web.health_report import HealthReport, HealthStatus
from meteorograph.web.page.service_sentence import Level, Sentence, service_sentence
from support import NOON

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
FRESH = dict.fromkeys((f"place {number}" for number in range(12)), 120.0)
TWO_LATE = {**FRESH, "place 3": 9000.0, "place 4": 9000.0}
CLOSED = AccountStatus("active", NOON + 18 * MINUTE, "openweathermap: HTTP 503", last_answer_at=NOON - 20 * MINUTE)
CLOSED_SAID = "openweathermap is closed until 2026-03-01T12:18:00+00:00: HTTP 503"
MISSED = "40 slots of the last 24 hours were missed: provider_error 40"
LATE = "2 of 12 locations are stale"
SPENT = "the quota of weatherstack is used up until 2026-03-02T00:00:00+00:00: 100 of 100 calls of the day"

SPENT_SAID = "The quota of Weatherstack is used up until 00:00: 100 of 100 calls of the day."


def _report(**changes: Any) -> HealthReport:
    fields: dict[str, Any] = {
        "status": HealthStatus.DEGRADED if changes.get("problems") else HealthStatus.OK,
        "problems": [],
        "is_scheduler_running": True,
        "collectors": 1,
        "is_database_up": True,
        "freshness": FRESH,
        "stale": [],
        "last_run": None,
        "next_run": NOON + HOUR,
        "accounts": {"openweathermap": AccountStatus("active")},
        "last_backup": None,
        "integrations": (),
        "age": 0.0,
    }
    return HealthReport(**{**fields, **changes})


def _sentence(*, heals: bool = False, **changes: Any) -> Sentence:
    return service_sentence(_report(**changes), lambda at: f"{at:%H:%M}", heals=heals)


@pytest.mark.parametrize(
    ("changes", "level", "text"),
    [
        ({}, Level.GOOD, "All 12 places are up to date."),
        ({"freshness": {"Athens": 3.0}}, Level.GOOD, "1 place is up to date."),
        ({"freshness": {}}, Level.IDLE, "No place is collected yet."),
        ({"freshness": dict.fromkeys(FRESH)}, Level.IDLE, "12 places wait for their first values."),
        ({"freshness": {**FRESH, "place 3": None}}, Level.IDLE, "1 of 12 places waits for its first values."),
        ({"is_scheduler_running": False}, Level.IDLE, "Nothing is collected: no scheduler is running."),
        (
            {"is_scheduler_running": False, "stale": ["place 3"]},
            Level.WARN,
            "Nothing is collected: no scheduler is running. 1 of 12 places is late.",
        ),
        (
            {"is_scheduler_running": False, "status": HealthStatus.FAILING, "problems": ["the scheduler is not running"]},
            Level.BAD,
            "The scheduler is not running. All 12 places are up to date.",
        ),
        ({"freshness": TWO_LATE, "stale": ["place 3", "place 4"]}, Level.WARN, "2 of 12 places wait for values."),
        (
            {"freshness": TWO_LATE, "stale": ["place 3", "place 4"], "problems": [MISSED, LATE], "heals": True},
            Level.WARN,
            "2 of 12 places wait for values. Gaps are filled as far as a history has them.",
        ),
        (
            {
                "status": HealthStatus.STARTING,
                "problems": [LATE, "the scheduler has just been started"],
                "stale": ["place 3", "place 4"],
                "heals": True,
            },
            Level.IDLE,
            "The scheduler has just been started. 2 of 12 places wait for values.",
        ),
        ({"problems": [MISSED]}, Level.WARN, "All 12 places are up to date."),
        (
            {"problems": [CLOSED_SAID, MISSED, LATE], "accounts": {"openweathermap": CLOSED}, "stale": ["place 3", "place 4"]},
            Level.WARN,
            "OpenWeatherMap has not answered since 11:40: HTTP 503. 2 of 12 places wait for values.",
        ),
        ({"problems": [SPENT]}, Level.WARN, f"{SPENT_SAID} All 12 places are up to date."),
        (
            {"problems": ["no provider has a key: set OWM_API_KEY"], "status": HealthStatus.FAILING, "freshness": {}},
            Level.BAD,
            "No provider has a key: set OWM_API_KEY. No place is collected yet.",
        ),
        (
            {"problems": ["the database does not answer: it is closed", "the fallback is used"], "is_database_up": False},
            Level.BAD,
            "The database does not answer: it is closed.",
        ),
    ],
)
def test_the_worst_truth_comes_first_and_only_a_service_that_collects_is_green(
    changes: dict[str, Any], level: Level, text: str
) -> None:
    sentence = _sentence(**changes)
    assert (sentence.level, sentence.text) == (level, text)


def test_what_comes_next_is_a_run_or_the_next_try_of_a_closed_provider() -> None:
    assert (_sentence().next_at, _sentence().is_try) == (NOON + HOUR, False)
    closed = _sentence(problems=[CLOSED_SAID], accounts={"openweathermap": CLOSED})
    assert (closed.next_at, closed.is_try) == (NOON + 18 * MINUTE, True)
    assert _sentence(is_scheduler_running=False, next_run=None).next_at is None


def test_the_newest_values_and_the_details() -> None:
    assert _sentence(newest_slot=NOON - 2 * MINUTE).newest_at == NOON - 2 * MINUTE
    told = _sentence(problems=[SPENT, "the last backup failed, there is no good one: disk full", MISSED, LATE])
    assert told.details == (
        "The last backup failed, there is no good one: disk full.",
        "40 slots of the last 24 hours were missed: provider_error 40.",
    )
