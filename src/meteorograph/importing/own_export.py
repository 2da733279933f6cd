"""Reads the service's own exports: CSV, lines of JSON, and Parquet.

A row keeps its times, values, periods and flags. Each of its values says which provider it came from, so attributions stay
complete; the row itself has the provider of the import.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from ..errors import ConfigurationError, HistoryFileError
from ..model.quantities import BY_NAME, QUANTITIES
from ..model.values import Observation, OtherValues
from .csv_file import decode
from .entries import Entry, ImportedRow, RefusedRow, Source, refusal

#: The first columns of an export.
FIRST_COLUMNS: Final = ("location", "due_at", "observed_at")

_TIME_ALLOWED: Final = "must be an ISO 8601 time with its offset, such as 2026-03-01T00:00:00+00:00"
_FLAGS: Final = dict[str, list[str]]
_BATCH_ROWS: Final = 10_000

Row = Mapping[str, Any]


def read_csv_export(lines: BinaryIO, provider: str, now: datetime) -> Source:
    """The rows of an export as CSV."""
    texts = decode(lines)
    reader = csv.DictReader(texts, strict=True)
    return Source(_entries(((reader.line_num, row) for row in reader), provider, now))


def read_ndjson_export(lines: BinaryIO, provider: str, now: datetime) -> Source:
    """The rows of an export as lines of JSON."""
    return Source(_entries(_json_rows(lines), provider, now))


def read_parquet_export(path: Path, provider: str, now: datetime) -> Source:
    """The rows of an export as Parquet.

    Raises:
        ConfigurationError: Parquet needs a package that is not installed.
        HistoryFileError: The file is no Parquet, or no export.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ConfigurationError("a Parquet file needs pyarrow: pip install 'meteorograph[parquet]'") from None
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise HistoryFileError(f"the file is no Parquet: {error}") from None
    if not set(FIRST_COLUMNS) <= set(file.schema_arrow.names):
        raise HistoryFileError(f"the file is no export: it has no {', '.join(FIRST_COLUMNS)}")
    return Source(_entries(_parquet_rows(file), provider, now), line_word="row")


def _parquet_rows(file: Any) -> Iterator[tuple[int, Row]]:
    number = 0
    for batch in file.iter_batches(_BATCH_ROWS):
        for row in batch.to_pylist():
            number += 1
            yield number, row


def _json_rows(lines: Iterable[bytes]) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            yield number, row if isinstance(row, dict) else {"location": None, "due_at": line[:40].decode(errors="replace")}


def _entries(rows: Iterable[tuple[int, Row]], provider: str, now: datetime) -> Iterator[Entry]:
    try:
        for line, row in rows:
            try:
                yield _read(line, row, provider, now)
            except ValueError as error:
                yield RefusedRow(line, str(error))
    except csv.Error as error:
        raise HistoryFileError(f"the file is not CSV: {error}") from None


def _read(line: int, row: Row, provider: str, now: datetime) -> ImportedRow:
    """A row; raises ``ValueError`` with the reason if it cannot be read."""
    due_at = _instant(row, "due_at")
    location = row.get("location")
    if due_at is None or not isinstance(location, str) or not location:
        field = "location" if due_at is not None else "due_at"
        raise ValueError(refusal(field, row.get(field), "must be given: this is no row of an export"))
    values = {quantity.name: _number(row, quantity.name) for quantity in QUANTITIES}
    origins = _document(row, "providers", dict[str, str]) or {}
    own = str(row.get("provider") or "")
    providers = {name: origins.get(name, own) for name, value in values.items() if value is not None and origins.get(name, own)}
    period = _number(row, "precipitation_period")
    observation: Any = {
        **{name: value for name, value in values.items() if value is not None},
        "provider": provider,
        "fetched_at": now,
        "observed_at": _instant(row, "observed_at"),
        "precipitation_period": None if period is None else int(period),
        "condition": row.get("condition") or None,
        "flags": _document(row, "flags", _FLAGS) or {},
        "providers": providers,
        "other_values": _document(row, "other_values", dict[str, OtherValues]) or {},
    }
    return ImportedRow(line, location, due_at, Observation(**observation))


def _instant(row: Row, field: str) -> datetime | None:
    value = row.get(field)
    if value is None or value == "":
        return None
    try:
        instant = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):  # the year 1 east of Greenwich
        pass
    raise ValueError(refusal(field, value, _TIME_ALLOWED))


def _number(row: Row, field: str) -> float | int | None:
    value = row.get(field)
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(refusal(field, value, "must be a number or empty"))
    quantity = BY_NAME.get(field)
    if quantity is not None and not quantity.is_possible(number):
        low, high = quantity.possible
        raise ValueError(refusal(field, value, f"must be from {low} to {high} {quantity.unit}".replace(" to None", " on")))
    return int(number) if quantity is None or quantity.is_code else number


def _document(row: Row, field: str, type_: Any) -> Any:
    """A JSON document, which CSV and Parquet hold as a text."""
    value = row.get(field)
    if value is None or value == "":
        return None
    try:
        return msgspec.json.decode(value, type=type_) if isinstance(value, str) else msgspec.convert(value, type_)
    except msgspec.MsgspecError:
        raise ValueError(refusal(field, value, "must be a JSON document of an export")) from None
