"""Rows of answers that are stored when their run may have ended already: its reasons and counts follow them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import case, delete, func, select, update
from sqlalchemy.orm import Session

from ..model.schedule import DEFAULT_SCHEDULE
from ..model.states import OPEN_STATES, RunState, ShardState
from ..storage.models import Location, Missed, Run, Shard


def lock_runs(session: Session, slots: Collection[datetime]) -> None:
    """Let no process close a run of these slots before the transaction ends: it would record reasons beside the new rows."""
    session.execute(select(Run.id).where(Run.due_at.in_(slots)).order_by(Run.id).with_for_update())


def delete_reasons(session: Session, slot: datetime, ids: Collection[int]) -> set[int]:
    """Delete the reasons why locations have no row for a slot; gives the locations that had one."""
    obsolete = delete(Missed).where(Missed.due_at == slot, Missed.location_id.in_(ids)).returning(Missed.location_id)
    return set(session.scalars(obsolete, execution_options={"synchronize_session": False}))


def count_late_rows(session: Session, slot: datetime, ids: Collection[int]) -> None:
    """Count locations as stored in the runs of a slot that had counted them as failed. The caller has locked the runs."""
    name = func.coalesce(Location.schedule, DEFAULT_SCHEDULE)
    names = {row[0]: row[1] for row in session.execute(select(Location.id, name).where(Location.id.in_(ids)))}
    runs = select(Run.id, Run.schedule, Run.state).where(Run.due_at == slot, Run.schedule.in_(set(names.values())))
    for run in session.execute(runs).all():
        of_run = [location_id for location_id, schedule in names.items() if schedule == run.schedule]
        if run.state in OPEN_STATES:
            _count_in_shards(session, run.id, of_run)
        else:
            _count_in_run(session, run.id, len(of_run))


def _count_in_run(session: Session, run_id: int, number: int) -> None:
    state = case((Run.failed > number, RunState.PARTIAL), else_=RunState.SUCCEEDED)
    values = {"stored": Run.stored + number, "failed": Run.failed - number, "state": state}
    session.execute(update(Run).where(Run.id == run_id).values(**values), execution_options={"synchronize_session": False})


def _count_in_shards(session: Session, run_id: int, ids: Collection[int]) -> None:
    """An open run is counted when it ends; only its complete shards have been counted already."""
    done = select(Shard.number, Shard.first_id, Shard.last_id).where(Shard.run_id == run_id, Shard.state == ShardState.DONE)
    numbers: Counter[int] = Counter()
    for number, first, last in session.execute(done.with_for_update()).all():
        numbers[number] = sum(first <= location_id <= last for location_id in ids)
    for number, count in (+numbers).items():
        shard = update(Shard).where(Shard.run_id == run_id, Shard.number == number)
        values = {"stored": Shard.stored + count, "failed": Shard.failed - count}
        session.execute(shard.values(**values), execution_options={"synchronize_session": False})
