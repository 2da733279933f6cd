"""Cut torn ends off journal files, and delete the old ones."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from ..log_output import get_logger
from .files import hour_of_file, journal_files
from .frames import sound_length

log = get_logger(__name__)


def delete_old_files(folder: Path, now: datetime, days: int) -> None:
    """Cut off what dead writers left torn, and drop the files of more than ``days`` days ago."""
    for path in journal_files(folder):
        try:
            if now - hour_of_file(path) > timedelta(days=days):
                path.unlink()
            elif now - hour_of_file(path) > timedelta(hours=1):  # its writer has gone on to another file, or is dead
                _cut(path)
        except OSError as error:
            log.warning("a journal file could not be tidied", file=path.name, reason=error.strerror)


def _cut(path: Path) -> None:
    data = path.read_bytes()
    if torn := len(data) - sound_length(data):
        os.truncate(path, len(data) - torn)
        log.warning("the torn end of a journal file was cut off", file=path.name, bytes=torn)
