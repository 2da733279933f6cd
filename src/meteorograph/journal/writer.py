"""Stop 5 of the walk: takes a payload, and writes it to the payload journal before it is parsed.

One process writes a file for one hour: ``<hour>-<process>.journal``. A file consists of ``MAGIC`` and frames. A frame has the
length and the CRC-32 of its content (two little-endian 32-bit numbers), and as content a zstd frame with an ``Entry``, or an
array of entries, in MessagePack. The first entry of a file is the compression dictionary of all later entries, which are similar
to it; its frame is written twice, because no other one can be read without it.

Frames go to the operating system in one write before their payloads are parsed. So if the process is killed, at worst the last
frame is torn; after the hour of the file, the torn end is truncated. A damaged frame costs its own entries: each frame has a
checksum, and a reader finds the next frame by the first bytes of its content.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from ..log_output import get_logger
from ..private_files import make_private_folder
from .entry import Entry
from .files import HOUR_FORMAT, SUFFIX
from .frames import MAGIC, Framer

log = get_logger(__name__)

#: While the journal cannot be written: time between two errors in the log, and between two attempts to write [s].
_LOG_INTERVAL_SECONDS: Final = 60.0
_RETRY_SECONDS: Final = 1.0

#: Entries of one frame at most: a damaged frame costs all of its entries.
ENTRIES_PER_FRAME: Final = 64
#: Bytes of bodies in a frame of several entries at most; the reader takes much longer frames for damaged ones.
BYTES_PER_FRAME: Final = 1024 * 1024

_encoder: Final = msgspec.msgpack.Encoder()


class Journal:
    """The journal of this process in a folder. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        #: Number of payloads that could not be written.
        self.lost = 0
        #: Why the last entry could not be written; None if it was written.
        self.failure: str | None = None
        self._lock = threading.Lock()
        self._file: int | None = None
        self._path: Path | None = None
        self._checked_at = 0.0
        self._hour: datetime | None = None
        self._framer = Framer()
        self._logged_at = self._failed_at = -_LOG_INTERVAL_SECONDS

    def append(self, *entries: Entry) -> bool:
        """Append entries. If they cannot be written, log an error and return False, so that collection continues without them."""
        with self._lock:
            if time.monotonic() - self._failed_at < _RETRY_SECONDS:
                self.lost += len(entries)
                return False
            try:
                self._write(entries)
            except OSError as error:
                self._fail(error, len(entries))
                return False
            self.failure = None
        return True

    def close(self) -> None:
        """Flush the current file to the disk and close it."""
        with self._lock:
            self._end_file()

    def _write(self, entries: Sequence[Entry]) -> None:
        """Write entries that were fetched within a moment of each other; the file is that of the hour of the last one."""
        hour = entries[-1].fetched_at.replace(minute=0, second=0, microsecond=0)
        if hour != self._hour or self._is_deleted():
            self._end_file()
            self._start_file(hour)
        assert self._file is not None
        data = b"".join(self._framer.frame(encoded) for encoded in _contents(entries, alone=not self._framer.has_dictionary))
        try:
            if os.write(self._file, data) != len(data):
                raise OSError("the disk is full")
        except OSError:
            self._end_file()  # its end is torn, so the next entry starts another file
            raise

    def _start_file(self, hour: datetime) -> None:
        make_private_folder(self.folder)
        name = f"{hour:{HOUR_FORMAT}}-{os.getpid()}-{os.urandom(3).hex()}{SUFFIX}"
        self._path, self._checked_at = self.folder / name, time.monotonic()
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._hour = hour
        try:
            if os.write(self._file, MAGIC) != len(MAGIC):
                raise OSError("the disk is full")
        except OSError:
            self._end_file()
            (self.folder / name).unlink(missing_ok=True)
            raise

    def _is_deleted(self) -> bool:
        """Whether the file has been deleted by another program; looked up once a second."""
        if self._file is None or self._path is None or time.monotonic() - self._checked_at < _RETRY_SECONDS:
            return False
        self._checked_at = time.monotonic()
        try:
            return not os.path.samestat(os.stat(self._path), os.fstat(self._file))
        except FileNotFoundError:
            log.warning("the file of the journal was deleted, another one is started", file=self._path.name)
            return True

    def _end_file(self) -> None:
        file, self._file, self._hour, self._framer = self._file, None, None, Framer()
        if file is not None:
            try:
                os.fsync(file)
            finally:
                os.close(file)

    def _fail(self, error: OSError, lost: int) -> None:
        self.lost += lost
        self._failed_at = time.monotonic()
        self.failure = error.strerror or str(error)
        if self._failed_at - self._logged_at >= _LOG_INTERVAL_SECONDS:
            self._logged_at = self._failed_at
            fields = {"folder": str(self.folder), "reason": self.failure, "lost": self.lost}
            log.error("the journal cannot be written, collecting without it", **fields)


def _contents(entries: Sequence[Entry], *, alone: bool) -> Iterator[bytes]:
    """The contents of the frames of some entries, with the first one ``alone`` where it is the dictionary."""
    first = 0
    while first < len(entries):
        end = first + 1
        size = len(entries[first].body)
        while not alone and end < min(len(entries), first + ENTRIES_PER_FRAME):
            size += len(entries[end].body)
            if size > BYTES_PER_FRAME:
                break
            end += 1
        yield _encoder.encode(entries[first] if end == first + 1 else entries[first:end])
        first, alone = end, False


class JournalRegistry:
    """The open journals of this process, one for each folder. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._journals: dict[Path, Journal] = {}

    def open(self, folder: Path) -> Journal:
        """The journal in a folder; created on first use."""
        with self._lock:
            return self._journals.setdefault(folder.absolute(), Journal(folder.absolute()))

    def close_all(self) -> None:
        """End the files of all journals, and forget the journals."""
        with self._lock:
            for journal in self._journals.values():
                journal.close()
            self._journals.clear()

    def forget_after_fork(self) -> None:
        """Forget the journals of the parent process: a child writes its own files."""
        self._lock = threading.Lock()
        self._journals.clear()


_JOURNALS: Final = JournalRegistry()


def open_journal(folder: Path) -> Journal:
    """The journal of this process in a folder; created on first use and kept for the life of the process."""
    return _JOURNALS.open(folder)


def close_journals() -> None:
    """End all journal files of this process."""
    _JOURNALS.close_all()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_JOURNALS.forget_after_fork)
