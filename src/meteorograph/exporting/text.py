"""Rows as CSV and as lines of JSON; times are ISO 8601 in UTC, and nothing stands for what is not given."""

from __future__ import annotations

import csv
import io
from typing import Any, BinaryIO

from ..reading.columns import FIELDS, Columns
from .serialise import AnswerFormat, json_lines

_SHAPE = AnswerFormat(FIELDS)


class CSVWriter:
    """A table (RFC 4180, UTF-8) with a line of names."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        self._rows = csv.writer(self._file)
        self._rows.writerow(FIELDS)

    def write(self, found: Columns) -> None:
        """Add rows."""
        self._rows.writerows(_SHAPE.rows(found))

    def close(self, _described: dict[str, Any]) -> None:
        """Leave the file to whoever opened it."""
        self._file.detach()


class NDJSONWriter:
    """An object a line."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, found: Columns) -> None:
        """Add rows."""
        self._file.write(json_lines(_SHAPE.objects(found)))

    def close(self, _described: dict[str, Any]) -> None:
        """Nothing is left to write."""
