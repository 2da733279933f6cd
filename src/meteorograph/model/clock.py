"""The one place that reads the time of day, so that a test can drive it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta


def system_time() -> datetime:
    """The machine's time (aware UTC)."""
    return datetime.now(UTC)


class DrivenClock:
    """A clock that stands still until it is moved; safe across threads."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            return self._now

    def advance(self, by: timedelta) -> datetime:
        """Move the clock (a negative duration moves it back) and return the new time."""
        with self._lock:
            self._now += by
            return self._now


_source: Callable[[], datetime] = system_time


def now() -> datetime:
    """The current instant (aware UTC) by the clock in force."""
    return _source()


def is_driven() -> bool:
    """Whether another clock than the machine's is in force."""
    return _source is not system_time


@contextmanager
def driven_by(source: Callable[[], datetime]) -> Iterator[None]:
    """Let ``source`` tell the time, in every thread, while the block runs."""
    global _source
    before, _source = _source, source
    try:
        yield
    finally:
        _source = before
