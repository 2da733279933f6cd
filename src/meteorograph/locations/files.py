"""Reads and writes files of locations: CSV (RFC 4180) and GeoJSON (RFC 7946)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from ..errors import LocationFileError
from .csv_file import read_csv, write_csv
from .fields import LocationFields
from .file_rows import MAX_BAD_ROWS, MAX_ROWS, BadRow, FileRow
from .geojson_file import read_geojson, write_geojson

#: Stands for a bad row whose reason is not kept.
_FURTHER_BAD_ROW: Final = BadRow(0, "is wrong too")

FORMATS: Final = ("csv", "geojson")
#: Media type of each format.
MEDIA_TYPES: Final = {"csv": "text/csv", "geojson": "application/geo+json"}


def read_locations(lines: Iterable[bytes], format: str) -> Iterator[FileRow | BadRow]:
    """Read the rows of a file of one of the ``FORMATS`` from its lines.

    Raises:
        LocationFileError: The file is empty, has another format, is not UTF-8, has missing or unknown columns, names
            another coordinate reference system than degrees, or has more than ``MAX_ROWS`` rows.
    """
    return _bounded(read_csv(lines) if format == "csv" else read_geojson(b"".join(lines)))


def _bounded(rows: Iterator[FileRow | BadRow]) -> Iterator[FileRow | BadRow]:
    """The same rows, but bad ones after the first ``MAX_BAD_ROWS`` as one and the same object, which takes no memory."""
    bad = 0
    for number, row in enumerate(rows, 1):
        if number > MAX_ROWS:
            raise LocationFileError(f"the file has more than {MAX_ROWS:,} rows; divide it into several files")
        bad += isinstance(row, BadRow)
        yield _FURTHER_BAD_ROW if isinstance(row, BadRow) and bad > MAX_BAD_ROWS else row


def write_locations(locations: Iterable[LocationFields], format: str) -> Iterator[str]:
    """Yield the text of a file of one of the ``FORMATS``, piece by piece. ``read_locations`` reads the same fields back."""
    return write_csv(locations) if format == "csv" else write_geojson(locations)
