"""Providers by station and with answers that may be used again, through the whole walk from a server on a socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select

from meteorograph import WeatherData, get_db_session, ingest_data
from meteorograph.model.clock import DrivenClock
from meteorograph.scheduler import scheduled_ingest
from meteorograph.storage.models import Location, LocationStation, Missed
from meteorograph.storage.upsert import table_of
from support import NOON
from unit.providers.fixtures import met_norway, metar, nws

HOUR = timedelta(hours=1)


class Server(ThreadingHTTPServer):
    """Answers as three providers do, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        since = self.headers.get("If-Modified-Since")
        self.server.asked.append((self.path, since))
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        headers: dict[str, str] = {}
        body: Any = None
        if path.startswith("/weatherapi"):
            served = NOON + 40 * timedelta(minutes=1) if since else NOON
            headers["Expires"] = format_datetime(served + timedelta(minutes=30), usegmt=True)
            headers["Last-Modified"] = format_datetime(NOON, usegmt=True)
            body = None if since else met_norway.GOOD
        elif path.startswith("/api/data/metar") and "ids" in query:
            body = [{**metar.REPORT, "icaoId": name} for name in query["ids"][0].split(",") if name != "EG02"]
        elif path.startswith("/api/data/metar"):
            south, west, north, east = map(float, query["bbox"][0].split(","))
            here = {"lat": (south + north) / 2, "lon": (west + east) / 2}
            body = [{**metar.REPORT, **here, "icaoId": f"EG{round(here['lat']) - 40:02}"}]
        elif path.startswith("/points"):
            body = nws.POINT_BODY
        elif path.startswith("/gridpoints"):
            body = nws.STATIONS
        elif path.startswith("/stations/KTST/"):
            body = nws.GOOD
        self.send_response(304 if body is None else 200)
        for name, value in headers.items():
            self.send_header(name, value)
        content = b"" if body is None else json.dumps(body).encode()
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Not on the terminal."""


@pytest.fixture
def server(database: str, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    for setting in ("MET_NORWAY", "METAR", "NWS"):
        monkeypatch.setenv(f"METEOROGRAPH_{setting}_BASE_URL", running.url)
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def _add(count: int) -> None:
    with get_db_session() as session:
        for number in range(count):
            at = {"latitude": 40.0 + number, "longitude": 10.0, "created_at": NOON - HOUR}
            session.add(Location(name=f"p{number}", state="active", **at))


def test_an_answer_is_used_again_until_it_expires_and_then_asked_for_if_it_has_changed(
    server: Server, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "met-norway")
    monkeypatch.setenv("METEOROGRAPH_PRECIPITATION_PROVIDERS", "met-norway")
    assert ingest_data(51.5, -0.13)["temperature"] == 8.25
    driven.advance(timedelta(minutes=10))
    assert ingest_data(51.5, -0.13)["fetched_at"] == (NOON + timedelta(minutes=10)).isoformat()
    assert len(server.asked) == 1
    driven.advance(timedelta(minutes=30))
    assert ingest_data(51.5, -0.13)["temperature"] == 8.25
    assert [since for _, since in server.asked] == [None, format_datetime(NOON, usegmt=True)]
    driven.advance(timedelta(minutes=20))  # an hour on: the same answer has another hour's forecast, and is fresh till then
    assert ingest_data(51.5, -0.13)["temperature"] == 9.5
    assert len(server.asked) == 2


def test_stations_are_looked_up_once_and_many_are_asked_for_in_one_call(
    server: Server, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "metar")
    monkeypatch.setenv("METEOROGRAPH_PRECIPITATION_PROVIDERS", "metar")
    _add(4)
    scheduled_ingest()
    lookups = [path for path, _ in server.asked if "bbox" in path]
    assert len(lookups) == 4
    assert len(server.asked) == 5
    driven.advance(HOUR)
    scheduled_ingest()
    assert len(server.asked) == 6
    with get_db_session(read_only=True) as session:
        stations = session.scalars(select(LocationStation.station).order_by(LocationStation.location_id)).all()
        rows = session.execute(select(WeatherData.location_id, table_of(WeatherData).c.temperature)).all()
        missed = session.scalars(select(Missed.location_id)).all()
    assert stations == ["EG00", "EG01", "EG02", "EG03"]
    assert sorted(rows) == [(place, 6.7) for place in (1, 1, 2, 2, 4, 4)]
    assert missed == [3, 3], "a station without a report is a reason, and costs the others nothing"


def test_a_lookup_of_two_steps(server: Server, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "nws")
    monkeypatch.setenv("METEOROGRAPH_PRECIPITATION_PROVIDERS", "nws")
    _add(1)
    scheduled_ingest()
    driven.advance(HOUR)
    scheduled_ingest()
    steps = [path.split("/")[1] for path, _ in server.asked]
    assert steps == ["points", "gridpoints", "stations", "stations"]
    with get_db_session(read_only=True) as session:
        assert session.scalars(select(table_of(WeatherData).c.temperature)).all() == [22.8, 22.8]
