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
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

import msgspec

from .journal_frames import MAGIC, Framer, unframed, whole
from .log_output import get_logger
from .model.values import DueLocation, Payload, Request

log = get_logger(__name__)

SUFFIX: Final = ".journal"
_HOUR: Final = "%Y%m%dT%HZ"

#: How often a journal that cannot be written is complained about, and how soon it is tried again [s].
_COMPLAIN_SECONDS: Final = 60.0
_AGAIN_SECONDS: Final = 1.0

Kind = Literal["current", "history", "station"]


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A payload, what it is for, and the request without its secrets. New fields go to the end, with a default."""

    provider: str
    kind: Kind
    url: str
    params: dict[str, str]
    status: int
    body: bytes
    fetched_at: datetime
    retry_after: str | None
    #: The slot; of a history, the first hour asked for.
    due_at: datetime
    #: The points asked for, latitude and longitude, and the locations they belong to; None for one that has no row yet.
    points: list[tuple[float, float]]
    location_ids: list[int | None]

    def payload(self) -> Payload:
        """The payload as it came, but for the key."""
        return Payload(
            Request(self.provider, self.url, self.params, {}), self.status, self.body, self.fetched_at, self.retry_after
        )


def entry(payload: Payload, kind: Kind, due_at: datetime, points: Sequence[DueLocation]) -> Entry:
    """The entry for a payload; a key that the body repeats is left out."""
    request, body = payload.request, payload.body
    for secret in request.secrets.values():
        if secret and (known := secret.encode()) in body:
            body = body.replace(known, b"[redacted]")
    return Entry(
        request.provider,
        kind,
        request.url,
        request.params,
        payload.status,
        body,
        payload.fetched_at,
        payload.retry_after,
        due_at,
        [(one.coordinates.latitude, one.coordinates.longitude) for one in points],
        [one.id or None for one in points],
    )


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Entry)


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
        name = f"{hour:{_HOUR}}-{os.getpid()}-{os.urandom(3).hex()}{SUFFIX}"
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


def read(folder: Path, start: datetime, end: datetime, *, earlier: timedelta = timedelta(0)) -> Iterator[Entry]:
    """The entries for ``start <= due_at < end``, file by file, each in the order in which it was written.

    Those fetched since ``start`` may be for a slot so much ``earlier``: the first hour of a history is.
    """
    for path in _files(folder):
        if _hour_of(path) + timedelta(hours=1) > start:  # nothing is fetched before it is due
            for found in entries(path):
                if start - earlier <= found.due_at < end:
                    yield found


def entries(path: Path) -> Iterator[Entry]:
    """All sound entries of a file; where it is torn or damaged, a warning, and the end."""
    data = path.read_bytes()
    for place, encoded in unframed(data):
        try:
            yield _decoder.decode(encoded)
        except msgspec.MsgspecError as error:
            log.warning("an entry of the journal cannot be read", file=path.name, at=place, reason=str(error))
    if torn := len(data) - whole(data):
        log.warning("the end of a journal file is torn", file=path.name, bytes=torn)


def tidy(folder: Path, now: datetime, days: int) -> None:
    """Cut off what dead writers left torn, and drop the files of more than ``days`` days ago."""
    for path in _files(folder):
        try:
            if now - _hour_of(path) > timedelta(days=days):
                path.unlink()
            elif now - _hour_of(path) > timedelta(hours=1):  # its writer has gone on to another file, or is dead
                _cut(path)
        except OSError as error:
            log.warning("a journal file could not be tidied", file=path.name, reason=error.strerror)


def _cut(path: Path) -> None:
    data = path.read_bytes()
    if torn := len(data) - whole(data):
        os.truncate(path, len(data) - torn)
        log.warning("the torn end of a journal file was cut off", file=path.name, bytes=torn)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if _is_ours(path)) if folder.is_dir() else []


def _is_ours(path: Path) -> bool:
    try:
        _hour_of(path)
    except ValueError:
        return False
    return True


def _hour_of(path: Path) -> datetime:
    return datetime.strptime(path.name.partition("-")[0], _HOUR).replace(tzinfo=UTC)
