"""Reads and writes files of locations: CSV (RFC 4180) and GeoJSON (RFC 7946)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from .csv_file import read_csv, write_csv
from .fields import LocationFields
from .file_rows import BadRow, FileRow
from .geojson_file import read_geojson, write_geojson

FORMATS: Final = ("csv", "geojson")
#: Media type of each format.
MEDIA_TYPES: Final = {"csv": "text/csv", "geojson": "application/geo+json"}


def read_locations(lines: Iterable[bytes], format: str) -> Iterator[FileRow | BadRow]:
    """Read the rows of a file of one of the ``FORMATS`` from its lines.

    Raises:
        LocationFileError: The file is empty, has another format, is not UTF-8, has missing or unknown columns, or
            names another coordinate reference system than degrees.
    """
    return read_csv(lines) if format == "csv" else read_geojson(b"".join(lines))


def write_locations(locations: Iterable[LocationFields], format: str) -> Iterator[str]:
    """Yield the text of a file of one of the ``FORMATS``, piece by piece. ``read_locations`` reads the same fields back."""
    return write_csv(locations) if format == "csv" else write_geojson(locations)
