"""Delete old journal files, and truncate torn ends."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from ..log_output import get_logger
from .files import hour_of_file, journal_files
from .frames import valid_length

log = get_logger(__name__)


def delete_old_files(folder: Path, now: datetime, days: int) -> None:
    """Delete the files that are older than ``days`` days, and truncate the torn ends of the others."""
    for path in journal_files(folder):
        try:
            if now - hour_of_file(path) > timedelta(days=days):
                path.unlink()
            elif now - hour_of_file(path) > timedelta(hours=1):  # its process writes another file by now, or is dead
                _truncate_torn_end(path)
        except OSError as error:
            log.warning("a journal file could not be deleted or truncated", file=path.name, reason=error.strerror)


def _truncate_torn_end(path: Path) -> None:
    data = path.read_bytes()
    if torn := len(data) - valid_length(data):
        os.truncate(path, len(data) - torn)
        log.warning("the torn end of a journal file was truncated", file=path.name, bytes=torn)
