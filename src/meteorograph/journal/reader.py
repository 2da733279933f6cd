"""Read entries of the payload journal back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from ..log_output import get_logger
from .entry import Entry, decode_entry
from .files import hour_of_file, journal_files
from .frames import iterate_frames, sound_length

log = get_logger(__name__)


def read_slots(folder: Path, start: datetime, end: datetime, *, earlier: timedelta = timedelta(0)) -> Iterator[Entry]:
    """The entries for ``start <= due_at < end``, file by file, each in the order in which it was written.

    Those fetched since ``start`` may be for a slot so much ``earlier``: the first hour of a history is.
    """
    for path in journal_files(folder):
        if hour_of_file(path) + timedelta(hours=1) > start:  # nothing is fetched before it is due
            for found in read_file(path):
                if start - earlier <= found.due_at < end:
                    yield found


def read_file(path: Path) -> Iterator[Entry]:
    """All sound entries of a file; where it is torn or damaged, a warning, and the end."""
    data = path.read_bytes()
    for place, encoded in iterate_frames(data):
        try:
            yield decode_entry.decode(encoded)
        except msgspec.MsgspecError as error:
            log.warning("an entry of the journal cannot be read", file=path.name, at=place, reason=str(error))
    if torn := len(data) - sound_length(data):
        log.warning("the end of a journal file is torn", file=path.name, bytes=torn)
