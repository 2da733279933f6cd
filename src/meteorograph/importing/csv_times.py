"""Instants of the rows of a CSV file, from their texts. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final, Generic, NamedTuple, TypeVar

from .entries import RefusedRow, refusal
from .local_times import LocalTimes
from .mapping import CSVLayout

T = TypeVar("T")

#: Length of the text of a date in ISO 8601.
_DATE_LENGTH: Final = 10
#: Years of measurements: a time of another one was misread.
_YEARS: Final = (1700, 9000)
_TIME_ALLOWED: Final = "must be an ISO 8601 time such as 2026-03-01T00:00+02:00, or --time-format must say how to read it"
_ZONE_ALLOWED: Final = "has no zone: --zone must give it, such as --zone Europe/Athens"
_DAY_ALLOWED: Final = (
    "is a date: --day-start must say at which local time its day starts, and --label whether the day starts or ends on it"
)


class Timed(NamedTuple, Generic[T]):
    """A row with the end of its time (aware UTC)."""

    row: T
    end: datetime
    #: The time as the file has it.
    text: str
    #: Length of the day of a row whose time is a date.
    length: timedelta | None = None


class RowTimes(Generic[T]):
    """Finds the times of the rows of one location, in the order of the file.

    Args:
        layout: How to read the texts.
        window: Time of an amount, if all rows have the same.
    """

    def __init__(self, layout: CSVLayout, window: timedelta | None) -> None:
        self._layout = layout
        self._field = "+".join(layout.time_columns)
        self._shift = window if layout.label == "start" and window else timedelta(0)
        self._local: LocalTimes[tuple[int, str, T]] | None = LocalTimes(layout.zone) if layout.zone else None

    def add(self, line: int, text: str, row: T) -> Iterator[Timed[T] | RefusedRow]:
        """Yield the rows whose times are known now, which may include earlier ones."""
        try:
            parsed = self._parse(text)
            if not _YEARS[0] <= parsed.year <= _YEARS[1]:
                raise ValueError(text)
        except (ValueError, OverflowError):
            allowed = f"must be a time of the format {self._layout.time_format}" if self._layout.time_format else _TIME_ALLOWED
            yield RefusedRow(line, refusal(self._field, text, allowed))
            return
        if not isinstance(parsed, datetime):
            yield self._day(line, text, parsed, row)
        elif parsed.tzinfo is not None:
            yield Timed(row, parsed.astimezone(UTC) + self._shift, text)
        elif self._local is None:
            yield RefusedRow(line, refusal(self._field, text, _ZONE_ALLOWED))
        else:
            for item, instant, reason in self._local.add(parsed, (line, text, row)):
                yield self._resolved(item, instant, reason)

    def finish(self) -> Iterator[Timed[T] | RefusedRow]:
        """Yield the rows that still waited for a later one."""
        if self._local is not None:
            for item, instant, reason in self._local.finish():
                yield self._resolved(item, instant, reason)

    def _resolved(self, item: tuple[int, str, T], instant: datetime | None, reason: str) -> Timed[T] | RefusedRow:
        line, text, row = item
        return (
            RefusedRow(line, refusal(self._field, text, reason)) if instant is None else Timed(row, instant + self._shift, text)
        )

    def _parse(self, text: str) -> datetime | date:
        format = self._layout.time_format
        if format in ("unix", "unix-ms"):
            seconds = float(text) / (1000 if format == "unix-ms" else 1)
            if not math.isfinite(seconds):
                raise ValueError(text)
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        if format is not None:
            parsed = datetime.strptime(text, format)  # noqa: DTZ007  # the zone is added where it is resolved
            return parsed if any(code in format for code in ("%H", "%I", "%c", "%X")) else parsed.date()
        if len(text) == _DATE_LENGTH and "T" not in text and ":" not in text:
            return date.fromisoformat(text)
        return datetime.fromisoformat(text)

    def _day(self, line: int, text: str, day: date, row: T) -> Timed[T] | RefusedRow:
        layout = self._layout
        if layout.day_start is None or layout.label is None:
            return RefusedRow(line, refusal(self._field, text, _DAY_ALLOWED))
        if layout.zone is None:
            return RefusedRow(line, refusal(self._field, text, _ZONE_ALLOWED))
        first = day if layout.label == "start" else day - timedelta(days=1)
        start, end = (
            datetime.combine(at, layout.day_start, layout.zone).astimezone(UTC) for at in (first, first + timedelta(days=1))
        )
        return Timed(row, end, text, end - start)
