"""The web server over real sockets: clients that do not read, do not finish or are too many keep nobody else waiting."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask, Response, request

from meteorograph.config.settings import MAX_BODY_BYTES
from meteorograph.server import channel, dispatcher, request_parser, web_server
from support import served, wait_until

#: How long anything may take on a machine that is busy [s].
PATIENCE = 30.0


class Site:
    """An application of which the test holds the strings."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.busy = 0
        self.parts = 0
        self.ended = 0
        app = self.app = Flask("site")
        app.add_url_rule("/livez", "livez", view_func=lambda: "alive")
        app.add_url_rule("/quick", "quick", view_func=lambda: "quick")
        app.add_url_rule("/wait", "wait", view_func=self._wait)
        app.add_url_rule("/ingest", "ingest", view_func=self._wait, methods=["POST"])
        app.add_url_rule("/echo", "echo", view_func=lambda: request.get_data(), methods=["POST"])
        app.add_url_rule("/stream", "stream", view_func=self._stream)
        app.add_url_rule("/large", "large", view_func=self._large)
        app.add_url_rule(
            "/numbers", "numbers", view_func=lambda: Response(f"{number:08d}\n".encode() for number in range(200_000))
        )

    def _wait(self) -> str:
        self.busy += 1
        assert self.gate.wait(PATIENCE)
        return "done"

    def _large(self) -> str:
        self.parts += 1
        return "y" * 300_000

    def _stream(self) -> Response:
        def parts() -> Iterator[bytes]:
            try:
                while True:
                    self.parts += 1
                    yield b"x" * 50_000
            finally:
                self.ended += 1

        return Response(parts())


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.gate.set()


def _connect(address: str, sent: bytes = b"", receive_buffer: int | None = None) -> socket.socket:
    parts = urlsplit(address)
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(PATIENCE)
    client.connect((parts.hostname, parts.port))
    client.sendall(sent)
    return client


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


def _read(client: socket.socket) -> bytes:
    with client:
        received = b""
        while data := client.recv(65536):
            received += data
    return received


def _ask(address: str, path: str) -> bytes:
    return _read(_connect(address, _get(path)))


def test_clients_that_do_not_read_hold_no_thread_and_their_answers_end_when_they_leave(site: Site) -> None:
    with served(site.app) as address, ExitStack() as clients:
        for _ in range(3 * web_server.THREADS):
            clients.enter_context(_connect(address, _get("/stream"), 4096))
        wait_until(lambda: site.parts >= 3 * web_server.THREADS, PATIENCE, "the begin of all answers")
        assert _ask(address, "/quick").endswith(b"quick")
        assert site.ended == 0
        clients.close()
        wait_until(lambda: site.ended == 3 * web_server.THREADS, PATIENCE, "the end of all answers")
        parts = site.parts
        assert parts < 3 * web_server.THREADS * 40, "an answer is not made faster than its client reads it"
        assert _ask(address, "/quick").endswith(b"quick")
        assert site.parts == parts


def test_an_answer_that_pauses_arrives_whole(site: Site) -> None:
    whole = b"".join(f"{number:08d}\n".encode() for number in range(200_000))
    with served(site.app) as address:
        client = _connect(address, _get("/numbers").replace(b"1.1", b"1.0"), 4096)
        received = _read(client)
        assert received.partition(b"\r\n\r\n")[2] == whole


def test_answers_to_requests_that_were_sent_at_once_wait_for_the_client(site: Site) -> None:
    many = 20 * _get("/large").replace(b"Connection: close\r\n", b"") + _get("/quick")
    with served(site.app) as address:
        client = _connect(address, many, 4096)
        wait_until(lambda: site.parts >= 1, PATIENCE, "the first answer")
        assert _ask(address, "/quick").endswith(b"quick")
        assert site.parts < 20
        received = _read(client)
    assert received.count(b"HTTP/1.1 200 OK") == 21
    assert received.count(b"y") >= 20 * 300_000
    assert received.endswith(b"quick")


def test_a_client_that_stops_reading_is_disconnected(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "STALL_SECONDS", 0.2)
    monkeypatch.setattr(web_server, "_STALL_INTERVAL", 0.1)
    with served(site.app) as address, _connect(address, _get("/stream"), 4096):
        wait_until(lambda: site.ended == 1, PATIENCE, "the end of the answer")


def test_an_unfinished_request_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_parser, "REQUEST_SECONDS", 0.2)
    monkeypatch.setattr(web_server, "_STALL_INTERVAL", 0.1)
    unfinished = [b"GET /quick HTT", b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nten bytes."]
    with served(site.app) as address:
        for sent in unfinished:
            client = _connect(address, sent)
            with suppress(ConnectionResetError):  # it is closed with what has not been read
                assert _read(client) == b""


def test_an_idle_connection_is_closed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "_IDLE_SECONDS", 1)
    monkeypatch.setattr(web_server, "_CLEANUP_SECONDS", 1)
    with served(site.app) as address:
        assert _read(_connect(address)) == b""


