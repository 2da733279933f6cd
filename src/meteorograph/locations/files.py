"""Locations in files: CSV and GeoJSON (RFC 7946), read row by row and written."""

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
from .fields import FIELDS, REQUIRED, TAG_SEPARATOR, check_fields, parse_cell

FORMATS: Final = ("csv", "geojson")
#: What a file of each format is sent as.
MEDIA_TYPES: Final = {"csv": "text/csv", "geojson": "application/geo+json"}


@dataclass(frozen=True, slots=True)
class FileRow:
    """A row that is sound by itself: the fields that it gives, each in its one form."""

    #: Where it begins in the file, from 1.
    line: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be taken, and why."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


def read_locations(lines: Iterable[bytes], format: str) -> Iterator[FileRow | BadRow]:
    """The rows of a file of one of ``FORMATS``, given as its lines.

    Raises:
        LocationFileError: It is empty, no such file, not UTF-8, or its columns are not the known ones.
    """
    return _read_csv(lines) if format == "csv" else _read_geojson(b"".join(lines))


def write_locations(locations: Iterable[Mapping[str, Any]], format: str) -> Iterator[str]:
    """The text of a file with these locations, piece by piece. Reading it again gives the same fields."""
    return _write_csv(locations) if format == "csv" else _write_geojson(locations)


def _read_csv(lines: Iterable[bytes]) -> Iterator[FileRow | BadRow]:
    reader = csv.reader(_decoded(lines), strict=True)
    columns: Sequence[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            if columns is None or not str(error).startswith("',' expected"):
                raise LocationFileError(f"line {line}: {_explained(str(error))}") from None
            yield BadRow(line, "a quote ends in the middle of a cell; a quote inside of one is written twice")
            continue
        if not cells:
            continue
        if columns is None:
            columns = _columns(cells)
        elif len(cells) != len(columns):
            yield BadRow(line, f"has {len(cells)} columns, the first line has {len(columns)}")
        else:
            yield _row(line, {column: parse_cell(column, cell) for column, cell in zip(columns, cells, strict=True)})
    if columns is None:
        raise LocationFileError(f"the file is empty; its first line must be {','.join(REQUIRED)} and may go on with more")


def _decoded(lines: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            wrong = f"byte 0x{line[error.start]:02x} at column {error.start + 1}"
            raise LocationFileError(f"line {number}: the file must be UTF-8, which {wrong} is not") from None


def _explained(error: str) -> str:
    if "new-line" in error:
        return "the file's lines must end with LF or CRLF"
    if "unexpected end" in error or "field limit" in error:
        return "a quote that opens in this row is never closed"
    return f"the file is no CSV: {error}"


def _columns(cells: list[str]) -> list[str]:
    """The names of a header's columns."""
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
        told = "; ".join(f"{name}: {', '.join(fields)}" for name, fields in wrong.items() if fields)
        raise LocationFileError(f"line 1: the columns are not as they must be ({told}); known are {', '.join(FIELDS)}")
    return columns


def _row(line: int, given: Mapping[str, object]) -> FileRow | BadRow:
    try:
        return FileRow(line, check_fields(given))
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
        raise LocationFileError(f"{_place(text, str(error))}the file is no JSON: {error}") from None
    if collection.type != "FeatureCollection":
        raise LocationFileError(f"type={collection.type!r}: must be FeatureCollection")
    line, position = 1, 0
    for raw in collection.features:
        feature = bytes(raw)
        found = text.find(feature, position)
        line += text.count(b"\n", position, found)
        yield _feature(line, feature)
        line += feature.count(b"\n")
        position = found + len(feature)


def _place(text: bytes, error: str) -> str:
    """The line that an error of the JSON parser is about, if it says so."""
    byte = re.search(r"\(byte (\d+)\)", error)
    line = text.count(b"\n", 0, int(byte[1])) + 1 if byte else None
    return f"line {line}: " if line else ""


def _feature(line: int, text: bytes) -> FileRow | BadRow:
    try:
        feature = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return BadRow(line, f"is no JSON: {error}")
    match feature:
        case {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [lon, lat, *rest]},
            "properties": dict(properties),
        } if len(rest) < 2:
            given = {field: value for field, value in properties.items() if field in FIELDS and field not in REQUIRED[1:]}
            if rest and given.get("elevation") is None:
                given["elevation"] = rest[0]
            if isinstance(given.get("tags"), str):
                given["tags"] = parse_cell("tags", given["tags"])
            return _row(line, {**given, "latitude": lat, "longitude": lon})
    return BadRow(
        line, "must be a Feature with a Point of [longitude, latitude] or [longitude, latitude, elevation] and properties"
    )


def _write_csv(locations: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(FIELDS)
    for location in locations:
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        writer.writerow([TAG_SEPARATOR.join(location[field] or ()) if field == "tags" else location[field] for field in FIELDS])
    yield buffer.getvalue()


def _write_geojson(locations: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield '{"type": "FeatureCollection", "features": ['
    separator = "\n"
    for location in locations:
        point = [location["longitude"], location["latitude"]]
        height = location["elevation"]
        feature = {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": point if height is None else [*point, height]},
            "properties": {field: location[field] for field in FIELDS if field not in REQUIRED[1:]},
        }
        yield separator + json.dumps(feature, ensure_ascii=False, allow_nan=False)
        separator = ",\n"
    yield "\n]}\n"
