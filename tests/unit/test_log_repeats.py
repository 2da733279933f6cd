"""Lines about many places: one for each kind and minute, with a count."""

from __future__ import annotations

import logging
import threading

import pytest

from meteorograph import log_repeats
from meteorograph.log_output import get_logger
from meteorograph.log_repeats import REPEATS, error_once, warn_once

log = get_logger("meteorograph.of_this_test")


@pytest.fixture(autouse=True)
def _empty() -> None:
    REPEATS.reset()


def _lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [str(record.getMessage()) for record in caplog.records if record.name == "meteorograph.of_this_test"]


def test_a_thousand_lines_of_a_kind_are_one_and_a_count(caplog: pytest.LogCaptureFixture) -> None:
    for number in range(1000):
        error_once(log, "provider failed", ("a", 404), provider="a", point=number)
        warn_once(log, "provider failed", ("b", 404), provider="b", point=number)
    assert len(_lines(caplog)) == 2
    assert "'point': 0" in _lines(caplog)[0]
    REPEATS.flush()
    assert len(_lines(caplog)) == 2, "the minute has not ended"
    REPEATS.flush(everything=True)
    assert len(_lines(caplog)) == 4
    assert "'repeated': 999" in _lines(caplog)[2]
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING] * 2


def test_the_next_line_after_a_minute_says_how_many_were_left_out(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        warn_once(log, "again", ())
    monkeypatch.setattr(log_repeats, "REPEAT_SECONDS", 0.0)
    warn_once(log, "again", ())
    assert len(_lines(caplog)) == 2
    assert "'repeated': 4" in _lines(caplog)[1]
    REPEATS.flush()
    assert len(_lines(caplog)) == 2, "nothing was left out since"


def test_a_traceback_is_written_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        error_once(log, "a fault", ("ValueError",), exc_info=ValueError("wrong"))
    REPEATS.flush(everything=True)
    assert "ValueError: wrong" in caplog.text
    assert caplog.text.count("ValueError: wrong") <= 2  # the line, and pytest's own writing of it
    assert len(_lines(caplog)) == 2


def test_no_line_is_lost_between_threads(caplog: pytest.LogCaptureFixture) -> None:
    def warn() -> None:
        for _ in range(500):
            warn_once(log, "busy", ())

    threads = [threading.Thread(target=warn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    REPEATS.flush(everything=True)
    assert len(_lines(caplog)) == 2
    assert "'repeated': 1999" in _lines(caplog)[1]
