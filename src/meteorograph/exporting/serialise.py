"""Rows as the bytes of an answer: JSON, CSV or lines of JSON, in the requested units and time zone."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from itertools import repeat
from typing import Any, Final

import msgspec

from ..model.units import METRIC, Units
from ..reading.columns import DOCUMENTS, INSTANTS, Columns, PlainRow

MEDIA_TYPES: Final = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8; header=present",
    "ndjson": "application/x-ndjson",
}

_TEXTS_DECODER: Final = msgspec.json.Decoder(list[str | None])


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """Fields, units and time zone of the rows of an answer."""

    fields: Sequence[str]
    units: Units = METRIC
    zone: tzinfo = UTC
    #: Whether the instants of objects have six decimals, also whole seconds. Those of plain rows always have them, because
    #: readers of CSV guess one form for a column.
    has_micros: bool = False
    #: Whether a spreadsheet program may open the rows: no text of theirs is a formula.
    is_spreadsheet_safe: bool = False

    def rows(self, columns: Columns) -> Iterator[PlainRow]:
        """Plain columns as converted rows; a JSON document stays a text."""
        converted = self._convert(columns, str, has_micros=True)
        return zip(*(map(without_formulas, converted) if self.is_spreadsheet_safe else converted), strict=True)

    def objects(self, columns: Columns) -> list[Any]:
        """Plain columns as objects that msgspec encodes to JSON."""
        return list(map(row_type(tuple(self.fields)), *self._convert(columns, _to_raw_json, has_micros=self.has_micros)))

    def _convert(self, columns: Columns, convert_document: Callable[[str], Any], *, has_micros: bool) -> Iterator[Sequence[Any]]:
        for name, values in zip(self.fields, columns, strict=False):
            if name in INSTANTS:
                yield instants(values, self.zone, has_micros=has_micros)
                continue
            convert = convert_document if name in DOCUMENTS else self.units.converter(name)
            yield values if convert is None else [None if value is None else convert(value) for value in values]


#: A text that begins with one of these is a formula for spreadsheet programs.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def without_formulas(values: Sequence[Any]) -> Sequence[Any]:
    """The values of a column, with an apostrophe before each text that a spreadsheet program would run as a formula.

    Source: OWASP, CSV Injection.
    """
    return [f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value for value in values]


@lru_cache(maxsize=256)
def row_type(fields: tuple[str, ...]) -> type[Any]:
    """Struct type for rows of these fields. Takes a quarter of the time of dicts to build and encode."""
    return msgspec.defstruct("Row", [(name, object) for name in fields], gc=False)


#: The end of an instant of a whole second.
_WHOLE_SECOND: Final = re.compile(rb"(T..:..:..)([+-])")


def instants(values: Iterable[float | None], zone: tzinfo, *, has_micros: bool = False) -> list[str | None]:
    """Unix seconds as ISO 8601 texts in a zone. The encoder takes a third of the time of ``isoformat``."""
    try:
        moments: list[datetime | None] = list(map(datetime.fromtimestamp, values, repeat(zone)))  # type: ignore[arg-type]  # None raises
    except TypeError:  # the column has a None, which is rare
        moments = [None if value is None else datetime.fromtimestamp(value, zone) for value in values]
    texts = msgspec.json.encode(moments).replace(b'Z"', b'+00:00"')
    return _TEXTS_DECODER.decode(_WHOLE_SECOND.sub(rb"\1.000000\2", texts) if has_micros else texts)


def _to_raw_json(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def json_lines(objects: Iterable[Any]) -> bytes:
    """Objects as JSON, one per line."""
    return b"".join(msgspec.json.encode(item) + b"\n" for item in objects)


def csv_lines(rows: Iterable[Sequence[Any]]) -> bytes:
    """Rows as CSV (RFC 4180, UTF-8); None is an empty cell."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
