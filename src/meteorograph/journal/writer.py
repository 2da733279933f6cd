"""Stop 5 of the walk: takes a payload, keeps it in the payload journal before anything reads it.

A file is written by one process for one hour: ``<hour>-<process>.journal``. It begins with ``MAGIC``; then come frames: the
length and the CRC-32 of what follows (two little-endian 32-bit numbers), and a zstd frame that holds an ``Entry`` as
MessagePack. The first frame of a file stands alone; its entry is the dictionary of all later ones, which look much like it.

A frame is handed to the operating system in one write before its payload is parsed, so a process may be killed at any moment:
at worst the last frame is torn. A reader stops there, and says so; once the file's hour is over, the torn end is cut off.
"""

from __future__ import annotations

import os
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from ..log_output import get_logger
from .entry import Entry
from .files import HOUR_FORMAT, SUFFIX
from .frames import MAGIC, Framer

log = get_logger(__name__)

#: How often a journal that cannot be written is complained about, and how soon it is tried again [s].
_COMPLAIN_SECONDS: Final = 60.0
_AGAIN_SECONDS: Final = 1.0


_encoder: Final = msgspec.msgpack.Encoder()


class Journal:
    """The journal of this process in a folder; safe across threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        #: Payloads that could not be kept.
        self.lost = 0
        self._lock = threading.Lock()
        self._file: int | None = None
        self._hour: datetime | None = None
        self._framer = Framer()
        self._complained_at = self._failed_at = -_COMPLAIN_SECONDS

    def keep(self, kept: Entry) -> bool:
        """Append an entry; False, and an error in the log, when the disk does not take it: collection goes on without."""
        encoded = _encoder.encode(kept)
        with self._lock:
            if time.monotonic() - self._failed_at < _AGAIN_SECONDS:
                self.lost += 1
                return False
            try:
                self._append(encoded, kept.fetched_at)
            except OSError as error:
                self._fail(error)
                return False
        return True

    def close(self) -> None:
        """Bring what was written to the disk, and end the file."""
        with self._lock:
            self._end_file()

    def _append(self, encoded: bytes, now: datetime) -> None:
        hour = now.replace(minute=0, second=0, microsecond=0)
        if hour != self._hour:
            self._end_file()
            self._begin_file(hour)
        assert self._file is not None
        data = self._framer.frame(encoded)
        try:
            if os.write(self._file, data) != len(data):
                raise OSError("the disk is full")
        except OSError:
            self._end_file()  # its tail is torn; what comes next begins another file
            raise

    def _begin_file(self, hour: datetime) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{hour:{HOUR_FORMAT}}-{os.getpid()}-{os.urandom(3).hex()}{SUFFIX}"
        self._file = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._hour = hour
        try:
            if os.write(self._file, MAGIC) != len(MAGIC):
                raise OSError("the disk is full")
        except OSError:
            self._end_file()
            (self.folder / name).unlink(missing_ok=True)
            raise

    def _end_file(self) -> None:
        file, self._file, self._hour, self._framer = self._file, None, None, Framer()
        if file is not None:
            try:
                os.fsync(file)
            finally:
                os.close(file)

    def _fail(self, error: OSError) -> None:
        self.lost += 1
        self._failed_at = time.monotonic()
        if self._failed_at - self._complained_at >= _COMPLAIN_SECONDS:
            self._complained_at = self._failed_at
            what = {"folder": str(self.folder), "reason": error.strerror or str(error), "lost": self.lost}
            log.error("the journal cannot be written, collecting without it", **what)


_open: dict[Path, Journal] = {}
_opening = threading.Lock()


def open_journal(folder: Path) -> Journal:
    """This process's journal in a folder; made on first use, kept for the life of the process."""
    with _opening:
        return _open.setdefault(folder.absolute(), Journal(folder.absolute()))


def close_journals() -> None:
    """End all files of this process."""
    with _opening:
        for one in _open.values():
            one.close()
        _open.clear()


def _forget_after_fork() -> None:
    """A child writes files of its own."""
    global _opening
    _opening = threading.Lock()
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
