"""Clients of the whole service that do nothing, do not read or do not finish: it lives, collects, and ends cleanly."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from acceptance.books import add_places, books
from acceptance.processes import DEADLINE, Starter, ask, until

pytestmark = pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)

TOKEN = "a-token-of-the-tests"


def _connect(address: str, sent: bytes) -> socket.socket:
    parts = urlsplit(address)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(DEADLINE)
    client.connect((parts.hostname, parts.port))
    client.sendall(sent)
    return client


def test_idle_slow_and_unfinished_clients_end_nothing(empty_database: str, start: Starter) -> None:
    add_places(2)
    service = start.serve()
    address = service.address()
    host = f"Host: {urlsplit(address).netloc}\r\n"
    large = f"GET /static/page.css HTTP/1.1\r\n{host}\r\n" * 3 + f"GET /openapi.json HTTP/1.1\r\n{host}\r\n" * 20
    unfinished = f"POST /ingest HTTP/1.1\r\n{host}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    with ExitStack() as clients:
        for sent, number in (("", 1100), (large, 40), (unfinished, 20)):
            for _ in range(number):
                clients.enter_context(_connect(address, sent.encode()))
        before = len(books().ended())
        assert ask(f"{address}/livez").status == 200
        assert ask(f"{address}/api/version").status == 200
        until(lambda: len(books().ended()) >= before + 2, "two runs more")
        assert service.end() == 0
    assert {(run.state, run.stored) for run in books().ended()} == {("succeeded", 2)}


def test_a_body_without_a_token_is_not_read(empty_database: str, start: Starter) -> None:
    add_places(1)
    service = start.serve(METEOROGRAPH_API_TOKENS=TOKEN)
    address = service.address()
    head = f"POST /api/locations/import HTTP/1.1\r\nHost: {urlsplit(address).netloc}\r\nContent-Type: text/csv\r\n"
    with _connect(address, f"{head}Content-Length: 30000000\r\n\r\n".encode()) as client:
        assert client.recv(12) == b"HTTP/1.1 401"
    with _connect(address, f"{head}Authorization: Bearer {TOKEN}\r\nContent-Length: 40000000\r\n\r\n".encode()) as client:
        assert client.recv(12) == b"HTTP/1.1 413"
    assert service.end() == 0
