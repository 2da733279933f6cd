"""Claim runs: the UNIQUE constraint of ``runs`` and conditional updates elect one process for a slot. Stop 2 of the walk."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, and_, cast, func, literal, or_, select, update
from sqlalchemy.orm import Session

from ..model import schedule
from ..model.schedule import Schedule
from ..model.states import OPEN_STATES, LocationState, RunState
from ..model.values import Coordinates, DueLocation
from ..storage.engine import get_db_session
from ..storage.lease_clock import lease_offset
from ..storage.models import Location, Run
from ..storage.process import process_name
from ..storage.upsert import insert_or_ignore
from . import dispatch, future_runs, shards
from .closing import close_abandoned
from .conditions import Claim, follows_schedule, grace_of, is_free, row_count, still_missing
from .own_runs import OWN_RUNS, HeldSlot

#: Knuth's multiplicative hash: neighbouring ids get offsets far apart.
_SCATTER: Final = 2_654_435_761

#: How far the clock of another process may be ahead: the length of a lease.
CLOCKS_APART: Final = timedelta(seconds=30)


class HeldRun(NamedTuple):
    """A run that this process has claimed, and the right of one of its threads to work on the slot."""

    claim: Claim
    slot: HeldSlot


_DUE_COLUMNS: Final = select(
    Location.id,
    Location.name,
    Location.latitude,
    Location.longitude,
    Location.resolved_name,
    Location.resolved_latitude,
    Location.resolved_longitude,
).order_by(Location.id)


def due_schedules(default: Schedule) -> list[tuple[str, Schedule]]:
    """The schedules that active locations follow, by name. One indexed seek for each, whatever the number of locations."""
    schedules: list[tuple[str, Schedule]] = []
    is_active = Location.state == LocationState.ACTIVE
    with get_db_session(read_only=True) as session:
        if session.scalar(select(Location.id).where(is_active, Location.schedule.is_(None)).limit(1)):
            schedules.append((schedule.DEFAULT_SCHEDULE, default))
        texts = select(Location.schedule).where(is_active).order_by(Location.schedule).limit(1)
        last = ""
        while text := session.scalar(texts.where(Location.schedule > last)):
            schedules.append((text, schedule.parse_schedule(text)))
            last = text
    return schedules


def claim_run(
    now: datetime,
    name: str,
    when: Schedule,
    is_clock_trusted: bool = True,
    shard_size: int | None = None,
    *,
    is_dispatched: bool = False,
) -> Claim | None:
    """Claim the slot of a schedule that is due at ``now``, after closing the runs of earlier slots that no process works on.

    Of a run that is cut into shards, several processes have a claim.

    Args:
        now: The time by the clock of this process.
        name: The schedule.
        when: When it is due.
        is_clock_trusted: Whether missed slots after ``now`` are those of a clock that was ahead. By a clock that is behind, all
            that was missed lately seems to be of the future.
        shard_size: A run with more locations is cut into shards of about this size; None never to cut it.
        is_dispatched: Whether the engine dispatches the shards: then every run is cut, and its shards become jobs in the
            transaction that cuts it; jobs that are missing are deferred again.

    Returns:
        None where there is nothing to do, or another process does it.
    """
    slot = when.slot_at(now)
    if slot is None:
        return None
    in_time = now - slot < grace_of(when)
    before = slot if in_time else slot + timedelta(microseconds=1)  # earlier slots are past
    with get_db_session(read_only=True) as session:
        # Before this process waits for the lock of a writer: a lease that ends while it waits is not free.
        lease_now = now + lease_offset(session)
        has_future_misses = is_clock_trusted and future_runs.has_future_misses(session, name, before)
        if not has_future_misses and _has_nothing_to_do(session, name, slot, now, lease_now, in_time=in_time):
            joined = shards.join_run(session, name, when, slot, lease_now) if in_time else None
            if joined is None or not is_dispatched:
                return joined
    if has_future_misses:
        with get_db_session() as session:
            future_runs.delete_future_misses(session, name, before)
    with get_db_session() as session:
        close_abandoned(session, name, before, now, lease_now, OWN_RUNS.are_not_own((name, slot)))
        if not in_time:
            return None
        claim = _take(session, name, when, slot, now, lease_now, shard_size, cuts_all=is_dispatched)
        if is_dispatched and (claim is None or claim.is_cut):
            dispatch.dispatch_run(session, name, slot, lease_now, is_claimed=claim is not None)
            return None
        return claim or shards.join_run(session, name, when, slot, lease_now)


def hold_run(
    now: datetime,
    name: str,
    when: Schedule,
    *,
    is_clock_trusted: bool = True,
    shard_size: int | None = None,
    is_dispatched: bool = False,
) -> HeldRun | None:
    """Claim the slot of a schedule that is due at ``now``, unless another thread of this process works on it.

    Its lease may have run out, because the process was starved or suspended.
    """
    slot = when.slot_at(now)
    held = OWN_RUNS.hold(name, slot) if slot is not None else None
    if held is None:
        return None
    claim = None
    try:
        claim = claim_run(now, name, when, is_clock_trusted, shard_size, is_dispatched=is_dispatched)
    finally:
        if claim is None:
            held.release()
    return None if claim is None else HeldRun(claim, held)


def _has_nothing_to_do(session: Session, name: str, slot: datetime, now: datetime, lease_now: datetime, *, in_time: bool) -> bool:
    runs = select(Run.id).where(Run.schedule == name)
    if in_time and session.scalar(runs.where(_is_accounted(slot, now)).limit(1)) is None:
        return False
    is_past = Run.due_at < slot if in_time else Run.due_at <= slot
    claimable = runs.where(Run.state.in_(OPEN_STATES), Run.due_at <= slot, or_(is_free(lease_now), is_past))
    return session.scalar(claimable.where(OWN_RUNS.are_not_own((name, slot))).limit(1)) is None


def _is_accounted(slot: datetime, now: datetime) -> ColumnElement[bool]:
    """A run of the slot, or of a later one by a process with a clock a little ahead; not one by a wrong clock."""
    return or_(Run.due_at == slot, and_(Run.due_at > slot, Run.due_at <= now + CLOCKS_APART))


def _take(
    session: Session,
    name: str,
    when: Schedule,
    slot: datetime,
    now: datetime,
    lease_now: datetime,
    shard_size: int | None,
    *,
    cuts_all: bool,
) -> Claim | None:
    newer = select(Run.id).where(Run.schedule == name, Run.due_at > slot, _is_accounted(slot, now)).limit(1)
    if session.scalar(newer) is not None:  # the clock of this process is behind; the slot is accounted for
        return None
    new = insert_or_ignore(session, Run, [_new_run(name, slot)])
    length = (when.next_after(slot) or slot + schedule.GRACE) - slot
    values = {
        "state": RunState.RUNNING,
        "holder": process_name(),
        "lease_expires_at": lease_now + schedule.lease_length(length),
        "reason": None,
        "token": Run.token + 1,
        "due": select(func.count()).select_from(Location).where(follows_schedule(name)).scalar_subquery(),
        "started_at": func.coalesce(Run.started_at, literal(now, Run.started_at.type)),
    }
    taken = update(Run).where(Run.schedule == name, Run.due_at == slot, is_free(lease_now)).values(**values)
    if not row_count(session.execute(taken.execution_options(synchronize_session=False))):
        return None
    run = session.execute(select(Run.id, Run.token, Run.due).where(Run.schedule == name, Run.due_at == slot)).one()
    is_cut = not new and shards.has_shards(session, run.id)
    if not is_cut and shard_size is not None and run.due > (0 if cuts_all else shard_size):
        shards.cut_run(session, run.id, name, run.due, shard_size)
        is_cut = True
    ends_at = slot + min(length, grace_of(when))
    return Claim(run.id, name, slot, ends_at, length, taken_over=not new, is_cut=is_cut, token=run.token)


def _new_run(name: str, slot: datetime) -> dict[str, Any]:
    counts = {"due": 0, "stored": 0, "failed": 0, "calls": 0}
    return {"schedule": name, "due_at": slot, "shard": 0, "state": RunState.PENDING, "reason": None, **counts}


def due_locations(
    claim: Claim,
    now: datetime,
    spread: timedelta = timedelta(0),
    *,
    after: int = 0,
    limit: int | None = None,
    shard: shards.HeldShard | None = None,
) -> tuple[list[DueLocation], bool]:
    """The locations that a run must still collect by ``now``, and whether others become due later in the slot.

    They come in the order of their ids: at most ``limit`` of those after the id ``after``, all of them or those of a shard.
    Within ``spread``, each location has an offset of its own, which is the same in every slot.
    """
    missing = _DUE_COLUMNS.where(still_missing(claim.schedule, claim.due_at))
    if shard is not None:
        missing = missing.where(Location.id.between(shard.first_id, shard.last_id))
    query = missing.where(Location.id > after).limit(limit)
    # The last locations need a tick, and time to be collected, before the slot ends.
    seconds = int(min(spread, (claim.ends_at - claim.due_at) * 0.8).total_seconds())
    elapsed = int((now - claim.due_at).total_seconds())
    with get_db_session(read_only=True) as session:
        has_later = False
        if seconds and elapsed < seconds:  # before the slot by a clock that was set back, it is negative
            offset = (cast(Location.id, BigInteger) * _SCATTER) % seconds
            has_later = session.scalar(missing.where(offset > elapsed).limit(1)) is not None
            query = query.where(offset <= elapsed)
        return [_due_location(row) for row in session.execute(query).yield_per(1000)], has_later


def active_locations() -> list[DueLocation]:
    """All active locations, whatever their schedule."""
    query = _DUE_COLUMNS.where(Location.state == LocationState.ACTIVE)
    with get_db_session(read_only=True) as session:
        return [_due_location(row) for row in session.execute(query).yield_per(1000)]


def _due_location(row: Any) -> DueLocation:
    return DueLocation(row[0], row[1], Coordinates(row[2], row[3]), *row[4:7])


def renew_run(run_id: int, until: datetime) -> bool:
    """Extend the lease on a run, by the clock of this process; False when another process has claimed it."""
    with get_db_session() as session:
        held = update(Run).where(Run.id == run_id, Run.holder == process_name(), Run.state == RunState.RUNNING)
        renewed = held.values(lease_expires_at=until + lease_offset(session))
        return row_count(session.execute(renewed.execution_options(synchronize_session=False))) > 0
