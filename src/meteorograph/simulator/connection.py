"""HTTP/1.1 over a socket: read requests, send answers, and reset connections for faults."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import threading
from email.utils import format_datetime
from http import HTTPStatus
from typing import NamedTuple

from ..model import clock
from .answer import TEXT, Answer
from .routes import Routes

#: Largest request head and body [bytes].
MAX_BYTES = 1_000_000
_CHUNK = 65536


class Incoming(NamedTuple):
    """An HTTP request."""

    method: str
    target: str
    body: bytes
    keep_alive: bool


class BadRequestError(Exception):
    """The request is no valid HTTP request."""


class Listener(socketserver.ThreadingTCPServer):
    """Accepts connections, with a thread for each, and can close them all."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 2048

    def __init__(self, address: tuple[str, int], routes: Routes) -> None:
        self.routes = routes
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        super().__init__(address, Connection)

    def enter(self, connection: socket.socket) -> bool:
        """Register a connection; False if the server is stopping, so the connection must be closed."""
        with self._lock:
            if not self.stopping.is_set():
                self._open[connection] = threading.current_thread()
            return not self.stopping.is_set()

    def leave(self, connection: socket.socket) -> None:
        """Unregister a closed connection."""
        with self._lock:
            self._open.pop(connection, None)

    def end_all(self) -> None:
        """Close all connections, and wait for their threads."""
        with self._lock:
            self.stopping.set()
            connections = list(self._open.items())
            for connection, _ in connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for _, thread in connections:
            thread.join(timeout=5)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing: clients of a simulator disconnect all the time."""


class Connection(socketserver.BaseRequestHandler):
    """A connection, from accept to close."""

    request: socket.socket
    server: Listener

    def setup(self) -> None:
        """Disable Nagle's algorithm: answers are written at once, so it would only delay them."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""

    def handle(self) -> None:
        """Answer requests until either side closes the connection."""
        if not self.server.enter(self.request):
            return
        try:
            # A client that disconnects raises an OSError anywhere below; this is no error here.
            with contextlib.suppress(OSError):
                self._answer_requests()
        finally:
            self.server.leave(self.request)

    def _answer_requests(self) -> None:
        while not self.server.stopping.is_set():
            try:
                incoming = self._read()
            except BadRequestError as error:
                self._send(Answer(status=400, body=f"{error}\n".encode(), content_type=TEXT), keep_alive=False)
                return
            if incoming is None:
                return
            answer = self.server.routes.answer(incoming.method, incoming.target, incoming.body)
            if answer.delay and self.server.stopping.wait(answer.delay):
                return
            if answer.fate == "silence":
                while self.request.recv(_CHUNK):
                    pass
                return
            if answer.fate == "reset":
                self._reset_connection()
                return
            self._send(answer, keep_alive=incoming.keep_alive)
            if not incoming.keep_alive:
                return

    def _reset_connection(self) -> None:
        """Close the connection with a TCP reset: with a linger time of 0, unsent data is dropped."""
        self.server.leave(self.request)
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()

    def _receive(self) -> bool:
        chunk = self.request.recv(_CHUNK)
        self._unread += chunk
        return bool(chunk)

    def _read(self) -> Incoming | None:
        """The next request; None if the client has closed the connection."""
        while (end := self._unread.find(b"\r\n\r\n")) < 0:
            if len(self._unread) > MAX_BYTES:
                raise BadRequestError("the request head is too long")
            if not self._receive():
                return None
        head = self._unread[:end].decode("latin-1").split("\r\n")
        method, target, version, length, connection = _parse(head)
        total = end + 4 + length
        while len(self._unread) < total:
            if not self._receive():
                return None
        body, self._unread = self._unread[end + 4 : total], self._unread[total:]
        keep_alive = connection == "keep-alive" if version == "HTTP/1.0" else connection != "close"
        return Incoming(method, target, body, keep_alive)

    def _send(self, answer: Answer, *, keep_alive: bool) -> None:
        try:
            phrase = HTTPStatus(answer.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [
            f"HTTP/1.1 {answer.status} {phrase}",
            f"Content-Type: {answer.content_type}",
            f"Date: {format_datetime(clock.now(), usegmt=True)}",
            f"Content-Length: {len(answer.body)}",
            f"Connection: {'keep-alive' if keep_alive else 'close'}",
            *(f"{name}: {value}" for name, value in answer.headers),
        ]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        if not answer.spread or not answer.body:
            self.request.sendall(head + answer.body)
            return
        self.request.sendall(head)
        pause = answer.spread / len(answer.body)
        for index in range(len(answer.body)):
            if self.server.stopping.wait(pause):
                return
            self.request.sendall(answer.body[index : index + 1])


def _parse(head: list[str]) -> tuple[str, str, str, int, str]:
    """Method, target, version, body length and the ``Connection`` header of a request head."""
    words = head[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
        raise BadRequestError("not an HTTP/1.1 request")
    length, connection = 0, ""
    for line in head[1:]:
        name, _, value = line.partition(":")
        match name.lower():
            case "content-length":
                if not value.strip().isdecimal() or int(value) > MAX_BYTES:
                    raise BadRequestError("the Content-Length is no number, or too large")
                length = int(value)
            case "transfer-encoding":
                raise BadRequestError("send a Content-Length; chunked bodies are not supported")
            case "connection":
                connection = value.strip().lower()
    return words[0], words[1], words[2], length, connection
