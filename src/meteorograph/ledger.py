"""Stop 2 of the walk: takes a due slot, gives a claimed run, or nothing when somebody else has it or it is done.

The database elects: the UNIQUE constraint of ``runs`` and conditional updates whose row count is read. A claim is a lease;
when its holder dies it runs out, and another process finishes what is still missing, while the slot lasts.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any, Final

from sqlalchemy import BigInteger, CursorResult, and_, cast, delete, exists, func, insert, literal, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from . import schedule
from .db import get_db_session
from .schedule import Schedule
from .tables import Heartbeat, Location, Missed, Run, WeatherData
from .upsert import insert_or_ignore, insert_or_replace
from .values import Coordinates, Due

#: Knuth's multiplicative hash: neighbouring ids get offsets far apart.
_SCATTER: Final = 2_654_435_761


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that this process has."""

    run_id: int
    #: Name of the schedule: ``default``, or its text.
    schedule: str
    due_at: datetime
    #: When this slot is no longer collected: the next one is due, or the grace is over.
    ends_at: datetime
    #: From this slot to the next.
    length: timedelta
    #: Whether another process began it and let its lease run out, or gave it back.
    taken_over: bool

    @property
    def lease(self) -> timedelta:
        """How long the run is held without a sign of life."""
        return schedule.lease(self.length)


#: Another process's clock may be ahead by this much: a lease.
AHEAD: Final = timedelta(seconds=30)

#: Slots that are written off in one transaction.
SKIPPED_AT_ONCE: Final = 200

_LOCATIONS: Final = select(
    Location.id,
    Location.name,
    Location.latitude,
    Location.longitude,
    Location.resolved_name,
    Location.resolved_latitude,
    Location.resolved_longitude,
).order_by(Location.id)


@cache
def _holder(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}"


def holder() -> str:
    """The name of this process in the ledger."""
    return _holder(os.getpid())


def due_schedules(default: Schedule) -> list[tuple[str, Schedule]]:
    """The schedules that active locations have, by name; one indexed seek for each, however many locations there are."""
    found: list[tuple[str, Schedule]] = []
    with get_db_session(read_only=True) as session:
        active = select(Location.schedule).where(Location.state == "active")
        if session.scalar(select(Location.id).where(Location.state == "active", Location.schedule.is_(None)).limit(1)):
            found.append((schedule.DEFAULT, default))
        last = ""
        while text := session.scalar(active.where(Location.schedule > last).order_by(Location.schedule).limit(1)):
            found.append((text, schedule.parse_schedule(text)))
            last = text
    return found


def claim(now: datetime, name: str, when: Schedule) -> Claim | None:
    """Claim the slot of a schedule that is due at ``now``; on the way, account for earlier ones that nobody finished."""
    slot = when.slot_at(now)
    if slot is None:
        return None
    in_time = now - slot < schedule.GRACE
    with get_db_session(read_only=True) as session:
        if _nothing_to_do(session, name, slot, now, in_time=in_time):
            return None
    over = slot if in_time else slot + timedelta(microseconds=1)  # slots before this are past
    while True:
        with get_db_session() as session:
            _close_abandoned(session, name, over, now)
            if _record_skipped(session, name, when, over) == SKIPPED_AT_ONCE:
                continue  # the rest in a transaction of its own: others wait for this one
            return _take(session, name, when, slot, now) if in_time else None


def close_orphans(now: datetime, names: Collection[str]) -> None:
    """Close runs past their slot whose schedule no active location follows any more, so that nobody will claim them."""
    orphans = select(Run.id, Run.schedule, Run.due_at).where(
        Run.state.in_(("pending", "running")), Run.schedule.not_in(names), Run.due_at < now - schedule.GRACE, _is_free(now)
    )
    with get_db_session(read_only=True) as session:
        found = session.execute(orphans).all()
    for run_id, name, due_at in found:
        with get_db_session() as session:
            _settle(session, run_id, name, due_at, now)


def _is_free(now: datetime) -> Any:
    """Unfinished, held by nobody alive, and not waiting for a later time."""
    return and_(Run.state.in_(("pending", "running")), or_(Run.lease_expires_at.is_(None), Run.lease_expires_at <= now))


def _nothing_to_do(session: Session, name: str, slot: datetime, now: datetime, *, in_time: bool) -> bool:
    mine = select(Run.id).where(Run.schedule == name)
    if session.scalar(mine.where(_accounted(slot, now)).limit(1)) is None:
        return not in_time and session.scalar(mine.limit(1)) is None  # too late for the first slot there ever was
    open_ = Run.state.in_(("pending", "running"))
    past = Run.due_at < slot if in_time else Run.due_at <= slot
    return session.scalar(mine.where(open_, Run.due_at <= slot, or_(_is_free(now), past)).limit(1)) is None


