"""A look that is made in a thread, and the one before it."""

from __future__ import annotations

import threading
import time

from meteorograph.web.background_look import BackgroundLook


class _Counter:
    """Counts looks; each waits until it may go on."""

    def __init__(self) -> None:
        self.count = 0
        self.may_end = threading.Event()
        self.may_end.set()

    def read(self) -> int:
        self.may_end.wait(30)
        self.count += 1
        return self.count


def _make_older(look: BackgroundLook[int], seconds: float) -> None:
    """Let the last look be older than it is."""
    assert look._last is not None
    look._last = look._last[0], time.monotonic() - seconds


def test_a_recent_look_is_good_enough_and_an_older_one_is_made_again_meanwhile() -> None:
    counter = _Counter()
    look = BackgroundLook(counter.read)
    assert look.get_recent(600) is None
    assert look.get(30).value == 1
    _make_older(look, 5)
    assert (recent := look.get_recent(600)) is not None
    assert (recent.value, round(recent.age)) == (1, 5)
    assert look.get(30).value == 2, "nothing was begun before"
    _make_older(look, 120)
    counter.may_end.clear()
    recent = look.get_recent(600)
    assert recent is not None
    assert (recent.value, round(recent.age), recent.waited) == (2, 120, 0.0)
    counter.may_end.set()
    assert look.get(30).value == 3, "the one that was begun"
    _make_older(look, 601)
    assert look.get_recent(600) is None


def test_a_look_that_nobody_waits_for_begins_later_and_at_once_when_somebody_does() -> None:
    counter = _Counter()
    look = BackgroundLook(counter.read)
    look.get(30)
    _make_older(look, 60)
    begun = time.monotonic()
    look.get_recent(600)
    is_at_once = counter.count > 1 and time.monotonic() - begun < 0.4
    assert not is_at_once
    assert look.get(30).value == 2
    deadline = time.monotonic() + 30
    _make_older(look, 60)
    look.get_recent(600)
    while counter.count < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert counter.count == 3, "it begins although nobody waits"


def test_a_look_in_progress_for_long_says_so() -> None:
    counter = _Counter()
    look = BackgroundLook(counter.read)
    look.get(30)
    _make_older(look, 60)
    counter.may_end.clear()
    look.get(0.01)
    look._begun -= 5
    recent = look.get_recent(600)
    counter.may_end.set()
    assert recent is not None
    assert 5 <= recent.waited < 60
    look.get(30)
