"""The journal store: a file is copied once and whole, read by others, deleted in time; a store that is away stops nothing."""

from __future__ import annotations

import os
import sys
import threading
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]  # it has no types

from meteorograph.errors import ConfigurationError, JournalStoreError
from meteorograph.journal import copying, reader, store_state, writer
from meteorograph.journal import store as stores
from meteorograph.journal.copying import JournalCopier
from meteorograph.journal.entry import Entry, make_entry
from meteorograph.journal.reader import read_slots, read_stored_slot
from meteorograph.journal.store import JournalStore, require_store
from meteorograph.journal.writer import Journal
from meteorograph.model.clock import DrivenClock
from meteorograph.model.values import Coordinates, DueLocation, Payload, Request
from support import KEY, NOON

HOUR = timedelta(hours=1)
LATER = NOON + 3 * HOUR
GO_ON = threading.Event()


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, driven: DrivenClock) -> Iterator[None]:
    writer.close_journals()
    driven.advance(3 * HOUR)
    yield
    store_state.STORE_STATE.recover()


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> JournalStore:
    """A shared folder, and a store without folders, as object storage is."""
    if request.param == "memory":
        MemoryFileSystem.store.clear()
        return JournalStore(f"memory://bucket-{uuid.uuid4().hex}/journal")
    (tmp_path / "share").mkdir()
    return JournalStore(f"file://{tmp_path}/share/")


def _entry(number: int, at: datetime) -> Entry:
    request = Request("openweathermap", "http://127.0.0.1/weather", {"lat": str(number)}, {"appid": KEY})
    place = DueLocation(number, "Cork", Coordinates(51.9, -8.5))
    return make_entry(Payload(request, 200, b'{"main":{"temp":5}}', at, None), "current", at, [place])


def _write(folder: Path, *hours: int, number: int = 1) -> list[Entry]:
    """The journal of a host with an entry in each of these hours after noon."""
    journal, entries = Journal(folder), [_entry(number, NOON + hour * HOUR) for hour in hours]
    for entry in entries:
        assert journal.append(entry)
    journal.close()
    return entries


def _copy(store: JournalStore, folder: Path, copier: JournalCopier | None = None) -> None:
    (copier or JournalCopier()).copy_closed(store, folder, LATER, 30, GO_ON)


def _copies(store: JournalStore) -> list[str]:
    return [file.name for file in store.files(NOON, LATER)]


def test_another_host_reads_the_files_that_are_complete(store: JournalStore, tmp_path: Path) -> None:
    first, second = _write(tmp_path / "a", 0, 1, 2), _write(tmp_path / "b", 0, 1, number=2)
    _copy(store, tmp_path / "a")
    assert len(_copies(store)) == 2, "the file of the hour that has just ended may not be complete"
    found = list(read_slots(tmp_path / "b", NOON, LATER, store=store))
    assert {entry.params["lat"] for entry in found} == {"1", "2"}
    assert sorted(entry.due_at for entry in found) == [NOON, NOON, NOON + HOUR, NOON + HOUR]
    assert [entry.due_at for entry in found] == sorted(entry.due_at for entry in found), "hour by hour over both hosts"
    assert list(read_slots(tmp_path / "a", NOON, LATER, store=store)) == first, "what is here as well is read once"
    assert list(read_slots(tmp_path / "b", NOON, LATER)) == second
    assert read_stored_slot(store, tmp_path / "b", NOON) == first[:1]
    assert read_stored_slot(store, tmp_path / "a", NOON) == []


