"""Answers that pause while their client is behind, and the check of the headers of a request that has a body."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from waitress.buffers import ReadOnlyFileBasedBuffer
from waitress.task import WSGITask

from ..web.headers_check import HEADERS_PASSED

if TYPE_CHECKING:
    from .channel import Channel

#: How long a thread works on one answer before others get their turn [s].
_TURN_SECONDS: Final = 0.25

#: Key of the task in the WSGI environment.
_TASK: Final = "meteorograph.task"


class Pause(BaseException):
    """Leaves the thread in the middle of an answer. Not an ``Exception``: the code between must not handle it."""


class Parts:
    """The parts of an answer. Pauses while the client is behind, and after each turn."""

    def __init__(self, channel: Channel, parts: Iterable[bytes]) -> None:
        self._channel = channel
        self._parts = parts
        self._iterator: Iterator[bytes] | None = None
        self._is_paused = False
        self.turn_ends_at = time.monotonic() + _TURN_SECONDS

    def __iter__(self) -> Parts:
        return self

    def __next__(self) -> bytes:
        if self._iterator is None:
            self._iterator = iter(self._parts)
        elif self._channel.is_full() or time.monotonic() > self.turn_ends_at:
            self._is_paused = True
            raise Pause
        return next(self._iterator)

    def resume(self) -> None:
        self._is_paused, self.turn_ends_at = False, time.monotonic() + _TURN_SECONDS

    def close(self) -> None:
        """Close the application's iterator, unless the answer only pauses."""
        close: Callable[[], None] | None = getattr(self._parts, "close", None)
        if close is not None and not self._is_paused:
            close()


class Task(WSGITask):  # type: ignore[misc]  # waitress is not typed
    """One request, whose answer may be made in several turns."""

    parts: Parts | None = None
    #: Whether the connection ends with this answer; set by waitress.
    close_on_finish: bool

    def execute(self) -> None:
        if self.parts is None:
            super().execute()
            return
        self.parts.resume()
        try:
            for part in self.parts:
                self.write(part)
        finally:
            self.parts.close()

    def build_response_header(self) -> bytes:
        """The headers. waitress closes the connection after an answer without a length, which its encoding or status ends too."""
        wants_close = self.close_on_finish or self.request.headers.get("CONNECTION", "").lower() == "close"
        head: bytes = super().build_response_header()
        if self.version == "1.1" and not wants_close:
            self.close_on_finish = False
            head = head.replace(b"\r\nConnection: close\r\n", b"\r\n", 1)
        if self.request.command == "HEAD":
            self.chunked_response = False  # its end must not be sent
        return head

    def cancel(self) -> None:
        """Close the application's iterator: the client is gone."""
        if self.parts is not None:
            self.parts.resume()
            self.parts.close()

    def get_environment(self) -> Any:
        passed = {HEADERS_PASSED: True} if self.request.has_passed else {}
        return {**super().get_environment(), **passed, _TASK: self}


class HeadTask(Task):
    """The check of the headers of a request that has a body: the answer 100 lets it be read, any other ends the connection."""

    def write(self, data: bytes) -> None:
        if self.status.startswith("100 "):
            self.request.whole.has_passed = True
            return
        self.set_close_on_finish()
        super().write(data)


def let_answers_pause(application: Any, check: Any = None) -> Any:
    """The application, and the check of headers, with answers that pause as often as needed."""

    def call(environ: dict[str, Any], start_response: Any) -> Any:
        task = environ.pop(_TASK)
        parts = (check if isinstance(task, HeadTask) else application)(environ, start_response)
        if isinstance(parts, ReadOnlyFileBasedBuffer):
            return parts
        task.parts = Parts(task.channel, parts)
        return task.parts

    return call
