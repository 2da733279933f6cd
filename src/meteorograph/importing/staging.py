"""Rows on their way to the database: sorted, one for each slot, in a temporary file that nobody has to delete."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from ..model.schedule import EPOCH
from ..model.values import Observation

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Observation)

_MICROSECOND: Final = timedelta(microseconds=1)


class StagedRow(NamedTuple):
    """A row of one location."""

    due_at: datetime
    line: int
    observation: Observation


class Staging:
    """The rows of an import, by location and slot."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)  # the empty name: a temporary file without a name
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(
            "CREATE TABLE staged (location INTEGER, at INTEGER, line INTEGER, row BLOB, PRIMARY KEY (location, at)) WITHOUT ROWID"
        )
        self._database.execute("BEGIN")

    def close(self) -> None:
        """Delete the rows."""
        self._database.close()

    def add(self, location_id: int, due_at: datetime, line: int, observation: Observation) -> tuple[int, bool] | None:
        """Add a row. If its slot has one already: the line of that row, and whether it says the same."""
        values = (location_id, (due_at - EPOCH) // _MICROSECOND, line, _encoder.encode(observation))
        if self._database.execute("INSERT OR IGNORE INTO staged VALUES (?, ?, ?, ?)", values).rowcount:
            return None
        query = "SELECT line, row FROM staged WHERE location = ? AND at = ?"
        first, row = self._database.execute(query, values[:2]).fetchone()
        return first, row == values[3]

    def read(self, location_id: int, after: datetime | None = None, until: datetime | None = None) -> Iterator[StagedRow]:
        """Yield the rows of a location with ``after < due_at <= until``, oldest first."""
        bounds = [_micros(after) if after else -(2**63), _micros(until) if until else 2**63 - 1]
        query = "SELECT at, line, row FROM staged WHERE location = ? AND at > ? AND at <= ? ORDER BY at"
        for at, line, row in self._database.execute(query, (location_id, *bounds)):
            yield StagedRow(EPOCH + at * _MICROSECOND, line, _decoder.decode(row))

    def span(self, location_id: int) -> tuple[int, datetime, datetime] | None:
        """Number of rows of a location, its first and its last slot; None without rows."""
        query = "SELECT count(*), min(at), max(at) FROM staged WHERE location = ?"
        count, first, last = self._database.execute(query, (location_id,)).fetchone()
        return (count, EPOCH + first * _MICROSECOND, EPOCH + last * _MICROSECOND) if count else None


def _micros(instant: datetime) -> int:
    return (instant.astimezone(UTC) - EPOCH) // _MICROSECOND
