"""Seal rows: write them to a file, read it back, compare, and only then delete them from the table.

A process may be killed at any step. The file gets a record before it is begun, and its name when it is complete and on the disk;
the transaction that deletes rows writes their ranges, which say that they are in the file. Only ranges make rows of a file count.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from ..config.loading import get_settings
from ..errors import ArchiveError
from ..exporting.metadata import dataset_metadata
from ..log_output import get_logger
from ..model import clock
from ..private_files import make_private_file, make_private_folder
from ..reading.columns import PlainRow, fetch_columns, plain_column
from ..storage.archive.files import FileView, archive_path, iterate_rows, read_files
from ..storage.archive.ranges import make_ranges
from ..storage.archive.reopening import reopen
from ..storage.engine import get_db_session
from ..storage.leases import LeasedWork, release_lease, take_lease
from ..storage.models import ArchiveFile, Location, SealedRange, WeatherData
from ..storage.rollup_invalidation import lock_rollups
from ..storage.state_store import settle_states
from ..storage.upsert import table_of
from .candidates import SealTask, find_overlaps, find_tasks, require_pyarrow
from .upkeep import tidy_files

log = get_logger(__name__)

_weather = table_of(WeatherData)
NAMES: Final = tuple(column.name for column in _weather.columns)
_DUE_AT, _PROVIDER, _ORIGIN = (NAMES.index(name) for name in ("due_at", "provider", "origin"))
_INSTANTS: Final = [NAMES.index(name) for name in ("due_at", "observed_at", "fetched_at")]

LEASE: Final = "archive"
#: Locations of one transaction: about 7,500 rows of an hourly schedule.
_LOCATIONS_PER_STEP: Final = 10
#: Pause after a transaction, in which others may use the database [s].
_PAUSE_SECONDS: Final = 0.05


@dataclass(slots=True)
class SealResult:
    """What was sealed."""

    files: int = 0
    rows: int = 0
    size: int = 0
    #: Rows that were changed while they were sealed: they stay in the table until the next time.
    skipped: int = 0


def seal_months(
    stop: threading.Event, *, max_seconds: float = float("inf"), report: Callable[[SealTask], None] = lambda _: None
) -> SealResult | None:
    """Seal all rows that are old enough, until ``stop`` is set; None if another process is at it.

    Raises:
        ConfigurationError: pyarrow is not installed.
        StoreError: The database cannot be used.
        OSError: The folder of the archive cannot be written.
    """
    require_pyarrow(get_settings())
    if not take_lease(LEASE, clock.now()):
        return None
    result, work = SealResult(), LeasedWork(LEASE, stop, time.monotonic() + max_seconds)
    try:
        make_private_folder(get_settings().archive_dir)
        tidy_files(clock.now())
        with get_db_session(read_only=True) as session:
            tasks = list(find_tasks(session, get_settings(), clock.now()))
        for task in tasks:
            if work.must_end():
                break
            report(task)
            _seal(task, result, work)
    finally:
        release_lease(LEASE)
    return result


def _seal(task: SealTask, result: SealResult, work: LeasedWork) -> None:
    _reopen_overlaps(task)
    name = f"{task.month:%Y-%m}-{secrets.token_hex(4)}.parquet"
    with get_db_session() as session:
        record = ArchiveFile(name=name, month_at=task.month)
        session.add(record)
        session.flush()
        file_id = record.id
    if not _write_file(task, archive_path(name), work):
        return
    file = _record_file(file_id, name)
    result.files += 1
    result.size += file.size
    for sealed in _read_back(file, task):
        if work.must_end():
            return
        _drop_rows(file, task, sealed, result)
        work.stop.wait(_PAUSE_SECONDS)


def _read_back(file: FileView, task: SealTask) -> Iterator[list[PlainRow]]:
    """Yield the rows of the file, some locations at a time."""
    by_location = groupby(iterate_rows(file, NAMES, task.location_ids, None, None), itemgetter(0))
    locations = (list(rows) for _, rows in by_location)
    while chunk := list(islice(locations, _LOCATIONS_PER_STEP)):
        yield list(chain.from_iterable(chunk))


def _reopen_overlaps(task: SealTask) -> None:
    """Bring sealed rows back where others of the month were stored beside them: the archive could not be read at that time."""
    with get_db_session() as session:
        overlaps = find_overlaps(session, task)
        for file in read_files(session, task.month, task.end) if overlaps else ():
            if file.id in overlaps:
                reopen(session, file, sorted(overlaps[file.id]), clock.now())


def _write_file(task: SealTask, path: Path, work: LeasedWork) -> bool:
    """Write the rows of a task, and give the file its name once all of it is on the disk; False if this process must stop."""
    from ..storage.archive.parquet_file import MonthWriter

    part = path.with_name(f".{path.name}.part")
    make_private_file(part)
    providers: set[str] = set()
    with part.open("wb") as file:
        with closing(MonthWriter(file)) as writer:
            for name, columns in _read_locations(task):
                if work.must_end():
                    return False
                writer.write(name, columns)
                providers |= set(columns["provider"])
            writer.finish(_texts({**dataset_metadata(providers), "month": f"{task.month:%Y-%m}"}))
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    _sync_folder(path.parent)
    return True


def _texts(metadata: dict[str, Any]) -> dict[str, str]:
    return {key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for key, value in metadata.items()}


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read_locations(task: SealTask) -> Iterator[tuple[str, dict[str, list[Any]]]]:
    """Yield the name of each location and its rows of the month by column."""
    for first in range(0, len(task.location_ids), _LOCATIONS_PER_STEP):
        ids = task.location_ids[first : first + _LOCATIONS_PER_STEP]
        with get_db_session(read_only=True) as session:  # a new one each time: a long one would let the log grow
            names: dict[int, str] = dict(session.execute(select(Location.id, Location.name).where(Location.id.in_(ids))).all())
            selected = [plain_column(session.get_bind().dialect, name) for name in NAMES]
            for id_ in ids:
                query = select(*selected).where(*_rows_of(task, [id_])).order_by(_weather.c.due_at)
                columns = dict(zip(NAMES, fetch_columns(session, query), strict=True))
                if id_ in names and columns["due_at"]:
                    yield names[id_], columns


def _rows_of(task: SealTask, location_ids: Sequence[int]) -> list[Any]:
    return [_weather.c.location_id.in_(location_ids), _weather.c.due_at >= task.month, _weather.c.due_at < task.end]


def _record_file(file_id: int, name: str) -> FileView:
    """Record a complete file: its size and checksums, from the disk.

    Raises:
        ArchiveError: Another process has taken over and removed the file.
    """
    from ..storage.archive.parquet_file import count_rows, footer_checksum

    path = archive_path(name)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    values = {"rows": count_rows(path), "size": path.stat().st_size, "sha256": sha256, "footer_sha256": footer_checksum(path)}
    with get_db_session() as session:
        mine = update(ArchiveFile).where(ArchiveFile.id == file_id, ArchiveFile.sealed_at.is_(None))
        session.execute(mine.values(**values, sealed_at=clock.now()))
        found = [file for file in read_files(session) if file.id == file_id]
    if not found:
        raise ArchiveError(name, "was given up by another process")
    return found[0]


def _drop_rows(file: FileView, task: SealTask, sealed: list[PlainRow], result: SealResult) -> None:
    """Delete rows that are equal to those of the file; those of a location whose rows have changed meanwhile stay."""
    if _drop_equal_rows(file, task, sealed):
        result.rows += len(sealed)
        return
    for _, group in groupby(sealed, itemgetter(0)):
        own = list(group)
        if _drop_equal_rows(file, task, own):
            result.rows += len(own)
        else:
            result.skipped += len(own)


def _drop_equal_rows(file: FileView, task: SealTask, sealed: list[PlainRow]) -> bool:
    location_ids = sorted({row[0] for row in sealed})
    with get_db_session() as session:
        lock_rollups(session, shared=False)  # who stores old rows waits, and then finds the ranges
        settle_states(session, location_ids)
        selected = [plain_column(session.get_bind().dialect, name) for name in NAMES]
        deleted = session.connection().execute(delete(_weather).where(*_rows_of(task, location_ids)).returning(*selected))
        if _comparable(sorted(map(tuple, deleted), key=itemgetter(0, 1))) != _comparable(sealed):
            session.rollback()
            return False
        _insert_ranges(session, file.id, sealed)
        session.execute(update(ArchiveFile).where(ArchiveFile.id == file.id).values(changes=ArchiveFile.changes + 1))
    return True


def _comparable(rows: Sequence[PlainRow]) -> list[list[Any]]:
    """The columns of rows, with instants in whole microseconds."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    for index in _INSTANTS if rows else ():
        columns[index] = [None if seconds is None else round(seconds * 1_000_000) for seconds in columns[index]]
    return columns


def _insert_ranges(session: Session, file_id: int, rows: list[PlainRow]) -> None:
    ranges = []
    for location_id, group in groupby(rows, itemgetter(0)):
        keys = [(datetime.fromtimestamp(row[_DUE_AT], UTC), row[_PROVIDER], row[_ORIGIN]) for row in group]
        ranges += [{"location_id": location_id, "file_id": file_id, **found} for found in make_ranges(keys)]
    if ranges:
        session.execute(insert(SealedRange), ranges)
