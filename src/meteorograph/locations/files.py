"""Reads and writes files of locations: CSV (RFC 4180) and GeoJSON (RFC 7946)."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ..errors import InvalidLocationError, LocationFileError
from .fields import FIELDS, REQUIRED, TAG_SEPARATOR, LocationFields, check_fields, parse_cell

FORMATS: Final = ("csv", "geojson")
#: Media type of each format.
MEDIA_TYPES: Final = {"csv": "text/csv", "geojson": "application/geo+json"}


@dataclass(frozen=True, slots=True)
class FileRow:
    """A valid row of a file."""

    #: Line on which the row starts, from 1.
    line: int
    #: Values in canonical form, by field name; only the fields that the file has.
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadRow:
    """An invalid row of a file, and the reason."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


def read_locations(lines: Iterable[bytes], format: str) -> Iterator[FileRow | BadRow]:
    """Read the rows of a file of one of the ``FORMATS`` from its lines.

    Raises:
        LocationFileError: The file is empty, has another format, is not UTF-8, or has missing or unknown columns.
    """
    return _read_csv(lines) if format == "csv" else _read_geojson(b"".join(lines))


def write_locations(locations: Iterable[LocationFields], format: str) -> Iterator[str]:
    """Yield the text of a file of one of the ``FORMATS``, piece by piece. ``read_locations`` reads the same fields back."""
    return _write_csv(locations) if format == "csv" else _write_geojson(locations)


def _read_csv(lines: Iterable[bytes]) -> Iterator[FileRow | BadRow]:
    reader = csv.reader(_decode(lines), strict=True)
    columns: Sequence[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            if columns is None or not str(error).startswith("',' expected"):
                raise LocationFileError(f"line {line}: {_explain(str(error))}") from None
            yield BadRow(line, "a quote ends in the middle of a cell; a quote inside a cell must be written twice")
            continue
        if not cells:
            continue
        if columns is None:
            columns = _parse_header(cells)
        elif len(cells) != len(columns):
            yield BadRow(line, f"has {len(cells)} columns, the first line has {len(columns)}")
        else:
            yield _check_row(line, {column: parse_cell(column, cell) for column, cell in zip(columns, cells, strict=True)})
    if columns is None:
        raise LocationFileError(f"the file is empty; its first line must be {','.join(REQUIRED)}, optionally with more columns")


def _decode(lines: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            position = f"byte 0x{line[error.start]:02x} at column {error.start + 1}"
            raise LocationFileError(f"line {number}: the file is not UTF-8: {position}") from None


def _explain(error: str) -> str:
    if "new-line" in error:
        return "the file's lines must end with LF or CRLF"
    if "unexpected end" in error or "field limit" in error:
        return "a quote that opens in this row is never closed"
    return f"the file is not CSV: {error}"


def _parse_header(cells: list[str]) -> list[str]:
    """Names of the columns.

    Raises:
        LocationFileError: Another separator, or columns that are missing, unknown or repeated.
    """
    for separator, name in ((";", "';'"), ("\t", "tabs")):
        if len(cells) == 1 and separator in cells[0]:
            raise LocationFileError(f"line 1: the columns are separated by {name}; it must be ','")
    columns = [cell.strip().lower() for cell in cells]
    wrong = {
        "missing": [field for field in REQUIRED if field not in columns],
        "unknown": [repr(cell[:50]) for cell, column in zip(cells, columns, strict=True) if column not in FIELDS],
        "twice": [field for field in FIELDS if columns.count(field) > 1],
    }
    if any(wrong.values()):
        details = "; ".join(f"{name}: {', '.join(fields)}" for name, fields in wrong.items() if fields)
        raise LocationFileError(f"line 1: the columns are wrong ({details}); known are {', '.join(FIELDS)}")
    return columns


def _check_row(line: int, values: Mapping[str, object]) -> FileRow | BadRow:
    try:
        return FileRow(line, check_fields(values))
    except InvalidLocationError as error:
        return BadRow(line, str(error))


class _Collection(msgspec.Struct):
    type: str
    features: list[msgspec.Raw]


def _read_geojson(text: bytes) -> Iterator[FileRow | BadRow]:
    if not text.strip():
        raise LocationFileError("the file is empty; it must be a GeoJSON FeatureCollection")
    try:
        collection = msgspec.json.decode(text.removeprefix(b"\xef\xbb\xbf"), type=_Collection)
    except msgspec.ValidationError as error:
        raise LocationFileError(f"the file must be a GeoJSON FeatureCollection ({error})") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LocationFileError(f"{_error_line(text, str(error))}the file is not JSON: {error}") from None
    if collection.type != "FeatureCollection":
        raise LocationFileError(f"type={collection.type!r}: must be FeatureCollection")
    line, end = 1, 0
    for raw in collection.features:
        feature = bytes(raw)
        start = text.find(feature, end)
        line += text.count(b"\n", end, start)
        yield _read_feature(line, feature)
        line += feature.count(b"\n")
        end = start + len(feature)


def _error_line(text: bytes, error: str) -> str:
    """Prefix with the line of a JSON error; empty if the parser's message has no position."""
    byte = re.search(r"\(byte (\d+)\)", error)
    line = text.count(b"\n", 0, int(byte[1])) + 1 if byte else None
    return f"line {line}: " if line else ""


def _read_feature(line: int, text: bytes) -> FileRow | BadRow:
    try:
        feature = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return BadRow(line, f"is not JSON: {error}")
    match feature:
        case {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [lon, lat, *rest]},
            "properties": dict(properties),
        } if len(rest) < 2:
            values = {field: value for field, value in properties.items() if field in FIELDS and field not in REQUIRED[1:]}
            if rest and values.get("elevation") is None:
                values["elevation"] = rest[0]
            if isinstance(values.get("tags"), str):
                values["tags"] = parse_cell("tags", values["tags"])
            return _check_row(line, {**values, "latitude": lat, "longitude": lon})
    return BadRow(
        line, "must be a Feature with a Point of [longitude, latitude] or [longitude, latitude, elevation] and properties"
    )


def _write_csv(locations: Iterable[LocationFields]) -> Iterator[str]:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(FIELDS)
    for location in locations:
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        cells = [getattr(location, field) for field in FIELDS]
        cells[FIELDS.index("tags")] = TAG_SEPARATOR.join(location.tags or ())
        writer.writerow(cells)
    yield buffer.getvalue()


def _write_geojson(locations: Iterable[LocationFields]) -> Iterator[str]:
    yield '{"type": "FeatureCollection", "features": ['
    separator = "\n"
    for location in locations:
        elevation = [] if location.elevation is None else [location.elevation]
        feature = {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [location.longitude, location.latitude, *elevation]},
            "properties": {field: getattr(location, field) for field in FIELDS if field not in REQUIRED[1:]},
        }
        yield separator + json.dumps(feature, ensure_ascii=False, allow_nan=False)
        separator = ",\n"
    yield "\n]}\n"
