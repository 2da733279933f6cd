"""The files of the archive as the database knows them, and the rows that they hold."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import JSON, select
from sqlalchemy.orm import Session

from ...config.loading import get_settings
from ..models import ArchiveFile, SealedRange, WeatherData
from ..types import UTCDateTime
from ..upsert import table_of

_table = table_of(ArchiveFile)

#: Location and slot → row.
SealedRows = dict[tuple[int, datetime], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class FileView:
    """A complete file of the archive."""

    id: int
    name: str
    month_at: datetime
    rows: int
    size: int
    sha256: str
    footer_sha256: str
    sealed_at: datetime
    changes: int
    emptied_at: datetime | None


_COLUMNS: Final = [_table.c[name] for name in FileView.__dataclass_fields__]


def archive_path(name: str) -> Path:
    """The path of a file of the archive."""
    return get_settings().archive_dir / name


def read_files(session: Session, start: datetime | None = None, end: datetime | None = None) -> list[FileView]:
    """The files whose months overlap the time from ``start`` to ``end``, oldest month first."""
    query = select(*_COLUMNS).where(_table.c.sealed_at.is_not(None)).order_by(_table.c.month_at, _table.c.id)
    if start is not None:
        query = query.where(_table.c.month_at >= month_of(start))
    if end is not None:
        query = query.where(_table.c.month_at < end)
    return [FileView(*row) for row in session.execute(query)]


def month_of(at: datetime) -> datetime:
    """Start of the month (UTC) of an instant (aware UTC)."""
    return at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def read_members(session: Session, file_id: int, location_ids: Sequence[int] | None = None) -> list[int]:
    """The locations, sorted, whose rows a file holds: all, or those among a few."""
    query = select(SealedRange.location_id).where(SealedRange.file_id == file_id).distinct()
    if location_ids is not None:
        query = query.where(SealedRange.location_id.in_(location_ids))
    return sorted(session.scalars(query))


def iterate_tables(
    file: FileView, names: Sequence[str], location_ids: Sequence[int], start: datetime | None, end: datetime | None
) -> Iterator[Any]:
    """Yield the rows of a file with ``start <= due_at < end`` of these sorted locations as Arrow tables, by location and slot.

    Raises:
        ArchiveError: The file is missing or damaged.
        ConfigurationError: A package is not installed.
    """
    from .parquet_file import SealedFile, select_rows  # its package is optional, and slow to import

    with closing(SealedFile(archive_path(file.name), file.footer_sha256)) as sealed:
        for number in sealed.groups(location_ids):
            table = select_rows(sealed.read_group(number, names), location_ids, start, end)
            if table.num_rows:
                yield table


def read_sealed_rows(session: Session, location_ids: Sequence[int], slots: Collection[datetime]) -> SealedRows:
    """The sealed rows of locations at some slots, by location and slot, with the values that the columns have in Python.

    Raises:
        ArchiveError: A file is missing or damaged.
    """
    rows: SealedRows = {}
    if not slots:
        return rows
    start, end, wanted = min(slots), max(slots) + timedelta(microseconds=1), set(slots)
    names = [column.name for column in table_of(WeatherData).columns]
    for file in read_files(session, start, end):
        for plain in iterate_rows(file, names, read_members(session, file.id, location_ids), start, end):
            row = {name: _to_python(name, value) for name, value in zip(names, plain, strict=True)}
            if row["due_at"] in wanted:
                rows[row["location_id"], row["due_at"]] = row
    return rows


def _to_python(name: str, value: Any) -> Any:
    kind = table_of(WeatherData).c[name].type
    if value is None:
        return None
    if isinstance(kind, UTCDateTime):
        return datetime.fromtimestamp(value, UTC)
    return json.loads(value) if isinstance(kind, JSON) else value


def iterate_rows(
    file: FileView, names: Sequence[str], location_ids: Sequence[int], start: datetime | None, end: datetime | None
) -> Iterator[tuple[Any, ...]]:
    """The same as plain rows. ``location_id`` and ``due_at`` must be among the names."""
    from .parquet_file import plain_columns

    for table in iterate_tables(file, names, location_ids, start, end):
        yield from zip(*plain_columns(table, names), strict=True)
