"""The command line as a user meets it: real processes, what they print where, and how they end."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from meteorograph import __version__, get_db_session
from meteorograph.simulator import Simulator
from meteorograph.storage import migrations
from meteorograph.storage.models import Location
from support import KEY, NOON, RAIN_KEY, wait_until

COMMAND = str(Path(sys.executable).with_name("meteorograph"))


def _run(*args: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *args], env={**os.environ, **more}, capture_output=True, text=True, timeout=300, check=False)


def _fails(ended: subprocess.CompletedProcess[str], code: int) -> str:
    """The one line on stderr with which a command failed."""
    assert ended.returncode == code, ended
    lines = ended.stderr.splitlines()
    assert len(lines) == 1, ended.stderr
    assert lines[0].startswith("meteorograph: ")
    return lines[0]


class Service:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path) -> None:
        self.process = process
        self.out = out
        self.url = ""

    def printed(self) -> str:
        return self.out.read_text(encoding="utf-8")

    def get(self, path: str, method: str = "GET", body: bytes | None = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            connection.request(method, path, body, {"Connection": "close"})
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if "json" in (response.getheader("Content-Type") or "") else text.decode()
        finally:
            connection.close()

    def health(self) -> dict[str, Any]:
        body: dict[str, Any] = self.get("/health?locations=true")[1]
        return body

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(120)


@contextmanager
def _serving(folder: Path, *args: str, **more: str) -> Iterator[Service]:
    """Run a command that serves, from the moment on which it says where."""
    out = folder / "out.txt"
    with out.open("wb") as file:
        process = subprocess.Popen([COMMAND, *args], env={**os.environ, **more}, stdout=file, stderr=file, cwd=folder)
    with process:
        try:
            service = Service(process, out)
            wait_until(lambda: _address(service) or process.poll() is not None, 120, "an address")
            assert process.poll() is None, service.printed()
            service.url = _address(service)
            yield service
        finally:
            if process.poll() is None:
                process.kill()


def _address(service: Service) -> str:
    found = re.search(r"(?:address=| on )(http://[\w.\[\]:]+\d)", service.printed())
    return found[1] if found else ""


COMMANDS = ("", "serve", "ingest", "simulate", "db", "db upgrade", "db current")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(command: str, option: str) -> None:
    ended = _run(*command.split(), option)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"Usage: meteorograph {command}".strip())
    assert max(map(len, ended.stdout.splitlines())) <= 80


def test_version() -> None:
    assert _run("--version").stdout == f"meteorograph {__version__}\n"


@pytest.mark.parametrize("command", ["", "db"])
def test_without_a_command_it_is_the_help_and_an_error(command: str) -> None:
    ended = _run(*command.split())
    assert (ended.returncode, ended.stdout) == (2, "")
    assert len(ended.stderr.splitlines()) > 5
    assert ended.stderr.startswith("Usage: ")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ("nonsense", "No such command 'nonsense'"),
        ("db nonsense", "No such command 'nonsense'"),
        ("--nonsense", "No such option"),
        ("ingest --nonsense", "No such option"),
        ("ingest extra", "unexpected extra argument"),
        ("ingest --lat north --lon 1", "'north' is not a valid float"),
        ("ingest --location A --lat 1", "use only one of"),
        ("ingest --location", "requires an argument"),
        ("serve --port 65536", "65536"),
        ("serve --port x", "'x' is not a valid int"),
        ("serve --host a..b --no-scheduler", "HOST=a..b"),
        ("serve --host 203.0.113.7 --port 0 --no-scheduler", "HOST=203.0.113.7"),
        ("simulate --faults kind=nonsense", "'nonsense' is unknown"),
        ("simulate --replay missing.csv", "missing.csv"),
        ("simulate --latency-ms -1", "-1"),
        ("simulate --host 203.0.113.7 --port 0", "203.0.113.7"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(args: str, said: str) -> None:
    assert said in _fails(_run(*args.split()), 2)


@pytest.mark.parametrize(
    ("name", "value", "command"),
    [
        ("PORT", "http", "serve"),
        ("LOG_LEVEL", "LOUD", "ingest"),
        ("METEOROGRAPH_INTERVAL", "often", "serve --demo"),
        ("METEOROGRAPH_PROVIDERS", "oracle", "ingest"),
        ("DATABASE_URL", "oracle://host/name", "db upgrade"),
        ("OWM_API_KEY_FILE", "/nowhere/key", "ingest"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it_and_exit_code_2(name: str, value: str, command: str) -> None:
    assert f"{name}={value}" in _fails(_run(*command.split(), **{name: value}), 2)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite://", "must name a file"),
        ("sqlite:///file:x?mode=memory&uri=true", "must name a file"),
        ("sqlite:////dev/null/folder/file.db", "its folder must exist"),
    ],
)
def test_a_database_file_that_cannot_be_is_one_line_and_exit_code_2(url: str, said: str) -> None:
    line = _fails(_run("db", "upgrade", DATABASE_URL=url), 2)
    assert "DATABASE_URL=sqlite" in line
    assert said in line


@pytest.mark.parametrize("command", ["ingest", "ingest --lat 1 --lon 2", "serve --port 0"])
def test_a_missing_key_is_one_line_that_says_how_to_set_it(command: str) -> None:
    line = _fails(_run(*command.split()), 2)
    assert "OWM_API_KEY" in line
    assert ("--demo" in line) == command.startswith("serve")


@pytest.mark.parametrize("command", ["db current", "db upgrade", "serve --no-scheduler --port 0"])
def test_a_database_that_does_not_answer_is_one_line_without_its_password(command: str) -> None:
    line = _fails(_run(*command.split(), DATABASE_URL="postgresql://user:not-for-anyones-eyes@127.0.0.1:1/nowhere"), 1)
    assert "127.0.0.1:1/nowhere cannot be used" in line
    assert "refused" in line
    assert "not-for-anyones-eyes" not in line


def test_debug_shows_the_traceback_without_secrets(collecting: Simulator) -> None:
    collecting.set_faults("kind=status code=401 provider=openweathermap")
    for ended in (_run("--debug", "ingest"), _run("--debug", "db", "upgrade", DATABASE_URL=f"sqlite:////dev/null/{KEY}/file.db")):
        assert ended.returncode in (1, 2)
        assert "Traceback (most recent call last)" in ended.stderr
        assert ended.stderr.splitlines()[-1].startswith("meteorograph: ")
        assert KEY not in ended.stderr
    assert "Traceback" not in _run("ingest").stderr


def test_an_unexpected_error_is_one_line_too() -> None:
    code = (
        "from meteorograph.cli.main import main; from meteorograph.collecting import on_demand\n"
        "def fail(*_): raise KeyError('boom')\n"
        "on_demand.ingest_data = fail\n"
        "main()"
    )
    for debug, lines in (([], 1), (["--debug"], 5)):
        ended = subprocess.run(
            [sys.executable, "-c", code, *debug, "ingest"], capture_output=True, text=True, timeout=300, check=False
        )
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "unexpected KeyError: 'boom'" in ended.stderr.splitlines()[-1]
        assert len(ended.stderr.splitlines()) >= lines
        assert bool(debug) == ("Traceback" in ended.stderr)


def _add(*names: str) -> None:
    with get_db_session() as session:
        session.add_all(
            Location(name=name, latitude=50 + number, longitude=4, state="active", created_at=NOON)
            for number, name in enumerate(names)
        )


def _count(table: str) -> int:
    with get_db_session(read_only=True) as session:
        return int(session.connection().exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())  # noqa: S608  # ours


@pytest.mark.usefixtures("collecting", "database")
def test_ingest_prints_a_table() -> None:
    ended = _run("ingest", "--lat", "53.35", "--lon", "-6.26")
    assert (ended.returncode, ended.stderr) == (0, "")
    table = dict(re.split(r" {2,}", line, maxsplit=1) for line in ended.stdout.splitlines())
    assert (table["location"], table["latitude"]) == ("53.35,-6.26", "53.35")
    assert re.fullmatch(r"-?\d+(\.\d+)? °C", table["temperature"])
    assert re.fullmatch(r"\d+(\.\d+)? %", table["humidity"])
    assert table["providers"] == '{"precipitation": "weatherstack"}'
    assert "location_id" not in table
    assert "None" not in ended.stdout
    assert KEY not in ended.stdout
    assert _count("weather_data") == 1


@pytest.mark.usefixtures("collecting", "database")
def test_ingest_prints_json_a_line_for_each_location() -> None:
    _add("Brügge", "Bergen")
    ended = _run("ingest", "--json", "--location", "Bergen", "--location", "Brügge")
    assert (ended.returncode, ended.stderr) == (0, "")
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [row["location"] for row in found] == ["Bergen", "Brügge"]
    assert "Brügge" in ended.stdout
    assert _count("weather_data") == 2


@pytest.mark.usefixtures("collecting", "database")
def test_ingest_without_a_place_is_the_default_place() -> None:
    ended = _run("ingest", "--json", METEOROGRAPH_DEFAULT_LATITUDE="60.17", METEOROGRAPH_DEFAULT_LONGITUDE="24.94")
    found = json.loads(ended.stdout)
    assert (found["latitude"], found["longitude"]) == (60.17, 24.94)


@pytest.mark.usefixtures("database")
def test_one_location_that_fails_does_not_cost_the_others(collecting: Simulator) -> None:
    _add("Athens", "Bergen", "Cork")
    collecting.set_faults("kind=status code=500 provider=openweathermap place=51,4")
    names = [word for name in ("Athens", "Bergen", "Atlantis", "Cork") for word in ("--location", name)]
    ended = _run("ingest", "--json", *names, LOG_LEVEL="CRITICAL")
    assert ended.returncode == 1
    assert [json.loads(line)["location"] for line in ended.stdout.splitlines()] == ["Athens", "Cork"]
    first, second = ended.stderr.splitlines()
    assert first.startswith("meteorograph: openweathermap: ")
    assert second == "meteorograph: no location is named 'Atlantis'"
    assert _count("weather_data") == 2


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("args", "said"),
    [
        ("--lat 91 --lon 0", "lat=91.0: it must be a number from -90 to 90"),
        ("--lat nan --lon 0", "lat=nan"),
        ("--lat 0 --lon -inf", "lon=-inf"),
        ("--lat 1e999 --lon 0", "lat=inf"),
        ("--lat 51", "lon is missing"),
        ("--lon 51", "lat is missing"),
    ],
)
def test_wrong_coordinates(collecting: Simulator, args: str, said: str) -> None:
    assert said in _fails(_run("ingest", *args.split()), 2)
    assert collecting.count() == 0


@pytest.mark.usefixtures("collecting")
def test_the_default_database_is_made_with_its_folder(tmp_path: Path) -> None:
    assert _run("ingest").returncode == 0
    with closing(sqlite3.connect(tmp_path / "data" / "meteorograph.db")) as connection:
        assert connection.execute("SELECT count(*) FROM weather_data").fetchone() == (1,)


@pytest.mark.usefixtures("collecting")
@pytest.mark.parametrize("args", [["--help"], ["ingest", "--json"], ["db", "upgrade"]])
def test_output_that_nobody_reads_any_more_is_no_traceback(args: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run([COMMAND, *args], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    finally:
        os.close(writer)
    assert ended.stderr == ""
    assert ended.returncode in (0, 1)


def test_db_on_an_empty_and_on_a_current_database() -> None:
    newest, where = migrations.newest_revision(), "sqlite:///data/meteorograph.db"
    ended = [_run("db", word) for word in 2 * ("current", "upgrade")]
    told = [(one.returncode, one.stdout, one.stderr) for one in ended]
    assert told == [
        (1, f"{where}: empty, newest is {newest}: run meteorograph db upgrade\n", ""),
        (0, f"{where}: {newest}, was empty\n", ""),
        (0, f"{where}: {newest}\n", ""),
        (0, f"{where}: {newest} already\n", ""),
    ]


def test_db_on_postgresql_shows_no_password(postgresql_server: str) -> None:
    url = re.sub(r"/postgres(?=\?|$)", "/template_meteorograph", postgresql_server.replace("postgres:@", "postgres:pass-word@"))
    ended = _run("db", "current", DATABASE_URL=url)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("postgresql://")
    assert "pass-word" not in ended.stdout


def test_simulate_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    with _serving(tmp_path, "simulate", "--port", "0", "--key", "first", "--faults", "kind=status code=503 count=1") as service:
        settings = dict(re.findall(r"^export (\w+)=(\S+)$", service.printed(), re.MULTILINE))
        assert settings["METEOROGRAPH_OWM_BASE_URL"] == service.url
        assert service.get("/data/2.5/weather?lat=1&lon=2&appid=first")[0] == 503
        assert service.get("/data/2.5/weather?lat=1&lon=2&appid=first")[0] == 200
        assert service.get("/data/2.5/weather?lat=1&lon=2&appid=other")[0] == 401
        ended = _run("ingest", "--json", **settings)
        assert json.loads(ended.stdout)["providers"] == {"precipitation": "weatherstack"}
        assert service.end() == 0


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        line = _fails(_run("serve", "--port", port, "--demo"), 2)
        assert f"PORT={port}: Address already in use; it must be" in line
        assert f"127.0.0.1:{port}" in _fails(_run("simulate", "--port", port), 2)


def test_a_demonstration_that_cannot_listen_leaves_the_database_of_the_last_one(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "demo.db").write_bytes(b"of another demonstration")
    with socket.create_server(("127.0.0.1", 0)) as holder:
        _fails(_run("serve", "--demo", "--port", str(holder.getsockname()[1])), 2)
    assert (tmp_path / "data" / "demo.db").read_bytes() == b"of another demonstration"


@pytest.mark.parametrize("option", ["--demo", "--demo-without-key"])
def test_the_demonstration(tmp_path: Path, option: str) -> None:
    with _serving(tmp_path, "serve", option, "--port", "0") as service:
        wait_until(lambda: _is_collecting(service, 12, "degraded"), 120, "12 locations, of which one is stale")
        wait_until(lambda: service.health()["providers"]["openweathermap"]["key"] == "active", 120, "the first collection")
        page = service.get("/")[1]
        assert "Demonstration" in page
        assert page.count('<th scope="row"') == 12
        assert "simulated weather" in service.printed()
        assert service.end() == 0
        assert "stopping" in service.printed()
        assert "Traceback" not in service.printed()
    with closing(sqlite3.connect(tmp_path / "data" / "demo.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM weather_data").fetchone()[0] >= 12
        assert connection.execute("SELECT count(*) FROM runs WHERE state = 'running'").fetchone() == (0,)


def _is_collecting(service: Service, locations: int, status: str = "ok") -> bool:
    body = service.health()
    return body["status"] == status and sum(one["age"] is not None for one in body["locations"]) == locations


@pytest.mark.usefixtures("one_slot")
def test_with_a_key_it_collects_for_real_until_it_is_told_to_end(tmp_path: Path, collecting: Simulator, database: str) -> None:
    with _serving(tmp_path, "serve", "--demo-without-key", "--port", "0") as service:
        wait_until(lambda: _is_collecting(service, 1), 120, "one fresh location")
        assert [one["location"] for one in service.health()["locations"]] == ["London"]
        assert "Demonstration" not in service.get("/")[1]
        assert service.end(signal.SIGINT) == 0
        assert KEY not in service.printed()
        assert RAIN_KEY not in service.printed()
    assert collecting.count("openweathermap") == 1
    assert _count("weather_data") == 1


def _refusal_of_a_gigabyte(url: str) -> int:
    """The status with which a long body is refused before it has come."""
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)) as connection:
        connection.putrequest("POST", "/ingest")
        connection.putheader("Content-Length", str(2**30 - 1))
        connection.endheaders()
        with connection.getresponse() as response:
            return response.status


def test_without_the_scheduler_it_serves_and_collects_nothing(tmp_path: Path, collecting: Simulator, database: str) -> None:
    with _serving(tmp_path, "serve", "--no-scheduler", "--port", "0", OWM_API_KEY="") as service:
        health = service.health()
        assert (health["status"], health["scheduler_running"]) == ("ok", False)
        assert health["providers"]["openweathermap"]["key"] == "missing"
        assert service.get("/data")[0] == 200
        assert _refusal_of_a_gigabyte(service.url) == 413
        assert service.end() == 0
    assert collecting.count() == 0
