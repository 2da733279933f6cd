"""HTTP as RFC 9110 and RFC 9112 have it, byte by byte on a socket, and a client that reads files in ranges."""

from __future__ import annotations

import gzip
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

import pytest

from meteorograph import create_app, get_db_session
from meteorograph.storage.models import Location
from rows import insert_rows
from support import NOON, served

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.parametrize("database", ["sqlite"], indirect=True)]

LIMITED = "/data?format=csv&limit=50"
STREAM = "/data?format=csv"
STATIC = "/static/style.css"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of the service with 50 rows."""
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    app = create_app()
    with get_db_session() as session:
        session.add(Location(id=1, name="a", latitude=1, longitude=2, state="active", created_at=NOON))
    times = [NOON + timedelta(hours=number) for number in range(50)]
    given = {"location_id": 1, "provider": "openweathermap", "temperature": 1.5, "humidity": 50, "precipitation": 0.5}
    insert_rows([{"due_at": time, "observed_at": time, "fetched_at": time, **given} for time in times])
    with served(app) as url:
        yield url


class Connection:
    """One connection. An answer must end where its headers say, or the next one cannot be read."""

    def __init__(self, address: str) -> None:
        host, port = address.removeprefix("http://").split(":")
        self._socket = socket.create_connection((host, int(port)), 30)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        self._socket.close()

    def ask(self, method: str, target: str, *headers: str, host: str | None = "127.0.0.1", version: str = "1.1") -> Answer:
        lines = [f"{method} {target} HTTP/{version}", *([] if host is None else [f"Host: {host}"]), *headers, "", ""]
        self._socket.sendall("\r\n".join(lines).encode())
        status = int(self._file.readline().split()[1])
        found = dict(self._header(line) for line in iter(self._file.readline, b"\r\n"))
        return Answer(status, found, b"" if method == "HEAD" or status in (204, 304) else self._body(found))

    @staticmethod
    def _header(line: bytes) -> tuple[str, str]:
        name, _, value = line.decode("latin-1").partition(":")
        return name.lower(), value.strip()

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return self._file.read(int(headers["content-length"]))
        parts = []
        while size := int(self._file.readline(), 16):
            parts.append(self._file.read(size))
            self._file.readline()
        assert self._file.readline() == b"\r\n"
        return b"".join(parts)


def test_a_connection_carries_every_kind_of_answer_one_after_the_other(address: str) -> None:
    with Connection(address) as one:
        for target in (STREAM, LIMITED, STATIC, "/data?limit=5", "/nowhere"):
            for coding in ("identity", "gzip", "zstd"):
                for method in ("HEAD", "GET", "OPTIONS"):
                    answer = one.ask(method, target, f"Accept-Encoding: {coding}")
                    assert "connection" not in answer.headers
                    assert "date" in answer.headers
                    assert answer.headers["vary"] == "Accept-Encoding"
                    if answer.status == 200 and "etag" in answer.headers:
                        tag = answer.headers["etag"]
                        same = one.ask("GET", target, f"Accept-Encoding: {coding}", f"If-None-Match: {tag}")
                        assert (same.status, same.headers["vary"], same.headers["etag"]) == (304, "Accept-Encoding", tag)
        assert one.ask("GET", "/livez", "Connection: close").headers["connection"] == "close"
    with Connection(address) as one:
        assert one.ask("GET", "/livez", "Connection: keep-alive", version="1.0").headers["connection"] == "Keep-Alive"
        assert one.ask("GET", "/livez", version="1.0").headers["connection"] == "close"


def test_options_have_no_body(address: str) -> None:
    with Connection(address) as one:
        for target in ("/data", "*"):
            answer = one.ask("OPTIONS", target)
            assert (answer.status, answer.headers["content-length"]) == (200, "0")
            assert "GET" in answer.headers["allow"]
            assert "content-type" not in answer.headers


def test_there_is_one_host(address: str) -> None:
    with Connection(address) as one:
        assert one.ask("GET", "/livez", host=None).status == 400
        assert one.ask("GET", "/livez", "Host: 127.0.0.1").status == 400
        assert one.ask("GET", "/livez", host="evil.example").status == 421
        assert one.ask("GET", f"{address}/livez").status == 200


@pytest.mark.parametrize("target", [LIMITED, STATIC])
def test_preconditions_of_reads(address: str, target: str) -> None:
    with Connection(address) as one:
        assert one.ask("GET", target, "If-Match: *").status == 200
        failed = one.ask("GET", target, 'If-Match: "another"')
        assert (failed.status, failed.headers["content-type"]) == (412, "application/problem+json")
        assert "x-request-id" in failed.headers
        assert b"temperature" not in failed.body


def test_what_the_client_says_of_codings(address: str) -> None:
    with Connection(address) as one:
        for refused in ("identity;q=0", "*;q=0", "br, identity;q=0", "gzip;q=0, *;q=0"):
            assert one.ask("GET", "/livez", f"Accept-Encoding: {refused}").status == 406
        short = one.ask("GET", "/livez", "Accept-Encoding: gzip, identity;q=0")
        assert short.headers["content-encoding"] == "gzip"
        assert b"alive" in gzip.decompress(short.body)
        for accepted in ("", "br", "identity", "gzip;q=0", "*;q=0, identity"):
            assert "content-encoding" not in one.ask("GET", "/data?limit=50", f"Accept-Encoding: {accepted}").headers


def test_ranges_or_a_plain_no(address: str) -> None:
    with Connection(address) as one:
        head, whole = one.ask("HEAD", LIMITED), one.ask("GET", LIMITED)
        assert (head.headers["accept-ranges"], int(head.headers["content-length"])) == ("bytes", len(whole.body))
        part = one.ask("GET", LIMITED, "Range: bytes=10-29", "Accept-Encoding: gzip")
        assert (part.status, part.body) == (206, whole.body[10:30])
        assert part.headers["content-range"] == f"bytes 10-29/{len(whole.body)}"
        beyond = one.ask("GET", LIMITED, "Range: bytes=9999999-")
        assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{len(whole.body)}")
        for target in (STREAM, "/data?limit=5"):
            answer = one.ask("GET", target, "Range: bytes=0-9")
            assert (answer.status, answer.headers["accept-ranges"]) == (200, "none")


READ_WITH_POLARS = """
import sys, polars
address = sys.argv[1]
print(polars.read_csv(address + "/data?format=csv&limit=50").height)
print(polars.scan_ndjson(address + "/data?format=ndjson&limit=7").collect().height)
buckets = polars.read_csv(address + "/data/aggregate?format=csv&location=a&bucket=1d&start=2026-03-01&end=2026-03-04")
print(*buckets["temperature_mean"].drop_nulls())
"""


def test_polars_reads_limited_tables_from_their_address(address: str) -> None:
    """In a process of its own, since it keeps its connections open."""
    done = subprocess.run([sys.executable, "-c", READ_WITH_POLARS, address], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["50", "7", "1.5", "1.5", "1.5"], done.stderr
