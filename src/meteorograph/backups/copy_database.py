"""Copy a database into an empty one, of the same or of the other kind; resumable, and compared row by row afterwards.

Until it is complete the target has a table ``unfinished_copy`` and no revision, so that no process uses it.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg
from sqlalchemy import BigInteger, Column, Connection, Engine, MetaData, String, Table, cast, func, inspect, select, text
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.exc import SQLAlchemyError

from ..errors import ConfigurationError, CopyError, StoreError
from ..storage import migrations
from ..storage.connections import shown_url
from ..storage.database_errors import plain_reason
from ..storage.engine import ENGINES, get_engine, init_db, use_database
from ..storage.models import Base, WeatherData
from .plain_rows import EPOCH, PlainRow, read_rows, write_rows

_MARK: Final = Table("unfinished_copy", MetaData(), Column("revision", String(32), nullable=False))
_REVISION: Final = Table("alembic_version", MetaData(), Column("version_num", String(32), nullable=False))
_WEATHER: Final[Table] = WeatherData.__table__  # type: ignore[assignment]  # it is a Table
_LOCATIONS: Final = Base.metadata.tables["locations"]
#: What belongs to a process and not to the data.
_LEFT_OUT: Final = frozenset({"leases", "heartbeats"})
#: Rows of one transaction at least, if there are so many.
_ROWS_PER_TRANSACTION: Final = 50_000
_ROWS_PER_CHECKSUM: Final = 1000
_DAY: Final = 86_400_000_000  # [µs]
_DUE_AT: Final = [column.name for column in _WEATHER.columns].index("due_at")

#: Receives how many locations have been copied and compared, and twice the number of all locations.
Report = Callable[[int, int], None]
#: Month such as ``2026-03`` → number of rows and checksum.
Months = dict[str, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What was copied and compared."""

    locations: int
    #: Rows of weather, and how many of them were written this time.
    rows: int
    written: int
    #: Months of a location whose checksums are equal.
    months: int
    #: Rows of all other tables.
    others: int


def copy_database(source: str, target: str, report: Report = lambda *_: None) -> CopyResult:
    """Copy the database at one URL into the one at another.

    Raises:
        ConfigurationError: The source has not the newest schema, or the target is not empty.
        CopyError: A month of the target differs from the source after the copy.
        StoreError: A database cannot be used.
    """
    try:
        return _copy(source, target, report)
    except (SQLAlchemyError, psycopg.Error, sqlite3.Error) as error:
        raise StoreError(f"the database cannot be copied: {plain_reason(error)}") from error


