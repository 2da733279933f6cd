"""Stores staged rows, some hundreds in a transaction. A slot that has a row keeps it, so that an import can be repeated.

A process that is killed leaves whole transactions behind: the next import finds their rows and stores the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from ..model.states import Origin
from ..quality.dew_point import derive_dew_point
from ..quality.impossible_values import drop_impossible
from ..quality.time_checks import PastState
from ..storage.archive.ranges import read_ranges
from ..storage.engine import get_db_session
from ..storage.models import Missed, WeatherData
from ..storage.observations import add_history, refusal_text, to_row
from .entries import RefusedRow, refusal
from .staging import StagedRow, Staging

#: Rows of one transaction, during which SQLite takes no other row.
_CHUNK_ROWS: Final = 500


@dataclass(slots=True)
class StoredCounts:
    """Numbers of rows by what an import does with them."""

    #: Stored, or to be stored.
    new: int = 0
    #: Their slots have an imported row already.
    imported: int = 0
    #: Their slots have a row that the service collected or filled from a history; that row stays.
    kept: int = 0
    #: Refused by the database.
    refused: list[RefusedRow] = field(default_factory=list)


def count_rows(staging: Staging, location_id: int) -> StoredCounts:
    """What an import of the rows of a location would do."""
    counts = StoredCounts()
    for chunk in _chunks(staging, location_id):
        with get_db_session(read_only=True) as session:
            _take_new(session, location_id, chunk, counts)
    return counts


def store_rows(staging: Staging, location_id: int, progress: Callable[[int], None]) -> StoredCounts:
    """Store the rows of a location; ``progress`` gets the number of rows of each transaction.

    Raises:
        StoreError: The database cannot be reached. What is stored by then stays.
    """
    counts = StoredCounts()
    older: dict[int, PastState] = {}
    for chunk in _chunks(staging, location_id):
        _store(location_id, chunk, counts, older)
        progress(len(chunk))
    return counts


def _store(location_id: int, chunk: Sequence[StagedRow], counts: StoredCounts, older: dict[int, PastState]) -> None:
    """Store rows in one transaction; if the database refuses one, in halves. ``older`` is what the chunks before say."""
    counts_of_chunk, older_of_chunk = StoredCounts(), dict(older)
    try:
        with get_db_session() as session:
            new = _take_new(session, location_id, chunk, counts_of_chunk)
            rows = [
                to_row(location_id, one.due_at, drop_impossible(derive_dew_point(one.observation)), Origin.IMPORT) for one in new
            ]
            add_history(session, rows, older_of_chunk)
            slots = [one.due_at for one in chunk]
            healed = delete(Missed).where(Missed.location_id == location_id, Missed.due_at.in_(slots))
            session.execute(healed, execution_options={"synchronize_session": False})
    except (DataError, IntegrityError) as error:
        if len(chunk) == 1:
            reason = refusal("time", chunk[0].due_at.isoformat(), f"the database refuses the row: {refusal_text(error)}")
            counts.refused.append(RefusedRow(chunk[0].line, reason))
            return
        half = len(chunk) // 2
        _store(location_id, chunk[:half], counts, older)
        _store(location_id, chunk[half:], counts, older)
        return
    older.update(older_of_chunk)
    counts.new += counts_of_chunk.new
    counts.imported += counts_of_chunk.imported
    counts.kept += counts_of_chunk.kept


def _take_new(session: Session, location_id: int, chunk: Sequence[StagedRow], counts: StoredCounts) -> list[StagedRow]:
    """The rows whose slots have none yet. Counts all of them."""
    origins = _read_origins(session, location_id, chunk[0].due_at, chunk[-1].due_at)
    new = [row for row in chunk if row.due_at not in origins]
    imported = sum(1 for row in chunk if origins.get(row.due_at) == Origin.IMPORT)
    counts.new += len(new)
    counts.imported += imported
    counts.kept += len(chunk) - len(new) - imported
    return new


def _read_origins(session: Session, location_id: int, first: datetime, last: datetime) -> dict[datetime, str]:
    """Slot → origin of its row."""
    query = select(WeatherData.due_at, WeatherData.origin).where(WeatherData.location_id == location_id)
    origins = {row[0]: row[1] for row in session.execute(query.where(WeatherData.due_at.between(first, last)))}
    for sealed in read_ranges(session, [location_id], first, last + timedelta(microseconds=1)):
        origins.update(dict.fromkeys(sealed.slots(first, last + timedelta(microseconds=1)), sealed.origin))
    return origins


def _chunks(staging: Staging, location_id: int) -> Iterator[list[StagedRow]]:
    rows = staging.read(location_id)
    while chunk := list(islice(rows, _CHUNK_ROWS)):
        yield chunk
