"""A file of the archive: Parquet with one explicit schema, by location and slot. Needs ``meteorograph[parquet]``.

Instants are UTC with microseconds, JSON documents are texts. The pages have checksums, which every read compares; the database
has that of the footer. So a damaged file is an error, and never fewer rows.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from sqlalchemy import Float, Integer

from ...errors import ArchiveError, ConfigurationError
from ..models import WeatherData
from ..types import UTCDateTime
from ..upsert import table_of

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
except ImportError:
    raise ConfigurationError("the archive needs pyarrow: pip install 'meteorograph[parquet]'") from None

#: Version of the schema, in the metadata of each file. A later version adds columns; what an older file lacks is null.
SCHEMA_VERSION: Final = 1

#: Rows of a row group, which is read and held at once.
GROUP_ROWS: Final = 25_000

_MICROSECONDS: Final = pa.timestamp("us", tz="UTC")
_FOOTER_TAIL: Final = 8  # the length of the footer, and the magic number
_MAGIC: Final = b"PAR1"

#: Columns of the table in their order.
NAMES: Final = tuple(column.name for column in table_of(WeatherData).columns)
_INSTANTS: Final = frozenset(column.name for column in table_of(WeatherData).columns if isinstance(column.type, UTCDateTime))


def _arrow_type(name: str) -> Any:
    column = table_of(WeatherData).c[name].type
    if isinstance(column, UTCDateTime):
        return _MICROSECONDS
    return pa.int64() if isinstance(column, Integer) else pa.float64() if isinstance(column, Float) else pa.string()


#: The schema: the columns of the table, and the name of the location, for those who read the file without the database.
SCHEMA: Final = pa.schema(
    [pa.field(name, _arrow_type(name)) for name in NAMES[:1]]
    + [pa.field("location", pa.string())]
    + [pa.field(name, _arrow_type(name)) for name in NAMES[1:]]
)
#: Columns whose values differ from row to row by little, in steps: differences are smaller than a dictionary.
_DELTAS: Final = ("due_at", "observed_at", "fetched_at")


class MonthWriter:
    """Writes rows of locations, by id, to a file."""

    def __init__(self, file: BinaryIO) -> None:
        others = [name for name in SCHEMA.names if name not in _DELTAS]
        self._writer = pq.ParquetWriter(
            file,
            SCHEMA,
            compression="zstd",
            compression_level=9,
            use_dictionary=others,
            column_encoding=dict.fromkeys(_DELTAS, "DELTA_BINARY_PACKED"),
            write_page_checksum=True,
        )
        self._pending: list[Any] = []
        self._count = 0

    def write(self, location: str, columns: Mapping[str, Sequence[Any]]) -> None:
        """Add the rows of a location: plain values by column, instants as Unix seconds, oldest slot first."""
        count = len(columns["due_at"])
        arrays = [
            pa.array([location] * count, pa.string()) if name == "location" else _to_array(name, columns[name])
            for name in SCHEMA.names
        ]
        self._pending.append(pa.Table.from_arrays(arrays, schema=SCHEMA))
        self._count += count
        if self._count >= GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            self._writer.write_table(pa.concat_tables(self._pending), row_group_size=2 * GROUP_ROWS)
        self._pending, self._count = [], 0

    def finish(self, metadata: Mapping[str, str]) -> None:
        """Write the remaining rows and the metadata."""
        self._flush()
        self._writer.add_key_value_metadata({**metadata, "schema_version": str(SCHEMA_VERSION)})

    def close(self) -> None:
        """End the file."""
        self._writer.close()


def _to_array(name: str, values: Sequence[Any]) -> Any:
    if name not in _INSTANTS:
        return pa.array(values, SCHEMA.field(name).type)
    micros = pc.round(pc.multiply(pa.array(values, pa.float64()), 1_000_000.0))
    return pc.cast(micros, pa.int64()).cast(_MICROSECONDS)


def footer_checksum(path: Path) -> str:
    """SHA-256 of the footer of a file.

    Raises:
        ArchiveError: The file cannot be read, or is no Parquet.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _FOOTER_TAIL))
            tail = file.read()
            length = int.from_bytes(tail[:4], "little") + _FOOTER_TAIL
            if tail[4:] != _MAGIC or length > size:
                raise ArchiveError(path.name, "is damaged: it has no footer")
            file.seek(size - length)
            return hashlib.sha256(file.read()).hexdigest()
    except FileNotFoundError:
        raise ArchiveError(path.name, f"is missing in {path.parent}") from None
    except OSError as error:
        raise ArchiveError(path.name, f"cannot be read: {error.strerror or error}") from error


