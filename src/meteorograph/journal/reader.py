"""Read the entries of the payload journal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from ..errors import JournalStoreError
from ..log_output import get_logger
from ..model import clock
from .entry import Entry, decode_entries
from .files import hour_of_file, is_journal_name, journal_files
from .frames import damaged_length, iterate_frames, valid_length
from .store import JournalStore, StoredFile, note_failure, wait_for
from .store_state import STORE_STATE

log = get_logger(__name__)

#: How long a take-over waits for the journal store [s]. Asking the provider again is better than a late slot.
_STORE_SECONDS: Final = 20.0


def read_slots(
    folder: Path,
    start: datetime,
    end: datetime,
    *,
    earlier: timedelta = timedelta(0),
    since: datetime | None = None,
    store: JournalStore | None = None,
) -> Iterator[Entry]:
    """The entries of the slots ``start <= due_at < end``, file by file, in the order of writing.

    Args:
        folder: Folder of the journal.
        start: First slot.
        end: End of the slots (exclusive).
        earlier: Also include entries of slots up to this much before ``start``, if they were fetched since ``start``. The slot of
            a history's entry is its first hour, which is earlier than the fetch.
        since: Pass over the entries that were fetched before this hour; ``start`` if that is later.
        store: Has files that are not in the folder: those of other hosts.

    Raises:
        JournalStoreError: The store cannot be used.
    """
    first = max(start, since or start)
    files: dict[str, Callable[[], Iterator[Entry]]] = {path.name: partial(read_file, path) for path in journal_files(folder)}
    if store is not None:
        files |= {name: read for name, read in _stored_files(store, first).items() if name not in files}
    for name in sorted(files):
        if hour_of_file(Path(name)) + timedelta(hours=1) > first:  # no payload is fetched before its slot
            for entry in files[name]():
                if start - earlier <= entry.due_at < end:
                    yield entry


def read_stored_slot(store: JournalStore, folder: Path, slot: datetime) -> list[Entry]:
    """The entries of a slot that other hosts have stored; none, and a line in the log, if the store does not answer in time."""
    if STORE_STATE.failure is not None:
        return []
    found: list[Entry] = []

    def work() -> None:
        try:
            there = {path.name for path in journal_files(folder)}
            entries: list[Entry] = []
            for name, read in _stored_files(store, slot).items():
                if name not in there and hour_of_file(Path(name)) + timedelta(hours=1) > slot:
                    entries += (entry for entry in read() if entry.due_at == slot)
            found.extend(entries)
        except JournalStoreError as error:
            note_failure(error, clock.now())

    if not wait_for(threading.Thread(target=work, name="journal store", daemon=True), _STORE_SECONDS):
        log.warning("the journal store does not answer in time, answers are requested again", slot=slot.isoformat())
        return []
    return found


def _stored_files(store: JournalStore, first: datetime) -> dict[str, Callable[[], Iterator[Entry]]]:
    """The files of the store since an hour, by name, each with what reads its entries."""

    def read(file: StoredFile) -> Iterator[Entry]:
        return _entries(file.name, store.read(file))

    return {file.name: partial(read, file) for file in store.files(first, clock.now()) if is_journal_name(file.name)}


def read_file(path: Path) -> Iterator[Entry]:
    """The valid entries of a file; damaged frames, a torn end and a file that cannot be read are passed over and logged."""
    try:
        data = path.read_bytes()
    except OSError as error:
        log.warning("a journal file cannot be read", file=path.name, reason=error.strerror or str(error))
        return
    yield from _entries(path.name, data)


def _entries(name: str, data: bytes) -> Iterator[Entry]:
    for end, encoded in iterate_frames(data):
        try:
            yield from decode_entries(encoded)
        except msgspec.MsgspecError as error:
            log.warning("an entry of the journal cannot be read", file=name, at=end, reason=str(error))
    if damaged := damaged_length(data):
        log.error("a journal file is damaged, and some of its entries are lost", file=name, bytes=damaged)
    if torn := len(data) - valid_length(data):
        log.warning("the end of a journal file is torn", file=name, bytes=torn)
