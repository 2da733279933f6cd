"""A server on loopback whose every connection runs a script: what a provider may do to us, over a real socket."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

#: Longest wait of any script [s]; reached only when a test fails.
PATIENCE = 30.0


class Connection:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, upstream: Upstream) -> None:
        self.sock = sock
        self.upstream = upstream
        self.sock.settimeout(PATIENCE)

    def head(self) -> bytes | None:
        """The next request up to its empty line, None when the client has left."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.sock.recv(1)
            if not byte:
                return None
            head += byte
        self.upstream.heads.append(head.decode())
        self.upstream.asked.release()
        return head

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def client_left(self, within: float = PATIENCE) -> bool:
        """Whether the client closes within so many seconds."""
        readable, _, _ = select.select([self.sock], [], [], within)
        if not readable:
            return False
        try:
            left = self.sock.recv(1) == b""
        except OSError:
            left = True
        if left:
            self.upstream.left.release()
        return left

    def send_until_left(self, data: bytes, at_most: int) -> None:
        """Send ``data`` again and again until the client closes, ``at_most`` so many bytes in all."""
        try:
            while self.upstream.sent < at_most:
                self.send(data)
                self.upstream.sent += len(data)
        except OSError:
            self.upstream.left.release()

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def become_tls(self, context: ssl.SSLContext) -> None:
        self.sock = context.wrap_socket(self.sock, server_side=True)


Script = Callable[[Connection], None]


class Upstream:
    """Listens while the block runs; each connection has a thread in which ``script`` speaks.

    Attributes:
        heads: The request heads received, in order.
        asked: Released once for every request head.
        left: Released once for every client that was seen to close.
        connections: How many were accepted.
        sent: Bytes sent by ``send_until_left``.
    """

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1") -> None:
        self._script = script
        self._tls = tls
        self._listener = socket.create_server((address, 0), backlog=1024)
        self._threads: list[threading.Thread] = []
        self.heads: list[str] = []
        self.asked = threading.Semaphore(0)
        self.left = threading.Semaphore(0)
        self.connections = 0
        self.sent = 0

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self._listener.getsockname()[0]}:{self.port}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        self._listener.close()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        connection = Connection(sock, self)
        try:
            if self._tls:
                connection.become_tls(self._tls)
            self._script(connection)
        except OSError:  # the client gave up, which is what many tests are about
            pass
        finally:
            connection.sock.close()


def response(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
    """An HTTP response; underscores in header names stand for hyphens."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answers(*responses: bytes) -> Script:
    """A script that answers request after request, the last response over and over."""

    def script(connection: Connection) -> None:
        while connection.head():
            number = len(connection.upstream.heads)
            connection.send(responses[min(number, len(responses)) - 1])

    return script


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A new certificate authority, and a server context with a certificate of its for 127.0.0.1 and localhost."""

    def openssl(*args: str) -> None:
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test authority")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "server.ext").write_text("basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n")
    signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "server.ext"]
    openssl("x509", "-req", "-in", "server.csr", "-out", "server.pem", *signing)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return folder / "ca.pem", context
