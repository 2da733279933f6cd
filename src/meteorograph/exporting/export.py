"""Stop 9 of the walk: takes rows, gives files: CSV, lines of JSON or Parquet, as they are read, and whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, NamedTuple, Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..errors import LocationNotFoundError
from ..locations.repository import get_location
from ..reading.columns import FIELDS, Columns, fetch_columns, plain
from ..storage.models import Location, WeatherData
from ..storage.types import UTCDateTime
from ..storage.upsert import table_of
from .metadata import dataset_metadata, providers_of, write_sidecar

Format = Literal["csv", "ndjson", "parquet"]
FORMATS: Final[tuple[Format, ...]] = ("csv", "ndjson", "parquet")

#: Rows that are read at once.
_AT_ONCE: Final = 20_000

_table = table_of(WeatherData)
#: Where a row's slot is among the fields after its location.
_DUE_AT: Final = FIELDS.index("due_at") - 1


class ExportLocation(NamedTuple):
    """A location whose rows are exported."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class ExportQuery:
    """Which rows: of all locations unless some are named by name or tag, with ``start <= due_at < end``."""

    locations: Sequence[str] = ()
    tags: Sequence[str] = ()
    start: datetime | None = None
    end: datetime | None = None


class RowWriter(Protocol):
    """What makes a file of rows."""

    def write(self, found: Columns) -> None:
        """Add rows: columns in the order of ``series_rows.FIELDS``, instants as Unix seconds and documents as text."""

    def close(self, described: dict[str, Any]) -> None:
        """Write what is left, and what there is to know of it if the format has a place for that."""


@dataclass(slots=True)
class ExportResult:
    """What an export has come to."""

    rows: int = 0
    #: Names of the providers of the rows.
    providers: set[str] = field(default_factory=set)
    files: list[Path] = field(default_factory=list)


def export_locations(session: Session, asked: ExportQuery) -> list[ExportLocation]:
    """The locations that are asked for, by id.

    Raises:
        LocationNotFoundError: There is none of one of the names, or none with a tag.
    """
    for name in asked.locations:
        get_location(session, name)
    found = session.execute(select(Location.id, Location.name, Location.tags).order_by(Location.id)).all()
    for tag in asked.tags:
        if not any(tag in (row.tags or ()) for row in found):
            raise LocationNotFoundError(f"tag {tag}")
    everything = not asked.locations and not asked.tags
    return [
        ExportLocation(row.id, row.name)
        for row in found
        if everything or row.name in asked.locations or not set(asked.tags).isdisjoint(row.tags or ())
    ]


def read_batches(session: Session, place: ExportLocation, start: datetime | None, end: datetime | None) -> Iterator[Columns]:
    """The rows of a location in columns, oldest first, some at a time."""
    dialect, at = session.get_bind().dialect, _table.c.due_at
    columns = [plain(dialect, name) for name in FIELDS if name != "location"]
    query = select(*columns).where(_table.c.location_id == place.id).order_by(at).limit(_AT_ONCE)
    if end is not None:
        query = query.where(at < end)
    found = fetch_columns(session, query if start is None else query.where(at >= start))
    while count := len(found[0]):
        yield [[place.name] * count, *found]
        if count < _AT_ONCE:
            return
        last = datetime.fromtimestamp(found[_DUE_AT][-1], UTC)
        found = fetch_columns(session, query.where(at > last))


def export(
    session: Session,
    asked: ExportQuery,
    format: Format,
    to: Path | BinaryIO,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> ExportResult:
    """Write the rows to a file, or to a stream, which has no description beside it.

    Args:
        session: Where the rows are; one that only reads.
        asked: Which rows.
        format: ``csv``, ``ndjson`` or ``parquet``.
        to: The file, replaced when all is written, or a stream.
        progress: Is told how many locations are written, and of how many.

    Raises:
        LocationNotFoundError: There is no such location.
        ConfigurationError: Parquet cannot be written here.
    """
    known = export_locations(session, asked)
    told = ExportResult()
    if not isinstance(to, Path):
        _fill(session, known, asked, _writer(format, to), told, progress)
        return told
    with replace_when_complete(to) as path:
        with path.open("wb") as file:
            _fill(session, known, asked, _writer(format, file), told, progress)
            file.flush()
            os.fsync(file.fileno())
    told.files.append(to)
    if format != "parquet":  # which has it inside
        told.files.append(write_sidecar(to, dataset_metadata(told.providers)))
    return told


def export_partitioned(
    session: Session, asked: ExportQuery, to: Path, progress: Callable[[int, int], None] = lambda *_: None
) -> ExportResult:
    """Write Parquet files by year and month (UTC) to a folder: ``year=2026/month=03/data.parquet``.

    Raises:
        FileExistsError: The folder is there and has something in it.
        LocationNotFoundError: There is no such location.
        ConfigurationError: Parquet cannot be written here.
    """
    if to.exists() and any(to.iterdir()):
        raise FileExistsError(f"{to}: is there already, and is not replaced")
    known, told = export_locations(session, asked), ExportResult()
    months = list(_months(session, known, asked))
    with replace_when_complete(to) as folder:
        for number, (start, end) in enumerate(months):
            part = folder / f"year={start.year:04d}" / f"month={start.month:02d}" / "data.parquet"
            part.parent.mkdir(parents=True)
            before = told.rows
            limits = ExportQuery((), (), max(start, asked.start or start), min(end, asked.end or end))
            with part.open("wb") as file:
                _fill(session, known, limits, _writer("parquet", file), told, lambda *_: None)
            if told.rows == before:
                shutil.rmtree(part.parent)
            progress(number + 1, len(months))
        folder.mkdir(exist_ok=True)
        if to.exists():
            to.rmdir()
    told.files.append(to)
    return told


def _months(session: Session, known: Sequence[ExportLocation], asked: ExportQuery) -> Iterator[tuple[datetime, datetime]]:
    """The months (UTC) that have rows, or may have."""
    first, last = (session.scalar(select(edge(_table.c.due_at, type_=UTCDateTime()))) for edge in (func.min, func.max))
    if first is None or last is None or not known:
        return
    start, end = max(first, asked.start or first), min(last, asked.end or last)
    month = start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while month <= end:
        following = (month + timedelta(days=31)).replace(day=1)
        yield month, following
        month = following


def _fill(
    session: Session,
    known: Sequence[ExportLocation],
    asked: ExportQuery,
    writer: RowWriter,
    told: ExportResult,
    progress: Callable[[int, int], None],
) -> None:
    try:
        for number, place in enumerate(known):
            for found in read_batches(session, place, asked.start, asked.end):
                writer.write(found)
                told.rows += len(found[0])
                told.providers |= providers_of(found)
            progress(number + 1, len(known))
    except BaseException:
        with suppress(Exception):  # the first error is the one to tell
            writer.close({})
        raise
    writer.close(dataset_metadata(told.providers))


def _writer(format: Format, file: BinaryIO) -> RowWriter:
    if format == "parquet":
        from .parquet import ParquetWriter

        return ParquetWriter(file)
    from .text import CSVWriter, NDJSONWriter

    return CSVWriter(file) if format == "csv" else NDJSONWriter(file)


@contextmanager
def replace_when_complete(path: Path) -> Iterator[Path]:
    """Another path beside this one, which takes its place at the end of the block; on an error nothing is left of it."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield beside
        os.replace(beside, path)
    except BaseException:
        if beside.is_dir():
            shutil.rmtree(beside, ignore_errors=True)
        else:
            beside.unlink(missing_ok=True)
        raise
