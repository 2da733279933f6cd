"""``meteorograph show`` and ``status``: what they say, compared with what the simulator and the database have."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Any

import pytest

from meteorograph import WeatherData, get_db_session
from meteorograph.cli import main
from meteorograph.config.loading import pin_settings
from meteorograph.ledger import heartbeat
from meteorograph.model.clock import DrivenClock
from meteorograph.scheduler import scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Location
from support import NOON

pytestmark = pytest.mark.usefixtures("database", "driven")

ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Exit code, standard output and standard error of a command, on the clock of the test."""

    def call(*args: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["meteorograph", *args])
        with pytest.raises(SystemExit) as ended:
            main.main()
        pin_settings(None)
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err

    return call


def _add(*names: str) -> None:
    with get_db_session() as session:
        for number, name in enumerate(names):
            place = Location(name=name, latitude=number, longitude=9, state="active", created_at=NOON - timedelta(hours=3))
            session.add(place)


def _store(name: str, **values: Any) -> None:
    with get_db_session() as session:
        key = session.query(Location.id).filter(Location.name == name).scalar()
        row = {"due_at": NOON - timedelta(hours=1), "fetched_at": NOON, "provider": "openweathermap"} | values
        session.add(WeatherData(location_id=key, **row))


def test_the_newest_weather_of_all_and_of_one(ask: Any) -> None:
    assert ask("show") == (0, "no weather yet\n", "")
    _add("Athens", "Bergen")
    assert ask("show", "Athens") == (0, "Athens: no weather yet\n", "")
    _store("Athens", temperature=-0.04, wind_speed=10, wind_direction=350, condition="clear sky")
    flags = {"temperature": ["step"]}
    _store("Athens", temperature=99, due_at=NOON + timedelta(days=400))  # by a clock that was wrong
    _store("Bergen", temperature=21.26, precipitation=2.54, flags=flags, observed_at=NOON - timedelta(minutes=10))
    code, out, _ = ask("show")
    assert code == 0
    assert [line.split(maxsplit=2) for line in out.splitlines()[1:]] == [
        ["Athens", "60", "min       0.0 °C  10.0 m/s  N                    clear sky"],
        ["Bergen", "10", "min  21.3 °C (!)                         2.5 mm"],
    ]
    code, out, _ = ask("show", "Bergen", "--units", "imperial")
    assert out.splitlines() == [
        "Bergen, 2026-03-01 11:50 UTC (10 min ago), by openweathermap",
        "temperature    70.3 °F (!)  step",
        "precipitation  0.10 in      of an unknown period",
    ]


@ONE_DATABASE
def test_the_json_of_a_location_has_the_units_of_its_values(ask: Any) -> None:
    _add("Athens")
    _store("Athens", temperature=20, precipitation=1, precipitation_period=3600)
    [row] = json.loads(ask("show", "Athens", "--units", "si", "--json")[1])
    assert (row["temperature"], row["precipitation"], row["humidity"]) == (293.15, 0.001, None)
    assert row["units"] == {"temperature": "K", "precipitation": "m", "precipitation_period": "s"}


@ONE_DATABASE
def test_the_times_of_a_location_are_those_of_its_zone(ask: Any) -> None:
    _add("Athens")
    assert ask("locations", "edit", "Athens", "--timezone", "Europe/Athens")[0] == 0
    _store("Athens", temperature=20)
    assert "Athens, 2026-03-01 13:00 Europe/Athens (60 min ago)" in ask("show", "Athens")[1]


def test_status_follows_what_happens(ask: Any, collecting: Simulator, driven: DrivenClock) -> None:
    code, out, _ = ask("status")
    assert (code, out.splitlines()[:2]) == (
        1,
        ["status          failing", f"{'':16}nothing is stored yet, and no process collects"],
    )
    _add("Athens", "Bergen")
    scheduled_ingest()
    heartbeat.record_heartbeat(NOON)
    driven.advance(timedelta(seconds=20))
    code, out, _ = ask("status")
    assert (code, out.splitlines()[:5]) == (
        0,
        [
            "status          ok",
            "locations       2 scheduled, all up to date",
            "last run        2026-03-01 12:00 UTC (20 s ago), succeeded: 2 of 2 stored",
            "next run        2026-03-01 13:00 UTC",
            "missed in 24 h  0",
        ],
    )
    asked = collecting.count("openweathermap")
    assert f"openweathermap  key active; {asked:,} of 1,000,000 calls of the month" in out
    collecting.set_faults("kind=status code=401 provider=openweathermap")
    driven.advance(timedelta(hours=1))
    scheduled_ingest()
    heartbeat.record_heartbeat(NOON + timedelta(hours=1, seconds=20))
    code, out, _ = ask("status", "--json")
    said = json.loads(out)
    assert (code, said["status"]) == (1, "failing")
    assert "refuses the key: 401" in said["problems"][0]
    assert said["quota"][0]["windows"][-1]["used"] == collecting.count("openweathermap")


@ONE_DATABASE
def test_a_location_is_edited_and_renamed_and_keeps_its_rows(ask: Any) -> None:
    _add("Athens", "Bergen")
    _store("Athens", temperature=20)
    assert ask("locations", "rename", "Athens", "Αθήνα") == (0, "renamed 'Athens' to 'Αθήνα'\n", "")
    assert "20.0 °C" in ask("show", "Αθήνα")[1]
    code, _, err = ask("locations", "rename", "Bergen", "Αθήνα")
    assert (code, err) == (1, "meteorograph: name='Αθήνα': must be unique, and a location with this name exists\n")
    args = ("--elevation", "12.5", "--schedule", "30m", "--tag", "b", "--tag", "a")
    assert ask("locations", "edit", "Bergen", *args)[1] == "changed 'Bergen': elevation, schedule, tags\n"
    shown = json.loads(ask("locations", "show", "Bergen", "--json")[1])
    assert [shown[name] for name in ("elevation", "schedule", "tags")] == [12.5, "30m", ["a", "b"]]
    assert ask("locations", "edit", "Bergen", "--elevation", "none", "--schedule", "none", "--tag", "none")[0] == 0
    assert ask("locations", "show", "Bergen")[1].splitlines() == [
        "name       Bergen",
        "latitude   1.0000",
        "longitude  9.0000",
        "state      active",
    ]
    for wrong, words in (
        (("--elevation", "high"), "elevation='high': must be a number from -500 to 9000 or nothing"),
        (("--timezone", "Mars/Base"), "timezone='Mars/Base': must be"),
    ):
        code, _, err = ask("locations", "edit", "Bergen", *wrong)
        assert code == 2
        assert words in err
    assert ask("locations", "edit", "Bergen")[0] == 2


@ONE_DATABASE
@pytest.mark.parametrize(
    "command",
    [("show", "athen"), ("gaps", "--location", "athen"), ("locations", "remove", "athen"), ("locations", "pause", "athen")],
)
def test_a_name_with_a_slip_is_met_with_similar_ones(ask: Any, command: tuple[str, ...]) -> None:
    _add("Athens", "Bergen")
    code, _, err = ask(*command)
    assert (code, err) == (1, "meteorograph: no location is named 'athen'; did you mean 'Athens'?\n")
