"""One connection of the web server. A client that reads slowly holds no thread, only some kilobytes."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Any, Final

from waitress.channel import HTTPChannel

from .request_parser import BusyError, RequestParser
from .tasks import HeadTask, Pause, Task

#: Bytes that wait for a client before its answer pauses. One part of the answer may come on top.
MAX_WAITING_BYTES: Final = 64 * 1024

#: A client that has taken fewer bytes than this in so many seconds, although more wait for it, is disconnected.
#: Clients slower than 4 kB a second all look alike, since the system frees its buffer in steps.
_MIN_BYTES: Final = 16 * 1024
STALL_SECONDS: Final = 30.0

#: How long a connection stays open after a refusal, so that its client reads the answer [s]; what still arrives is dropped.
_LINGER_SECONDS: Final = 2.0


class Channel(HTTPChannel):  # type: ignore[misc]  # waitress is not typed
    """A connection, used by the thread of the event loop and by one worker at a time."""

    #: When its first request was queued [monotonic s].
    queued_at = 0.0
    #: The task that a thread works on or worked on last, and the task that has paused.
    _current: Task | None = None
    _paused: Task | None = None
    #: Whether the paused task waits for the client.
    _is_waiting = False
    #: Whether the current answer may refuse a request that has not been read to its end.
    _is_refusing = False
    #: Until when the connection stays open after a refusal [monotonic s].
    _lingers_until = 0.0
    #: Bytes sent so far, and at the last look of ``is_stalled``, and when that was [monotonic s].
    _sent = 0
    _sent_before = 0
    _looked_at = 0.0

    def parser_class(self, adj: Any) -> RequestParser:
        """The parser of the next request."""
        return RequestParser(adj, has_check=self.server.has_check)

    def task_class(self, channel: Channel, request: Any) -> Task:
        """The task of the current request: the one that has paused, or a new one."""
        kind = HeadTask if request.whole else Task
        self._current, self._paused = self._paused or kind(channel, request), None
        return self._current

    def readable(self) -> bool:
        """Whether to read from the client; called by the event loop."""
        if not self.connected:  # a new client may have its number already, and would get what happens to this one
            return False
        if self._lingers_until:
            return True
        return bool(super().readable()) and not (self.request is not None and self.request.is_waiting)

    def handle_read(self) -> None:
        if not self._lingers_until:
            super().handle_read()
            return
        try:
            self.recv(self.adj.recv_bytes)  # closes at the end
        except OSError:
            self.handle_close()

    def received(self, data: bytes) -> bool:
        is_taken = bool(super().received(data))
        with self.requests_lock:
            head = self.request and self.request.take_head()
            if head:
                self.requests.append(head)
                if len(self.requests) == 1:
                    self.server.add_task(self)
        return is_taken

    def _read_on(self) -> None:
        """Read the body of the request, the headers of which have passed the check."""
        early = self.request.read_on()
        self.received(early)
        with self.requests_lock:
            # While an earlier request is answered, its thread sends this later.
            if self.request is not None and self.request.expect_continue and not (self.requests or self.sent_continue):
                self.send_continue()

    def is_continuing(self) -> bool:
        """Whether the current answer has paused."""
        return self._paused is not None

    def is_full(self) -> bool:
        """Whether the client should read before it gets more."""
        return bool(self.total_outbufs_len > MAX_WAITING_BYTES)

    def service(self) -> None:
        """Work on the current request until it is answered or pauses."""
        if self._paused is not None and not self.connected:
            self._paused.cancel()
        self._is_refusing = bool(self.requests[0].error or self.requests[0].whole)
        try:
            if self.is_full():  # of answers to earlier requests that the client sent at once
                self.task_class(self, self.requests[0])
                raise Pause
            super().service()
        except Pause:
            with self.outbuf_lock:
                self._paused, self._is_waiting = self._current, True
            if self.connected:
                self.server.pull_trigger()
            else:
                self._continue()

    def refuse_as_busy(self) -> None:
        """Let the first request be answered with 503."""
        self.requests[0].error = BusyError()

    def writable(self) -> bool:
        """Whether there is something to send or to continue; called by the event loop."""
        wants = super().writable() or (self._is_waiting and not self.is_full()) or self._may_read_on()
        return bool(self.connected and wants)

    def _may_read_on(self) -> bool:
        return self.request is not None and self.request.is_waiting and self.request.has_passed

    def _linger(self) -> None:
        """Say that nothing more comes, but close later: a reset of the connection may discard the answer."""
        self.close_when_flushed = False
        self._lingers_until = time.monotonic() + _LINGER_SECONDS
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def handle_write(self) -> None:
        if self.close_when_flushed and self._is_refusing:
            self._flush_exception(self._flush_some)
            if not self.connected:  # the client has left meanwhile
                return
            if not (self.total_outbufs_len or self.will_close):
                self._linger()
                return
        super().handle_write()
        if self.connected and self._may_read_on():
            self._read_on()
        if not self.is_full():
            self._continue()

    def handle_close(self) -> None:
        super().handle_close()
        self._continue()

    def _continue(self) -> None:
        with self.outbuf_lock:
            if not self._is_waiting:
                return
            self._is_waiting = False
        self.server.add_task(self)

    def send(self, data: bytes, do_close: bool = True) -> int:
        sent = int(super().send(data, do_close=do_close))
        self._sent += sent
        return sent

    def _flush_outbufs_below_high_watermark(self) -> None:
        """Do not wait for the client: the answer pauses instead."""

    def is_stalled(self, now: float) -> bool:
        """Whether the client does not read what waits for it, or does not finish its request; called every few seconds."""
        if self._lingers_until:
            return now > self._lingers_until
        request = self.request
        if request is not None and now - request.begun_at > request.seconds:
            return True
        if not self.total_outbufs_len or self._sent - self._sent_before >= _MIN_BYTES or not self._looked_at:
            self._sent_before, self._looked_at = self._sent, now
            return False
        return now - self._looked_at > STALL_SECONDS
