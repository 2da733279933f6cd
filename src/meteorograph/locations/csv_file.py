"""Reads and writes CSV files of locations (RFC 4180), also as spreadsheet programs save them."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ..errors import LocationFileError
from .fields import FIELDS, REQUIRED, LocationFields, join_tags, parse_cell
from .file_rows import BadRow, FileRow, check_row

#: The line that names the separator to Excel, before the line with the columns.
_SEPARATOR_LINE: Final = re.compile(r"""["']?sep=(?P<separator>.?)["']?[,;\t\s]*""", re.IGNORECASE)

#: Separators that such a line may name.
_SEPARATORS: Final = ",;\t"


#: Other names of columns, as other programs have them.
_SYNONYMS: Final = {
    **dict.fromkeys(("lat", "y", "latitude_deg"), "latitude"),
    **dict.fromkeys(("lon", "lng", "long", "x", "longitude_deg"), "longitude"),
    **dict.fromkeys(("location", "place", "station", "city", "title"), "name"),
    **dict.fromkeys(("alt", "altitude", "elev", "height", "elevation_m"), "elevation"),
    **dict.fromkeys(("tz", "zone", "time zone", "time_zone"), "timezone"),
    **dict.fromkeys(("tag", "labels"), "tags"),
    "interval": "schedule",
}


def read_csv(lines: Iterable[bytes]) -> Iterator[FileRow | BadRow]:
    """Read the rows of a CSV file from its lines. Rows without any value, and columns without name and values, are skipped.

    Raises:
        LocationFileError: The file is empty, not CSV or not UTF-8, or has missing or unknown columns.
    """
    separator, skipped, texts = _read_separator(_decode(lines))
    reader = csv.reader(texts, strict=True, delimiter=separator)
    columns: Sequence[str] | None = None
    while True:
        line = skipped + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            if columns is None or "expected after" not in str(error):
                raise LocationFileError(f"line {line}: {_explain(str(error))}") from None
            yield BadRow(line, "a quote ends in the middle of a cell; a quote inside a cell must be written twice")
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if columns is None:
            columns = _parse_header(line, cells)
        else:
            yield _read_row(line, columns, cells)
    if columns is None:
        raise LocationFileError(f"the file is empty; its first line must be {','.join(REQUIRED)}, optionally with more columns")


def _read_row(line: int, columns: Sequence[str], cells: list[str]) -> FileRow | BadRow:
    if _named_length(columns) <= len(cells) < len(columns):
        cells = [*cells, *[""] * (len(columns) - len(cells))]
    if len(cells) > len(columns) and not any(cell.strip() for cell in cells[len(columns) :]):
        cells = cells[: len(columns)]
    if len(cells) != len(columns):
        return BadRow(line, f"has {len(cells)} columns, the first line has {len(columns)}")
    for number, (column, cell) in enumerate(zip(columns, cells, strict=True), 1):
        if not column and cell.strip():
            return BadRow(line, f"has a value in column {number}, which has no name in the first line")
    return check_row(line, {column: parse_cell(column, cell) for column, cell in zip(columns, cells, strict=True) if column})


def _named_length(columns: Sequence[str]) -> int:
    """Number of columns without those at the end that have no name."""
    return max(number for number, column in enumerate(columns, 1) if column)


def _read_separator(texts: Iterator[str]) -> tuple[str, int, Iterator[str]]:
    """The separator of the cells, the number of lines that only name it, and the other lines.

    Raises:
        LocationFileError: The line names a separator that is not supported.
    """
    first = next(texts, "")
    named = _SEPARATOR_LINE.fullmatch(first)
    if named is None:
        return ",", 0, itertools.chain([first], texts)
    separator = named["separator"]
    if not separator or separator not in _SEPARATORS:
        raise LocationFileError(f"line 1: {first.strip()[:50]!r} names the separator; it must be ',', ';' or a tab")
    return separator, 1, texts


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


def _parse_header(line: int, cells: list[str]) -> list[str]:
    """Names of the columns; an empty text for a column without a name.

    Raises:
        LocationFileError: Another separator, or columns that are missing, unknown or repeated.
    """
    for separator, name in ((";", "';'"), ("\t", "tabs")):
        if len(cells) == 1 and separator in cells[0]:
            raise LocationFileError(
                f"line {line}: the columns are separated by {name}; it must be ',', or the first line must be sep={separator}"
            )
    columns = [_SYNONYMS.get(name, name) for name in (cell.strip().lower() for cell in cells)]
    wrong = {
        "missing": [field for field in REQUIRED if field not in columns],
        "unknown": [repr(cell[:50]) for cell, column in zip(cells, columns, strict=True) if column and column not in FIELDS],
        "twice": [field for field in FIELDS if columns.count(field) > 1],
    }
    if any(wrong.values()):
        details = "; ".join(f"{name}: {', '.join(fields)}" for name, fields in wrong.items() if fields)
        raise LocationFileError(f"line {line}: the columns are wrong ({details}); known are {', '.join(FIELDS)}")
    return columns


def write_csv(locations: Iterable[LocationFields]) -> Iterator[str]:
    """Yield the text of a CSV file, row by row."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(FIELDS)
    for location in locations:
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        cells = [getattr(location, field) for field in FIELDS]
        cells[FIELDS.index("tags")] = join_tags(location.tags or ())
        writer.writerow(cells)
    yield buffer.getvalue()
