"""Let the engine dispatch shards. The rows of the shards say what is to be done; a job only tells a process to look at one.

So a job that is lost, or done by a process that was taken for dead, changes nothing: every tick and every sweep defers the jobs
of all shards that may be taken.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from ..model import clock, schedule
from ..model.schedule import Schedule
from ..model.states import OPEN_STATES, RunState, ShardState
from ..storage.engine import get_db_session
from ..storage.lease_clock import lease_offset
from ..storage.models import Run, Shard
from .conditions import Claim, shard_is_free, slot_claim


def dispatch_run(session: Session, name: str, slot: datetime, lease_now: datetime, *, is_claimed: bool) -> None:
    """Defer the jobs of a slot's shards, and let go of its run where this process has claimed it to do so."""
    run_id = session.scalar(select(Run.id).where(Run.schedule == name, Run.due_at == slot))
    if run_id is None:
        return
    defer_open_shards(session, run_id, lease_now)
    if is_claimed:  # nobody works on it before a process takes a job
        waiting = update(Run).where(Run.id == run_id).values(state=RunState.PENDING, holder=None, lease_expires_at=None)
        session.execute(waiting.execution_options(synchronize_session=False))


def defer_open_shards(session: Session, run_id: int, lease_now: datetime) -> int:
    """Defer a job for each shard of a run that may be taken and has no waiting job; gives their number."""
    from ..storage.deferral import defer_shards  # needs an optional package

    if session.scalar(select(Run.state).where(Run.id == run_id).with_for_update()) not in OPEN_STATES:
        return 0
    free = select(Shard.number, Shard.state).where(Shard.run_id == run_id, shard_is_free(lease_now)).order_by(Shard.number)
    lost = {number: state == ShardState.RUNNING for number, state in session.execute(free)}
    return defer_shards(session, run_id, lost) if lost else 0


def defer_all_open_shards() -> int:
    """Defer the jobs of all shards that may be taken; gives their number."""
    with get_db_session(read_only=True) as session:
        lease_now = clock.now() + lease_offset(session)
        free = exists().where(Shard.run_id == Run.id, shard_is_free(lease_now))
        runs = session.scalars(select(Run.id).where(Run.state.in_(OPEN_STATES), free).order_by(Run.id)).all()
    count = 0
    for run_id in runs:  # a transaction each: of two runs, none waits for the lock of the other
        with get_db_session() as session:
            count += defer_open_shards(session, run_id, lease_now)
    return count


def claim_shard(run_id: int, number: int, default: Schedule) -> Claim | None:
    """The claim of a job on one shard of a run; None where the run has ended, or its slot is over."""
    with get_db_session(read_only=True) as session:
        run = session.execute(select(Run.schedule, Run.due_at, Run.state).where(Run.id == run_id)).first()
    if run is None or run.state not in OPEN_STATES:
        return None
    when = default if run.schedule == schedule.DEFAULT_SCHEDULE else schedule.parse_schedule(run.schedule)
    claim = slot_claim(run_id, run.schedule, when, run.due_at, shard=number)
    return claim if clock.now() < claim.ends_at else None
