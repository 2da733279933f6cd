"""Stop 7 of the walk: takes observations, checks and stores their rows, in bulk. Storing a row twice gives one row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

import msgspec
from sqlalchemy import bindparam, update
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from ..log_output import get_logger
from ..log_repeats import warn_once
from ..model import clock
from ..model.quantities import QUANTITIES
from ..model.states import Origin
from ..model.values import FAR_OFF_KM, DueLocation, Observation
from ..quality.time_checks import PastState
from ..redaction import redact
from .archive.reopening import reopen_for
from .check_states import check_before_storing
from .counters import COUNTERS, Count
from .engine import get_db_session
from .models import Location, WeatherData
from .rollup_invalidation import LIVE_AGE, invalidate_rollups
from .upsert import insert_or_ignore, insert_or_replace

log = get_logger(__name__)

Row = dict[str, Any]

_QUANTITY_NAMES: Final = tuple(quantity.name for quantity in QUANTITIES)
_values: Final = attrgetter(*_QUANTITY_NAMES)

_EMPTY_ROW: Final[Row] = dict.fromkeys(
    (
        *("location_id", "due_at", "observed_at", "fetched_at", "provider", "origin"),
        *_QUANTITY_NAMES,
        *("precipitation_period", "condition", "providers", "flags", "other_values"),
    )
)


@lru_cache(maxsize=1024)
def _without_secrets(condition: str) -> str:
    """A provider's words as they are stored. Cached, because there are few, and redaction takes as long as parsing the answer."""
    return redact(condition)[:200]


def to_row(location_id: int, due_at: datetime, observation: Observation, origin: Origin = Origin.LIVE) -> Row:
    """The columns of ``WeatherData`` for the observation of a slot."""
    row = _EMPTY_ROW.copy()  # a dictionary that grows key by key takes twice the time
    row["location_id"] = location_id
    row["due_at"] = due_at
    row["observed_at"] = observation.observed_at
    row["fetched_at"] = observation.fetched_at
    row["provider"] = observation.provider
    row["origin"] = str(origin)
    row.update(zip(_QUANTITY_NAMES, _values(observation), strict=True))
    row["precipitation_period"] = observation.precipitation_period
    row["condition"] = observation.condition and _without_secrets(observation.condition)
    row["providers"] = observation.providers or None
    row["flags"] = observation.flags or None
    row["other_values"] = msgspec.to_builtins(observation.other_values) if observation.other_values else None
    return row


def resolved_place(location: DueLocation, observation: Observation) -> Row | None:
    """The columns of the place that the provider answered for, if the place is new for the location; warns if it is far away."""
    place = observation.place
    if place is None:
        return None
    point = place.coordinates
    previous = location.resolved_name, location.resolved_latitude, location.resolved_longitude
    if previous == (place.name, point.latitude, point.longitude):
        return None
    distance = location.coordinates.distance_km(point)
    if distance > FAR_OFF_KM:
        fields = {"location": location.name, "place": place.name, "distance_km": round(distance, 1)}
        warn_once(log, "the provider answers for a distant place", (observation.provider,), **fields)
    return {
        "location_id": location.id,
        "resolved_name": place.name,
        "resolved_latitude": point.latitude,
        "resolved_longitude": point.longitude,
        "resolved_distance_km": round(distance, 3),
    }


def store_resolved_places(rows: Sequence[Row]) -> None:
    """Store the places that the provider answered for (``resolved_place``).

    Raises:
        StoreError: The database cannot be reached.
    """
    if rows:
        table = Location.__table__
        statement = update(table).where(table.c.id == bindparam("location_id"))  # type: ignore[arg-type]  # it is a Table
        with get_db_session() as session:
            session.connection().execute(statement, list(rows))


def store(rows: Sequence[Row]) -> list[tuple[Row, str]]:
    """Check rows and store them, each replacing the row of the same location and slot.

    Returns:
        The rows that the database refused, each with the database's message.

    Raises:
        StoreError: The database cannot be reached; nothing of ``rows`` is stored.
    """
    if not rows:
        return []
    try:
        with get_db_session() as session:
            write_rows(session, rows)
    except (DataError, IntegrityError) as error:
        if len(rows) == 1:
            return [(rows[0], refusal_text(error))]
        return [refused for row in rows for refused in store([row])]  # one bad row must not lose the others
    for (provider, origin), count in Counter((row["provider"], row["origin"]) for row in rows).items():
        COUNTERS.add(Count.ROWS, provider, origin, count)
    return []


def refusal_text(error: DBAPIError) -> str:
    """The message of the database that refused a row, on one line."""
    return " ".join(str(error.orig).split())[:300]


def write_rows(session: Session, rows: Sequence[Row], *, replace: bool = True) -> None:
    """Check rows and store them in the caller's transaction; without ``replace`` an existing row stays as it is."""
    if rows:
        _prepare(session, rows)
        write = insert_or_replace if replace else insert_or_ignore
        checked, save_states = check_before_storing(session, rows, saves_all=not replace)
        write(session, WeatherData, checked)
        save_states()


def add_history(session: Session, rows: Sequence[Row], older: dict[int, PastState]) -> None:
    """Check rows of the past and store them in the caller's transaction; an existing row stays as it is.

    Args:
        session: Session of the transaction.
        rows: Columns of ``WeatherData``.
        older: What the checks know of the rows before these; updated for the rows after these.
    """
    if rows:
        _prepare(session, rows)
        checked, save_states = check_before_storing(session, rows, older, saves_all=True)
        insert_or_ignore(session, WeatherData, checked)
        save_states()


def _prepare(session: Session, rows: Sequence[Row]) -> None:
    """Let go of what the rows change: rolled-up days and sealed months."""
    invalidate_rollups(session, rows, clock.now())
    reopen_for(session, rows, clock.now() - LIVE_AGE)
