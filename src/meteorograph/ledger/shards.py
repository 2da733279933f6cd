"""Shards: the ranges of locations of a large run, which any number of processes take one after the other.

A transaction locks the row of the run first, then those of shards, then rows and reasons: so no two of them can deadlock, and of
two processes that leave the last shards, the second one settles the run.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Executable,
    Integer,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from ..model import clock
from ..model.schedule import Schedule
from ..model.states import OPEN_STATES, MissedReason, RunState, ShardState
from ..storage.engine import get_db_session
from ..storage.lease_clock import lease_offset
from ..storage.models import Location, Missed, Run, Shard, WeatherData
from ..storage.process import process_name
from .closing import close_run, delete_shards
from .conditions import Claim, follows_schedule, row_count, shard_is_free, slot_claim, still_missing

#: The last shard has no end: locations that are added while the run is open belong to it.
_LARGEST_ID: Final = 2**31 - 1


_UNTIL: Final = bindparam("until", type_=Run.lease_expires_at.type)
_HOLD_RUN: Final = (
    update(Run)
    .where(Run.id == bindparam("run", type_=Integer), Run.state.in_(OPEN_STATES))
    .where(or_(Run.state != RunState.RUNNING, Run.lease_expires_at.is_(None), Run.lease_expires_at < _UNTIL))
    .values(state=RunState.RUNNING, holder=bindparam("process"), lease_expires_at=_UNTIL, reason=None)
)


@dataclass(frozen=True, slots=True)
class HeldShard:
    """A shard that this process has taken."""

    number: int
    first_id: int
    last_id: int
    token: int
    #: When it was taken, by the clock of leases.
    taken_at: datetime
    #: When the lease of a process that took it before and did not give it back ran out.
    lost_at: datetime | None


class Wait(NamedTuple):
    """Until when shards that are given back wait, and for what."""

    until: datetime | None = None
    reason: MissedReason | None = None
    #: Whether the shards that no process has taken yet wait too: the provider is closed to all.
    is_for_all: bool = False


class Departure(NamedTuple):
    """How a process has left a run."""

    state: RunState
    #: Whether another process had taken one of its shards.
    is_lost: bool


def cut_run(session: Session, run_id: int, name: str, due: int, size: int) -> None:
    """Cut a run with ``due`` locations into shards of equal size, each with at most ``size``."""
    part = func.ntile(-(-due // size)).over(order_by=Location.id).label("part")
    parts = select(Location.id, part).where(follows_schedule(name)).subquery()
    ends = select(func.max(parts.c.id)).group_by(parts.c.part).order_by(parts.c.part)
    rows, first = list[dict[str, Any]](), 0
    for number, last in enumerate(session.scalars(ends).all()):
        rows.append({"number": number, "first_id": first, "last_id": last})
        first = last + 1
    rows[-1]["last_id"] = _LARGEST_ID
    session.execute(insert(Shard), [{**row, "run_id": run_id, "state": ShardState.PENDING} for row in rows])


def has_shards(session: Session, run_id: int) -> bool:
    """Whether a run is cut."""
    return session.scalar(select(Shard.number).where(Shard.run_id == run_id).limit(1)) is not None


def join_run(session: Session, name: str, when: Schedule, slot: datetime, lease_now: datetime) -> Claim | None:
    """A claim on a run of which another process collects shards, if there are more of them."""
    is_run = (Run.schedule == name, Run.due_at == slot, Run.state == RunState.RUNNING)
    can_be_taken = exists().where(Shard.run_id == Run.id, shard_is_free(lease_now))
    run_id = session.scalar(select(Run.id).where(*is_run, can_be_taken))
    if run_id is None:
        return None
    return slot_claim(run_id, name, when, slot)


def take_shard(claim: Claim, tried: Collection[int], done: Sequence[HeldShard]) -> tuple[HeldShard | None, bool]:
    """Finish complete shards, and take the next one of the run: first one whose process died, else that with the lowest number.

    Args:
        claim: The run.
        tried: Numbers of the shards that this attempt has taken already.
        done: Shards of this process that are complete.

    Returns:
        The shard, or None if none is left, and whether another process had taken one of ``done``.
    """
    with get_db_session() as session:
        offset = lease_offset(session)
        lease_now = clock.now() + offset  # before the run is waited for: a lease that ends meanwhile is not free
        state = _lock_run(session, claim)
        is_lost = not _leave(session, claim, done, Wait())
        if state not in OPEN_STATES:
            return None, is_lost
        query = select(Shard).where(Shard.run_id == claim.run_id, Shard.number.not_in(tried), shard_is_free(lease_now))
        if claim.shard is not None:
            query = query.where(Shard.number == claim.shard)
        found = session.scalars(query.order_by(Shard.state.desc(), Shard.number).limit(1)).first()  # running before pending
        if found is None:
            return None, is_lost
        lost_at = found.lease_expires_at if found.state == ShardState.RUNNING else None
        until = clock.now() + offset + claim.lease
        found.state, found.holder, found.reason = ShardState.RUNNING, process_name(), None
        found.token, found.lease_expires_at = found.token + 1, until
        _hold_run(session, claim, until)
        return HeldShard(found.number, found.first_id, found.last_id, found.token, lease_now, lost_at), is_lost


def renew_shards(claim: Claim, held: Sequence[HeldShard], until: datetime) -> bool:
    """Extend the leases of shards, by the clock of this process; False when another process has taken one of them."""
    if not held:
        return True
    with get_db_session() as session:
        until += lease_offset(session)
        _hold_run(session, claim, until)
        mine = update(Shard).where(Shard.run_id == claim.run_id, _is_held(held)).values(lease_expires_at=until)
        return row_count(session.execute(mine.execution_options(synchronize_session=False))) == len(held)


def leave_run(claim: Claim, held: Sequence[HeldShard], now: datetime, wait: Wait) -> Departure:
    """Finish or give back all shards of this process. The last process settles the run from the counts of its shards.

    Returns:
        The state of the run: ``running`` while other processes collect it; and whether one of the shards had been lost.
    """
    with get_db_session() as session:
        offset = lease_offset(session)
        state = _lock_run(session, claim)
        if wait.until is not None:
            wait = wait._replace(until=wait.until + offset)
        is_lost = not _leave(session, claim, held, wait)
        if state not in OPEN_STATES:
            return Departure(RunState(state) if state else RunState.PENDING, is_lost)
        if wait.is_for_all:
            idle = and_(Shard.run_id == claim.run_id, Shard.state == ShardState.PENDING, Shard.lease_expires_at.is_(None))
            waiting = update(Shard).where(idle).values(lease_expires_at=wait.until, reason=wait.reason)
            session.execute(waiting.execution_options(synchronize_session=False))
        return Departure(_summarise(session, claim, now), is_lost)


def _lock_run(session: Session, claim: Claim) -> str | None:
    return session.scalar(select(Run.state).where(Run.id == claim.run_id).with_for_update())


def _hold_run(session: Session, claim: Claim, until: datetime) -> None:
    """Note on the run that a process works on it: no other one may close it."""
    session.connection().execute(_HOLD_RUN, {"run": claim.run_id, "until": until, "process": process_name()})


def _is_held(held: Sequence[HeldShard]) -> ColumnElement[bool]:
    """The shards with the tokens of this process: nobody has taken them since."""
    tokens = [and_(Shard.number == one.number, Shard.token == one.token) for one in held]
    return and_(Shard.state == ShardState.RUNNING, or_(*tokens))


def _leave(session: Session, claim: Claim, held: Sequence[HeldShard], wait: Wait) -> bool:
    """Finish the shards whose locations all have a row or a reason, give back the others; False if one was lost."""
    if not held:
        return True
    mine = select(Shard.number).where(Shard.run_id == claim.run_id, _is_held(held)).order_by(Shard.number)
    kept = set(session.scalars(mine.with_for_update()))
    for shard in held:
        if shard.number not in kept:
            continue
        values: dict[str, Any] = {"state": ShardState.PENDING, "lease_expires_at": wait.until, "reason": wait.reason}
        if (counts := _count(session, claim, shard)) is not None:
            values = {"state": ShardState.DONE, "lease_expires_at": None, **counts}
        left = update(Shard).where(Shard.run_id == claim.run_id, Shard.number == shard.number).values(**values, holder=None)
        session.execute(left.execution_options(synchronize_session=False))
    return len(kept) == len(held)


def _count(session: Session, claim: Claim, shard: HeldShard) -> dict[str, int] | None:
    """The rows and reasons of a shard, or None if a location has neither; obsolete reasons are deleted."""
    obsolete, counts = _count_statements(claim.schedule)
    slot = {"first": shard.first_id, "last": shard.last_id, "slot": claim.due_at}
    session.execute(obsolete, slot)
    is_open, stored, failed = session.execute(counts, slot).one()
    return None if is_open else {"stored": stored, "failed": failed}


@lru_cache(maxsize=256)
def _count_statements(schedule_name: str) -> tuple[Executable, Select[Any]]:
    """The statements of ``_count``; made once, because making them takes longer than running them."""
    in_range = Location.id.between(bindparam("first", type_=Integer), bindparam("last", type_=Integer))
    due_at = bindparam("slot", type_=Run.due_at.type)
    has_row = exists().where(WeatherData.location_id == Missed.location_id, WeatherData.due_at == Missed.due_at)
    # A look-up for each location: reasons are not indexed by time.
    is_mine = and_(Missed.location_id.in_(select(Location.id).where(in_range)), Missed.due_at == due_at)
    columns: list[Any] = [select(Location.id).where(still_missing(schedule_name, due_at), in_range).exists()]
    for model in (WeatherData, Missed):
        rows = select(func.count()).select_from(Location).join(model, model.location_id == Location.id)
        columns.append(rows.where(in_range, follows_schedule(schedule_name), model.due_at == due_at).scalar_subquery())
    return delete(Missed).where(is_mine, has_row).execution_options(synchronize_session=False), select(*columns)


def _summarise(session: Session, claim: Claim, now: datetime) -> RunState:
    """Settle a run whose shards are done; let one that no process works on wait for what its shards wait for."""
    of_run = Shard.run_id == claim.run_id
    numbers = {
        state: (count, stored, failed)
        for state, count, stored, failed in session.execute(
            select(Shard.state, func.count(), func.sum(Shard.stored), func.sum(Shard.failed)).where(of_run).group_by(Shard.state)
        )
    }
    if ShardState.RUNNING in numbers:
        return RunState.RUNNING
    if ShardState.PENDING not in numbers:
        _, stored, failed = numbers[ShardState.DONE]
        delete_shards(session, claim.run_id)
        return close_run(session, claim.run_id, int(stored), int(failed), now)
    pending = select(Shard.lease_expires_at, Shard.reason).where(of_run, Shard.state == ShardState.PENDING)
    first = session.execute(pending.order_by(Shard.lease_expires_at.is_not(None), Shard.lease_expires_at).limit(1)).one()
    values = {"state": RunState.PENDING, "holder": None, "lease_expires_at": first.lease_expires_at, "reason": first.reason}
    released = update(Run).where(Run.id == claim.run_id).values(**values)
    session.execute(released.execution_options(synchronize_session=False))
    return RunState.PENDING
