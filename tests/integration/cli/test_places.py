"""Places by name: ``locations add`` and ``init``, with the simulator's geocoder."""

from __future__ import annotations

import os
import pty
import select
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

from meteorograph import get_db_session
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Location

ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
COMMAND = (sys.executable, "-m", "meteorograph")


@pytest.fixture(autouse=True)
def _geocoder(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_GEOCODING_BASE_URL", simulator.url)


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command without a terminal."""
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=os.environ | environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def at_a_terminal(folder: Path, answers: dict[str, str], *arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code and output of a command that gets an answer to each question, once it has asked it."""
    controller, terminal = pty.openpty()
    left = dict(answers)
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=folder, env=os.environ | environment, stdin=terminal, stdout=terminal, stderr=terminal
    ) as command:
        os.close(terminal)
        output = ""
        while part := _read(controller):
            output += part
            question = next((question for question in left if question in output), None)
            if question is not None:
                os.write(controller, f"{left.pop(question)}\n".encode())
        os.close(controller)  # a command that still waits for an answer ends
    return command.returncode, output.replace("\r", "")


def _read(controller: int) -> str:
    """What a command has written; nothing once it has ended, or does not write any more."""
    if not select.select([controller], [], [], 60)[0]:
        return ""
    try:
        return os.read(controller, 4096).decode()
    except OSError:  # the command has ended
        return ""


@ONE_DATABASE
def test_a_place_is_added_by_its_name(database: str, tmp_path: Path) -> None:
    several = run(tmp_path, "locations", "add", "Athens")
    assert (several.returncode, several.stderr) == (2, "meteorograph: 3 places are called 'Athens': choose one with --choose N\n")
    assert "1  Athens  Attica   Greece" in several.stdout
    first = run(tmp_path, "locations", "add", "Athens", "--choose", "1")
    assert first.stdout == "found Athens, Attica, Greece\nadded 'Athens' at 37.98376,23.72784\n"
    assert run(tmp_path, "locations", "add", "Reykjavik", "--elevation", "5", "--timezone", "UTC").returncode == 0
    with get_db_session(read_only=True) as session:
        found = [(one.name, one.latitude, one.elevation, one.timezone) for one in session.query(Location).order_by(Location.id)]
    assert found == [("Athens", 37.98376, 42.0, "Europe/Athens"), ("Reykjavik", 64.13548, 5.0, "UTC")]


@ONE_DATABASE
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Nowhere",), "no place is called 'Nowhere': give --lat and --lon"),
        (("Athens", "--choose", "4"), "--choose 4: only 3 places are called 'Athens'"),
        (("Athens", "--lat", "1"), "give both --lat and --lon, or none of them (see meteorograph locations add --help)"),
    ],
)
def test_what_cannot_be_added_says_why(database: str, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    refused = run(tmp_path, "locations", "add", *arguments)
    assert (refused.returncode, refused.stderr) == (2, f"meteorograph: {message}\n")


@ONE_DATABASE
def test_a_geocoder_that_cannot_be_reached(database: str, tmp_path: Path) -> None:
    failed = run(tmp_path, "locations", "add", "Athens", METEOROGRAPH_GEOCODING_BASE_URL="http://127.0.0.1:9")
    assert (failed.returncode, failed.stderr) == (1, "meteorograph: open-meteo: 127.0.0.1: connection refused\n")


def test_init_asks_and_writes_what_the_service_reads(tmp_path: Path) -> None:
    answers = {"Provider": "openweathermap", "(not shown)": "a key with 'quotes' and #", "Place": "Athens", "Number": "2"}
    code, output = at_a_terminal(tmp_path, answers, "init", OWM_API_KEY="")
    assert code == 0, output
    assert "a key" not in output.split("(not shown)")[1], "the key is not echoed"
    assert "found Athens, Georgia, United States\nwrote .env: openweathermap, Athens\n" in output
    assert dotenv_values(tmp_path / ".env") == {
        "OWM_API_KEY": "a key with 'quotes' and #",
        "METEOROGRAPH_DEFAULT_LOCATION": "Athens",
        "METEOROGRAPH_DEFAULT_LATITUDE": "33.96095",
        "METEOROGRAPH_DEFAULT_LONGITUDE": "-83.37794",
    }
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    before = (tmp_path / ".env").read_text()
    again = run(tmp_path, "init", "--provider", "open-meteo", "--place", "Paris")
    assert (again.returncode, (tmp_path / ".env").read_text()) == (2, before)
    assert again.stderr == "meteorograph: .env exists: change it with an editor; docs/settings.md lists what it may have\n"


def test_init_without_a_terminal_needs_options(tmp_path: Path) -> None:
    done = run(tmp_path, "init", "--provider", "open-meteo", "--place", "O'Brien's \\ farm", "--lat", "53", "--lon=-8.5")
    assert done.returncode == 0, done.stderr
    assert dotenv_values(tmp_path / ".env")["METEOROGRAPH_DEFAULT_LOCATION"] == "O'Brien's \\ farm"
    (tmp_path / ".env").unlink()
    for missing, arguments in [("--provider", ()), ("OWM_API_KEY", ("--provider", "openweathermap"))]:
        refused = run(tmp_path, "init", *arguments, OWM_API_KEY="")
        assert refused.returncode == 2
        assert missing in refused.stderr
        assert list(tmp_path.iterdir()) == []


def test_init_asks_for_coordinates_where_it_cannot_look_them_up(tmp_path: Path) -> None:
    code, output = at_a_terminal(
        tmp_path,
        {"Latitude": "53.3", "Longitude": "-6.2"},
        *("init", "--provider", "open-meteo", "--place", "Dublin"),
        METEOROGRAPH_GEOCODING_BASE_URL="http://127.0.0.1:9",
    )
    assert code == 0, output
    assert dotenv_values(tmp_path / ".env")["METEOROGRAPH_DEFAULT_LATITUDE"] == "53.3"
