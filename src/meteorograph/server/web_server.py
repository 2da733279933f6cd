"""The web server: waitress with poll(), and with bounds on what one client can hold."""

from __future__ import annotations

import logging
import socket
import sys
import time
from contextlib import suppress
from typing import Any, Final

from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer

from ..config.settings import MAX_IMPORT_BYTES
from .channel import MAX_WAITING_BYTES, Channel
from .dispatcher import Dispatcher
from .tasks import let_answers_pause

if sys.platform != "win32":
    import resource

#: Requests served at the same time. Each holds a database connection for some milliseconds.
THREADS: Final = 8

#: Most connections, and the file descriptors that are kept for everything else.
_MAX_CONNECTIONS: Final = 4000
_OTHER_DESCRIPTORS: Final = 256
#: Most connections where there is no poll().
_MAX_WITH_SELECT: Final = 400

#: After this time without a request a connection is closed [s].
_IDLE_SECONDS: Final = 60
#: How often such connections are looked for [s].
_CLEANUP_SECONDS: Final = 5

#: Most clients that are accepted in one turn of the event loop.
_ACCEPTED_AT_ONCE: Final = 100

#: Bytes of an answer that the system keeps for a client (Linux takes twice as much).
_SEND_BUFFER: Final = 128 * 1024

#: Longest headers of a request, with its first line [bytes].
_MAX_HEADERS: Final = 64 * 1024

#: How often the server looks for late requests [s], and for clients that do not read.
_LATE_INTERVAL: Final = 0.1
_STALL_INTERVAL: Final = 5.0


class WebServer(TcpWSGIServer):  # type: ignore[misc]  # waitress is not typed
    """Serves an application on a socket that listens.

    Args:
        application: The WSGI application.
        listener: The socket.
        is_behind_proxy: Whether the headers of a proxy are trusted.
        check: A WSGI application that gets each request with a body first, with its headers alone. If it answers 100, the body is
            read and the application gets the request; any other answer goes to the client.
    """

    channel_class = Channel

    def __init__(self, application: Any, listener: socket.socket, *, is_behind_proxy: bool, check: Any = None) -> None:
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # the dispatcher says what is too much
        adjustments = Adjustments(
            sockets=[listener],
            ident=None,
            max_request_header_size=_MAX_HEADERS,
            max_request_body_size=MAX_IMPORT_BYTES + 1,
            connection_limit=_connection_limit(),
            channel_timeout=_IDLE_SECONDS,
            cleanup_interval=_CLEANUP_SECONDS,
            channel_request_lookahead=1,  # reads on while a request is answered, and so sees that a client is gone
            asyncore_use_poll=True,
            clear_untrusted_proxy_headers=not is_behind_proxy,
            outbuf_high_watermark=MAX_WAITING_BYTES,
            outbuf_overflow=2 * MAX_IMPORT_BYTES,  # never write a temporary file
        )
        self.has_check = check is not None
        self._dispatcher = Dispatcher(THREADS)
        self._late_look_at = self._stall_look_at = 0.0
        super().__init__(
            let_answers_pause(application, check),
            {},
            True,
            listener,
            dispatcher=self._dispatcher,
            adj=adjustments,
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
            bind_socket=False,
        )

    def handle_accept(self) -> None:
        """Accept the clients that wait, not one in each turn of the event loop, which looks at all connections."""
        for _ in range(_ACCEPTED_AT_ONCE):
            before = len(self._map)
            super().handle_accept()
            if len(self._map) == before:
                return

    def set_socket_options(self, conn: socket.socket) -> None:
        super().set_socket_options(conn)
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)

    def run(self) -> None:
        """Serve until SystemExit is raised in this thread."""
        try:
            self.asyncore.loop(timeout=_LATE_INTERVAL, map=self._map, use_poll=True)
        except (SystemExit, KeyboardInterrupt):
            self._dispatcher.shutdown()

    def readable(self) -> bool:
        """Whether to accept connections; called in each turn of the event loop."""
        now = time.monotonic()
        if now >= self._late_look_at:
            self._late_look_at = now + _LATE_INTERVAL
            self._dispatcher.refuse_late_requests()
        if now >= self._stall_look_at:
            self._stall_look_at = now + _STALL_INTERVAL
            self._close([channel for channel in self.active_channels.values() if channel.is_stalled(now)])
        if len(self._map) >= self.adj.connection_limit:
            self._make_room()
        return bool(super().readable())

    def _make_room(self) -> None:
        """Close the connections that have been idle for longest."""
        idle = [channel for channel in self.active_channels.values() if not (channel.requests or channel.total_outbufs_len)]
        idle.sort(key=lambda channel: channel.last_activity)
        self._close(idle[: max(1, len(idle) // 10)])

    def _close(self, channels: list[Channel]) -> None:
        for channel in channels:
            channel.will_close = True
            channel.handle_close()


def _connection_limit() -> int:
    """As many connections as the system allows, up to the most; raises the limit of this process if it may."""
    if sys.platform == "win32":
        return _MAX_WITH_SELECT
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_CONNECTIONS + _OTHER_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # some systems have a lower limit than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else max(16, min(_MAX_CONNECTIONS, soft - _OTHER_DESCRIPTORS))
