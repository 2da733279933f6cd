"""What the ``Date`` headers of answers say of the clock of this machine."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from meteorograph.collecting import clock_check
from meteorograph.collecting.clock_check import ClockCheck
from meteorograph.model import clock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def header(ahead: timedelta) -> str:
    """The header of a provider whose clock is behind ours by this much."""
    return format_datetime(NOW - ahead, usegmt=True)


@pytest.mark.parametrize("seconds", [0, 119, -119, 120])
def test_a_small_difference_is_no_error(seconds: int) -> None:
    check = ClockCheck()
    check.note("a", header(timedelta(seconds=seconds)), NOW)
    assert check.wrong_by is None


@pytest.mark.parametrize("seconds", [121, -121, 86400 * 365])
def test_a_large_difference_says_how_wrong_the_clock_is(seconds: int, caplog: pytest.LogCaptureFixture) -> None:
    check = ClockCheck()
    check.note("a", header(timedelta(seconds=seconds)), NOW)
    assert check.wrong_by == timedelta(seconds=seconds)
    assert "the clock of this machine is wrong" in caplog.text


def test_one_provider_that_agrees_with_the_clock_is_enough() -> None:
    check = ClockCheck()
    check.note("a", header(timedelta(hours=3)), NOW)
    check.note("b", header(timedelta(seconds=1)), NOW)
    assert check.wrong_by is None


@pytest.mark.parametrize("text", [None, "", "yesterday", "Sun, 99 Mar 2026 12:00:00 GMT", "\u2063"])
def test_a_header_that_is_no_date_says_nothing(text: str | None) -> None:
    check = ClockCheck()
    check.note("a", text, NOW)
    assert check.wrong_by is None


def test_after_a_step_the_old_differences_say_nothing() -> None:
    check = ClockCheck()
    check.note("a", header(timedelta(hours=3)), NOW)
    check.reset()
    assert check.wrong_by is None
    check.note("a", header(timedelta(0)), NOW)
    assert check.wrong_by is None


def test_an_answer_from_before_a_step_does_not_confirm_the_clock_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that had jumped to 2038 was trusted for ten seconds, in which thousands of slots were written off."""
    check, years = ClockCheck(), timedelta(days=12 * 365)
    arrived_at = datetime.now(UTC)
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + years)
    monkeypatch.setattr(clock_check, "_offset", lambda: time.time() + years.total_seconds() - time.monotonic())
    check.note("a", format_datetime(arrived_at, usegmt=True), arrived_at)
    assert check.wrong_by is None
    assert not check._differences
    check.note("a", format_datetime(datetime.now(UTC), usegmt=True), clock.now())
    assert check.wrong_by is not None
    assert abs(check.wrong_by - years) < timedelta(minutes=1)
