"""What the headers decide: a body that is not wanted is not read."""

from __future__ import annotations

import json
import socket
import struct
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from meteorograph import create_app, get_db_session
from meteorograph.model import clock
from meteorograph.model.states import TokenScope
from meteorograph.storage.tokens import add_token
from support import served

pytestmark = [
    pytest.mark.usefixtures("database", "collecting"),
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
]

PATIENCE = 30.0


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    with served(create_app()) as address:
        yield address


def _token(scope: TokenScope, days: int = 1) -> str:
    with get_db_session() as session:
        return add_token(session, f"{scope} {days}", [scope], clock.now(), clock.now() + timedelta(days=days))


def _open(address: str, sent: bytes) -> socket.socket:
    parts = urlsplit(address)
    client = socket.create_connection((parts.hostname, parts.port), PATIENCE)
    client.sendall(sent)
    return client


def _head(path: str, *lines: str, method: str = "POST", host: str = "localhost") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json", *lines, "", ""]).encode()


def _read(client: socket.socket) -> bytes:
    received = b""
    while data := client.recv(65536):
        received += data
    return received


@pytest.mark.parametrize("announced", ["Content-Length: 100", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("expect", ["Expect: 100-continue", "Accept: */*"])
def test_the_body_of_a_request_that_is_refused_is_not_read(address: str, announced: str, expect: str) -> None:
    """None of these clients sends its body, so a server that waits for it does not answer."""
    lines = [announced, expect]
    with get_db_session() as session:
        add_token(session, "expired", list(TokenScope), clock.now(), clock.now() - timedelta(days=1))
    right, other = _token(TokenScope.ADMIN), _token(TokenScope.READ)
    refused = {
        401: [
            _head("/api/locations", *lines),
            _head("/api/locations", *lines, "Authorization: Bearer wrong-token-0123456789"),
            _head("//api/locations/import", *lines, "X-API-Key: wrong"),
        ],
        403: [
            _head("/ingest", *lines, f"X-API-Key: {other}"),
            _head("/ingest", *lines, f"X-API-Key: {right}", "Origin: http://elsewhere.example"),
        ],
        421: [_head("/ingest", *lines, f"X-API-Key: {right}", host="elsewhere.example")],
        404: [_head("/nowhere", *lines, f"X-API-Key: {right}")],
        405: [_head("/data", *lines, f"X-API-Key: {right}")],
    }
    for status, heads in refused.items():
        for head in heads:
            with _open(address, head) as client:
                top, _, body = _read(client).partition(b"\r\n\r\n")
            assert top.startswith(f"HTTP/1.1 {status} ".encode()), head
            assert b"\r\nConnection: close" in top
            assert json.loads(body)["status"] == status


def test_a_client_that_asks_may_send_its_body(address: str) -> None:
    token, body = _token(TokenScope.ADMIN), b'{"name": "Athens", "latitude": 38, "longitude": 23.7}'
    asked = f"Content-Length: {len(body)}", "Expect: 100-continue", f"X-API-Key: {token}"
    with _open(address, _head("/api/locations", *asked)) as client:
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert client.recv(20).startswith(b"HTTP/1.1 201")


def test_bodies_that_arrive_with_their_headers(address: str) -> None:
    """Several requests in one packet, asking and not, in chunks and not, are answered in their order."""
    token, sent = f"X-API-Key: {_token(TokenScope.ADMIN)}", b""
    for number in range(4):
        body = json.dumps({"name": f"place {number}", "latitude": number, "longitude": 0}).encode()
        asks = ["Expect: 100-continue"] if number % 2 else []
        if number < 2:
            sent += _head("/api/locations", f"Content-Length: {len(body)}", token, *asks) + body
        else:
            sent += _head("/api/locations", "Transfer-Encoding: chunked", token, *asks) + b"%x\r\n%b\r\n0\r\n\r\n" % (
                len(body),
                body,
            )
    sent += _head("/livez", "Connection: close", method="GET")
    with _open(address, sent) as client:
        received = _read(client)
    assert received.count(b"HTTP/1.1 201 ") == 4
    assert received.count(b"HTTP/1.1 200 OK") == 1
    assert [received.index(b"place %d" % number) for number in range(4)] == sorted(
        received.index(b"place %d" % number) for number in range(4)
    )


def test_a_request_with_a_body_counts_once(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_REQUESTS_PER_MINUTE", "3")
    post = _head("/ingest", "Content-Length: 2", "Connection: close") + b"{}"
    with served(create_app()) as limited:
        answers = []
        for _ in range(4):
            with _open(limited, post) as client:
                answers.append(_read(client)[:12])
    assert answers == [b"HTTP/1.1 200"] * 3 + [b"HTTP/1.1 429"]


def test_a_client_that_sends_a_large_file_without_a_token_reads_why_it_is_refused(address: str) -> None:
    _token(TokenScope.ADMIN)
    file = b"name,latitude,longitude\n" + b"x,1,2\n" * 1_000_000
    request = urllib.request.Request(f"{address}/api/locations/import", file, {"Content-Type": "text/csv"}, method="POST")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=PATIENCE)
    with caught.value:
        assert caught.value.code == 401


def test_clients_that_leave_while_they_are_refused(address: str, caplog: pytest.LogCaptureFixture) -> None:
    _token(TokenScope.ADMIN)
    reset = struct.pack("ii", 1, 0)
    for _ in range(100):
        with _open(address, _head("/ingest", "Content-Length: 100")) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        with _open(address, b"no HTTP\r\n\r\n") as client:
            client.shutdown(socket.SHUT_WR)
            _read(client)
    with _open(address, _head("/livez", "Connection: close", method="GET")) as client:
        assert _read(client).startswith(b"HTTP/1.1 200")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
