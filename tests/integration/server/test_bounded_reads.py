"""What a request reads ends after some seconds, and when its client is gone."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import text

from meteorograph import create_app, get_db_session
from meteorograph.web import answers, bounded_reads
from support import served, wait_until

pytestmark = pytest.mark.usefixtures("database", "collecting")

PATIENCE = 30.0

_ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT 1 - i FROM n) SELECT count(*) FROM n"
_LONG = "SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT 1 - i FROM n) SELECT i FROM n LIMIT 300000) AS x"


class Reads:
    """Views that read for ever, and how many of them have begun and ended."""

    def __init__(self, app: Flask) -> None:
        self.begun, self.ended = threading.Event(), threading.Event()
        app.add_url_rule("/endless", "endless", view_func=lambda: str(self._read()))
        app.add_url_rule("/long", "long", view_func=self._count, methods=["POST"])
        app.add_url_rule("/stream", "stream", view_func=lambda: answers.stream(self._parts(), "csv"))

    def _count(self) -> str:
        with get_db_session(read_only=True) as session:
            return str(session.scalar(text(_LONG)))

    def _read(self) -> int:
        try:
            with get_db_session(read_only=True) as session:
                session.execute(text("SELECT 1"))
                self.begun.set()
                return session.scalar(text(_ENDLESS)) or 0
        finally:
            self.ended.set()

    def _parts(self) -> Iterator[bytes]:
        yield b"first"
        yield str(self._read()).encode()


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Flask:
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    return create_app()


def _open(address: str, path: str) -> socket.socket:
    parts = urlsplit(address)
    client = socket.create_connection((parts.hostname, parts.port), PATIENCE)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return client


@pytest.mark.parametrize("path", ["/endless", "/stream"])
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_reading_ends_when_the_client_leaves(app: Flask, path: str) -> None:
    reads = Reads(app)
    with served(app) as address:
        with _open(address, path):
            assert reads.begun.wait(PATIENCE)
        wait_until(reads.ended.is_set, PATIENCE / 2, "the end of the reading")


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_reading_ends_after_some_seconds(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_reads, "READ_SECONDS", 0.3)
    Reads(app)
    client = app.test_client()
    answer = client.get("/endless")
    assert answer.status_code == 503
    document = json.loads(answer.data)
    assert document["title"] == "The answer takes too long"
    assert "shorter period" in document["detail"]
    assert client.get("/api/runs").status_code == 200
    monkeypatch.setattr(bounded_reads, "READ_SECONDS", 0)
    assert client.post("/long").text == "300000", "what changes or collects does not stop halfway"
