"""The simulator over a real socket: routes, faults, quotas, replay, and its end."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from meteorograph.errors import ConfigurationError
from meteorograph.model.clock import DrivenClock, driven_by
from meteorograph.simulator import Call, Simulator
from support import ROOT

START = datetime(2026, 1, 31, 23, 58, 30, tzinfo=UTC)
OWM = "/data/2.5/weather?lat=51.5&lon=-0.13&appid=demo&units=metric"
WEATHERSTACK = "/current?query=51.5,-0.13&access_key=demo"
SERIES = Path(os.environ.get("METEOROGRAPH_SERIES_DIR", ROOT / "../shared/series"))
IRELAND = SERIES / "ireland_25stations_2017_hourly.csv.gz"


class Got(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def connect(sim: Simulator, timeout: float = 10) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(sim.url).netloc, timeout=timeout)


def call(sim: Simulator, target: str, method: str = "GET", body: str | None = None) -> Got:
    connection = connect(sim)
    try:
        connection.request(method, target, body)
        response = connection.getresponse()
        return Got(response.status, response.headers, response.read())
    finally:
        connection.close()


@pytest.fixture
def clock() -> DrivenClock:
    return DrivenClock(START)


@pytest.fixture
def sim(clock: DrivenClock) -> Iterator[Simulator]:
    with Simulator(now=clock, keys=("demo", "spare")) as simulator:
        yield simulator


def test_openweathermap_answers_the_truth(sim: Simulator) -> None:
    got = call(sim, OWM)
    truth = sim.truth(51.5, -0.13, START)
    assert got.status == 200
    assert got.headers["Content-Type"] == "application/json; charset=utf-8"
    assert got.json["dt"] == datetime(2026, 1, 31, 23, 50, tzinfo=UTC).timestamp()
    assert got.json["main"]["temp"] == truth["temperature"]
    assert got.json["main"]["pressure"] == truth["pressure"]
    assert got.json["wind"]["speed"] == truth["wind_speed"]
    assert got.json["weather"][0]["description"] == truth["condition"]


def test_weatherstack_answers_the_truth_in_whole_numbers(sim: Simulator) -> None:
    body = call(sim, WEATHERSTACK).json
    truth = sim.truth(51.5, -0.13, START)
    assert body["current"]["observation_time"] == "11:58 PM"
    assert body["current"]["temperature"] == round(float(truth["temperature"] or 0))
    assert body["current"]["precip"] == truth["precipitation"]
    assert "success" not in body


@pytest.mark.parametrize(
    ("target", "status", "cod", "message"),
    [
        ("lat=1&lon=1", 401, 401, "Invalid API key"),
        ("lat=1&lon=1&appid=wrong", 401, 401, "Invalid API key"),
        ("appid=demo", 400, "400", "Nothing to geocode"),
        ("lat=1&appid=demo", 400, "400", "Nothing to geocode"),
        ("lat=91&lon=1&appid=demo", 400, "400", "wrong latitude"),
        ("lat=nan&lon=1&appid=demo", 400, "400", "wrong latitude"),
        ("lat=1&lon=east&appid=demo", 400, "400", "wrong longitude"),
    ],
)
def test_openweathermap_errors(sim: Simulator, target: str, status: int, cod: object, message: str) -> None:
    got = call(sim, f"/data/2.5/weather?{target}")
    assert (got.status, got.json["cod"]) == (status, cod)
    assert got.json["message"].startswith(message)


@pytest.mark.parametrize(
    ("target", "code", "kind"),
    [
        ("/current?query=1,1", 101, "missing_access_key"),
        ("/current?query=1,1&access_key=wrong", 101, "invalid_access_key"),
        ("/current?access_key=demo", 601, "missing_query"),
        ("/current?query=1,1;2,2&access_key=demo", 604, "bulk_queries_not_supported_on_plan"),
        ("/current?query=1,1&units=k&access_key=demo", 606, "invalid_unit"),
        ("/current?query=1,1&language=de&access_key=demo", 105, "function_access_restricted"),
        ("/current?query=Atlantis&access_key=demo", 615, "request_failed"),
        ("/current?query=91,0&access_key=demo", 615, "request_failed"),
        ("/historical?query=1,1&access_key=demo", 103, "invalid_api_function"),
    ],
)
def test_weatherstack_errors_come_with_200(sim: Simulator, target: str, code: int, kind: str) -> None:
    got = call(sim, target)
    assert (got.status, got.json["success"]) == (200, False)
    assert (got.json["error"]["code"], got.json["error"]["type"]) == (code, kind)


def test_other_openweathermap_paths_and_methods_are_refused(sim: Simulator) -> None:
    assert call(sim, "/data/3.0/nothing").status == 404
    assert call(sim, OWM, "POST").status == 405


def test_without_keys_any_key_is_good() -> None:
    with Simulator(keys=()) as sim:
        assert call(sim, OWM.replace("demo", "whatever")).status == 200
        assert call(sim, "/data/2.5/weather?lat=1&lon=1").status == 401


def test_openweathermap_quota_is_per_key_and_minute(clock: DrivenClock) -> None:
    with Simulator(now=clock, keys=("demo", "spare"), owm_calls_per_minute=2) as sim:
        assert [call(sim, OWM).status for _ in range(3)] == [200, 200, 429]
        blocked = call(sim, OWM).json
        assert blocked["cod"] == 429
        assert blocked["message"].startswith("Your account is temporary blocked")
        assert call(sim, OWM.replace("demo", "spare")).status == 200
        assert "error" not in call(sim, WEATHERSTACK).json
        clock.advance(timedelta(seconds=30))
        assert call(sim, OWM).status == 200


def test_weatherstack_quota_is_per_key_and_month(clock: DrivenClock) -> None:
    with Simulator(now=clock, weatherstack_calls_per_month=1) as sim:
        assert "current" in call(sim, WEATHERSTACK).json
        assert call(sim, WEATHERSTACK).json["error"]["code"] == 104
        clock.advance(timedelta(minutes=2))
        assert "current" in call(sim, WEATHERSTACK).json
        sim.reset()
        assert "current" in call(sim, WEATHERSTACK).json


def test_calls_without_a_fault_are_told_from_the_others(sim: Simulator) -> None:
    sim.set_faults("kind=latency ms=1 count=1; kind=empty count=2")
    for _ in range(3):
        call(sim, OWM)
    call(sim, WEATHERSTACK)
    assert [one.provider for one in sim.calls_without_fault()] == ["openweathermap", "weatherstack"]
    assert sim.calls_without_fault() == sim.calls()[2:]
    assert sim.fault_counts() == {"empty": 2}
    sim.reset()
    assert not sim.fault_counts()
    assert sim.calls_without_fault() == ()


def test_every_provider_call_is_counted_faulted_or_not(sim: Simulator, clock: DrivenClock) -> None:
    call(sim, OWM)
    sim.set_faults("kind=status code=500")
    call(sim, WEATHERSTACK.replace("demo", "spare"))
    clock.advance(timedelta(minutes=1))
    call(sim, "/data/2.5/weather")
    assert sim.calls() == (
        Call("openweathermap", "demo", 51.5, -0.13, START),
        Call("weatherstack", "spare", 51.5, -0.13, START),
        Call("openweathermap", "", None, None, START + timedelta(minutes=1)),
    )
    assert (sim.count(), sim.count("openweathermap"), sim.count(key="spare")) == (3, 2, 1)
    assert call(sim, "/_simulator/calls").json == {
        "total": 3,
        "by_provider": {"openweathermap": 2, "weatherstack": 1},
        "by_key": {"demo": 1, "spare": 1, "": 1},
        "by_place": {"51.5,-0.13": 2},
        "by_minute": {"2026-01-31T23:58Z": 2, "2026-01-31T23:59Z": 1},
    }
    assert call(sim, "/_simulator/reset", "POST").json["total"] == 0
    assert sim.count() == 0


def test_a_call_is_counted_before_it_is_answered(sim: Simulator) -> None:
    sim.set_faults("kind=timeout")
    connection = connect(sim, timeout=1)
    connection.request("GET", OWM)
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()
    assert sim.count() == 1


def test_faults_are_set_read_and_refused_over_http(sim: Simulator) -> None:
    set_ = call(sim, "/_simulator/faults", "POST", "kind=empty count=1; kind=reset p=0")
    assert set_.json["spec"] == "kind=empty count=1; kind=reset p=0"
    assert [call(sim, OWM).body == b"" for _ in range(2)] == [True, False]
    rules = call(sim, "/_simulator/faults").json["rules"]
    assert rules == [{"rule": "kind=empty count=1", "used": 1}, {"rule": "kind=reset p=0", "used": 0}]
    refused = call(sim, "/_simulator/faults", "POST", "kind=boom")
    assert refused.status == 400
    assert b"'boom'" in refused.body
    assert len(call(sim, "/_simulator/faults").json["rules"]) == 2
    assert call(sim, "/_simulator/faults", "POST", "").json == {"spec": "", "rules": []}


def test_truth_is_told_over_http(sim: Simulator) -> None:
    assert call(sim, "/_simulator/truth?lat=51.5&lon=-0.13").json == sim.truth(51.5, -0.13, START)
    then = datetime(2020, 7, 1, 12, tzinfo=UTC)
    told = call(sim, "/_simulator/truth?lat=51.5&lon=-0.13&at=2020-07-01T14:00%2B02:00")
    assert told.json == sim.truth(51.5, -0.13, then)
    for query in ("lat=51.5", "lat=91&lon=0", "lat=1&lon=1&at=noon", "lat=1&lon=1&at=2020-07-01T12:00"):
        assert call(sim, f"/_simulator/truth?{query}").status == 400


def test_the_simulator_tells_what_it_is(sim: Simulator) -> None:
    assert b"/_simulator/faults" in call(sim, "/_simulator/").body
    assert call(sim, "/_simulator").status == 200
    assert call(sim, "/_simulator/nothing").status == 404
    assert call(sim, "/_simulator/reset").headers["Allow"] == "POST"


@pytest.mark.parametrize("code", [401, 429, 500, 502, 503])
def test_fault_status_has_the_providers_own_error_body(sim: Simulator, code: int) -> None:
    sim.set_faults(f"kind=status code={code} retry_after=90")
    got = call(sim, OWM)
    assert (got.status, got.json["cod"], got.headers["Retry-After"]) == (code, code, "90")
    other = call(sim, WEATHERSTACK)
    assert (other.status, other.json["success"]) == (code, False)
    assert isinstance(other.json["error"]["code"], int)
    sim.set_faults(f"kind=status code={code}")
    assert call(sim, OWM).headers["Retry-After"] is None


def test_fault_reset_breaks_the_connection(sim: Simulator) -> None:
    sim.set_faults("kind=reset")
    host, port = urlsplit(sim.url).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"GET {OWM} HTTP/1.1\r\n\r\n".encode())
        # An orderly end would read as no bytes.
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


@pytest.mark.parametrize("target", [OWM, WEATHERSTACK])
def test_fault_truncated_cuts_the_body_and_says_the_length_of_the_cut(sim: Simulator, target: str) -> None:
    whole = call(sim, target).body
    sim.set_faults("kind=truncated")
    got = call(sim, target)
    assert whole.startswith(got.body)
    assert int(got.headers["Content-Length"]) == len(got.body) < len(whole)
    with pytest.raises(json.JSONDecodeError):
        assert got.json


def test_fault_html(sim: Simulator) -> None:
    sim.set_faults("kind=html count=1; kind=html code=502")
    for status in (200, 502):
        got = call(sim, OWM)
        assert got.status == status
        assert got.headers["Content-Type"].startswith("text/html")
        assert got.body.startswith(b"<html>")


def test_fault_types_null_and_empty(sim: Simulator) -> None:
    sim.set_faults("kind=types count=1; kind=null count=2; kind=empty")
    assert isinstance(call(sim, OWM).json["main"]["temp"], str | dict)
    assert call(sim, OWM).json["rain"] is None
    assert call(sim, WEATHERSTACK).json["current"]["precip"] is None
    got = call(sim, OWM)
    assert (got.status, got.body, got.headers["Content-Length"]) == (200, b"", "0")


def test_fault_huge_is_valid_but_large(sim: Simulator) -> None:
    sim.set_faults("kind=huge mb=3")
    got = call(sim, OWM)
    assert len(got.body) == 3_000_000
    assert got.json["cod"] == 200


def test_fault_encoding_is_not_utf_8(sim: Simulator) -> None:
    sim.set_faults("kind=encoding")
    with pytest.raises(UnicodeDecodeError):
        call(sim, OWM).body.decode()


def test_fault_latency_and_slow_take_their_time(sim: Simulator) -> None:
    whole = call(sim, OWM).body
    for spec in ("kind=latency ms=100; kind=latency ms=100", "kind=slow ms=200"):
        sim.set_faults(spec)
        begin = time.monotonic()
        assert call(sim, OWM).body == whole
        assert time.monotonic() - begin >= 0.2


def test_faults_fall_only_on_what_they_name(sim: Simulator) -> None:
    sim.set_faults("kind=status code=503 provider=weatherstack; kind=status code=500 place=40,10")
    assert [call(sim, target).status for target in (OWM, WEATHERSTACK)] == [200, 503]
    assert call(sim, "/data/2.5/weather?lat=40&lon=10&appid=demo").status == 500


def test_a_connection_is_kept_for_many_requests(sim: Simulator) -> None:
    connection = connect(sim)
    connection.connect()
    first = connection.sock
    for _ in range(3):
        connection.request("GET", OWM)
        assert connection.getresponse().read()
        assert connection.sock is first
    connection.request("GET", OWM, headers={"Connection": "close"})
    assert connection.getresponse().headers["Connection"] == "close"
    connection.close()


@pytest.mark.parametrize(
    "head",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused(sim: Simulator, head: bytes) -> None:
    host, port = urlsplit(sim.url).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head)
        assert connection.makefile("rb").read().startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("spec", ["kind=timeout", "kind=latency ms=600000", "kind=slow ms=600000"])
def test_stop_ends_what_is_still_waiting(spec: str, capfd: pytest.CaptureFixture[str]) -> None:
    before = set(threading.enumerate())
    sim = Simulator(faults=spec).start()
    connection = connect(sim)
    connection.request("GET", OWM)
    while sim.count() == 0:
        time.sleep(0)
    sim.stop()
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        connection.getresponse().read()
    connection.close()
    assert set(threading.enumerate()) <= before
    assert capfd.readouterr() == ("", "")


def test_clients_that_leave_are_not_spoken_of(sim: Simulator, capfd: pytest.CaptureFixture[str]) -> None:
    sim.set_faults("kind=huge mb=20")
    connection = connect(sim)
    connection.request("GET", OWM)
    connection.close()
    sim.stop()
    assert capfd.readouterr() == ("", "")


def test_it_serves_until_stopped_and_then_has_no_url() -> None:
    sim = Simulator().start()
    thread = threading.Thread(target=sim.serve_forever)
    thread.start()
    assert call(sim, OWM).status == 200
    sim.stop()
    thread.join(timeout=10)
    assert not thread.is_alive()
    with pytest.raises(RuntimeError):
        assert sim.url


def test_a_taken_port_is_a_configuration_error(sim: Simulator) -> None:
    port = int(sim.url.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port}"):
        Simulator(port=port).start()


def test_by_default_the_projects_clock_tells_the_time(clock: DrivenClock) -> None:
    with Simulator() as sim, driven_by(clock):
        call(sim, OWM)
        assert sim.calls()[0].at == START


@pytest.mark.skipif(not IRELAND.is_file(), reason="the recorded series is not here (METEOROGRAPH_SERIES_DIR)")
def test_a_recorded_series_is_answered_hour_by_hour(clock: DrivenClock) -> None:
    with Simulator(now=lambda: datetime(2017, 10, 16, 11, 40, tzinfo=UTC), replay=IRELAND) as sim:
        assert len(sim.stations) == 25
        name, place, elevation = next(station for station in sim.stations if station[0] == "ROCHES POINT")
        target = f"lat={place.latitude}&lon={place.longitude}"
        body = call(sim, f"/data/2.5/weather?{target}&appid=demo&units=metric").json
        truth = sim.truth(place.latitude, place.longitude, datetime(2017, 10, 16, 11, tzinfo=UTC))
        assert (body["name"], elevation) == (name, 40.0)
        assert body["dt"] == datetime(2017, 10, 16, 11, tzinfo=UTC).timestamp()
        assert body["main"]["temp"] == truth["temperature"]
        # Storm Ophelia passed in this hour.
        assert body["wind"]["speed"] == truth["wind_speed"]
        assert body["wind"]["speed"] > 25
        assert "clouds" not in body
        assert call(sim, "/data/2.5/weather?lat=48.85&lon=2.35&appid=demo").json == {
            "cod": "404",
            "message": "city not found",
        }
        assert call(sim, "/current?query=48.85,2.35&access_key=demo").json["error"]["code"] == 615
        assert call(sim, "/_simulator/truth?lat=48.85&lon=2.35").status == 404
        with pytest.raises(LookupError):
            sim.truth(48.85, 2.35, START)
