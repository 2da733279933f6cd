"""Writes rows as CSV or as lines of JSON. Times are ISO 8601 in UTC with six decimals; a missing value is empty or null."""

from __future__ import annotations

import codecs
import csv
import io
from typing import Any, BinaryIO

from ..reading.columns import FIELDS, Columns
from .serialise import AnswerFormat, json_lines

_FORMAT = AnswerFormat(FIELDS, has_micros=True)


class CSVWriter:
    """Writes a table (RFC 4180, UTF-8) with a header; with a byte order mark where a spreadsheet program needs it."""

    def __init__(self, file: BinaryIO, *, has_byte_order_mark: bool = False) -> None:
        if has_byte_order_mark:
            file.write(codecs.BOM_UTF8)
        self._file = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        self._rows = csv.writer(self._file)
        self._rows.writerow(FIELDS)

    def write(self, columns: Columns) -> None:
        """Add rows."""
        self._rows.writerows(_FORMAT.rows(columns))

    def close(self, _metadata: dict[str, Any]) -> None:
        """Detach from the file without closing it: the caller closes it."""
        self._file.detach()


class NDJSONWriter:
    """Writes one JSON object per line."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, columns: Columns) -> None:
        """Add rows."""
        self._file.write(json_lines(_FORMAT.objects(columns)))

    def close(self, _metadata: dict[str, Any]) -> None:
        """Do nothing: all rows are written, and the format has no metadata."""
