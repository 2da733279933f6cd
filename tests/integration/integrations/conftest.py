"""What the tests of integrations share: locations, rows, and an HTTP receiver on a socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from line_protocol_parser import parse_line

from meteorograph import get_db_session
from meteorograph.model import clock
from meteorograph.model.values import Observation
from meteorograph.storage import outbox
from meteorograph.storage.models import Location
from meteorograph.storage.observations import store, to_row

HOUR = timedelta(hours=1)


@pytest.fixture
def slot() -> datetime:
    """The current slot of the hourly schedule."""
    return clock.now().replace(minute=0, second=0, microsecond=0)


@pytest.fixture
def locations(database: str) -> None:
    """Three active locations."""
    with get_db_session() as session:
        for id_, name in ((1, "Lucan"), (2, "St. Mary, by the sea"), (3, "Oslo")):
            session.add(Location(id=id_, name=name, latitude=50.0 + id_, longitude=-6.0, created_at=clock.now() - 48 * HOUR))


def store_row(location_id: int, due_at: datetime, temperature: float = 8.0) -> None:
    """Store a row as collection does."""
    observation = Observation(provider="openweathermap", fetched_at=due_at, observed_at=due_at, temperature=temperature)
    assert store([to_row(location_id, due_at, observation)]) == []


def waiting(name: str) -> int:
    """How many rows wait for an integration."""
    with get_db_session(read_only=True) as session:
        return sum(state.waiting for state in outbox.read_states(session) if state.record.name == name)


class InfluxServer:
    """Takes points over HTTP as InfluxDB does."""

    def __init__(self) -> None:
        self.points: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str | None]] = []
        self.status = 204
        #: A location whose points it refuses, as for a field with another type than before.
        self.refused: str | None = None

    def take(self, path: str, token: str | None, body: str) -> tuple[int, bytes]:
        self.requests.append((path, token))
        if self.status != 204:
            return self.status, b'{"code":"x","message":"not now"}'
        points = [parse_line(line) for line in body.splitlines()]
        good = [point for point in points if point["tags"]["location"] != self.refused]
        self.points += good
        return (204, b"") if good == points else (400, b'{"code":"invalid","message":"partial write: field type conflict"}')

    def values(self) -> dict[tuple[str, int], float]:
        """Tag and time → temperature, as the database would have it: the last point wins."""
        return {(p["tags"]["location"], p["time"] // 10**9): p["fields"]["temperature"] for p in self.points}


@contextmanager
def served(server: InfluxServer, port: int = 0) -> Iterator[int]:
    """The server on a socket; gives its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, answer = server.take(self.path, self.headers.get("Authorization"), body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = Thread(target=listening.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield listening.server_address[1]
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
