"""What it knows of how things were."""

from __future__ import annotations

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
    Location,
    LocationStation,
    Missed,
    Quota,
    RolledUpUntil,
    WeatherData,
)
from ..storage.upsert import table_of
from . import charges
from .database_file import create_fallback, fallback_path

#: Rows that are copied at once.
BATCH: Final = 1000

COPIED_TABLES: Final[tuple[type[Base], ...]] = (Location, LocationStation, Quota, AccountState)

#: What must not be left of a location that was removed.
OF_LOCATIONS: Final[tuple[type[Base], ...]] = (CheckState, DailyRollup, RolledUpUntil)

_snapshots: dict[str, tuple[Any, ...]] = {}


def take_snapshot(settings: Settings) -> None:
    """Let the stand-in know what it needs to stand in for the database as it is now.

    Raises:
        StandInError: It does not answer.
        StoreError: The database does not.
    """
    with charges.tracked_charges() as known, engine.get_db_session(read_only=True) as session:
        locations = _signature(session)
        key = f"{fallback_path(settings).absolute()} {settings.database_url.get_secret_value()}"
        kinds = COPIED_TABLES[2:] if _snapshots.get(key) == locations and fallback_path(settings).exists() else COPIED_TABLES
        with create_fallback(settings), engine.get_db_session() as there:
            if _has_something(there):
                return  # it is brought back first
            there.execute(text("PRAGMA defer_foreign_keys = ON"))  # the locations that rows refer to come back at once
            for kind in reversed(kinds):
                there.execute(delete(kind))
            for kind in kinds:
                table = table_of(kind)
                for rows in session.execute(select(table), execution_options={"yield_per": BATCH}).mappings().partitions():
                    there.execute(insert(table), [dict(row) for row in rows])
            for kind in OF_LOCATIONS if Location in kinds else ():
                there.execute(delete(kind).where(table_of(kind).c.location_id.not_in(select(Location.id))))
            charges.mark_all_synced(there)
        known()
    _snapshots[key] = locations


def _has_something(there: Session) -> bool:
    """Whether rows, reasons or charges wait in the stand-in."""
    if any(there.execute(select(table_of(kind)).limit(1)).first() is not None for kind in (WeatherData, Missed)):
        return True
    return bool(charges.unsynced_charges(there))


def _signature(session: Session) -> tuple[Any, ...]:
    """Changes when a location does, as far as its collection is concerned."""
    active = func.count().filter(Location.state == LocationState.ACTIVE)
    newest = func.max(Location.id), func.max(Location.created_at), func.max(Location.due_since)
    return tuple(session.execute(select(func.count(), active, *newest)).one())
