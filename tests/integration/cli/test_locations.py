"""``meteorograph locations`` as its user runs it: what it prints, where, and how it exits."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from meteorograph import WeatherData, get_db_session
from meteorograph.locations import repository
from meteorograph.model import clock
from meteorograph.storage.models import Location

pytestmark = pytest.mark.usefixtures("database")

COMMAND = str(Path(sys.executable).with_name("meteorograph"))
HEADER = "name,latitude,longitude\n"

#: For what does not depend on the database.
ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def _run(*args: str, given: str | bytes = "") -> subprocess.CompletedProcess[str]:
    told = given.encode() if isinstance(given, str) else given
    ended = subprocess.run([COMMAND, "locations", *args], input=told, capture_output=True, timeout=120, check=False)
    return subprocess.CompletedProcess(ended.args, ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def _says(ended: subprocess.CompletedProcess[str], code: int, out: str, *errors: str) -> None:
    assert (ended.returncode, ended.stdout) == (code, out), ended
    assert ended.stderr.splitlines() == [f"meteorograph: {error}" for error in errors]


def _names(state: str | None = None) -> list[str]:
    query = select(Location.name).order_by(Location.name)
    with get_db_session(read_only=True) as session:
        return list(session.scalars(query if state is None else query.where(Location.state == state)))


def _store(name: str, slots: int) -> None:
    now = clock.now().replace(microsecond=0)
    with get_db_session() as session:
        key = repository.get_location(session, name).id
        for slot in range(slots):
            due_at = now - timedelta(hours=3 + slot)
            session.add(WeatherData(location_id=key, due_at=due_at, fetched_at=now, provider="openweathermap"))


def test_add_list_pause_resume_remove() -> None:
    _says(_run("list"), 0, "no locations\n")
    _says(
        _run("add", "Dublin", "--lat", "53.35", "--lon", "-6.26", "--tag", "b", "--tag", "a"),
        0,
        "added 'Dublin' at 53.35,-6.26\n",
    )
    near = _run("add", "Dublin 2", "--lat", "53.35", "--lon", "-6.261", "--schedule", "15m", "--timezone", "Europe/Dublin")
    _says(near, 0, "added 'Dublin 2' at 53.35,-6.261\n", "warning: 'Dublin 2' is 66 m from 'Dublin'")
    _store("Dublin", 2)
    table = _run("list").stdout.splitlines()
    assert [line.split("  ")[0] for line in table] == ["name", "Dublin", "Dublin 2"]
    assert table[0].split() == ["name", "latitude", "longitude", "state", "schedule", "timezone", "tags", "last"]
    assert table[1].split()[1:] == ["53.3500", "-6.2600", "active", "a,", "b", "3", "h", "ago"]
    _says(_run("pause", "--tag", "a"), 0, "paused 1\n")
    _says(_run("pause", "Dublin", "Nowhere"), 1, "paused 0, 1 already paused\n", "no location is named 'Nowhere'")
    assert [row["name"] for row in json.loads(_run("list", "--state", "paused", "--json").stdout)] == ["Dublin"]
    _says(_run("list", "--tag", "none"), 0, "no such locations\n")
    _says(_run("resume", "--all"), 0, "resumed 1, 1 already active\n")
    refused = "'Dublin' has 2 rows of data: --with-data deletes them, --keep-data keeps them"
    _says(_run("remove", "Dublin", "Dublin 2"), 1, "removed 'Dublin 2'\n", refused)
    _says(_run("remove", "Dublin", "--keep-data"), 0, "removed 'Dublin'; its 2 rows are kept, unscheduled\n")
    assert (_names("unscheduled"), _names("active")) == (["Dublin"], [])
    _says(_run("remove", "Dublin", "--with-data"), 0, "removed 'Dublin'; its 2 rows are deleted\n")
    _says(_run("remove", "Dublin"), 1, "", "no location is named 'Dublin'")


def test_the_list_marks_a_place_that_is_far_off() -> None:
    with get_db_session() as session:
        for name, distance in (("A", 9.9), ("B", 220.0)):
            made, _ = repository.add_location(session, {"name": name, "latitude": 1, "longitude": distance / 2}, clock.now())
            made.resolved_name, made.resolved_distance_km = "Cork", distance
    table = _run("list").stdout.splitlines()
    assert table[0].endswith("answered for")
    assert table[1].endswith("Cork, 9.9 km off")
    assert table[2].endswith("Cork, 220.0 km off (!)")
    assert json.loads(_run("list", "--json").stdout)[1]["resolved"]["distance_km"] == 220


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("add", "A", "--lat", "91", "--lon", "2"), "latitude=91.0: must be a number from -90 to 90"),
        (("add", "A", "--lat", "north", "--lon", "2"), "'north' is not a valid float"),
        (("add", "A", "--lat", "1"), "give both --lat and --lon"),
        (("add", "A", "--lat", "1", "--lon", "2", "--schedule", "often"), "schedule='often': must be an interval"),
        (("pause",), "name locations, or use one of --tag and --all"),
        (("resume", "A", "--all"), "name locations, or use one of --tag and --all"),
        (("remove", "A", "--with-data", "--keep-data"), "use only one of --with-data and --keep-data"),
        (("import", "missing.csv"), "'missing.csv': No such file"),
        (("import", "-"), "--format is missing"),
        (("export", "out.txt"), "--format is missing"),
        (("list", "--state", "gone"), "'gone' is not one of"),
    ],
)
@ONE_DATABASE
def test_wrong_usage_is_one_line_and_exit_2(args: tuple[str, ...], told: str) -> None:
    ended = _run(*args)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert told in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert _names() == []


@ONE_DATABASE
def test_a_taken_name_and_a_tag_that_none_has_are_exit_1() -> None:
    _run("add", "A", "--lat", "1", "--lon", "2")
    again = _run("add", "A", "--lat", "1", "--lon", "2")
    _says(again, 1, "", "name='A': must be unique, and a location with this name exists")
    _says(_run("pause", "--tag", "x"), 1, "paused 0\n", "no scheduled location has the tag 'x'")


@pytest.mark.parametrize("ending", ["csv", "geojson", "json"])
def test_import_and_export_through_files(ending: str, tmp_path: Path) -> None:
    text = 'name,latitude,longitude,elevation,tags\n"Kreta, Nord",35.3,25.1,33,a;b\nÅbo,60.45,22.27,,\n'
    _says(_run("import", "--format", "csv", "-", given=text), 0, "added 2, updated 0, unchanged 0\n")
    file = f"out.{ending}"
    ended = _run("export", file)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", f"wrote 2 to {file}\n")
    _says(_run("import", file), 0, "nothing to do: all 2 locations are up to date\n")
    _run("remove", "Åbo")
    _says(_run("import", file), 0, "added 1, updated 0, unchanged 1\n")
    piped = _run("export", "--format", "geojson" if ending == "json" else ending, "-").stdout
    assert piped == (tmp_path / file).read_text(encoding="utf-8")
    assert _run("export", "--tag", "a").stdout.splitlines()[1:] == ['"Kreta, Nord",35.3,25.1,33.0,,,a;b']


def test_every_bad_line_is_told_and_nothing_is_changed(tmp_path: Path) -> None:
    _run("add", "Old", "--lat", "5", "--lon", "6")
    path = tmp_path / "places.csv"
    path.write_text(f'{HEADER}A,1,2\n"B\nB",1,2\nC,95,190\nA,1,2\nOld,5,7\nD,3,3\n', encoding="utf-8")
    errors = (
        r"places.csv line 3: name='B\nB': must be a text of 1 to 200 characters, none of them a control character",
        "places.csv line 5: latitude=95.0: must be a number from -90 to 90; longitude=190.0: must be a number from -180 to 180",
        "places.csv line 6: name='A': must be in the file once, and is on line 2 too",
        "places.csv line 7: name='Old': the existing location differs (longitude is 6.0, here 7.0)",
    )
    hint = " (--update updates existing locations)"
    wrong = f"4 rows are wrong: nothing was changed; --skip-bad imports the others{hint}"
    _says(_run("import", "places.csv"), 1, "", *errors, wrong)
    assert _names() == ["Old"]
    ended = _run("import", "places.csv", "--json")
    summary = json.loads(ended.stdout)
    assert (ended.returncode, summary["added"], summary["bad"]) == (1, 0, 4)
    assert [error["line"] for error in summary["errors"]] == [3, 5, 6, 7]
    _says(
        _run("import", "places.csv", "--skip-bad", "--update"), 1, "added 2, updated 1, unchanged 0\n", *errors[:3],
        "warning: line 7: 'Old' moves by 110.8 km and keeps its data", "3 rows are wrong and left out",
    )  # fmt: skip
    assert _names() == ["A", "D", "Old"]


@ONE_DATABASE
def test_a_file_that_cannot_be_read_is_one_line() -> None:
    _says(
        _run("import", "-", "--format", "csv"),
        1,
        "",
        "the file is empty; its first line must be name,latitude,longitude, optionally with more columns",
    )
    Path("a.csv").write_bytes(HEADER.encode() + b"M\xfcnchen,48,11\n")
    _says(_run("import", "a.csv"), 1, "", "line 2: the file is not UTF-8: byte 0xfc at column 2")


@ONE_DATABASE
def test_many_warnings_are_counted() -> None:
    text = HEADER + "".join(f"p{number},1,2\n" for number in range(50))
    lines = _run("import", "-", "--format", "csv", given=text).stderr.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "meteorograph: warning: and 29 more"


@ONE_DATABASE
def test_a_progress_bar_is_shown_on_a_terminal_only(tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    path.write_text(HEADER + "".join(f"p{n},{n % 90},{n % 180}.{n}\n" for n in range(20_000)), encoding="utf-8")
    terminal, theirs = pty.openpty()
    shown = bytearray()

    def watch() -> None:
        try:
            while piece := os.read(terminal, 65536):
                shown.extend(piece)
        except OSError:
            pass  # how Linux says that the other side is closed

    watcher = threading.Thread(target=watch)
    watcher.start()
    environment = {**os.environ, "TERM": "xterm"}
    ended = subprocess.run(
        [COMMAND, "locations", "import", str(path)],
        stderr=theirs,
        stdout=subprocess.PIPE,
        env=environment,
        timeout=300,
        check=False,
    )
    os.close(theirs)
    watcher.join(10)
    os.close(terminal)
    assert (ended.returncode, ended.stdout) == (0, b"added 20000, updated 0, unchanged 0\n")
    assert b"reading" in shown
    assert b"storing" in shown
    assert b"100%" in shown
    _says(_run("import", str(path)), 0, "nothing to do: all 20000 locations are up to date\n")


@ONE_DATABASE
def test_a_file_without_an_end_is_refused() -> None:
    ended = _run("import", "/dev/zero", "--format", "csv")
    _says(ended, 1, "", "/dev/zero: the file has more than 67,108,864 bytes; divide it into several files")
