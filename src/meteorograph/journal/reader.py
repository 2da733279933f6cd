"""Read the entries of the payload journal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from ..log_output import get_logger
from .entry import Entry, decode_entries
from .files import hour_of_file, journal_files
from .frames import damaged_length, iterate_frames, valid_length

log = get_logger(__name__)


def read_slots(
    folder: Path, start: datetime, end: datetime, *, earlier: timedelta = timedelta(0), since: datetime | None = None
) -> Iterator[Entry]:
    """The entries of the slots ``start <= due_at < end``, file by file, in the order of writing.

    Args:
        folder: Folder of the journal.
        start: First slot.
        end: End of the slots (exclusive).
        earlier: Also include entries of slots up to this much before ``start``, if they were fetched since ``start``. The slot of
            a history's entry is its first hour, which is earlier than the fetch.
        since: Pass over the entries that were fetched before this hour; ``start`` if that is later.
    """
    first = max(start, since or start)
    for path in journal_files(folder):
        if hour_of_file(path) + timedelta(hours=1) > first:  # no payload is fetched before its slot
            for entry in read_file(path):
                if start - earlier <= entry.due_at < end:
                    yield entry


def read_file(path: Path) -> Iterator[Entry]:
    """The valid entries of a file; damaged frames, a torn end and a file that cannot be read are passed over and logged."""
    try:
        data = path.read_bytes()
    except OSError as error:
        log.warning("a journal file cannot be read", file=path.name, reason=error.strerror or str(error))
        return
    for end, encoded in iterate_frames(data):
        try:
            yield from decode_entries(encoded)
        except msgspec.MsgspecError as error:
            log.warning("an entry of the journal cannot be read", file=path.name, at=end, reason=str(error))
    if damaged := damaged_length(data):
        log.error("a journal file is damaged, and some of its entries are lost", file=path.name, bytes=damaged)
    if torn := len(data) - valid_length(data):
        log.warning("the end of a journal file is torn", file=path.name, bytes=torn)
