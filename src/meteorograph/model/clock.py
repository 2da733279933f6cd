"""The current time. Everything reads it here, so that a test can drive the clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta


def system_time() -> datetime:
    """The time of the machine (aware UTC)."""
    return datetime.now(UTC)


class DrivenClock:
    """A clock that only moves by ``advance``; thread-safe."""

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
    """The current instant (aware UTC)."""
    return _source()


def is_driven() -> bool:
    """Whether a test drives the clock."""
    return _source is not system_time


@contextmanager
def driven_by(source: Callable[[], datetime]) -> Iterator[None]:
    """Read the time from ``source`` in all threads while the block runs."""
    global _source
    previous, _source = _source, source
    try:
        yield
    finally:
        _source = previous
