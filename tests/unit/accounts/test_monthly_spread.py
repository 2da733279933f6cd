"""How many calls of a month a slot gets: exact values of an even spread."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from meteorograph.accounts.monthly_spread import allowance, is_behind
from meteorograph.model.account import Account

HOUR = timedelta(hours=1)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)  # 744 hours


@pytest.mark.parametrize(
    ("limit", "used", "hours", "slot", "calls", "behind"),
    [
        # 95 of 100 calls for the schedule: one in 7.8 hours
        (100, 0, 0, 1, 1, False),
        (100, 1, 0, 1, 0, False),
        (100, 1, 7, 1, 0, False),
        (100, 1, 8, 1, 1, False),
        (100, 0, 7, 1, 1, False),
        (100, 0, 8, 1, 1, True),  # the second call is due, and the first one was not made
        (100, 94, 743, 1, 1, False),
        (100, 95, 743, 1, 0, False),
        (100, 99, 743, 1, 0, False),
        # 8,928 of 8,978 calls: 12 an hour
        (8978, 0, 0, 1, 12, False),
        (8978, 5, 0, 1, 7, False),
        (8978, 12, 0, 1, 0, False),
        (8978, 12, 1, 1, 12, False),
        (8978, 11, 1, 1, 13, False),  # one call more than a share is the next slot's
        (8978, 10, 1, 1, 14, True),
        (8978, 0, 1, 1, 24, True),
        (8978, 0, 100, 1, 24, True),  # left over calls are caught up with twice the share at most
        (8978, 0, 100, 0.5, 12, True),
        (8978, 8920, 743, 1, 8, False),
        (8978, 8928, 743, 1, 0, False),
        (8978, 8978, 743, 1, 0, False),
    ],
)
def test_calls_of_a_slot(limit: int, used: int, hours: int, slot: float, calls: int, behind: bool) -> None:
    account, now = Account("x", {"minute": 1, "month": limit}, "UTC"), MARCH + hours * HOUR
    assert allowance(account, used, now, slot * HOUR) == calls
    assert is_behind(account, used, now, slot * HOUR) is behind


def test_the_month_is_that_of_the_zone() -> None:
    start = datetime(2026, 11, 1, 7, tzinfo=UTC)  # midnight in Los Angeles; the month has 721 hours
    account = Account("x", {"month": 14_470}, "America/Los_Angeles")
    assert [allowance(account, 0, start + hours * HOUR, HOUR) for hours in (0, 1)] == [20, 40]
    assert allowance(account, 14_419, start - HOUR, HOUR) == 1
    assert allowance(account, 0, start + 720 * HOUR, HOUR) == 40
