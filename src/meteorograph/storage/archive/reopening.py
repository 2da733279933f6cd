"""Bring sealed rows back into the table: before a row of their month is stored, or because somebody asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import Any, Final

from sqlalchemy import JSON, delete, func, select, update
from sqlalchemy.orm import Session

from ...errors import ArchiveError, MeteorographError
from ...log_output import get_logger
from ..models import ArchiveFile, OutboxEntry, SealedRange, WeatherData
from ..types import UTCDateTime
from ..upsert import table_of
from .files import FileView, iterate_rows, month_of, read_files
from .ranges import MAX_IN_VALUES

log = get_logger(__name__)

_weather, _outbox = table_of(WeatherData), table_of(OutboxEntry)
_NAMES: Final = tuple(column.name for column in _weather.columns)
_INSTANTS: Final = [n for n, column in enumerate(_weather.columns) if isinstance(column.type, UTCDateTime)]

#: Rows that are inserted at once.
_BATCH_ROWS: Final = 5000


def reopen_for(session: Session, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Bring back the sealed rows of the locations and months of rows that this transaction is about to store.

    Where that fails, the rows are stored all the same: a damaged archive must not keep what comes in from being stored.
    """
    by_month: dict[datetime, set[int]] = {}
    for row in rows:
        if row["due_at"] < now:
            by_month.setdefault(month_of(row["due_at"]), set()).add(row["location_id"])
    for month, location_ids in sorted(by_month.items()):
        for file in read_files(session, month, month + timedelta(seconds=1)):
            try:
                with session.begin_nested():
                    reopen(session, file, sorted(location_ids), now)
            except MeteorographError as error:
                log.error("a sealed month could not be reopened", month=f"{month:%Y-%m}", reason=str(error))  # noqa: TRY400


def reopen(session: Session, file: FileView, location_ids: Sequence[int] | None, now: datetime) -> int:
    """Bring the rows of a file back into the table, of all locations or of some; gives their number.

    Raises:
        ArchiveError: The file is missing or damaged, or has other rows than were sealed.
    """
    count = 0
    for ids in _parts(session, file, location_ids):
        taken = delete(SealedRange).where(SealedRange.file_id == file.id, SealedRange.location_id.in_(ids))
        # Another process may bring the same rows back: who deletes the ranges inserts the rows.
        sealed = session.execute(taken.returning(SealedRange.location_id, SealedRange.rows)).all()
        if sealed:
            members = sorted({row.location_id for row in sealed})
            count += _insert_rows(session, file, members, sum(row.rows for row in sealed))
    if count:
        _record_change(session, file, now)
    return count


def _parts(session: Session, file: FileView, location_ids: Sequence[int] | None) -> Iterable[Sequence[int]]:
    if location_ids is None:
        query = select(SealedRange.location_id).where(SealedRange.file_id == file.id).distinct()
        location_ids = sorted(session.scalars(query))
    return (location_ids[first : first + MAX_IN_VALUES] for first in range(0, len(location_ids), MAX_IN_VALUES))


def _insert_rows(session: Session, file: FileView, location_ids: Sequence[int], expected: int) -> int:
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    marks = ["?" if is_sqlite else "%s::json" if isinstance(column.type, JSON) else "%s" for column in _weather.columns]
    statement = f"INSERT INTO weather_data ({', '.join(_NAMES)}) VALUES ({', '.join(marks)}) ON CONFLICT DO NOTHING"  # noqa: S608
    rows = iterate_rows(file, _NAMES, location_ids, None, None)
    count = 0
    for first in rows:
        batch = [_for_driver(row, is_sqlite=is_sqlite) for row in chain([first], islice(rows, _BATCH_ROWS - 1))]
        session.connection().exec_driver_sql(statement, batch)
        count += len(batch)
    if count != expected:
        raise ArchiveError(file.name, f"has {count} of {expected} sealed rows")
    _forget_outbox(session, file, location_ids)
    return count


def _for_driver(row: tuple[Any, ...], *, is_sqlite: bool) -> tuple[Any, ...]:
    values = list(row)
    for index in _INSTANTS:
        seconds = values[index]
        if seconds is not None:
            whole = int(seconds) if float(seconds).is_integer() else seconds
            values[index] = whole if is_sqlite else datetime.fromtimestamp(seconds, UTC)
    return tuple(values)


def _forget_outbox(session: Session, file: FileView, location_ids: Sequence[int]) -> None:
    """Integrations have had these rows. What the triggers have just written is not for them."""
    following = month_of(file.month_at + timedelta(days=31))
    within = (_outbox.c.due_at >= file.month_at, _outbox.c.due_at < following)
    session.execute(delete(_outbox).where(_outbox.c.location_id.in_(location_ids), *within))


def _record_change(session: Session, file: FileView, now: datetime) -> None:
    left = session.scalar(select(func.count()).where(SealedRange.file_id == file.id))
    values = {"changes": ArchiveFile.changes + 1, "emptied_at": None if left else now}
    session.execute(update(ArchiveFile).where(ArchiveFile.id == file.id).values(**values))
