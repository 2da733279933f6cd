"""What healing reads of the missed ledger, and what it writes there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from ..ledger.queries import STILL_MISSED
from ..model.values import Coordinates, DueLocation
from ..storage.engine import get_db_session
from ..storage.models import Location, LocationStation, Missed, WeatherData
from ..storage.observations import Row, refusal_text, write_rows
from .requests import EMPTY_TRIES, EMPTY_WAIT, wait_after_failure

#: Slots that one statement names.
_TOGETHER: Final = 500

T = TypeVar("T")


def has_open(session: Session, since: datetime, now: datetime) -> bool:
    """Whether there is a missed slot since then that may be asked for now."""
    return session.scalar(select(Missed.due_at).where(*_open(since, now, now)).limit(1)) is not None


def open_slots(session: Session, since: datetime, until: datetime, now: datetime, most: int) -> dict[int, list[datetime]]:
    """Missed slots with ``since <= due_at <= until`` that may be asked for now, of the locations with the newest ones."""
    mine = _open(since, until, now)
    newest = select(Missed.location_id).where(*mine).group_by(Missed.location_id)
    ids = session.scalars(newest.order_by(func.max(Missed.due_at).desc(), Missed.location_id).limit(most)).all()
    slots: dict[int, list[datetime]] = {}
    for some in _parts(ids):
        query = select(Missed.location_id, Missed.due_at).where(Missed.location_id.in_(some), STILL_MISSED, *mine)
        for location_id, due_at in session.execute(query):
            slots.setdefault(location_id, []).append(due_at)
    return slots


def missed_slots(
    session: Session, location_id: int, start: datetime | None, end: datetime, *, closed: bool = False
) -> list[datetime]:
    """Slots of a location before ``end`` that are still missed; those that are ``closed`` only when asked for."""
    query = select(Missed.due_at).where(Missed.location_id == location_id, Missed.due_at < end, STILL_MISSED)
    if start is not None:
        query = query.where(Missed.due_at >= start)
    return list(session.scalars(query if closed else query.where(Missed.closed_at.is_(None))))


def _open(since: datetime, until: datetime, now: datetime) -> tuple[Any, ...]:
    free = or_(Missed.next_try_at.is_(None), Missed.next_try_at <= now)
    return Missed.closed_at.is_(None), Missed.due_at >= since, Missed.due_at <= until, free


def locations_by_id(session: Session, ids: Collection[int]) -> dict[int, DueLocation]:
    """The locations of these ids."""
    found = {}
    for some in _parts(list(ids)):
        columns = select(Location.id, Location.name, Location.latitude, Location.longitude).where(Location.id.in_(some))
        for id_, name, latitude, longitude in session.execute(columns):
            found[id_] = DueLocation(id_, name, Coordinates(latitude, longitude))
    return found


def stations_by_location(session: Session, ids: Collection[int]) -> dict[tuple[int, str], str]:
    """The station of each location and provider, where one is known."""
    found = {}
    for some in _parts(list(ids)):
        columns = select(LocationStation.location_id, LocationStation.provider, LocationStation.station)
        for location_id, provider, station in session.execute(columns.where(LocationStation.location_id.in_(some))):
            found[location_id, provider] = station
    return found


def store_healed(location_id: int, rows: Mapping[datetime, Row]) -> dict[datetime, str]:
    """Store rows of slots that have none, and take those slots out of the missed ledger; gives what the database refused.

    A row that others store meanwhile is left as it is.

    Raises:
        StoreError: The database cannot be reached.
    """
    try:
        with get_db_session() as session:
            there = set(stored(session, location_id, list(rows)))
            write_rows(session, [row for at, row in rows.items() if at not in there], replace=False)
            for some in _parts(list(rows)):
                healed = delete(Missed).where(Missed.location_id == location_id, Missed.due_at.in_(some))
                session.execute(healed, execution_options={"synchronize_session": False})
    except (DataError, IntegrityError) as error:
        if len(rows) == 1:
            return dict.fromkeys(rows, refusal_text(error))
        refused: dict[datetime, str] = {}
        for at, row in rows.items():  # one bad row must not cost the others
            refused |= store_healed(location_id, {at: row})
        return refused
    return {}


def stored(session: Session, location_id: int, slots: Sequence[datetime]) -> Iterator[datetime]:
    """Those of a location's slots that have a row."""
    for some in _parts(slots):
        mine = select(WeatherData.due_at).where(WeatherData.location_id == location_id, WeatherData.due_at.in_(some))
        yield from session.scalars(mine)


def record_empty(location_id: int, slots: Sequence[datetime], now: datetime) -> int:
    """Every history in question answered, without data for these slots; gives how many of them are unrecoverable now.

    Answers less than a day apart count once.
    """
    closed = 0
    with get_db_session() as session:
        for missed in _missed(session, location_id, slots):
            if missed.next_try_at is None or missed.next_try_at <= now:
                missed.tries += 1
                missed.tried_at, missed.next_try_at = now, now + EMPTY_WAIT
            if missed.tries >= EMPTY_TRIES:
                missed.closed_at = missed.closed_at or now
                closed += 1
    return closed


def record_failed(location_id: int, slots: Sequence[datetime], now: datetime) -> None:
    """These slots could not be asked for: they wait, longer each time, and others come first."""
    with get_db_session() as session:
        for missed in _missed(session, location_id, slots):
            wait = wait_after_failure(missed.tried_at, missed.next_try_at)
            missed.tried_at, missed.next_try_at = now, now + wait


def close_out_of_reach(reach: timedelta, now: datetime) -> int:
    """Slots that no history reaches any more are unrecoverable; gives how many there were."""
    far = update(Missed).where(Missed.closed_at.is_(None), Missed.due_at < now - reach).values(closed_at=now)
    with get_db_session() as session:
        return int(session.execute(far, execution_options={"synchronize_session": False}).rowcount)  # type: ignore[attr-defined]


def reopen(session: Session, location_id: int | None, start: datetime, end: datetime) -> int:
    """Missed slots with ``start <= due_at < end`` may be asked for at once, also unrecoverable ones; gives how many there are."""
    mine = update(Missed).where(Missed.due_at >= start, Missed.due_at < end, STILL_MISSED)
    if location_id is not None:
        mine = mine.where(Missed.location_id == location_id)
    anew = mine.values(next_try_at=None, closed_at=None, tries=0).execution_options(synchronize_session=False)
    return int(session.execute(anew).rowcount)  # type: ignore[attr-defined]  # an UPDATE gives a cursor result


def _missed(session: Session, location_id: int, slots: Sequence[datetime]) -> Iterator[Missed]:
    for some in _parts(slots):
        yield from session.scalars(select(Missed).where(Missed.location_id == location_id, Missed.due_at.in_(some)))


def _parts(whole: Sequence[T]) -> Iterator[Sequence[T]]:
    for first in range(0, len(whole), _TOGETHER):
        yield whole[first : first + _TOGETHER]
