"""Stop 2 of the walk: takes a due slot, gives a claimed run, or nothing when somebody else has it or it is done.

The database elects: the UNIQUE constraint of ``runs`` and conditional updates whose row count is read. A claim is a lease;
when its holder dies it runs out, and another process finishes what is still missing, until the next slot is due.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import CursorResult, and_, exists, func, insert, literal, or_, select, update
from sqlalchemy.orm import Session

from . import schedule
from .db import get_db_session
from .tables import Heartbeat, Location, Missed, Run, WeatherData
from .upsert import insert_or_ignore, insert_or_replace
from .values import Coordinates

#: The one schedule there is so far.
SCHEDULE: Final = "default"

FINAL: Final = ("succeeded", "partial", "failed", "missed")


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that this process has."""

    run_id: int
    due_at: datetime
    #: Whether another process began it and let its lease run out.
    taken_over: bool


@dataclass(frozen=True, slots=True)
class Due:
    """A location that a run is to collect."""

    id: int
    name: str
    coordinates: Coordinates


@cache
def _holder(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}"


def holder() -> str:
    """The name of this process in the ledger."""
    return _holder(os.getpid())


def claim(now: datetime, interval: timedelta) -> Claim | None:
    """Claim the slot that is due at ``now``; on the way, account for the slots before it that nobody finished."""
    slot = schedule.slot_at(now, interval)
    with get_db_session(read_only=True) as session:
        if _nothing_to_do(session, slot, now):
            return None
    with get_db_session() as session:
        _close_abandoned(session, slot, now)
        _record_skipped(session, slot, interval)
        return _take(session, slot, now, interval)


def _open_to(now: datetime) -> Any:
    """Unfinished and held by nobody alive."""
    free = or_(Run.lease_expires_at.is_(None), Run.lease_expires_at < now)
    return and_(Run.schedule == SCHEDULE, Run.state.in_(("pending", "running")), free)


def _nothing_to_do(session: Session, slot: datetime, now: datetime) -> bool:
    begun = select(Run.id).where(Run.schedule == SCHEDULE, Run.due_at >= slot)
    return session.scalar(begun.limit(1)) is not None and session.scalar(select(Run.id).where(_open_to(now)).limit(1)) is None


def _take(session: Session, slot: datetime, now: datetime, interval: timedelta) -> Claim | None:
    newer = select(Run.id).where(Run.schedule == SCHEDULE, Run.due_at > slot).limit(1)
    if session.scalar(newer) is not None:  # this process's clock is behind; the slot has been accounted for
        return None
    mine = {"state": "running", "holder": holder(), "lease_expires_at": now + schedule.lease(interval)}
    due = select(func.count()).select_from(Location).where(Location.state == "active").scalar_subquery()
    new = insert_or_ignore(
        session,
        Run,
        [{"schedule": SCHEDULE, "due_at": slot, "shard": 0, "due": 0, "stored": 0, "failed": 0, "state": "pending"}],
    )
    taken = session.execute(
        update(Run)
        .where(Run.due_at == slot, _open_to(now))
        .values(**mine, due=due, started_at=func.coalesce(Run.started_at, literal(now, Run.started_at.type)))
    )
    if not _rows(taken):
        return None
    run_id = session.scalars(select(Run.id).where(Run.schedule == SCHEDULE, Run.due_at == slot)).one()
    return Claim(run_id, slot, taken_over=not new)


def _record_skipped(session: Session, slot: datetime, interval: timedelta) -> None:
    """Slots for which no run was ever claimed: ``late`` while the run before them was still at work, else ``down``."""
    last = session.execute(
        select(Run.due_at, Run.ended_at).where(Run.schedule == SCHEDULE).order_by(Run.due_at.desc()).limit(1)
    ).first()
    if last is None:
        return
    due = session.scalar(select(func.count()).select_from(Location).where(Location.state == "active")) or 0
    rows = [
        {
            "schedule": SCHEDULE,
            "due_at": skipped,
            "shard": 0,
            "state": "missed",
            "due": due,
            "stored": 0,
            "failed": due,
            "reason": "late" if last.ended_at is not None and last.ended_at > skipped else "down",
        }
        for skipped in schedule.slots_between(last.due_at, slot, interval)
    ]
    if rows:
        insert_or_ignore(session, Run, rows)