def _copy(source: str, target: str, report: Report) -> CopyResult:
    with use_database(source):
        read_from = get_engine()
        if read_from.dialect.name == "sqlite" and not Path(read_from.url.database or "").is_file():
            raise ConfigurationError(f"{shown_url(read_from.url)}: there is no such file")
        _require_newest(read_from)
    with use_database(target):
        write_to = get_engine()
        _prepare(write_to)
    with _snapshot(read_from) as reader:
        ids = [row[0] for row in reader.exec_driver_sql("SELECT id FROM locations ORDER BY id")]
        _copy_locations(reader, write_to)
        written = _copy_weather(reader, write_to, ids, report)
        others = _copy_others(reader, write_to)
        rows, months = _compare(reader, write_to, ids, report)
        _compare_others(reader, write_to)
    _finish(write_to)
    return CopyResult(len(ids), rows, written, months, others)


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection that sees one state of the database, also while others write."""
    options: dict[str, Any] = {"read_only": True}
    if engine.dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"
    with engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


def _require_newest(engine: Engine) -> None:
    revision = migrations.current_revision(engine)
    if revision != migrations.newest_revision():
        raise ConfigurationError(
            f"{shown_url(engine.url)}: the schema is {revision or 'empty'}, not {migrations.newest_revision()}: "
            "run meteorograph db upgrade on it first"
        )


def _prepare(engine: Engine) -> None:
    """Make the tables of the target and mark it, unless a copy has done so before."""
    tables = set(inspect(engine).get_table_names())
    if _MARK.name not in tables:
        if set(Base.metadata.tables) & tables:
            raise ConfigurationError(f"{shown_url(engine.url)}: the target has tables of Meteorograph: name an empty database")
        init_db()
        with engine.begin() as connection:
            _MARK.create(connection)
            connection.execute(_MARK.insert().from_select(["revision"], select(_REVISION)))
            connection.execute(_REVISION.delete())
        ENGINES.must_check_schema(engine)
        with engine.begin() as connection:
            for index in _WEATHER.indexes:  # made at the end, in one go
                index.drop(connection, checkfirst=True)
    with engine.connect() as connection:
        revision = connection.scalar(select(_MARK))
    if revision != migrations.newest_revision():
        raise ConfigurationError(f"{shown_url(engine.url)}: the copy was begun by another version (schema {revision})")


def _finish(engine: Engine) -> None:
    with engine.begin() as connection:
        for index in _WEATHER.indexes:
            index.create(connection, checkfirst=True)
        if engine.dialect.name == "postgresql":
            _advance_sequences(connection)
        connection.execute(_REVISION.insert().from_select(["version_num"], select(_MARK)))
        _MARK.drop(connection)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")


def _advance_sequences(connection: Connection) -> None:
    """Let the next id follow the largest one that was copied."""
    for table in Base.metadata.sorted_tables:
        for column in table.primary_key:
            of = {"table": table.name, "name": column.name}
            sequence = connection.scalar(text("SELECT pg_get_serial_sequence(:table, :name)"), of)
            largest = connection.scalar(select(func.max(column))) if sequence else None
            if largest is not None:
                connection.execute(select(func.setval(cast(sequence, REGCLASS), cast(largest, BigInteger))))


def _copy_locations(reader: Connection, target: Engine) -> None:
    """Copy the locations; all that refers to them, except weather, is emptied, and copied at the end."""
    rows = list(read_rows(reader, _LOCATIONS))
    with target.begin() as writer:
        for table in reversed(Base.metadata.sorted_tables):
            if table not in (_LOCATIONS, _WEATHER):
                writer.execute(table.delete())
        there = {row[0]: row for row in read_rows(writer, _LOCATIONS)}
        wrong = there.keys() - {row[0] for row in rows if there.get(row[0]) == row}
        for location_id in wrong:  # changed since an earlier copy
            writer.execute(_WEATHER.delete().where(_WEATHER.c.location_id == location_id))
            writer.execute(_LOCATIONS.delete().where(_LOCATIONS.c.id == location_id))
        write_rows(writer, _LOCATIONS, [row for row in rows if row[0] in wrong or row[0] not in there])


def _copy_weather(reader: Connection, target: Engine, ids: list[int], report: Report) -> int:
    """Copy the rows of each location that the target does not have; gives the number of rows that were written."""
    with target.connect().execution_options(read_only=True) as connection:
        there = {row[0] for row in connection.exec_driver_sql("SELECT DISTINCT location_id FROM weather_data")}
    written, batch, changed = 0, list[PlainRow](), list[int]()
    for number, location_id in enumerate(ids, 1):
        if location_id in there:
            with target.connect().execution_options(read_only=True) as connection:
                if _months(connection, location_id) == _months(reader, location_id):
                    continue
            changed.append(location_id)
        batch += read_rows(reader, _WEATHER, "location_id = ?", [location_id])
        if len(batch) >= _ROWS_PER_TRANSACTION or number == len(ids):
            written += _write_batch(target, batch, changed)
            batch, changed = [], []
        report(number, 2 * len(ids))
    return written + _write_batch(target, batch, changed)


def _write_batch(target: Engine, rows: list[PlainRow], changed: list[int]) -> int:
    if rows or changed:
        with target.begin() as writer:
            for location_id in changed:
                writer.execute(_WEATHER.delete().where(_WEATHER.c.location_id == location_id))
            write_rows(writer, _WEATHER, rows)
    return len(rows)


def _copy_others(reader: Connection, target: Engine) -> int:
    count = 0
    with target.begin() as writer:
        for table in _other_tables():
            for batch in _groups(read_rows(reader, table), _ROWS_PER_TRANSACTION):
                write_rows(writer, table, batch)
                count += len(batch)
    return count


def _other_tables() -> list[Table]:
    return [table for table in Base.metadata.sorted_tables if table not in (_LOCATIONS, _WEATHER) and table.name not in _LEFT_OUT]


def _compare(reader: Connection, target: Engine, ids: list[int], report: Report) -> tuple[int, int]:
    """Compare number and checksum of each month of each location; gives the rows and the months."""
    rows = months = 0
    with target.connect().execution_options(read_only=True) as connection:
        for number, location_id in enumerate(ids, 1):
            expected, found = _months(reader, location_id), _months(connection, location_id)
            if expected != found:
                wrong = min(month for month in expected.keys() | found.keys() if expected.get(month) != found.get(month))
                raise CopyError(f"location {location_id}, {wrong}: the copy differs from the source; run the command again")
            rows += sum(count for count, _ in expected.values())
            months += len(expected)
            report(len(ids) + number, 2 * len(ids))
    return rows, months


def _compare_others(reader: Connection, target: Engine) -> None:
    with target.connect().execution_options(read_only=True) as connection:
        for table in (_LOCATIONS, *_other_tables()):
            if _checksum(read_rows(reader, table)) != _checksum(read_rows(connection, table)):
                raise CopyError(f"table {table.name}: the copy differs from the source; run the command again")


def _checksum(rows: Iterable[PlainRow]) -> tuple[int, str]:
    digest, count = hashlib.blake2b(digest_size=16), 0
    for some in _groups(rows, _ROWS_PER_CHECKSUM):
        digest.update(_encode(some))
        count += len(some)
    return count, digest.hexdigest()


def _months(connection: Connection, location_id: int) -> Months:
    rows = read_rows(connection, _WEATHER, "location_id = ?", [location_id])
    return {month: _checksum(some) for month, some in groupby(rows, lambda row: _month_of_day(row[_DUE_AT] // _DAY))}


def _groups(rows: Iterable[PlainRow], size: int) -> Iterator[list[PlainRow]]:
    left = iter(rows)
    while some := list(islice(left, size)):
        yield some


_encode = msgspec.msgpack.Encoder().encode


@cache
def _month_of_day(day: int) -> str:
    """The month of a day that is counted from 2000-01-01."""
    return f"{datetime.fromtimestamp(day * 86_400 + EPOCH / 1e6, UTC):%Y-%m}"
