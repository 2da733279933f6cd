"""An element of a batch that cannot be read costs its own location, over a real socket and into the database."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select

from meteorograph import WeatherData, get_db_session
from meteorograph.model.clock import DrivenClock
from meteorograph.scheduler import scheduled_ingest
from meteorograph.storage.models import Location, Missed
from meteorograph.storage.upsert import table_of
from support import NOON
from unit.providers.fixtures import open_meteo


class Handler(BaseHTTPRequestHandler):
    """Open-Meteo, which answers for the third of its points with a word, and with no number in the second one."""

    def do_GET(self) -> None:
        count = len(parse_qs(urlsplit(self.path).query)["latitude"][0].split(","))
        parts: list[object] = [open_meteo.part(index, 10.0 + index) for index in range(count)]
        parts[2] = "busy"
        content = json.dumps(parts).replace("11.0", "nan").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Not on the terminal."""


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("database")
def test_one_of_six_that_cannot_be_read_is_missed_alone(
    address: str, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "open-meteo")
    monkeypatch.setenv("METEOROGRAPH_OPEN_METEO_BASE_URL", address)
    with get_db_session() as session:
        for number in range(6):
            session.add(Location(name=f"p{number}", latitude=40 + number, longitude=8, created_at=NOON))
    scheduled_ingest()
    columns = table_of(WeatherData).c
    with get_db_session(read_only=True) as session:
        rows = session.execute(select(WeatherData.location_id, columns.temperature, columns.humidity)).all()
        missed = session.execute(select(Missed.location_id, Missed.reason, Missed.detail)).all()
    first = min(location_id for location_id, _, _ in rows)
    temperatures = {location_id - first: (temperature, humidity) for location_id, temperature, humidity in rows}
    assert temperatures == {0: (10.0, 71.0), 1: (None, 71.0), 3: (13.0, 71.0), 4: (14.0, 71.0), 5: (15.0, 71.0)}
    [(location_id, reason, detail)] = missed
    assert (location_id - first, reason) == (2, "payload_error")
    assert "an answer for a point without current weather" in (detail or "")