def _close_abandoned(session: Session, slot: datetime, now: datetime) -> None:
    """Runs of earlier slots whose holder is gone: what they did not store is missed."""
    abandoned = select(Run).where(Run.due_at < slot, _open_to(now)).with_for_update()
    for run in session.scalars(abandoned).all():
        lost = select(Location.id, literal(run.due_at, Run.due_at.type), literal("down")).where(_still_missing(run.due_at))
        session.execute(insert(Missed).from_select(["location_id", "due_at", "reason"], lost))
        _settle(session, run.id, run.due_at, now)


def _still_missing(due_at: datetime) -> Any:
    """Active locations with neither a row nor a reason for the slot."""
    stored = exists().where(WeatherData.location_id == Location.id, WeatherData.due_at == due_at)
    missed = exists().where(Missed.location_id == Location.id, Missed.due_at == due_at)
    return and_(Location.state == "active", ~stored, ~missed)


def due_locations(due_at: datetime) -> list[Due]:
    """The locations that the run of a slot has yet to collect."""
    query = select(Location.id, Location.name, Location.latitude, Location.longitude).where(_still_missing(due_at))
    with get_db_session(read_only=True) as session:
        return [Due(id_, name, Coordinates(lat, lon)) for id_, name, lat, lon in session.execute(query.order_by(Location.id))]


def renew(run_id: int, until: datetime) -> bool:
    """Keep a run longer; False when another process has taken it."""
    with get_db_session() as session:
        kept = update(Run).where(Run.id == run_id, Run.holder == holder(), Run.state == "running")
        return _rows(session.execute(kept.values(lease_expires_at=until))) > 0


def release(run_id: int) -> None:
    """Give a run back unfinished, so that another process may go on with it at once."""
    with get_db_session() as session:
        mine = update(Run).where(Run.id == run_id, Run.holder == holder(), Run.state == "running")
        session.execute(mine.values(state="pending", holder=None, lease_expires_at=None))


def record_missed(missed: Sequence[dict[str, Any]]) -> None:
    """Write why slots have nothing stored: rows of ``location_id``, ``due_at``, ``reason`` and ``detail``."""
    if missed:
        with get_db_session() as session:
            insert_or_replace(session, Missed, missed)


def finish(claimed: Claim, now: datetime) -> str:
    """Count what the run has come to and close it; gives its final state."""
    with get_db_session() as session:
        return _settle(session, claimed.run_id, claimed.due_at, now)


def _settle(session: Session, run_id: int, due_at: datetime, now: datetime) -> str:
    scheduled = select(Location.id).where(Location.state == "active")
    stored = (
        session.scalar(
            select(func.count())
            .select_from(WeatherData)
            .where(WeatherData.due_at == due_at, WeatherData.location_id.in_(scheduled))
        )
        or 0
    )
    failed = session.scalar(select(func.count()).select_from(Missed).where(Missed.due_at == due_at)) or 0
    state = "succeeded" if not failed else "partial" if stored else "failed"
    done = {"state": state, "stored": stored, "failed": failed, "due": stored + failed, "ended_at": now}
    session.execute(update(Run).where(Run.id == run_id).values(**done, holder=None, lease_expires_at=None))
    return state


def reasons(due_at: datetime) -> Counter[str]:
    """How often each reason was recorded for a slot."""
    query = select(Missed.reason, func.count()).where(Missed.due_at == due_at).group_by(Missed.reason)
    with get_db_session(read_only=True) as session:
        return Counter(dict(session.execute(query).all()))


def beat(now: datetime) -> None:
    """Leave a sign of life of this process's scheduler, and forget those of processes a day gone."""
    with get_db_session() as session:
        insert_or_replace(session, Heartbeat, [{"holder": holder(), "beat_at": now}])
        session.query(Heartbeat).filter(Heartbeat.beat_at < now - timedelta(days=1)).delete()


def _rows(result: Any) -> int:
    assert isinstance(result, CursorResult)
    return result.rowcount
