"""Who has a run: the UNIQUE constraint of ``runs`` elects, and conditional updates whose row count is read."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from sqlalchemy import BigInteger, and_, cast, func, literal, or_, select, update
from sqlalchemy.orm import Session

from ..model import schedule
from ..model.schedule import Schedule
from ..model.states import OPEN_STATES, LocationState, MissedReason, RunState
from ..model.values import Coordinates, DueLocation
from ..storage.engine import get_db_session
from ..storage.models import Location, Run
from ..storage.process import process_name
from ..storage.upsert import insert_or_ignore
from .closing import close_abandoned, record_unaccounted
from .conditions import Claim, follows_schedule, is_free, row_count, still_missing

#: Knuth's multiplicative hash: neighbouring ids get offsets far apart.
_SCATTER: Final = 2_654_435_761

#: Another process's clock may be ahead by this much: a lease.
CLOCKS_APART: Final = timedelta(seconds=30)

#: Slots that are written off in one transaction.
SKIPPED_PER_TRANSACTION: Final = 200

_LOCATIONS: Final = select(
    Location.id,
    Location.name,
    Location.latitude,
    Location.longitude,
    Location.resolved_name,
    Location.resolved_latitude,
    Location.resolved_longitude,
).order_by(Location.id)


def due_schedules(default: Schedule) -> list[tuple[str, Schedule]]:
    """The schedules that active locations have, by name; one indexed seek for each, however many locations there are."""
    found: list[tuple[str, Schedule]] = []
    with get_db_session(read_only=True) as session:
        active = select(Location.schedule).where(Location.state == LocationState.ACTIVE)
        if session.scalar(
            select(Location.id).where(Location.state == LocationState.ACTIVE, Location.schedule.is_(None)).limit(1)
        ):
            found.append((schedule.DEFAULT_SCHEDULE, default))
        last = ""
        while text := session.scalar(active.where(Location.schedule > last).order_by(Location.schedule).limit(1)):
            found.append((text, schedule.parse_schedule(text)))
            last = text
    return found


def claim_run(now: datetime, name: str, when: Schedule) -> Claim | None:
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
            dead = close_abandoned(session, name, over, now)
            if _record_skipped(session, name, when, over, dead) == SKIPPED_PER_TRANSACTION:
                continue  # the rest in a transaction of its own: others wait for this one
            return _take(session, name, when, slot, now) if in_time else None


def _nothing_to_do(session: Session, name: str, slot: datetime, now: datetime, *, in_time: bool) -> bool:
    mine = select(Run.id).where(Run.schedule == name)
    if session.scalar(mine.where(_is_accounted(slot, now)).limit(1)) is None:
        return not in_time and session.scalar(mine.limit(1)) is None  # too late for the first slot there ever was
    open_ = Run.state.in_(OPEN_STATES)
    past = Run.due_at < slot if in_time else Run.due_at <= slot
    return session.scalar(mine.where(open_, Run.due_at <= slot, or_(is_free(now), past)).limit(1)) is None


def _is_accounted(slot: datetime, now: datetime) -> Any:
    """A run of the slot, or of a later one by another process whose clock is a little ahead; not one by a clock gone wrong."""
    return or_(Run.due_at == slot, and_(Run.due_at > slot, Run.due_at <= now + CLOCKS_APART))


def _take(session: Session, name: str, when: Schedule, slot: datetime, now: datetime) -> Claim | None:
    newer = select(Run.id).where(Run.schedule == name, Run.due_at > slot, _is_accounted(slot, now)).limit(1)
    if session.scalar(newer) is not None:  # this process's clock is behind; the slot has been accounted for
        return None
    new = insert_or_ignore(session, Run, [_row(name, slot, RunState.PENDING)])
    length = (when.next_after(slot) or slot + schedule.GRACE) - slot
    mine = {
        "state": RunState.RUNNING,
        "holder": process_name(),
        "lease_expires_at": now + schedule.lease_length(length),
        "reason": None,
    }
    due = select(func.count()).select_from(Location).where(follows_schedule(name)).scalar_subquery()
    began = func.coalesce(Run.started_at, literal(now, Run.started_at.type))
    taken = update(Run).where(Run.schedule == name, Run.due_at == slot, is_free(now)).values(**mine, due=due, started_at=began)
    if not row_count(session.execute(taken.execution_options(synchronize_session=False))):
        return None
    run_id = session.scalars(select(Run.id).where(Run.schedule == name, Run.due_at == slot)).one()
    return Claim(run_id, name, slot, slot + min(length, schedule.GRACE), length, taken_over=not new)


def _row(name: str, slot: datetime, state: RunState, reason: MissedReason | None = None) -> dict[str, Any]:
    counts = {"due": 0, "stored": 0, "failed": 0, "calls": 0}
    return {"schedule": name, "due_at": slot, "shard": 0, "state": state, "reason": reason, **counts}


def _record_skipped(session: Session, name: str, when: Schedule, before: datetime, dead: Collection[datetime]) -> int:
    """Slots for which no run was ever claimed: ``late`` while the run before them was still at work, else ``down``.

    Nobody was at work on the ``dead`` ones any more, though they have ended only now.

    Gives how many were recorded: ``SKIPPED_AT_ONCE`` at most, the oldest.
    """
    mine = select(Run.due_at, Run.ended_at).where(Run.schedule == name, Run.due_at < before)
    last = session.execute(mine.order_by(Run.due_at.desc()).limit(1)).first()
    if last is None:
        return 0
    slots = list(islice(when.slots_between(last.due_at, before), SKIPPED_PER_TRANSACTION))
    for slot in slots:
        was_busy = last.due_at not in dead and last.ended_at is not None and last.ended_at > slot
        reason = MissedReason.LATE if was_busy else MissedReason.DOWN
        if insert_or_ignore(session, Run, [_row(name, slot, RunState.MISSED, reason)]):
            lost = record_unaccounted(session, name, slot, reason)
            counts = update(Run).where(Run.schedule == name, Run.due_at == slot).values(due=lost, failed=lost)
            session.execute(counts.execution_options(synchronize_session=False))
    return len(slots)


def due_locations(
    claimed: Claim, now: datetime, spread: timedelta = timedelta(0), *, after: int = 0, limit: int | None = None
) -> tuple[list[DueLocation], bool]:
    """The locations that a run has yet to collect by ``now``, and whether others are to follow later in the slot.

    In the order of their ids: those that follow ``after``, ``limit`` of them at most.

    Within ``spread`` each location has an offset of its own, the same in every slot.
    """
    missing = _LOCATIONS.where(still_missing(claimed.schedule, claimed.due_at))
    query = missing.where(Location.id > after).limit(limit)
    # The last ones need a tick, and time to be collected, before the slot is over.
    seconds = int(min(spread, (claimed.ends_at - claimed.due_at) * 0.8).total_seconds())
    elapsed = int((now - claimed.due_at).total_seconds())
    with get_db_session(read_only=True) as session:
        more = False
        if elapsed < seconds:
            offset = (cast(Location.id, BigInteger) * _SCATTER) % seconds
            more = session.scalar(missing.where(offset > elapsed).limit(1)) is not None
            query = query.where(offset <= elapsed)
        return [_due(row) for row in session.execute(query).yield_per(1000)], more


def active_locations() -> list[DueLocation]:
    """All active locations, whatever their schedule."""
    with get_db_session(read_only=True) as session:
        return [_due(row) for row in session.execute(_LOCATIONS.where(Location.state == LocationState.ACTIVE)).yield_per(1000)]


def _due(row: Any) -> DueLocation:
    return DueLocation(row[0], row[1], Coordinates(row[2], row[3]), *row[4:7])


def renew_run(run_id: int, until: datetime) -> bool:
    """Keep a run longer; False when another process has taken it."""
    with get_db_session() as session:
        kept = update(Run).where(Run.id == run_id, Run.holder == process_name(), Run.state == RunState.RUNNING)
        return row_count(session.execute(kept.values(lease_expires_at=until))) > 0