def test_a_file_is_copied_once_and_again_only_if_it_has_grown(
    store: JournalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[str] = []
    real = JournalStore.copy

    def copy(self: JournalStore, path: Path) -> int:
        copied.append(path.name)
        return real(self, path)

    monkeypatch.setattr(JournalStore, "copy", copy)
    _write(tmp_path / "a", 0)
    [path] = (tmp_path / "a").glob("*.journal")
    copier = JournalCopier()
    _copy(store, tmp_path / "a", copier)
    _copy(store, tmp_path / "a", copier)
    _copy(store, tmp_path / "a")  # another process of this host
    assert copied == [path.name]
    with path.open("ab") as file:
        file.write(b"more")
    _copy(store, tmp_path / "a", copier)
    assert copied == [path.name, path.name]
    assert [file.size for file in store.files(NOON, NOON)] == [path.stat().st_size]


def test_a_copy_that_differs_gets_no_name(store: JournalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path / "a", 0)
    real = stores._url_to_fs

    def damaging(url: str) -> tuple[object, str]:
        system, root = real(url)
        write = type(system).pipe_file
        monkeypatch.setattr(system, "pipe_file", lambda path, content: write(system, path, content[:-1]), raising=False)
        return system, root

    monkeypatch.setattr(stores, "_url_to_fs", damaging)
    _copy(store, tmp_path / "a")
    assert store_state.STORE_STATE.failure == "a copy differs from its original"
    assert _copies(store) == []
    monkeypatch.undo()
    assert _copies(store) == []


def test_old_days_are_deleted_of_all_hosts(store: JournalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for host in ("a", "b"):
        monkeypatch.setattr("socket.gethostname", lambda name=host: name)
        _write(tmp_path / host, 0, -24)
        _copy(store, tmp_path / host)
    assert len(store.files(NOON - 24 * HOUR, NOON)) == 4
    assert len({Path(file.path).parent for file in store.files(NOON, NOON)}) == 2, "each host has a folder"
    store.delete_old(NOON + timedelta(hours=36), 1)
    assert len(store.files(NOON - 24 * HOUR, NOON)) == 2
    assert {file.path.split("/")[-3] for file in store.files(NOON - 24 * HOUR, NOON)} == {f"{NOON:%Y%m%d}"}
    store.delete_old(NOON + timedelta(hours=36.5), 1)
    assert store.files(NOON - 24 * HOUR, NOON) == []


def test_a_store_that_is_away_is_logged_once_and_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    share = tmp_path / "share"
    store, copier = JournalStore(f"file://{share}"), JournalCopier()
    entries = _write(tmp_path / "a", 0)
    for _ in range(3):
        _copy(store, tmp_path / "a", copier)
    assert caplog.text.count("the journal store cannot be used, the journal is kept on this host only") == 1
    assert (store_state.STORE_STATE.failure, store_state.STORE_STATE.since) == ("No such file or directory", LATER)
    assert not share.exists(), "a share that is not mounted is not made"
    with pytest.raises(JournalStoreError, match=f"the journal store file://{share} cannot be used: No such file"):
        list(read_slots(tmp_path / "b", NOON, LATER, store=store))
    assert read_stored_slot(store, tmp_path / "b", NOON) == []
    share.mkdir()
    _copy(store, tmp_path / "a", copier)
    assert store_state.STORE_STATE.failure is None
    assert "can be used again" in caplog.text
    assert read_stored_slot(store, tmp_path / "b", NOON) == entries


def test_a_take_over_does_not_wait_for_a_store_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(reader, "_STORE_SECONDS", 0.05)
    monkeypatch.setattr(JournalStore, "files", lambda *_: go_on.wait(60) and [])
    try:
        assert read_stored_slot(JournalStore("memory://x"), tmp_path, NOON) == []
    finally:
        go_on.set()
    assert "does not answer in time" in caplog.text


def test_one_process_of_a_host_copies(tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    store = JournalStore(f"file://{tmp_path}/share")
    _write(tmp_path / "a", 0)
    with copying._sole_copier(tmp_path / "a") as is_ours:
        assert is_ours
        _copy(store, tmp_path / "a")
    assert _copies(store) == []
    _copy(store, tmp_path / "a")
    assert len(_copies(store)) == 1


def test_a_stop_copies_the_files_of_this_process_only(store: JournalStore, tmp_path: Path) -> None:
    entries = _write(tmp_path / "a", 3)
    [path] = (tmp_path / "a").glob("*.journal")
    other = path.with_name(path.name.replace(f"-{os.getpid()}-", "-1-"))
    other.write_bytes(path.read_bytes())
    JournalCopier().copy_at_stop(store, tmp_path / "a", LATER)
    assert _copies(store) == [path.name]
    assert list(read_slots(tmp_path / "b", NOON, LATER + HOUR, store=store)) == entries


def test_a_stop_does_not_wait_for_a_store_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(copying, "_STOP_SECONDS", 0.05)
    monkeypatch.setattr(JournalStore, "files", lambda *_: go_on.wait(60) and [])
    _write(tmp_path / "a", 3)
    try:
        JournalCopier().copy_at_stop(JournalStore("memory://x"), tmp_path / "a", LATER)
    finally:
        go_on.set()
    assert "they are copied after the next start" in caplog.text


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (
            "s3://key:very-secret@bucket/x",
            r"METEOROGRAPH_JOURNAL_STORE=s3://key:\[redacted\]@bucket/x: needs another package: .*s3fs",
        ),
        ("cloud://x", "fsspec has no store of the kind cloud"),
    ],
)
def test_what_a_store_lacks_is_named(url: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ConfigurationError, match=reason):
        require_store(url)
    assert "very-secret" not in str(JournalStore(url))


def test_without_fsspec_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    require_store(None)
    require_store("file:///srv/journal")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'meteorograph\[journal-store\]'"):
        require_store("file:///srv/journal")
