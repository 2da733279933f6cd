"""Exports rows to CSV, lines of JSON or Parquet. A file appears only when it is complete. Stop 9 of the walk."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..errors import LocationNotFoundError
from ..locations.repository import get_location
from ..reading.columns import Columns
from ..storage.archive.ranges import sealed_edges
from ..storage.models import Location, WeatherData
from ..storage.types import UTCDateTime
from ..storage.upsert import table_of
from .batches import ExportLocation, read_batches
from .metadata import dataset_metadata, providers_of, write_sidecar

Format = Literal["csv", "ndjson", "parquet", "netcdf"]
FORMATS: Final[tuple[Format, ...]] = ("csv", "ndjson", "parquet", "netcdf")
#: Formats that need a file, and hold their metadata themselves.
FILE_FORMATS: Final[tuple[Format, ...]] = ("parquet", "netcdf")

_table = table_of(WeatherData)


@dataclass(frozen=True, slots=True)
class ExportQuery:
    """Which rows to export: of all locations, or those with one of the names or tags, with ``start <= due_at < end``."""

    locations: Sequence[str] = ()
    tags: Sequence[str] = ()
    start: datetime | None = None
    end: datetime | None = None


class RowWriter(Protocol):
    """Writes rows to a file."""

    def write(self, columns: Columns) -> None:
        """Add rows: columns in the order of ``columns.FIELDS``, instants as Unix seconds and documents as texts."""

    def close(self, metadata: dict[str, Any]) -> None:
        """Write the remaining rows, and the metadata if the format has a place for it."""


@dataclass(slots=True)
class ExportResult:
    """Number of rows, providers and files of an export."""

    rows: int = 0
    #: Names of the providers of the rows.
    providers: set[str] = field(default_factory=set)
    files: list[Path] = field(default_factory=list)


def export_locations(session: Session, query: ExportQuery) -> list[ExportLocation]:
    """The locations of a query, by id.

    Raises:
        LocationNotFoundError: No location has one of the names, or one of the tags.
    """
    for name in query.locations:
        get_location(session, name)
    place = (Location.latitude, Location.longitude, Location.elevation)
    rows = session.execute(select(Location.id, Location.name, Location.tags, *place).order_by(Location.id)).all()
    for tag in query.tags:
        if not any(tag in (row.tags or ()) for row in rows):
            raise LocationNotFoundError(f"tag {tag}")
    is_all = not query.locations and not query.tags
    return [
        ExportLocation(row.id, row.name, row.latitude, row.longitude, row.elevation)
        for row in rows
        if is_all or row.name in query.locations or not set(query.tags).isdisjoint(row.tags or ())
    ]


def export(
    session: Session,
    query: ExportQuery,
    format: Format,
    to: Path | BinaryIO,
    progress: Callable[[int, int], None] = lambda *_: None,
    *,
    has_byte_order_mark: bool = False,
) -> ExportResult:
    """Write rows to a file with a metadata sidecar, or to a stream without one. Parquet and netCDF hold their metadata.

    Args:
        session: Read-only session.
        query: Which rows.
        format: ``csv``, ``ndjson``, ``parquet`` or ``netcdf``, which needs a file.
        to: The file, which is replaced when all rows are written, or a stream.
        progress: Called with the number of locations that are written and the number of all locations.
        has_byte_order_mark: Whether a CSV begins with the mark that spreadsheet programs recognise UTF-8 by.

    Raises:
        LocationNotFoundError: No location has one of the names or tags.
        ConfigurationError: The format needs a package that is not installed.
    """
    locations, result = export_locations(session, query), ExportResult()
    if not isinstance(to, Path):
        _write_rows(session, locations, query, _make_writer(format, to, has_byte_order_mark), result, progress)
        return result
    with replace_when_complete(to) as path:
        if format == "netcdf":
            _write_rows(session, locations, query, _netcdf_writer(path, locations), result, progress)
        with path.open("ab" if format == "netcdf" else "wb") as file:
            if format != "netcdf":
                _write_rows(session, locations, query, _make_writer(format, file, has_byte_order_mark), result, progress)
            file.flush()
            os.fsync(file.fileno())
    result.files.append(to)
    if format not in FILE_FORMATS:
        result.files.append(write_sidecar(to, dataset_metadata(result.providers)))
    return result


def export_partitioned(
    session: Session, query: ExportQuery, to: Path, progress: Callable[[int, int], None] = lambda *_: None
) -> ExportResult:
    """Write Parquet files by year and month (UTC) to a folder: ``year=2026/month=03/data.parquet``.

    Raises:
        FileExistsError: The folder exists and is not empty.
        LocationNotFoundError: No location has one of the names or tags.
        ConfigurationError: Parquet needs a package that is not installed.
    """
    if to.exists() and any(to.iterdir()):
        raise FileExistsError(f"{to}: exists already and is not replaced")
    locations, result = export_locations(session, query), ExportResult()
    months = list(_months(session, locations, query))
    with replace_when_complete(to) as folder:
        for index, (start, end) in enumerate(months):
            part = folder / f"year={start.year:04d}" / f"month={start.month:02d}" / "data.parquet"
            part.parent.mkdir(parents=True)
            rows_before = result.rows
            month = ExportQuery((), (), max(start, query.start or start), min(end, query.end or end))
            with part.open("wb") as file:
                _write_rows(session, locations, month, _make_writer("parquet", file), result, lambda *_: None)
            if result.rows == rows_before:
                shutil.rmtree(part.parent)
            progress(index + 1, len(months))
        folder.mkdir(exist_ok=True)
        if to.exists():
            to.rmdir()
    result.files.append(to)
    return result


def _months(session: Session, locations: Sequence[ExportLocation], query: ExportQuery) -> Iterator[tuple[datetime, datetime]]:
    """Start and end of each month (UTC) that may have rows."""
    in_table = session.execute(select(*(edge(_table.c.due_at, type_=UTCDateTime()) for edge in (func.min, func.max)))).one()
    edges = [edge for edge in (*in_table, *(sealed_edges(session) or ())) if edge is not None]
    if not edges or not locations:
        return
    first, last = min(edges), max(edges)
    start, end = max(first, query.start or first), min(last, query.end or last)
    month = start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while month <= end:
        following = (month + timedelta(days=31)).replace(day=1)
        yield month, following
        month = following


def _write_rows(
    session: Session,
    locations: Sequence[ExportLocation],
    query: ExportQuery,
    writer: RowWriter,
    result: ExportResult,
    progress: Callable[[int, int], None],
) -> None:
    """Write the rows of all locations, add them to the result, and close the writer."""
    try:
        for columns, done in read_batches(session, locations, query.start, query.end):
            if columns[0]:
                writer.write(columns)
                result.rows += len(columns[0])
                result.providers |= providers_of(columns)
            progress(done, len(locations))
        progress(len(locations), len(locations))
    except BaseException:
        with suppress(Exception):  # the first error is the one to report
            writer.close({})
        raise
    writer.close(dataset_metadata(result.providers))


def _netcdf_writer(path: Path, locations: Sequence[ExportLocation]) -> RowWriter:
    from .netcdf import NetCDFWriter  # its packages are optional, and slow to import

    return NetCDFWriter(path, locations)


def _make_writer(format: Format, file: BinaryIO, has_byte_order_mark: bool = False) -> RowWriter:
    if format == "parquet":
        from .parquet import ParquetWriter

        return ParquetWriter(file)
    from .text import CSVWriter, NDJSONWriter

    return CSVWriter(file, has_byte_order_mark=has_byte_order_mark) if format == "csv" else NDJSONWriter(file)


@contextmanager
def replace_when_complete(path: Path) -> Iterator[Path]:
    """Context with a temporary path in the same folder. It replaces ``path`` at the end, and is deleted after an error."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
        raise