def _accounted(slot: datetime, now: datetime) -> Any:
    """A run of the slot, or of a later one by another process whose clock is a little ahead; not one by a clock gone wrong."""
    return or_(Run.due_at == slot, and_(Run.due_at > slot, Run.due_at <= now + AHEAD))


def _take(session: Session, name: str, when: Schedule, slot: datetime, now: datetime) -> Claim | None:
    newer = select(Run.id).where(Run.schedule == name, Run.due_at > slot, _accounted(slot, now)).limit(1)
    if session.scalar(newer) is not None:  # this process's clock is behind; the slot has been accounted for
        return None
    new = insert_or_ignore(session, Run, [_row(name, slot, "pending")])
    length = (when.next_after(slot) or slot + schedule.GRACE) - slot
    mine = {"state": "running", "holder": holder(), "lease_expires_at": now + schedule.lease(length), "reason": None}
    due = select(func.count()).select_from(Location).where(_follows(name)).scalar_subquery()
    began = func.coalesce(Run.started_at, literal(now, Run.started_at.type))
    taken = update(Run).where(Run.schedule == name, Run.due_at == slot, _is_free(now)).values(**mine, due=due, started_at=began)
    if not _rows(session.execute(taken.execution_options(synchronize_session=False))):
        return None
    run_id = session.scalars(select(Run.id).where(Run.schedule == name, Run.due_at == slot)).one()
    return Claim(run_id, name, slot, slot + min(length, schedule.GRACE), length, taken_over=not new)


def _row(name: str, slot: datetime, state: str, reason: str | None = None) -> dict[str, Any]:
    counts = {"due": 0, "stored": 0, "failed": 0, "calls": 0}
    return {"schedule": name, "due_at": slot, "shard": 0, "state": state, "reason": reason, **counts}


def _record_skipped(session: Session, name: str, when: Schedule, before: datetime) -> int:
    """Slots for which no run was ever claimed: ``late`` while the run before them was still at work, else ``down``.

    Gives how many were recorded: ``SKIPPED_AT_ONCE`` at most, the oldest.
    """
    mine = select(Run.due_at, Run.ended_at).where(Run.schedule == name, Run.due_at < before)
    last = session.execute(mine.order_by(Run.due_at.desc()).limit(1)).first()
    if last is None:
        return 0
    slots = list(islice(when.slots_between(last.due_at, before), SKIPPED_AT_ONCE))
    for slot in slots:
        reason = "late" if last.ended_at is not None and last.ended_at > slot else "down"
        if insert_or_ignore(session, Run, [_row(name, slot, "missed", reason)]):
            lost = _record_lost(session, name, slot, reason)
            counts = update(Run).where(Run.schedule == name, Run.due_at == slot).values(due=lost, failed=lost)
            session.execute(counts.execution_options(synchronize_session=False))
    return len(slots)


def _close_abandoned(session: Session, name: str, slot: datetime, now: datetime) -> None:
    """Runs of earlier slots that are over: what they did not store is missed, for the reason they waited for."""
    over = or_(Run.state == "pending", and_(Run.state == "running", Run.lease_expires_at <= now))
    abandoned = select(Run).where(Run.schedule == name, Run.due_at < slot, over).with_for_update()
    for run in session.scalars(abandoned).all():
        _record_lost(session, name, run.due_at, run.reason or "down")
        _settle(session, run.id, name, run.due_at, now)


def _record_lost(session: Session, name: str, slot: datetime, reason: str) -> int:
    """Write a reason for every location that has neither a row nor a reason for the slot; gives how many."""
    known = or_(
        func.coalesce(Location.due_since, Location.created_at) <= slot,
        exists().where(Run.schedule == name, Run.due_at == slot, Run.started_at.is_not(None)),
    )
    lost = select(Location.id, literal(slot, Run.due_at.type), literal(reason)).where(_still_missing(name, slot), known)
    written = insert(Missed).from_select(["location_id", "due_at", "reason"], lost)
    return _rows(session.execute(written.execution_options(preserve_rowcount=True)))


def _follows(name: str) -> Any:
    """Active locations that follow a schedule."""
    mine = Location.schedule.is_(None) if name == schedule.DEFAULT else Location.schedule == name
    return and_(Location.state == "active", mine)


def _still_missing(name: str, due_at: datetime) -> Any:
    """Active locations of a schedule with neither a row nor a reason for the slot."""
    stored = exists().where(WeatherData.location_id == Location.id, WeatherData.due_at == due_at)
    missed = exists().where(Missed.location_id == Location.id, Missed.due_at == due_at)
    return and_(_follows(name), ~stored, ~missed)


