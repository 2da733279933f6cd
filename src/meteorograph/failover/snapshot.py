"""Copies locations, quotas and accounts into the fallback database."""

from __future__ import annotations

from contextlib import closing
from typing import Any, Final

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import Session

from ..config.settings import Settings
from ..model.states import LocationState
from ..storage import engine
from ..storage.models import (
    AccountState,
    Base,
    CheckState,
    DailyRollup,
    Heartbeat,
    Location,
    LocationStation,
    Missed,
    Quota,
    RolledUpUntil,
    WeatherData,
)
from ..storage.upsert import table_of
from .charges import mark_all_synced, read_unsynced_charges, tracked_charges
from .database_file import create_fallback, fallback_path, has_fallback
from .state import get_state

#: Number of rows that are copied at once.
COPY_ROWS: Final = 1000

#: Most locations that are copied one by one.
MAX_DIFFERING: Final = 10_000

#: Tables that are copied each time.
ACCOUNT_TABLES: Final[tuple[type[Base], ...]] = (Quota, AccountState, Heartbeat)

#: Tables whose rows are deleted when their location was removed.
DERIVED_TABLES: Final[tuple[type[Base], ...]] = (CheckState, DailyRollup, RolledUpUntil)


def take_snapshot(settings: Settings) -> None:
    """Copy what collection needs from the database into the fallback database. Locations are copied only if they have changed.

    Does nothing while the fallback database has rows, reasons or charges to sync back.

    Raises:
        FallbackDatabaseError: The fallback database does not answer.
        StoreError: The database does not answer.
    """
    state = get_state()
    with tracked_charges() as mark_reported, engine.get_db_session(read_only=True) as session:
        signature = _location_signature(session)
        key = f"{fallback_path(settings).absolute()} {settings.database_url.get_secret_value()}"
        has_changed = state.snapshots.get(key) != signature or not fallback_path(settings).exists()
        with create_fallback(settings), engine.get_db_session() as fallback:
            if _has_unsynced_data(fallback):
                return
            fallback.execute(text("PRAGMA defer_foreign_keys = ON"))  # locations with rows are deleted and inserted again
            if has_changed:
                _copy_locations(session, fallback)
            for model in ACCOUNT_TABLES:
                _copy_table(session, fallback, model)
            mark_all_synced(fallback)
        mark_reported()
    state.snapshots[key] = signature


def _copy_table(session: Session, fallback: Session, model: type[Base]) -> None:
    table = table_of(model)
    fallback.execute(delete(model))
    rows = session.execute(select(table), execution_options={"yield_per": COPY_ROWS})
    for part in rows.mappings().partitions():
        fallback.execute(insert(table), [dict(row) for row in part])


def _copy_locations(session: Session, fallback: Session) -> None:
    """Copy the locations that differ, or all of them if they are many; and delete what belongs to removed ones."""
    differing = _differing_locations(session, fallback)
    if differing is None:
        _copy_table(session, fallback, Location)
    else:
        ids = sorted(differing)
        for first in range(0, len(ids), COPY_ROWS):
            fallback.execute(delete(Location).where(Location.id.in_(ids[first : first + COPY_ROWS])))
        if rows := [row for row in differing.values() if row is not None]:
            fallback.execute(insert(table_of(Location)), rows)
    _copy_table(session, fallback, LocationStation)
    for model in DERIVED_TABLES:
        fallback.execute(delete(model).where(table_of(model).c.location_id.not_in(select(Location.id))))


def _differing_locations(session: Session, fallback: Session) -> dict[int, dict[str, Any] | None] | None:
    """The locations that the fallback database lacks or has otherwise, by id, and None for each that was removed.

    Gives None if they are more than ``MAX_DIFFERING``: they are not held in memory then.
    """
    columns = table_of(Location).c
    query = select(*columns).order_by(columns.id).execution_options(yield_per=COPY_ROWS)
    differing: dict[int, dict[str, Any] | None] = {}
    with closing(fallback.execute(query)) as copies, closing(session.execute(query)) as rows:
        copy = next(copies, None)
        for row in rows:
            while copy is not None and copy.id < row.id:
                differing[copy.id], copy = None, next(copies, None)
            if copy is None or copy.id != row.id:
                differing[row.id] = dict(row._mapping)
            else:
                if copy != row:
                    differing[row.id] = dict(row._mapping)
                copy = next(copies, None)
            if len(differing) > MAX_DIFFERING:
                return None
        while copy is not None:
            differing[copy.id], copy = None, next(copies, None)
    return differing


def follow_sites(settings: Settings) -> None:
    """Take a snapshot if another set of sites collects than at the last one, and always where several do.

    The share of each site depends on their number, and on what the others have charged.

    Raises:
        FallbackDatabaseError: The fallback database does not answer.
        StoreError: The database does not answer.
    """
    state = get_state()
    with engine.get_db_session(read_only=True) as session:
        sites = frozenset(session.scalars(select(Heartbeat.site).where(Heartbeat.is_stopped.is_(False)).distinct()))
    if len(sites - {None}) > 1 or (sites != state.sites and has_fallback(settings)):
        take_snapshot(settings)
        state.sites = sites


def _has_unsynced_data(fallback: Session) -> bool:
    """Whether rows, reasons or charges wait for ``sync_back``."""
    if any(fallback.execute(select(table_of(model)).limit(1)).first() is not None for model in (WeatherData, Missed)):
        return True
    return bool(read_unsynced_charges(fallback))


def _location_signature(session: Session) -> tuple[Any, ...]:
    """Changes whenever a location changes in a way that matters for collection."""
    active = func.count().filter(Location.state == LocationState.ACTIVE)
    newest = func.max(Location.id), func.max(Location.created_at), func.max(Location.due_since)
    # The sum of the ranks changes with the station in use.
    stations = select(func.count(), func.max(LocationStation.found_at), func.sum(LocationStation.rank))
    return *session.execute(select(func.count(), active, *newest)).one(), *session.execute(stations).one()