class SealedFile:
    """A file whose footer is the one that was sealed.

    Raises:
        ArchiveError: It is missing or damaged.
    """

    def __init__(self, path: Path, footer_sha256: str | None) -> None:
        self._name = path.name
        if footer_checksum(path) != footer_sha256:
            raise ArchiveError(self._name, "is damaged, or not the one that was sealed")
        try:
            self._file = pq.ParquetFile(path, page_checksum_verification=True)
        except (OSError, pa.ArrowException) as error:
            raise ArchiveError(self._name, "is damaged") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def groups(self, location_ids: Sequence[int] | None = None) -> Iterator[int]:
        """Yield the numbers of the row groups that may have rows of these locations, which are sorted; all if None."""
        for number in range(self._file.num_row_groups):
            if location_ids is None:
                yield number
                continue
            ids = self._file.metadata.row_group(number).column(0).statistics
            index = bisect_left(location_ids, ids.min)
            if index < len(location_ids) and location_ids[index] <= ids.max:
                yield number

    def read_group(self, number: int, names: Sequence[str]) -> Any:
        """A row group as an Arrow table with these columns; those that the file lacks are null.

        Raises:
            ArchiveError: It is damaged.
        """
        there = [name for name in names if name in self._file.schema_arrow.names]
        try:
            table = self._file.read_row_group(number, columns=there, use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise ArchiveError(self._name, "is damaged") from error
        arrays = [table.column(name) if name in there else pa.nulls(table.num_rows, SCHEMA.field(name).type) for name in names]
        return pa.table(arrays, names=list(names))


def select_rows(table: Any, location_ids: Sequence[int] | None, start: datetime | None, end: datetime | None) -> Any:
    """The rows of these locations with ``start <= due_at < end``."""
    conditions = []
    if location_ids is not None:
        conditions.append(pc.is_in(table["location_id"], value_set=pa.array(location_ids, pa.int64())))
    if start is not None:
        conditions.append(pc.greater_equal(table["due_at"], pa.scalar(start, _MICROSECONDS)))
    if end is not None:
        conditions.append(pc.less(table["due_at"], pa.scalar(end, _MICROSECONDS)))
    for condition in conditions[1:]:
        conditions[0] = pc.and_(conditions[0], condition)
    return table.filter(conditions[0]) if conditions else table


def plain_columns(table: Any, names: Sequence[str]) -> list[list[Any]]:
    """The columns as plain values: instants as Unix seconds, documents as texts."""
    return [_plain(table.column(name), name in _INSTANTS) for name in names]


def _plain(column: Any, is_instant: bool) -> list[Any]:
    values: list[Any] = (column.cast(pa.int64()) if is_instant else column).to_pylist()
    return [None if value is None else value / 1_000_000 for value in values] if is_instant else values


def of_provider(table: Any, provider: str) -> Any:
    """The rows of a provider."""
    return table.filter(pc.equal(table["provider"], provider))


def beyond(table: Any, at: datetime, location_id: int, *, is_later: bool) -> Any:
    """The rows after a slot and location, or those before."""
    compare = pc.greater if is_later else pc.less
    instant = pa.scalar(at, _MICROSECONDS)
    same = pc.and_(pc.equal(table["due_at"], instant), compare(table["location_id"], location_id))
    return table.filter(pc.or_(compare(table["due_at"], instant), same))


def first_rows(best: Any, table: Any, limit: int, *, is_ascending: bool) -> Any:
    """The first rows of two tables by slot and location."""
    both = table if best is None else pa.concat_tables([best, table])
    order = "ascending" if is_ascending else "descending"
    return both.sort_by([("due_at", order), ("location_id", order)]).slice(0, limit)


def with_index(table: Any, index: int) -> Any:
    """A table with a number in each of its rows, in the column ``index``."""
    return table.append_column("index", pa.array([index] * table.num_rows, pa.int32()))


def indexes(table: Any) -> list[int]:
    """The different numbers of ``with_index`` in a table."""
    found: list[int] = [] if table is None else pc.unique(table["index"]).to_pylist()
    return found


def count_rows(path: Path) -> int:
    """Number of rows of a file, which is read to its end.

    Raises:
        ArchiveError: It is damaged.
    """
    sealed = SealedFile(path, footer_checksum(path))
    try:
        return sum(sealed.read_group(number, SCHEMA.names).num_rows for number in sealed.groups())
    finally:
        sealed.close()
