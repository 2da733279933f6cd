"""Reads history from a CSV file whose columns the user has named."""

from __future__ import annotations

import codecs
import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from ..errors import HistoryFileError
from ..model.quantities import BY_NAME
from .amounts import Amount, AmountReader
from .csv_times import RowTimes, Timed
from .entries import Entry, ImportedRow, RefusedRow, Source, make_observation, refusal
from .mapping import ColumnMapping, CSVLayout

#: Texts of cells without a value, in small letters.
_EMPTY: Final = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "--", "---"})
_SEPARATORS: Final = (",", ";", "\t")


class CSVRow(NamedTuple):
    """The cells of a line."""

    line: int
    location: str | None
    #: Cell of each mapped column.
    cells: tuple[str, ...]


class LocationReader:
    """Reads the rows of one location.

    Args:
        layout: How to read them.
        provider: Name of the source of the rows.
        now: Time of the import (aware UTC).
        source: Gets notes and samples.
    """

    def __init__(self, layout: CSVLayout, provider: str, now: datetime, source: Source) -> None:
        self._layout, self._provider, self._now, self._source = layout, provider, now, source
        self._readers = {
            mapping.quantity: AmountReader(mapping.amount, layout.zone) for mapping in layout.columns if mapping.amount
        }
        windows = [mapping.amount.window for mapping in layout.columns if mapping.amount]
        self._times: RowTimes[CSVRow] = RowTimes(layout, windows[0] if windows else None)

    def add(self, text: str, row: CSVRow) -> Iterator[Entry]:
        """Read a row; yields the rows whose times are known now."""
        for entry in self._times.add(row.line, text, row):
            yield entry if isinstance(entry, RefusedRow) else self._read(entry)

    def finish(self) -> Iterator[Entry]:
        """Yield the rows that still waited for a later one."""
        for entry in self._times.finish():
            yield entry if isinstance(entry, RefusedRow) else self._read(entry)

    def _read(self, timed: Timed[CSVRow]) -> Entry:
        row, at = timed.row, timed.end
        for reader in self._readers.values():
            if reader.needs_order and reader.last is not None and at <= reader.last:
                allowed = f"must be later than the row before it, {reader.last.isoformat()}, since its amount counts from there"
                return RefusedRow(row.line, refusal("time", at.isoformat(), allowed))
        problem = self._mismatch(timed)
        if problem:
            return RefusedRow(row.line, refusal("+".join(self._layout.time_columns), timed.text, problem))
        numbers = [self._number(mapping, cell) for mapping, cell in zip(self._layout.columns, row.cells, strict=True)]
        for number in numbers:
            if isinstance(number, str):
                return RefusedRow(row.line, number)
        values: dict[str, float] = {}
        periods: list[int | None] = []
        for mapping, number in zip(self._layout.columns, numbers, strict=True):
            value = number if not isinstance(number, str) else None
            if mapping.amount is not None:
                amount = self._readers[mapping.quantity].read(at, value, timed.length)
                value = self._note(amount)
                if value is not None:
                    periods.append(amount.period)
            if value is not None:
                quantity = BY_NAME[mapping.quantity]
                if not quantity.is_possible(value):
                    return RefusedRow(row.line, _impossible(mapping, value))
                values[mapping.quantity] = int(value) if quantity.is_code else value
        period = periods[0] if periods else None
        observation = make_observation(self._provider, self._now, at, values, period)
        return ImportedRow(row.line, row.location, at, observation)

    def _mismatch(self, timed: Timed[CSVRow]) -> str:
        """Why the amounts of a row cannot be those of its time; empty if they can."""
        rules = [reader.rule for reader in self._readers.values()]
        if timed.length is None and any(rule.is_daily for rule in rules):
            return "must be a date for amount:day"
        if timed.length is not None and any(rule.window for rule in rules):
            return "must be a time for an amount or rate of a fixed length; amount:day is for dates"
        return ""

    def _number(self, mapping: ColumnMapping, cell: str) -> float | str | None:
        """The canonical value of a cell, None if it is empty, or the reason why it cannot be read."""
        text = cell.strip()
        if text.lower() in _EMPTY:
            return None
        try:
            number = float(text.replace(",", ".") if self._layout.has_decimal_comma else text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            comma = "" if self._layout.has_decimal_comma or "," not in text else " (--decimal-comma reads numbers such as 1,5)"
            return refusal(mapping.column, text, f"must be a number or empty{comma}")
        value = mapping.convert(number)
        per = "/h" if mapping.amount and mapping.amount.kind == "rate" else ""
        self._source.show(mapping.column, mapping.unit, text, mapping.quantity, value, per)
        return value

    def _note(self, amount: Amount) -> float | None:
        if amount.problem:
            self._source.note(f"rows without an amount, since {amount.problem}")
        return amount.value


def read_csv(lines: Iterable[bytes], layout: CSVLayout, provider: str, now: datetime) -> Source:
    """The rows of a CSV file.

    Raises:
        HistoryFileError: While the rows are read: the file is empty or no CSV, or lacks a column.
    """
    source = Source(iter(()))
    source.entries = _read(lines, layout, provider, now, source)
    return source


def _read(lines: Iterable[bytes], layout: CSVLayout, provider: str, now: datetime, source: Source) -> Iterator[Entry]:
    texts = decode(lines, layout.encoding)
    first = next(texts, "")
    reader = csv.reader(_chain(first, texts), strict=True, delimiter=layout.separator or _guess_separator(first))
    readers: dict[str | None, LocationReader] = {}
    names: Sequence[str] = ()
    line = 1
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            raise HistoryFileError(f"line {line}: the file is not CSV: {error}") from None
        if not any(cell.strip() for cell in cells):
            continue
        if not names:
            names = [cell.strip() for cell in cells]
            _check_header(names, layout)
            continue
        if len(cells) != len(names):
            yield RefusedRow(line, f"has {len(cells)} cells: must have {len(names)}, as the first line")
            continue
        by_name = dict(zip(names, cells, strict=True))
        location = None if layout.location_column is None else by_name[layout.location_column].strip()
        row = CSVRow(line, location, tuple(by_name[mapping.column] for mapping in layout.columns))
        if location not in readers:
            readers[location] = LocationReader(layout, provider, now, source)
        yield from readers[location].add(" ".join(by_name[name].strip() for name in layout.time_columns), row)
    if not names:
        raise HistoryFileError("the file is empty: its first line must name the columns")
    for one in readers.values():
        yield from one.finish()


def _check_header(names: Sequence[str], layout: CSVLayout) -> None:
    places = [layout.location_column] if layout.location_column else []
    for name in (*layout.time_columns, *places, *(mapping.column for mapping in layout.columns)):
        if names.count(name) != 1:
            how = "twice" if name in names else "not"
            raise HistoryFileError(f"column {name!r} is {how} in the first line; the columns are {', '.join(names)}")


def decode(lines: Iterable[bytes], encoding: str = "utf-8") -> Iterator[str]:
    """The texts of lines, without a byte order mark.

    Raises:
        HistoryFileError: A line has another encoding.
    """
    if _is_wide(encoding):
        yield from _decode_wide(lines, encoding)
        return
    for number, line in enumerate(lines, 1):
        try:
            text = line.decode(encoding)
        except UnicodeDecodeError as error:
            reason = f"byte 0x{line[error.start]:02x} is not {encoding}; --encoding must name the encoding, such as cp1252"
            raise HistoryFileError(f"line {number}: {reason}") from None
        yield text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}") if number == 1 else text


def _is_wide(encoding: str) -> bool:
    """Whether a line feed takes several bytes, as in UTF-16, which spreadsheets write as "Unicode text"."""
    return len("\n".encode(encoding)) > 1


def _decode_wide(lines: Iterable[bytes], encoding: str) -> Iterator[str]:
    begun, number = "", 1
    try:
        for text in codecs.iterdecode(lines, encoding):
            *whole, begun = (begun + text).split("\n")
            for line in whole:
                yield f"{line}\n".removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}") if number == 1 else f"{line}\n"
                number += 1
    except UnicodeError:
        raise HistoryFileError(f"line {number}: is not {encoding}; --encoding must name the encoding, such as cp1252") from None
    if begun:
        yield begun


def _guess_separator(first: str) -> str:
    return max(_SEPARATORS, key=first.count)


def _chain(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _impossible(mapping: ColumnMapping, value: float) -> str:
    low, high = BY_NAME[mapping.quantity].possible
    unit = BY_NAME[mapping.quantity].unit
    allowed = f"from {low:g} to {high:g}" if high is not None else f"{low:g} or more"
    return refusal(f"{mapping.column} ({mapping.quantity})", f"{value:g}", f"must be {allowed} {unit}")
