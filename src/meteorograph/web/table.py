"""Rows as the bytes of an answer: JSON, CSV or lines of JSON, in the units and the time zone that are asked for."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

import msgspec

from ..series_rows import DOCUMENTS, INSTANTS, Plain
from ..units import System, converter

Format = str

MEDIA_TYPES: Final = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8; header=present",
    "ndjson": "application/x-ndjson",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """How rows are told."""

    fields: Sequence[str]
    system: System = "metric"
    zone: tzinfo = UTC

    def rows(self, found: Sequence[Plain], *, documents: Callable[[str], Any] = str) -> Iterator[Plain]:
        """The values of plain rows as they are told; a document is left as its text unless ``documents`` makes more of it."""
        columns: list[Sequence[Any]] = list(zip(*found, strict=True))
        for number, name in enumerate(self.fields if columns else ()):
            convert = self._instant if name in INSTANTS else documents if name in DOCUMENTS else converter(name, self.system)
            if convert is not None:
                columns[number] = [None if value is None else convert(value) for value in columns[number]]
        return zip(*columns, strict=True)

    def dicts(self, found: Sequence[Plain]) -> list[dict[str, Any]]:
        """Plain rows as objects for JSON."""
        return [dict(zip(self.fields, row, strict=True)) for row in self.rows(found, documents=_raw)]

    def _instant(self, value: float) -> str:
        return datetime.fromtimestamp(value, self.zone).isoformat()


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def json_lines(objects: Sequence[Any]) -> bytes:
    """Objects as JSON, each on a line."""
    return b"".join(msgspec.json.encode(each) + b"\n" for each in objects)


def csv_lines(rows: Sequence[Sequence[Any]] | Iterator[Sequence[Any]]) -> bytes:
    """Rows as CSV (RFC 4180, UTF-8); nothing for None."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