def test_new_clients_take_the_place_of_idle_ones(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "_MAX_CONNECTIONS", 40)
    with served(site.app) as address, ExitStack() as clients:
        for _ in range(120):
            clients.enter_context(_connect(address))
        assert _ask(address, "/livez").endswith(b"alive")


def test_a_closed_connection_is_no_longer_polled(site: Site) -> None:
    """A client that is accepted in the same turn may get its file descriptor, and would be closed in its place."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = web_server.WebServer(site.app, listener, is_behind_proxy=False)
    with _connect(f"http://127.0.0.1:{server.effective_port}"):
        server.handle_accept()
        [connection] = server.active_channels.values()
        assert connection.readable()
        server._close([connection])
        assert not connection.readable()
        assert not connection.writable()
    server.task_dispatcher.shutdown()
    server.close()


def test_more_than_a_thousand_connections_are_no_harm(site: Site) -> None:
    with served(site.app) as address, ExitStack() as clients:
        for _ in range(1100):
            clients.enter_context(_connect(address))
        assert _ask(address, "/livez").endswith(b"alive")


def _all(ask: Callable[[], bytes], number: int) -> list[bytes]:
    with ThreadPoolExecutor(number) as pool:
        return [answer.result() for answer in [pool.submit(ask) for _ in range(number)]]


def test_what_no_thread_takes_within_a_second_is_refused(site: Site) -> None:
    with served(site.app) as address, ExitStack() as clients:
        waiting = [clients.enter_context(_connect(address, _get("/wait"))) for _ in range(web_server.THREADS)]
        wait_until(lambda: site.busy == web_server.THREADS, PATIENCE, "as many requests as there are threads")
        begun = time.monotonic()
        answers = _all(lambda: _ask(address, "/quick"), 20)
        seconds = time.monotonic() - begun
        assert {answer.partition(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 503 Service Unavailable"}
        head, _, body = answers[0].partition(b"\r\n\r\n")
        assert b"\r\nRetry-After: 2\r\n" in head
        assert b"\r\nContent-Type: application/problem+json" in head
        assert json.loads(body)["status"] == 503
        assert seconds < 10 * dispatcher._MAX_WAIT
        assert _ask(address, "/livez").endswith(b"alive")
        site.gate.set()
        assert all(_read(client).endswith(b"done") for client in waiting)
        assert _ask(address, "/quick").endswith(b"quick")


def test_requests_on_demand_have_threads_of_their_own(site: Site) -> None:
    post = b"POST /ingest HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    with served(site.app) as address, ExitStack() as clients:
        waiting = [clients.enter_context(_connect(address, post)) for _ in range(100)]
        wait_until(lambda: site.busy == dispatcher._ON_DEMAND_THREADS, PATIENCE, "as many requests as there are threads")
        assert _ask(address, "/quick").endswith(b"quick")
        refused = 0
        for client in waiting[dispatcher._ON_DEMAND_THREADS :]:
            refused += client.recv(20).startswith(b"HTTP/1.1 503")
        assert refused >= 100 - 2 * dispatcher._ON_DEMAND_THREADS
        site.gate.set()


@pytest.mark.parametrize(
    "announced",
    [
        f"Content-Length: {MAX_BODY_BYTES + 1}",
        f"Content-Length: {MAX_BODY_BYTES + 1}\r\nExpect: 100-continue",
        "Transfer-Encoding: chunked",
    ],
    ids=["announced", "announced and asked", "in chunks"],
)
def test_a_large_body_is_refused_before_it_has_arrived(site: Site, announced: str) -> None:
    head = f"POST /echo HTTP/1.1\r\nHost: localhost\r\n{announced}\r\n\r\n".encode()
    part = b"" if "Length" in announced else f"{MAX_BODY_BYTES + 1:x}\r\n".encode() + b"x" * (MAX_BODY_BYTES + 1)
    with served(site.app) as address:
        answer = _read(_connect(address, head + part))
        fits = f"POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {MAX_BODY_BYTES}\r\n\r\n"
        assert _read(_connect(address, fits.encode() + b"x" * MAX_BODY_BYTES)).startswith(b"HTTP/1.1 200")
    assert answer.startswith(b"HTTP/1.1 413")
    document: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert str(MAX_BODY_BYTES) in document["detail"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (f"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: {'9' * 5000}\r\n\r\n", 400),
        ("GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("GET /quick HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n", 400),
        (f"GET /quick HTTP/1.1\r\nHost: localhost\r\nX: {'a' * 70_000}", 431),
        (f"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{'F' * 5000}\r\n", 413),
        (f"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;{'a' * 9000}", 400),
    ],
    ids=["endless number", "no address", "NUL", "large headers", "large chunk", "long line"],
)
def test_what_is_no_request_is_refused_at_once(site: Site, caplog: pytest.LogCaptureFixture, sent: str, status: int) -> None:
    with served(site.app) as address:
        answer = _read(_connect(address, sent.encode()))
    assert answer[9:12] == str(status).encode()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == status
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