def due_locations(claimed: Claim, now: datetime, spread: timedelta = timedelta(0)) -> tuple[list[Due], bool]:
    """The locations that a run has yet to collect by ``now``, and whether others are to follow later in the slot.

    Within ``spread`` each location has an offset of its own, the same in every slot.
    """
    query = _LOCATIONS.where(_still_missing(claimed.schedule, claimed.due_at))
    # The last ones need a tick, and time to be collected, before the slot is over.
    seconds = int(min(spread, (claimed.ends_at - claimed.due_at) * 0.8).total_seconds())
    elapsed = int((now - claimed.due_at).total_seconds())
    with get_db_session(read_only=True) as session:
        more = False
        if elapsed < seconds:
            offset = (cast(Location.id, BigInteger) * _SCATTER) % seconds
            more = session.scalar(query.where(offset > elapsed).limit(1)) is not None
            query = query.where(offset <= elapsed)
        return [_due(row) for row in session.execute(query).yield_per(1000)], more


def active_locations() -> list[Due]:
    """All active locations, whatever their schedule."""
    with get_db_session(read_only=True) as session:
        return [_due(row) for row in session.execute(_LOCATIONS.where(Location.state == "active")).yield_per(1000)]


def _due(row: Any) -> Due:
    return Due(row[0], row[1], Coordinates(row[2], row[3]), (row[4], row[5], row[6]))


def renew(run_id: int, until: datetime) -> bool:
    """Keep a run longer; False when another process has taken it."""
    with get_db_session() as session:
        kept = update(Run).where(Run.id == run_id, Run.holder == holder(), Run.state == "running")
        return _rows(session.execute(kept.values(lease_expires_at=until))) > 0


def release(claimed: Claim, calls: int, *, until: datetime | None = None, reason: str | None = None) -> None:
    """Give a run back unfinished: free at once, or from ``until`` on when it waits for what ``reason`` says."""
    with get_db_session() as session:
        mine = update(Run).where(Run.id == claimed.run_id, Run.holder == holder(), Run.state == "running")
        free = {"state": "pending", "holder": None, "lease_expires_at": until, "reason": reason}
        given = session.execute(mine.values(**free, calls=Run.calls + calls).execution_options(synchronize_session=False))
        if not _rows(given):
            ended_at = session.scalar(select(Run.ended_at).where(Run.id == claimed.run_id))
            if ended_at is not None:  # closed by another process while this one, longer than its lease, stored
                _settle(session, claimed.run_id, claimed.schedule, claimed.due_at, ended_at)


def record_missed(missed: Sequence[dict[str, Any]]) -> None:
    """Write why slots have nothing stored: rows of ``location_id``, ``due_at``, ``reason`` and ``detail``."""
    try:
        with get_db_session() as session:
            insert_or_replace(session, Missed, missed)
    except IntegrityError:  # a location was removed meanwhile; it owes no reason
        with get_db_session() as session:
            there = set(session.scalars(select(Location.id).where(Location.id.in_([row["location_id"] for row in missed]))))
            insert_or_replace(session, Missed, [row for row in missed if row["location_id"] in there])


def finish(claimed: Claim, calls: int, now: datetime) -> str:
    """Count what the run has come to and close it; gives its final state."""
    with get_db_session() as session:
        spent = update(Run).where(Run.id == claimed.run_id).values(calls=Run.calls + calls)
        session.execute(spent.execution_options(synchronize_session=False))
        return _settle(session, claimed.run_id, claimed.schedule, claimed.due_at, now)


def _settle(session: Session, run_id: int, name: str, due_at: datetime, now: datetime) -> str:
    # A process that stalls longer than its lease may store what another has written off meanwhile.
    after_all = exists().where(WeatherData.location_id == Missed.location_id, WeatherData.due_at == Missed.due_at)
    written_off = delete(Missed).where(Missed.due_at == due_at, after_all)
    session.execute(written_off.execution_options(synchronize_session=False))
    stored = _count(session, WeatherData, name, due_at)
    failed = _count(session, Missed, name, due_at)
    state = "succeeded" if not failed else "partial" if stored else "failed"
    done = {"state": state, "stored": stored, "failed": failed, "due": stored + failed, "ended_at": now, "reason": None}
    closed = update(Run).where(Run.id == run_id).values(**done, holder=None, lease_expires_at=None)
    session.execute(closed.execution_options(synchronize_session=False))
    return state


def _count(session: Session, model: type[WeatherData | Missed], name: str, due_at: datetime) -> int:
    rows = select(func.count()).select_from(model).join(Location, Location.id == model.location_id)
    return session.scalar(rows.where(model.due_at == due_at, _follows(name))) or 0


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
