"""The files of the archive: commands, other readers, older versions, backups, and what may be missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from sqlalchemy import delete, select, update

from integration.archiving.conftest import NOW, everything, seal, sealed_file
from meteorograph import create_app, get_db_session
from meteorograph.archiving.candidates import require_pyarrow, retention_of
from meteorograph.archiving.files import find_damage, restore_month
from meteorograph.backups.create import create_backup
from meteorograph.backups.restore import restore_backup
from meteorograph.cli.main import cli
from meteorograph.config.loading import get_settings, load_settings
from meteorograph.errors import BackupError, ConfigurationError
from meteorograph.importing.storing import _read_origins
from meteorograph.locations.repository import remove_location
from meteorograph.reading.columns import RowQuery, count_rows
from meteorograph.reparsing.reparse import _read_stored
from meteorograph.storage.archive.parquet_file import SCHEMA, SCHEMA_VERSION, footer_checksum
from meteorograph.storage.models import ArchiveFile, Heartbeat, Location, SealedRange, WeatherData

pytestmark = [pytest.mark.parametrize("database", ["sqlite"], indirect=True), pytest.mark.usefixtures("world")]


def _run(*arguments: str) -> tuple[int, str, str]:
    """Exit code and both outputs of ``meteorograph archive``."""
    result = CliRunner().invoke(cli, ["archive", *arguments])
    code = 2 if isinstance(result.exception, ValueError) else result.exit_code
    return code, result.stdout, result.stderr + (str(result.exception) if code == 2 else "")


def test_the_commands_seal_list_verify_and_restore(monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = _run("seal", "--dry-run", "--json")
    planned = json.loads(out)
    assert (code, [one["month"] for one in planned]) == (0, ["2026-09", "2026-10"])
    assert list(Path().glob("data/archive/*")) == []
    code, out, _ = _run("seal", "--json")
    assert (code, json.loads(out)["rows"]) == (0, sum(one["rows"] for one in planned))
    code, out, _ = _run("list", "--json")
    assert [(one["month"], one["locations"], one["rows"]) for one in json.loads(out)] == [
        (one["month"], one["locations"], one["rows"]) for one in planned
    ]
    assert _run("verify")[:2] == (0, _run("verify")[1])
    path = sealed_file()
    (path.parent / "2020-01-00000000.parquet").write_bytes(b"of somebody else")
    code, out, err = _run("verify")
    assert (code, out.count("intact")) == (0, 2)
    assert "2020-01-00000000.parquet is in the folder, and the database does not know it" in err
    whole = path.read_bytes()
    path.write_bytes(whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:])
    code, out, err = _run("verify")
    assert (code, out.count("intact")) == (1, 1)
    assert f"{path.name} is damaged" in err
    path.write_bytes(whole)
    assert _run("restore", "2026-10", "--location", "nowhere")[0] == 1
    code, out, _ = _run("restore", "2026-10")
    assert (code, out) == (0, f"{planned[1]['rows']:,} rows are in the database again\n")
    assert _run("restore", "2026-10")[::2] == (1, "meteorograph: no row of it is sealed\n")
    next(Path().glob("data/archive/2026-10-*")).unlink()  # as after a restored backup, which leaves files without sealed rows out
    assert _run("verify")[0] == 0
    for wrong in (["restore"], ["restore", "2026-10", "--all"], ["restore", "2026-13"]):
        assert _run(*wrong)[0] == 2, wrong
    monkeypatch.setenv("METEOROGRAPH_RETENTION_DAYS", "0")
    code, _, err = _run("seal")
    assert (code, err) == (2, "METEOROGRAPH_RETENTION_DAYS=0: must be 1 or more days for rows to be sealed")


_EPOCHS = """
import sys, duckdb, pandas, polars, pyarrow.parquet
path = sys.argv[1]
us = lambda values: sorted(int(value) for value in values)
found = [
    us(row[0] for row in duckdb.sql(f"SELECT epoch_us(due_at) FROM '{path}'").fetchall()),
    us(polars.read_parquet(path)["due_at"].dt.epoch("us")),
    us(pandas.read_parquet(path)["due_at"].astype("int64")),
    us(pyarrow.parquet.read_table(path)["due_at"].cast("int64").to_pylist()),
]
assert found[0] == found[1] == found[2] == found[3]
print(found[0][0], len(found[0]))
"""


def test_other_readers_see_the_same_instants_in_whatever_zone() -> None:
    rows = seal().rows
    path = sealed_file()
    field = pq.read_schema(path).field("due_at").type
    assert (field.unit, field.tz) == ("us", "UTC")
    assert pq.read_metadata(path).schema.column(2).logical_type.to_json().find('"isAdjustedToUTC":true') > 0
    environment = {**os.environ, "TZ": "America/New_York"}
    command = [sys.executable, "-W", "ignore", "-c", _EPOCHS, str(path)]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True).stdout.split()
    first = datetime(2026, 10, 1, tzinfo=UTC)
    assert int(told[0]) == int(first.timestamp()) * 1_000_000
    assert rows - 60 < int(told[1]) < rows
    metadata = pq.read_metadata(path).metadata
    assert metadata[b"schema_version"] == str(SCHEMA_VERSION).encode()
    assert b"OpenWeather" in metadata[b"providers"]


def test_a_file_that_lacks_newer_columns_is_read_with_nulls() -> None:
    before = everything()
    seal()
    path = sealed_file()
    table = pq.read_table(path)
    assert table.schema.remove_metadata().equals(pa.schema([field.remove_metadata() for field in SCHEMA]))
    assert table["uv_index"].null_count == table.num_rows  # a month of nulls keeps its type
    pq.write_table(table.drop_columns(["uv_index", "snowfall_water_equivalent", "weather_code"]), path, row_group_size=500)
    with get_db_session() as session:
        values = {"footer_sha256": footer_checksum(path)}
        session.execute(update(ArchiveFile).where(ArchiveFile.name == path.name).values(**values))
    assert [name for name, told in everything().items() if told != before[name]] == []


def test_four_threads_read_at_once() -> None:
    seal()
    answers: list[bytes] = []
    app = create_app()
    expected = app.test_client().get("/data?format=csv&end=2026-11-01").data

    def read() -> None:
        with app.test_client() as web:
            answers.extend(web.get("/data?format=csv&end=2026-11-01").data for _ in range(3))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 12


def test_tags_have_their_own_retention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_RETENTION_DAYS_BY_TAG", "coast=0; short=1; long=3650")
    settings = load_settings()
    days = {tags: retention_of(settings, tags) for tags in ((), ("short",), ("short", "long"), ("coast", "long"), ("x",))}
    expected = [20, 1, 3650, None, 20]
    assert list(days.values()) == [None if number is None else timedelta(days=number) for number in expected]
    with get_db_session() as session:
        session.execute(update(Location).where(Location.id == 1).values(tags=["coast"]))
        session.execute(update(Location).where(Location.id == 2).values(tags=None))
    seal()
    with get_db_session(read_only=True) as session:
        assert set(session.scalars(select(SealedRange.location_id))) == {2}


def test_a_backup_has_the_archive_and_brings_it_back() -> None:
    seal()
    before = everything()
    with get_db_session() as session:
        session.execute(delete(Heartbeat))
    first = create_backup(get_settings(), Path("backups"), NOW)
    second = create_backup(get_settings(), Path("backups"), NOW + timedelta(hours=1))
    names = [path.name for path in sorted(Path("data/archive").iterdir())]
    assert [path.name for path in sorted((first.folder / "archive").iterdir())] == names
    assert (first.folder / "archive" / names[0]).samefile(second.folder / "archive" / names[0])
    for name in names:
        (Path("data/archive") / name).unlink()
    assert "is missing" in (find_damage(0) or "")
    restore_backup(get_settings(), Path("backups"), NOW, replace=True)
    assert [name for name, told in everything().items() if told != before[name]] == []
    (second.folder / "archive" / names[0]).unlink()
    (first.folder / "archive" / names[0]).unlink()
    (Path("data/archive") / names[0]).unlink()
    with pytest.raises(BackupError, match=r"the archive file .* is missing"):
        create_backup(get_settings(), Path("backups"), NOW + timedelta(hours=2))


def test_sealed_rows_are_known_to_imports_and_reparsing_and_go_with_their_location() -> None:
    with get_db_session(read_only=True) as session:
        query = select(WeatherData.__table__).where(WeatherData.location_id == 1, WeatherData.due_at < NOW - timedelta(days=30))
        rows = [dict(row) for row in session.execute(query).mappings()]
        total = count_rows(session, RowQuery(), 100_000)
    seal()
    slots = [row["due_at"] for row in rows]
    with get_db_session(read_only=True) as session:
        assert _read_origins(session, 1, slots[0], slots[-1]) == {row["due_at"]: row["origin"] for row in rows}
        asked: Any = [type("Slot", (), {"location_id": 1, "due_at": slot}) for slot in slots]
        assert list(_read_stored(session, asked, for_update=False).values()) == rows
    with get_db_session() as session:
        name = session.scalars(select(Location.name).where(Location.id == 1)).one()
        removed = remove_location(session, name, data="delete")
    with get_db_session(read_only=True) as session:
        assert count_rows(session, RowQuery(), 100_000) == total - removed
        assert removed > len(rows)
    assert restore_month(None, None) > 600


def test_without_pyarrow_the_settings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match="METEOROGRAPH_RETENTION_DAYS is set, and to seal months needs pyarrow"):
        require_pyarrow(get_settings())
    result = CliRunner().invoke(cli, ["doctor", "--no-calls"])
    assert "to seal months needs pyarrow: pip install 'meteorograph[parquet]'" in result.stdout
    result = CliRunner().invoke(cli, ["serve", "--port", "0"])
    assert "needs pyarrow" in str(result.exception)
    monkeypatch.setenv("METEOROGRAPH_RETENTION_DAYS", "0")
    require_pyarrow(get_settings())
