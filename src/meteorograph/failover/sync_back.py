"""Moves what was collected in the fallback database to the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from ..config.settings import Settings
from ..ledger.closing import recount_runs
from ..log_output import get_logger
from ..log_repeats import error_once
from ..model.states import OPEN_STATES, RunState
from ..storage import engine
from ..storage.archive.ranges import has_row, read_ranges
from ..storage.models import AccountState, Base, Location, Missed, Run, WeatherData
from ..storage.observations import Row, store
from ..storage.upsert import insert_or_ignore, insert_or_replace, table_of
from .charges import sync_charges
from .database_file import fallback_session, has_fallback
from .older_files import older_file
from .state import get_state

log = get_logger(__name__)

#: Number of rows that are moved in one transaction.
MOVE_ROWS: Final = 1000


def sync_back(settings: Settings) -> int:
    """Move charges, rows (oldest slot first), runs and reasons to the database. Returns the number of rows.

    Rows are deleted from the fallback database only after the database has stored them.

    Raises:
        FallbackDatabaseError: The fallback database does not answer.
        StoreError: The database does not answer. Data that is not moved yet stays in the fallback database.
    """
    if engine.uses_other_database():
        return 0
    count = 0
    while get_state().older_files:
        with get_state().sync_back_lock, older_file(settings) as path:
            if path is not None:
                log.info("the fallback database of an earlier version is brought back", file=path.name)
                count += _move_all(settings)
    if has_fallback(settings):
        with get_state().sync_back_lock:
            count += _move_all(settings)
    return count


def _move_all(settings: Settings) -> int:
    sync_charges(settings)
    count, slots = 0, set[datetime]()
    while batch := _read_rows(settings):
        existing = _existing_locations({row["location_id"] for row in batch})
        rows = [row for row in batch if row["location_id"] in existing]
        for row, reason in store(rows):
            error_once(log, "the database refused a row", (), location_id=row["location_id"], reason=reason)
        _delete_missed(rows)
        _delete_rows(settings, batch)
        count += len(rows)
        slots |= {row["due_at"] for row in rows}
    _sync_ledger(settings, slots)
    if count:
        log.info("moved rows from the fallback database to the database", rows=count)
    return count


def _read_rows(settings: Settings) -> list[Row]:
    table = table_of(WeatherData)
    with fallback_session(settings, read_only=True) as fallback:
        query = select(table).order_by(table.c.due_at, table.c.location_id).limit(MOVE_ROWS)
        return [dict(row._mapping) for row in fallback.execute(query)]


def _delete_rows(settings: Settings, rows: Sequence[Row]) -> None:
    with fallback_session(settings) as fallback:
        for row in rows:  # but not a row that was collected again meanwhile
            is_row = (WeatherData.location_id == row["location_id"], WeatherData.due_at == row["due_at"])
            fallback.execute(delete(WeatherData).where(*is_row, WeatherData.fetched_at == row["fetched_at"]))


def _existing_locations(ids: set[int]) -> set[int]:
    with engine.get_db_session(read_only=True) as session:
        return set(session.scalars(select(Location.id).where(Location.id.in_(ids))))


def _delete_missed(rows: Sequence[Row]) -> None:
    """Delete reasons that another machine recorded meanwhile for slots that are stored now."""
    is_stored = has_row(Missed.location_id, Missed.due_at)
    with engine.get_db_session() as session:
        for due_at in {row["due_at"] for row in rows}:
            statement = delete(Missed).where(Missed.due_at == due_at, is_stored)
            session.execute(statement.execution_options(synchronize_session=False))


def _sync_ledger(settings: Settings, slots: set[datetime]) -> None:
    """Move runs, the reasons of missed slots, and the closing times of providers."""
    with fallback_session(settings, read_only=True) as fallback:
        runs, missed, accounts = (_read_table(fallback, model) for model in (Run, Missed, AccountState))
    if not (runs or missed or slots):
        return
    existing = _existing_locations({row["location_id"] for row in missed})
    with engine.get_db_session() as session:
        _add_runs(session, runs)
        if new_missed := _without_stored(session, [row for row in missed if row["location_id"] in existing]):
            insert_or_ignore(session, Missed, new_missed)
        recount_runs(session, {run["due_at"] for run in runs} | slots)
        _sync_closing_times(session, accounts)
    with fallback_session(settings) as fallback:
        ended = [run["id"] for run in runs if run["state"] not in OPEN_STATES]
        fallback.execute(delete(Run).where(Run.id.in_(ended)))
        for run in runs:  # the calls of a run that is still open are moved again only as far as they are new
            if run["calls"] and run["state"] in OPEN_STATES:
                _change_calls(fallback, -run["calls"], Run.id == run["id"])
        for due_at in {row["due_at"] for row in missed}:
            fallback.execute(delete(Missed).where(Missed.due_at == due_at))


def _add_runs(session: Session, runs: Sequence[dict[str, Any]]) -> None:
    """Add runs; one that is in the database too gets the calls that were made without it.

    Another machine, which came back first, may have recorded such a slot as missed without a run: it had one.
    """
    if runs:
        new = [{name: value for name, value in run.items() if name != "id"} | {"calls": 0} for run in runs]
        insert_or_ignore(session, Run, new)
    for run in runs:
        is_run = (Run.schedule == run["schedule"], Run.due_at == run["due_at"], Run.shard == run["shard"])
        if run["state"] != RunState.MISSED and run["started_at"] is not None:
            took_place = {name: run[name] for name in ("state", "reason", "started_at", "ended_at", "holder", "lease_expires_at")}
            corrected = update(Run).where(*is_run, Run.state == RunState.MISSED).values(**took_place)
            session.execute(corrected.execution_options(synchronize_session=False))
        if run["calls"]:
            _change_calls(session, run["calls"], *is_run)


def _change_calls(session: Session, calls: int, *is_run: Any) -> None:
    changed = update(Run).where(*is_run).values(calls=Run.calls + calls)
    session.execute(changed.execution_options(synchronize_session=False))


def _read_table(fallback: Session, model: type[Base]) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in fallback.execute(select(table_of(model)))]


def _without_stored(session: Session, missed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The missed slots that have no row."""
    slots = {row["due_at"] for row in missed}
    query = select(WeatherData.location_id, WeatherData.due_at).where(WeatherData.due_at.in_(slots))
    stored = {tuple(row) for row in session.execute(query)}
    ids = {row["location_id"] for row in missed}
    for found in read_ranges(session, ids, min(slots), max(slots) + timedelta(seconds=1)) if slots else ():
        stored.update((found.location_id, slot) for slot in found.slots() if slot in slots)
    return [row for row in missed if (row["location_id"], row["due_at"]) not in stored]


def _sync_closing_times(session: Session, accounts: Sequence[dict[str, Any]]) -> None:
    """Keep a provider closed that was closed during the outage."""
    closed: list[dict[str, Any]] = []
    for row in accounts:
        account = session.get(AccountState, row["provider"])
        until: datetime | None = row["closed_until"]
        if until is not None and (account is None or account.closed_until is None or account.closed_until < until):
            closed.append(row)
    if closed:
        insert_or_replace(session, AccountState, closed)
