"""A look at something that may hang: made in a thread, so that whoever needs it waits for a bounded time."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")

#: A look is quite new until this age [s].
_QUITE_NEW: Final = 10.0

#: A look in progress is a long one from this time on [s].
_LONG: Final = 1.0

#: A look that nobody waits for begins later [s], so that it does not slow down the answer that is being made.
_PAUSE: Final = 0.5

_ALL: Final[weakref.WeakSet[BackgroundLook[object]]] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class Look(Generic[T]):
    """The newest look that has ended, and how long the one in progress takes already."""

    #: None if no look has ended yet.
    value: T | None
    #: How long ago the look began [s].
    age: float
    #: How long a look in progress has taken so far [s]; 0 if none is in progress.
    waited: float


class BackgroundLook(Generic[T]):
    """Looks in a thread of its own; there is never more than one such thread, however many callers wait.

    Args:
        read: Makes the look; it must not raise.
    """

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self.reset()
        _ALL.add(self)  # type: ignore[arg-type]  # the set only resets its members

    def reset(self) -> None:
        """Forget everything; also for a child after a fork, which has no thread of its parent."""
        self._lock = threading.Lock()
        self._is_urgent = threading.Event()
        self._thread: threading.Thread | None = None
        self._begun = 0.0
        self._last: tuple[T, float] | None = None

    def get(self, seconds: float) -> Look[T]:
        """The result of a look that begins now, or that is in progress; after so many seconds, the one before it."""
        try:
            thread = self._join_or_start(pause=0.0)
        except RuntimeError:  # the process may have no further thread: the caller looks, and waits as long as it takes
            self._look(time.monotonic())
            return self._newest(0.0)
        thread.join(seconds)
        return self._newest(time.monotonic() - self._begun if thread.is_alive() else 0.0)

    def get_recent(self, max_age: float) -> Look[T] | None:
        """The last result, if it is not older than this [s]; None without such a result.

        The next look begins meanwhile, unless the last one is quite new.
        """
        if self._last is None or (age := time.monotonic() - self._last[1]) > max_age:
            return None
        waited = 0.0
        if age > _QUITE_NEW:
            with suppress(RuntimeError):  # the process may have no further thread now
                thread = self._join_or_start(pause=_PAUSE)
                waited = time.monotonic() - self._begun if thread.is_alive() else 0.0
        return self._newest(waited if waited > _LONG else 0.0)

    def _join_or_start(self, pause: float) -> threading.Thread:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._is_urgent.clear()
                self._begun = time.monotonic()
                thread = threading.Thread(target=self._look_after, args=(pause,), name="look", daemon=True)
                thread.start()
                self._thread = thread
            if not pause:
                self._is_urgent.set()
            return self._thread

    def _look_after(self, pause: float) -> None:
        """Look after a pause [s], or as soon as somebody waits."""
        self._is_urgent.wait(pause)
        self._begun = time.monotonic()
        self._look(self._begun)

    def _newest(self, waited: float) -> Look[T]:
        now = time.monotonic()
        value, begun = self._last or (None, now)
        return Look(value, now - begun, waited)

    def _look(self, begun: float) -> None:
        self._last = self._read(), begun


def _reset_all() -> None:
    for look in list(_ALL):
        look.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)
