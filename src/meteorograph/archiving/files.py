"""What the archive holds, whether it is intact, and its rows back into the table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Final

from sqlalchemy import distinct, func, select
from sqlalchemy.orm import Session

from ..config.loading import get_settings
from ..errors import ArchiveError
from ..model import clock
from ..storage.archive.files import FileView, archive_path, read_files, read_members
from ..storage.archive.reopening import reopen
from ..storage.engine import get_db_session
from ..storage.models import SealedRange

#: Locations of one transaction that brings rows back.
_LOCATIONS_PER_STEP: Final = 30


@dataclass(frozen=True, slots=True)
class SealedMonth:
    """The sealed rows of a month."""

    month: datetime
    files: int
    locations: int
    rows: int
    #: Bytes of its files.
    size: int
    #: When the last of them was written.
    sealed_at: datetime


def list_months(session: Session) -> list[SealedMonth]:
    """The months with sealed rows, oldest first."""
    counts = select(SealedRange.file_id, func.count(distinct(SealedRange.location_id)), func.sum(SealedRange.rows))
    by_file = {id_: (locations, rows) for id_, locations, rows in session.execute(counts.group_by(SealedRange.file_id))}
    months = []
    for month, group in groupby((file for file in read_files(session) if file.id in by_file), attrgetter("month_at")):
        files = list(group)
        locations, rows = (sum(by_file[file.id][index] for file in files) for index in (0, 1))
        size, sealed_at = sum(file.size for file in files), max(file.sealed_at for file in files)
        months.append(SealedMonth(month, len(files), locations, rows, size, sealed_at))
    return months


def verify_file(session: Session, file: FileView) -> str | None:
    """What is wrong with a file: all of it is read, and the sealed rows are counted; None if it is intact."""
    try:
        _verify(session, file)
    except ArchiveError as error:
        return error.reason
    return None


def _verify(session: Session, file: FileView) -> None:
    from ..storage.archive.parquet_file import SealedFile

    path = archive_path(file.name)
    with closing(SealedFile(path, file.footer_sha256)) as sealed:
        counts: dict[int, int] = {}
        for number in sealed.groups():
            for pair in sealed.read_group(number, ("location_id",))["location_id"].value_counts().to_pylist():
                counts[pair["values"]] = counts.get(pair["values"], 0) + pair["counts"]
    with path.open("rb") as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != file.sha256:
            raise ArchiveError(file.name, "is damaged: its checksum is another one")
    rows = select(SealedRange.location_id, func.sum(SealedRange.rows)).where(SealedRange.file_id == file.id)
    for location_id, expected in session.execute(rows.group_by(SealedRange.location_id)):
        if counts.get(location_id) != expected:
            raise ArchiveError(file.name, f"has {counts.get(location_id, 0)} of {expected} rows of location {location_id}")


def find_damage(number: int) -> str | None:
    """What is wrong with a file of the archive, in words; None if nothing is.

    The footers of all files are read, and one file to its end: another one for each number.
    """
    with get_db_session(read_only=True) as session:
        files = [file for file in read_files(session) if file.emptied_at is None]
        for file in files:
            if footer_fault(file) is not None:
                return f"{file.name} {footer_fault(file)}"
        if not files:
            return None
        file = files[number % len(files)]
        fault = verify_file(session, file)
        return None if fault is None else f"{file.name} {fault}"


def footer_fault(file: FileView) -> str | None:
    """What is wrong with the footer of a file; None if it is the one that was sealed."""
    from ..storage.archive.parquet_file import footer_checksum

    try:
        checksum = footer_checksum(archive_path(file.name))
    except ArchiveError as error:
        return error.reason
    return None if checksum == file.footer_sha256 else "is damaged, or not the one that was sealed"


def unknown_files(session: Session) -> list[str]:
    """Names of Parquet files in the folder that the database does not know: of another database or another state of it."""
    folder = get_settings().archive_dir
    known = {file.name for file in read_files(session)}
    return sorted(path.name for path in folder.glob("*.parquet") if path.name not in known) if folder.is_dir() else []


def restore_month(month: datetime | None, location_id: int | None, report: Callable[[int], None] = lambda _: None) -> int:
    """Bring the rows of a month back into the table, or all sealed rows, of a location or of all; gives their number.

    Raises:
        ArchiveError: A file is missing or damaged.
        StoreError: The database cannot be used.
    """
    count = 0
    with get_db_session(read_only=True) as session:
        files = [file for file in read_files(session) if month in (None, file.month_at)]
    for file in files:
        with get_db_session(read_only=True) as session:
            members = read_members(session, file.id, None if location_id is None else [location_id])
        for ids in _parts(members):
            with get_db_session() as session:
                count += reopen(session, file, ids, clock.now())
            report(count)
    return count


def _parts(ids: Sequence[int]) -> list[Sequence[int]]:
    return [ids[first : first + _LOCATIONS_PER_STEP] for first in range(0, len(ids), _LOCATIONS_PER_STEP)]
