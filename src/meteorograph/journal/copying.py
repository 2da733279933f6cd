"""Copy the journal files of this host to the journal store, and delete old copies."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Final

from ..errors import JournalStoreError
from ..log_output import get_logger
from .files import hour_of_file, journal_files
from .store import JournalStore, note_failure, note_success, wait_for
from .store_state import STORE_STATE

if sys.platform != "win32":
    import fcntl

log = get_logger(__name__)

#: A file is copied so long after its hour has begun: its process writes another one by then.
CLOSED_AFTER: Final = timedelta(hours=1, minutes=5)

#: How often old copies are deleted [s].
_DELETE_SECONDS: Final = 3600.0

#: How long a stop waits for the copies of its files at most [s].
_STOP_SECONDS: Final = 5.0


class JournalCopier:
    """Copies the files of a folder, each once."""

    def __init__(self) -> None:
        #: Files that have a copy: path → its size [bytes].
        self._copied: dict[Path, int] = {}
        self._deleted_at = -_DELETE_SECONDS

    def reset(self) -> None:
        """Forget what has a copy: the next round looks it up."""
        self._copied.clear()
        self._deleted_at = -_DELETE_SECONDS

    def copy_closed(self, store: JournalStore, folder: Path, now: datetime, days: int, stop: threading.Event) -> None:
        """Copy the files that are complete, and delete copies that are older than ``days`` days; never raises, but logs."""
        paths = journal_files(folder)
        self._copied = {path: self._copied[path] for path in paths if path in self._copied}
        closed = [path for path in paths if now - hour_of_file(path) > CLOSED_AFTER]
        try:
            with _sole_copier(folder) as is_ours:
                if is_ours:
                    self._copy(store, closed, stop)
            if STORE_STATE.failure is not None or time.monotonic() - self._deleted_at >= _DELETE_SECONDS:
                store.delete_old(now, days)
                self._deleted_at = time.monotonic()
                note_success()
        except JournalStoreError as error:
            note_failure(error, now)
        except OSError as error:
            log.warning("a journal file could not be copied", reason=error.strerror or str(error))

    def copy_at_stop(self, store: JournalStore, folder: Path, now: datetime) -> None:
        """Copy the newest files of this process, which writes no more, if that takes some seconds only."""
        if STORE_STATE.failure is not None:
            return
        mine = [
            path for path in journal_files(folder) if f"-{os.getpid()}-" in path.name and now - hour_of_file(path) <= CLOSED_AFTER
        ]

        def work() -> None:
            try:
                self._copy(store, mine, threading.Event())
            except (JournalStoreError, OSError) as error:
                log.warning("the newest journal files could not be copied", reason=str(error))

        if mine and not wait_for(threading.Thread(target=work, name="journal copies", daemon=True), _STOP_SECONDS):
            log.warning("the newest journal files could not be copied in time; they are copied after the next start")

    def _copy(self, store: JournalStore, paths: Sequence[Path], stop: threading.Event) -> None:
        todo = [path for path in paths if self._copied.get(path) != path.stat().st_size]
        copied = 0
        for day, group in groupby(todo, key=lambda path: hour_of_file(path).date()):
            of_day = list(group)
            sizes = {file.name: file.size for file in store.files(hour_of_file(of_day[0]), hour_of_file(of_day[0]))}
            for path in of_day:
                if stop.is_set():
                    return
                size = path.stat().st_size
                if sizes.get(path.name) != size:
                    size = store.copy(path)
                    copied += 1
                self._copied[path] = size
            log.debug("journal files have copies", day=day.isoformat(), files=len(of_day))
        if todo:
            note_success()
        if copied:
            log.info("journal files copied", files=copied, store=str(store))


@contextmanager
def _sole_copier(folder: Path) -> Iterator[bool]:
    """Context in which no other process of this host copies; False if another one does."""
    if sys.platform == "win32" or not folder.is_dir():
        yield True
        return
    handle = os.open(folder / ".copying", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
    else:
        yield True
    finally:
        os.close(handle)


#: What this process has copied.
COPIER: Final = JournalCopier()
