"""Files that only their owner may read."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from meteorograph import create_app
from meteorograph.config.loading import load_settings
from meteorograph.errors import ConfigurationError
from meteorograph.private_files import make_private_file, make_private_folder
from meteorograph.scheduler import scheduled_ingest

posix = pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
pytestmark = posix


@pytest.fixture(params=[0o022, 0o000, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_and_files(umask: int, tmp_path: Path) -> None:
    make_private_folder(tmp_path / "a" / "b")
    make_private_file(tmp_path / "a" / "b" / "c")
    assert [_mode(tmp_path / name) for name in ("a", "a/b", "a/b/c")] == [0o700, 0o700, 0o600]


def test_a_lock_of_this_process_on_the_file_stays(tmp_path: Path) -> None:
    """POSIX drops all locks of a process on a file when it closes any descriptor of the file."""
    with (tmp_path / "file").open("wb") as locked:
        fcntl.lockf(locked, fcntl.LOCK_EX)
        make_private_file(tmp_path / "file")
        code = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        other = subprocess.run([sys.executable, "-c", code, str(tmp_path / "file")], capture_output=True, check=False)
        assert other.returncode != 0, "another process could take the lock"


def test_what_exists_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(0o755)
    (tmp_path / "open" / "file").write_text("kept")
    (tmp_path / "open" / "file").chmod(0o644)
    make_private_folder(tmp_path / "open")
    make_private_file(tmp_path / "open" / "file")
    assert _mode(tmp_path / "open") == 0o755
    assert _mode(tmp_path / "open" / "file") == 0o644
    assert (tmp_path / "open" / "file").read_text() == "kept"
    with pytest.raises(FileExistsError):
        make_private_folder(tmp_path / "open" / "file")


def test_everything_that_the_service_writes(
    umask: int, collecting: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    _home(monkeypatch, home)
    monkeypatch.setenv("METEOROGRAPH_LOG_FILE", f"{home}/log/service.log")
    create_app()
    scheduled_ingest()
    files = [path for path in home.rglob("*") if path.is_file()]
    folders = [home, *(path for path in home.rglob("*") if path.is_dir())]
    assert {path.suffix for path in files} >= {".db", ".log", ".db-wal", ".db-shm"}
    assert any("journal" in str(path.parent) for path in files)
    assert {str(path): _mode(path) for path in files if _mode(path) != 0o600} == {}
    assert {str(path): _mode(path) for path in folders if _mode(path) != 0o700} == {}


def _home(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{home}/data/meteorograph.db")
    monkeypatch.setenv("METEOROGRAPH_JOURNAL_DIR", f"{home}/data/journal")
    monkeypatch.setenv("METEOROGRAPH_LOG_FILE", f"{home}/data/service.log")
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")


def test_what_an_earlier_version_left_readable(collecting: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = tmp_path / "data"
    _home(monkeypatch, tmp_path)
    create_app()
    scheduled_ingest()
    left = {data / "journal" / name for name in ("standin-0009.db", "standin-0009.db-wal")} | {data / "service.log.1"}
    for path in left:
        path.write_bytes(b"")
    everything = [path for path in tmp_path.rglob("*") if path.is_file()]
    group, folder = data / "journal" / "standin-0008.db", data / "journal"
    group.write_bytes(b"")
    for path in [*everything, data, folder]:
        path.chmod(path.stat().st_mode | 0o055 if path.is_dir() else 0o644)
    group.chmod(0o640)
    create_app()
    assert {str(path): oct(_mode(path)) for path in everything if _mode(path) != 0o600} == {}
    assert (_mode(data), _mode(folder), _mode(group), _mode(tmp_path)) == (0o700, 0o700, 0o640, 0o700)


def test_folders_and_files_of_the_user_are_left_as_they_are(
    collecting: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    _home(monkeypatch, tmp_path)
    (data / "journal").mkdir(parents=True)
    mine = [data / "journal" / "notes.txt", data / "meteorograph.db.bak"]
    for path in mine:
        path.write_text("mine")
        path.chmod(0o644)
    for path in (data, data / "journal"):
        path.chmod(0o755)
    create_app()
    assert [_mode(path) for path in (*mine, data, data / "journal")] == [0o644, 0o644, 0o755, 0o755]
    assert _mode(data / "meteorograph.db") == 0o600


@pytest.mark.parametrize(
    ("mode", "owner", "group", "refused"),
    [
        (0o600, 0, 0, ""),
        (0o644, 0, 0, ""),
        (0o664, 0, 0, ""),
        (0o666, 0, 0, "other users may write it; run chmod go-w .env"),
        (0o664, 0, 7, "other users may write it; run chmod go-w .env"),
        (0o600, 1234, 0, "belongs to another user (uid 1234)"),
    ],
)
def test_a_settings_file_that_others_can_change(mode: int, owner: int, group: int, refused: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    Path(".env").write_text("PORT=1\n")
    Path(".env").chmod(mode)
    os.chown(".env", owner, group)
    if refused:
        with pytest.raises(ConfigurationError) as caught:
            load_settings()
        assert refused in str(caught.value)
    else:
        assert load_settings().port == 1
