"""What was collected in the stand-in comes to the database, when it is back."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from ..config.settings import Settings
from ..ledger.closing import recount_runs
from ..log_output import get_logger
from ..model.states import OPEN_STATES
from ..storage import engine
from ..storage.models import AccountState, Location, Missed, Run, WeatherData
from ..storage.observations import store
from ..storage.upsert import insert_or_ignore, insert_or_replace, table_of
from .charges import sync_charges
from .database_file import fallback_session, has_fallback

log = get_logger(__name__)

#: Rows that are brought back in one transaction.
BATCH: Final = 1000

_lock = threading.Lock()


def sync_back(settings: Settings) -> int:
    """Move what was collected in the stand-in to the database, oldest slot first; gives how many rows came.

    Raises:
        StandInError: It does not answer.
        StoreError: The database does not; what has not been moved stays where it is.
    """
    if engine.uses_other_database() or not has_fallback(settings):
        return 0
    with _lock:
        sync_charges(settings)
        rows, slots = 0, set[datetime]()
        while batch := _read(settings):
            there = _locations_among({row["location_id"] for row in batch})
            kept = [row for row in batch if row["location_id"] in there]
            refused = store(kept)
            for row, reason in refused:
                log.error("the database refused a row", location_id=row["location_id"], reason=reason)
            _forget_missed(kept)
            _drop(settings, batch)
            rows += len(kept)
            slots |= {row["due_at"] for row in kept}
        _sync_ledger(settings, slots)
    if rows:
        log.info("brought back what was collected while the database was away", rows=rows)
    return rows


def _read(settings: Settings) -> list[dict[str, Any]]:
    table = table_of(WeatherData)
    with fallback_session(settings, read_only=True) as session:
        query = select(table).order_by(table.c.due_at, table.c.location_id).limit(BATCH)
        return [dict(row._mapping) for row in session.execute(query)]


def _drop(settings: Settings, rows: list[dict[str, Any]]) -> None:
    with fallback_session(settings) as session:
        for row in rows:  # unless it was collected anew meanwhile
            mine = (WeatherData.location_id == row["location_id"], WeatherData.due_at == row["due_at"])
            session.execute(delete(WeatherData).where(*mine, WeatherData.fetched_at == row["fetched_at"]))


def _locations_among(ids: set[int]) -> set[int]:
    with engine.get_db_session(read_only=True) as session:
        return set(session.scalars(select(Location.id).where(Location.id.in_(ids))))


def _forget_missed(rows: list[dict[str, Any]]) -> None:
    """What another machine may have written off meanwhile."""
    stored = exists().where(WeatherData.location_id == Missed.location_id, WeatherData.due_at == Missed.due_at)
    with engine.get_db_session() as session:
        for due_at in {row["due_at"] for row in rows}:
            session.execute(delete(Missed).where(Missed.due_at == due_at, stored).execution_options(synchronize_session=False))


def _sync_ledger(settings: Settings, slots: set[datetime]) -> None:
    """The runs, the reasons for what is missing, and what closed a provider."""
    with fallback_session(settings, read_only=True) as session:
        runs, missed, accounts = (
            [dict(row._mapping) for row in session.execute(select(table_of(kind)))] for kind in (Run, Missed, AccountState)
        )
    if not (runs or missed or slots):
        return
    there = _locations_among({row["location_id"] for row in missed})
    with engine.get_db_session() as session:
        for kind, new in (
            (Run, [{name: value for name, value in run.items() if name != "id"} for run in runs]),
            (Missed, _still_missing(session, [row for row in missed if row["location_id"] in there])),
        ):
            if new:
                insert_or_ignore(session, kind, new)
        recount_runs(session, {run["due_at"] for run in runs} | slots)
        _close(session, accounts)
    with fallback_session(settings) as session:
        ended = [run["id"] for run in runs if run["state"] not in OPEN_STATES]
        session.execute(delete(Run).where(Run.id.in_(ended)))
        for due_at in {row["due_at"] for row in missed}:
            session.execute(delete(Missed).where(Missed.due_at == due_at))


def _still_missing(session: Session, missed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    slots = {row["due_at"] for row in missed}
    query = select(WeatherData.location_id, WeatherData.due_at).where(WeatherData.due_at.in_(slots))
    stored = set(session.execute(query))
    return [row for row in missed if (row["location_id"], row["due_at"]) not in stored]


def _close(session: Session, accounts: list[dict[str, Any]]) -> None:
    """What closed a provider meanwhile still does."""
    closed: list[dict[str, Any]] = []
    for row in accounts:
        mine = session.get(AccountState, row["provider"])
        until: datetime | None = row["closed_until"]
        if until is not None and (mine is None or mine.closed_until is None or mine.closed_until < until):
            closed.append(row)
    if closed:
        insert_or_replace(session, AccountState, closed)
