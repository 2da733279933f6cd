"""Clients of weather services that others wrote read the model's truth from the simulator."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from clients.environment import client_python
from meteorograph.simulator import Simulator

PLACE = (40.0, -75.0)
HOUR = timedelta(hours=1)


class Found:
    """What the clients have read, and the truth."""

    def __init__(self, simulator: Simulator, now: datetime, clients: dict[str, Any]) -> None:
        self._simulator = simulator
        self.now = now
        self.hour = now.replace(minute=0, second=0, microsecond=0)
        self.clients = clients

    def truth(self, name: str, at: datetime | None = None) -> float:
        value = self._simulator.truth(*PLACE, at or self.now)[name]
        assert isinstance(value, int | float)
        return value


@pytest.fixture(scope="module")
def found() -> Iterator[Found]:
    """All clients run once, while the simulator's clock stands."""
    now = datetime.now(UTC)
    with Simulator(now=lambda: now) as simulator:
        command = [client_python(), str(Path(__file__).with_name("api_clients.py")), simulator.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        yield Found(simulator, now, json.loads(done.stdout))


def test_pyowm(found: Found) -> None:
    read = found.clients["pyowm"]
    assert read["temperature"] == pytest.approx(found.truth("temperature"), abs=0.01)
    assert (read["pressure"], read["wind"]) == (found.truth("pressure"), found.truth("wind_speed"))
    assert read["forecasts"] == 40
    stamp, celsius = read["first_forecast"]
    assert celsius == pytest.approx(found.truth("temperature", datetime.fromtimestamp(stamp, UTC)), abs=0.01)
    assert read["onecall"] == [found.truth("temperature"), 48, 8]
    assert read["refusal"] == "unauthorized"


@pytest.mark.parametrize(
    ("mode", "counts"),
    [("current", [0, 0, 0]), ("forecast", [0, 40, 0]), ("v3.0", [60, 48, 8]), ("v4.0", [60, 48, 8])],
)
def test_every_mode_of_pyopenweathermap(found: Found, mode: str, counts: list[int]) -> None:
    read = found.clients["pyopenweathermap"][mode]
    assert read["counts"] == counts
    if mode != "forecast":
        current = read["current"]
        assert (current["temperature"], current["wind_speed"]) == (found.truth("temperature"), found.truth("wind_speed"))
        assert (current["dew_point"] is None) == (mode == "current")
    if read["first"]:
        stamp, celsius, probability = read["first"]
        assert celsius == found.truth("temperature", datetime.fromtimestamp(stamp, UTC))
        assert probability in (0, 1)


def test_open_meteo(found: Found) -> None:
    read = found.clients["open_meteo"]
    assert read["zone"] == "America/New_York"
    quarter = found.hour + (found.now - found.hour) // timedelta(minutes=15) * timedelta(minutes=15)
    assert read["now"] == found.truth("temperature", quarter)
    local = found.now.astimezone(ZoneInfo(read["zone"]))
    # The server applies the offset of now to all times, also on the day on which the clocks change.
    midnight = datetime.combine(local.date(), time(), timezone(local.utcoffset() or timedelta())).astimezone(UTC)
    assert read["hours"][:24] == [found.truth("temperature", midnight + number * HOUR) for number in range(24)]
    assert read["maxima"][0] == max(read["hours"][:24])


def test_openmeteo_requests_is_refused_and_not_given_json(found: Found) -> None:
    kind, text = found.clients["openmeteo_requests"]
    assert kind == "OpenMeteoRequestsError"
    assert "501" in text


def test_weatherstack(found: Found) -> None:
    assert found.clients["weatherstack"] == {"temperature": round(found.truth("temperature")), "refused": False}


def test_pynws(found: Found) -> None:
    read = found.clients["pynws"]
    assert datetime.fromisoformat(read["timestamp"]) == found.hour
    assert read["temperature"] == found.truth("temperature", found.hour)
    assert read["relativeHumidity"] == found.truth("humidity", found.hour)
    assert read["seaLevelPressure"] == pytest.approx(100 * found.truth("pressure", found.hour))
    assert read["stations"] > 1


def test_met_norway(found: Found) -> None:
    read = found.clients["pymetno"]["now"]
    assert read["temperature"] == found.truth("temperature", found.hour)
    assert read["pressure"] == found.truth("pressure", found.hour)
    assert read["precipitation"] == found.truth("precipitation", found.hour + HOUR)


def test_the_text_of_a_metar(found: Found) -> None:
    read = found.clients["metar"]
    assert read["obsTime"] == found.hour.timestamp()
    assert read["temperature"] == round(found.truth("temperature", found.hour))
    assert read["pressure"] == round(found.truth("pressure", found.hour))
    assert read["wind"] == pytest.approx(found.truth("wind_speed", found.hour), abs=0.27)
