"""Reads and updates the missed slots that healing fills."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from ..ledger.queries import STILL_MISSED
from ..model.values import Coordinates, DueLocation
from ..storage.archive.ranges import sealed_slots
from ..storage.engine import get_db_session
from ..storage.models import Location, LocationStation, Missed, WeatherData
from ..storage.observations import Row, refusal_text, write_rows
from .requests import EMPTY_TRIES, EMPTY_WAIT, wait_after_failure

#: Maximum length of an IN list.
_MAX_IN_VALUES: Final = 500

T = TypeVar("T")


def has_open_slots(session: Session, since: datetime, now: datetime) -> bool:
    """Whether a missed slot since then may be requested now."""
    return session.scalar(select(Missed.due_at).where(*_is_open(since, now, now)).limit(1)) is not None


def read_open_slots(
    session: Session, since: datetime, until: datetime, now: datetime, max_locations: int
) -> dict[int, list[datetime]]:
    """Missed slots with ``since <= due_at <= until`` that may be requested now, by location id.

    Only the locations with the newest slots are read.
    """
    is_open = _is_open(since, until, now)
    newest = select(Missed.location_id).where(*is_open).group_by(Missed.location_id)
    ids = session.scalars(newest.order_by(func.max(Missed.due_at).desc(), Missed.location_id).limit(max_locations)).all()
    slots: dict[int, list[datetime]] = {}
    for part in _split(ids):
        query = select(Missed.location_id, Missed.due_at).where(Missed.location_id.in_(part), STILL_MISSED, *is_open)
        for location_id, due_at in session.execute(query):
            slots.setdefault(location_id, []).append(due_at)
    return slots


def read_missed_slots(
    session: Session,
    location_id: int,
    start: datetime | None,
    end: datetime,
    *,
    include_closed: bool = False,
    untried_since: datetime | None = None,
) -> list[datetime]:
    """Slots of a location before ``end`` that are still missed.

    With or without those that are closed as unrecoverable, and without those that were requested at ``untried_since`` or later.
    """
    query = select(Missed.due_at).where(Missed.location_id == location_id, Missed.due_at < end, STILL_MISSED)
    if start is not None:
        query = query.where(Missed.due_at >= start)
    if untried_since is not None:
        query = query.where(or_(Missed.tried_at.is_(None), Missed.tried_at < untried_since))
    return list(session.scalars(query if include_closed else query.where(Missed.closed_at.is_(None))))


def _is_open(since: datetime, until: datetime, now: datetime) -> tuple[Any, ...]:
    """Conditions of slots that may be requested now."""
    is_ready = or_(Missed.next_try_at.is_(None), Missed.next_try_at <= now)
    return Missed.closed_at.is_(None), Missed.due_at >= since, Missed.due_at <= until, is_ready


def read_locations(session: Session, ids: Collection[int]) -> dict[int, DueLocation]:
    """The locations of these ids, by id."""
    locations = {}
    for part in _split(list(ids)):
        columns = select(Location.id, Location.name, Location.latitude, Location.longitude).where(Location.id.in_(part))
        for id_, name, latitude, longitude in session.execute(columns):
            locations[id_] = DueLocation(id_, name, Coordinates(latitude, longitude))
    return locations


def read_stations(session: Session, ids: Collection[int]) -> dict[tuple[int, str], str]:
    """The station of each location and provider, if it was looked up."""
    stations = {}
    for part in _split(list(ids)):
        columns = select(LocationStation.location_id, LocationStation.provider, LocationStation.station)
        for location_id, provider, station in session.execute(columns.where(LocationStation.location_id.in_(part))):
            stations[location_id, provider] = station
    return stations


def store_healed(location_id: int, rows: Mapping[datetime, Row]) -> dict[datetime, str]:
    """Store rows of slots that have none, and delete the missed slots. Returns the slots that the database refused, with reasons.

    A row that another process stores meanwhile is kept.

    Raises:
        StoreError: The database cannot be reached.
    """
    try:
        with get_db_session() as session:
            stored = set(read_stored_slots(session, location_id, list(rows)))
            write_rows(session, [row for at, row in rows.items() if at not in stored], replace=False)
            for part in _split(list(rows)):
                healed = delete(Missed).where(Missed.location_id == location_id, Missed.due_at.in_(part))
                session.execute(healed, execution_options={"synchronize_session": False})
    except (DataError, IntegrityError) as error:
        if len(rows) == 1:
            return dict.fromkeys(rows, refusal_text(error))
        refused: dict[datetime, str] = {}
        for at, row in rows.items():  # one bad row must not cost the others
            refused |= store_healed(location_id, {at: row})
        return refused
    return {}


def read_stored_slots(session: Session, location_id: int, slots: Sequence[datetime]) -> Iterator[datetime]:
    """Yield the slots of a location that have a row."""
    for part in _split(slots):
        query = select(WeatherData.due_at).where(WeatherData.location_id == location_id, WeatherData.due_at.in_(part))
        yield from session.scalars(query)
    if slots:
        wanted = set(slots)
        sealed = sealed_slots(session, location_id, min(slots), max(slots) + timedelta(microseconds=1))
        yield from (slot for slot in sealed if slot in wanted)


def record_empty(location_id: int, slots: Sequence[datetime], now: datetime) -> int:
    """Record that every history that reaches these slots answered without data. Returns how many slots are unrecoverable now.

    Answers less than a day apart count once.
    """
    closed = 0
    with get_db_session() as session:
        for missed in _load_missed(session, location_id, slots):
            if missed.next_try_at is None or missed.next_try_at <= now:
                missed.tries += 1
                missed.tried_at, missed.next_try_at = now, now + EMPTY_WAIT
            if missed.tries >= EMPTY_TRIES:
                missed.closed_at = missed.closed_at or now
                closed += 1
    return closed


def record_failed(location_id: int, slots: Sequence[datetime], now: datetime) -> None:
    """Record failed requests: the slots wait, twice as long each time, and other slots are requested first."""
    with get_db_session() as session:
        for missed in _load_missed(session, location_id, slots):
            wait = wait_after_failure(missed.tried_at, missed.next_try_at)
            missed.tried_at, missed.next_try_at = now, now + wait


def close_out_of_reach(reach: timedelta, now: datetime) -> int:
    """Close the slots that no history reaches any more as unrecoverable. Returns their number."""
    statement = update(Missed).where(Missed.closed_at.is_(None), Missed.due_at < now - reach).values(closed_at=now)
    with get_db_session() as session:
        return int(session.execute(statement, execution_options={"synchronize_session": False}).rowcount)  # type: ignore[attr-defined]


def reopen_slots(session: Session, location_id: int | None, start: datetime, end: datetime) -> int:
    """Allow requests for missed slots with ``start <= due_at < end`` at once, even if they are closed. Returns their number."""
    statement = update(Missed).where(Missed.due_at >= start, Missed.due_at < end, STILL_MISSED)
    if location_id is not None:
        statement = statement.where(Missed.location_id == location_id)
    statement = statement.values(next_try_at=None, closed_at=None, tries=0).execution_options(synchronize_session=False)
    return int(session.execute(statement).rowcount)  # type: ignore[attr-defined]  # an UPDATE gives a cursor result


def _load_missed(session: Session, location_id: int, slots: Sequence[datetime]) -> Iterator[Missed]:
    for part in _split(slots):
        yield from session.scalars(select(Missed).where(Missed.location_id == location_id, Missed.due_at.in_(part)))


def _split(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for first in range(0, len(values), _MAX_IN_VALUES):
        yield values[first : first + _MAX_IN_VALUES]
