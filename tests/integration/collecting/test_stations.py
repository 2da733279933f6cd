"""A station is not chosen for ever: what follows one that gives no data, over a real socket and through a restart."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from meteorograph import WeatherData, get_db_session, ingest_data
from meteorograph.errors import PermanentFetchError
from meteorograph.model.clock import DrivenClock
from meteorograph.scheduler import scheduled_ingest
from meteorograph.storage.models import Location, LocationStation, Missed
from support import NOON
from unit.providers.fixtures import metar, nws

HOUR = timedelta(hours=1)

#: Status and body for a path with its query.
Answers = Callable[[str], tuple[int, Any]]


class Server(ThreadingHTTPServer):
    """Gives the answers that a test has set, and remembers the paths."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.answer: Answers = lambda path: (404, {})


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, body = self.server.answer(self.path)
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Not on the terminal."""


@pytest.fixture
def server(database: str, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        for setting in ("METAR", "NWS"):
            monkeypatch.setenv(f"METEOROGRAPH_{setting}_BASE_URL", f"http://127.0.0.1:{running.server_address[1]}")
        yield running
        running.shutdown()
        thread.join()


def nws_answers(**stations: tuple[int, Any]) -> Answers:
    """The service with these stations, nearest first, and the answer of each."""

    def answer(path: str) -> tuple[int, Any]:
        if path.startswith("/points"):
            return 200, nws.POINT_BODY
        if path.startswith("/gridpoints"):
            return 200, {"features": [nws.named(name) for name in stations]}
        return stations.get(path.split("/")[2], (404, {"detail": "Not Found"}))

    return answer


def metar_answers(driven: DrivenClock, near: list[str], reporting: list[str]) -> Answers:
    """The service whose lookup finds ``near``, and which has a report of each of ``reporting``."""

    def answer(path: str) -> tuple[int, Any]:
        at = driven().timestamp() - 300
        names = near if "bbox" in path else [name for name in reporting if name in urlsplit(path).query]
        return 200, [
            {**metar.REPORT, "icaoId": name, "lat": 51.5 + 0.1 * index, "lon": -0.1, "obsTime": at}
            for index, name in enumerate(names)
        ]

    return answer


def add_location() -> None:
    with get_db_session() as session:
        session.add(Location(name="here", latitude=51.5, longitude=-0.1, created_at=NOON - HOUR))


def station() -> str:
    with get_db_session(read_only=True) as session:
        return session.scalars(select(LocationStation.station)).one()


def stored() -> int:
    with get_db_session(read_only=True) as session:
        return len(session.scalars(select(WeatherData.due_at)).all())


def run_slots(driven: DrivenClock, count: int) -> None:
    for _ in range(count):
        scheduled_ingest()
        driven.advance(HOUR)


OK = (200, nws.GOOD)
GONE = (404, {"detail": "Not Found"})


def test_after_a_404_the_next_nearest_station_is_requested_in_the_same_slot(
    server: Server, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")  # whatever level an earlier test has set
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "nws")
    server.answer = nws_answers(KAAA=GONE, KBBB=OK, KCCC=OK)
    add_location()
    run_slots(driven, 2)
    assert stored() == 2
    assert station() == "KBBB"
    assert [path.split("/")[2] for path in server.asked if path.startswith("/stations")] == ["KAAA", "KBBB", "KBBB"]
    assert "a station gives no data, the next one is requested" in caplog.text


def test_without_a_stored_location_too(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "nws")
    server.answer = nws_answers(KAAA=GONE, KBBB=OK)
    assert ingest_data(30.0, -85.0)["temperature"] == 22.8


def test_after_three_slots_without_data_the_next_station_is_requested(
    server: Server, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "nws")
    server.answer = nws_answers(KAAA=(200, nws.body(**nws.NOTHING, cloudLayers=[])), KBBB=OK)
    add_location()
    run_slots(driven, 3)
    assert stored() == 0
    with get_db_session(read_only=True) as session:
        assert session.scalars(select(Missed.detail)).all() == ["nws: it has no data for this point now"] * 3
    run_slots(driven, 1)
    assert (stored(), station()) == (1, "KBBB")


def test_a_station_with_an_observation_of_weeks_ago_is_left_too(
    server: Server, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "nws")
    old = nws.body(**(nws.MEASURED | {"timestamp": "2026-01-05T21:55:00+00:00"}))
    server.answer = nws_answers(KAAA=(200, old), KBBB=OK)
    add_location()
    run_slots(driven, 4)
    assert station() == "KBBB"


def test_a_failure_of_the_service_says_nothing_about_the_station(
    server: Server, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "nws")
    server.answer = nws_answers(KAAA=(403, {}), KBBB=OK)
    add_location()
    run_slots(driven, 4)
    assert station() == "KAAA"


def test_a_renamed_station_is_found_again(
    server: Server, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")  # whatever level an earlier test has set
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "metar")
    server.answer = metar_answers(driven, ["EGAA"], ["EGAA"])
    add_location()
    run_slots(driven, 1)
    assert (stored(), station()) == (1, "EGAA")
    server.answer = metar_answers(driven, ["EGBB"], ["EGBB"])
    run_slots(driven, 4)
    assert (stored(), station()) == (2, "EGBB")
    assert "the stations were looked up again" in caplog.text
    assert len([path for path in server.asked if "bbox" in path]) == 2


def test_where_no_other_station_is_found_lookups_stay_rare_and_the_first_that_reports_is_used(
    server: Server, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "metar")
    server.answer = metar_answers(driven, ["EGAA", "EGBB"], [])
    add_location()
    run_slots(driven, 24)
    assert stored() == 0
    assert len([path for path in server.asked if "bbox" in path]) <= 5
    server.answer = metar_answers(driven, ["EGAA", "EGBB"], ["EGBB"])
    run_slots(driven, 8)
    assert stored() >= 2
    assert station() == "EGBB"


def test_after_a_week_the_nearest_station_gets_another_chance(
    server: Server, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "nws")
    server.answer = nws_answers(KAAA=GONE, KBBB=OK)
    add_location()
    run_slots(driven, 1)
    assert station() == "KBBB"
    server.answer = nws_answers(KAAA=OK, KBBB=OK)
    driven.advance(timedelta(days=7))
    run_slots(driven, 1)
    assert station() == "KAAA"


def test_a_point_without_any_station_says_so(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "nws")
    server.answer = lambda path: (404, {"detail": "Data Unavailable For Requested Point"})
    with pytest.raises(PermanentFetchError, match=r"nws: no station for the point 51\.5,-0\.1: 404: Data Unavailable"):
        ingest_data(51.5, -0.1)
