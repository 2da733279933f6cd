"""Missed runs of slots that have not come yet: a process recorded them while its clock was ahead."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from ..log_output import get_logger
from ..model.states import RunState
from ..storage.models import AccountedUntil, Location, Missed, Run
from .conditions import follows_schedule, row_count

log = get_logger(__name__)


def has_future_misses(session: Session, name: str, since: datetime) -> bool:
    """Whether a slot of a schedule from ``since`` on is recorded as missed, although no process has worked on it."""
    return session.scalar(select(Run.id).where(_is_missed(name, since)).limit(1)) is not None


def delete_future_misses(session: Session, name: str, since: datetime) -> None:
    """Delete these runs and the missed slots of their locations, so that the slots can be collected when they are due."""
    runs = row_count(session.execute(delete(Run).where(_is_missed(name, since))))
    locations = select(Location.id).where(follows_schedule(name))
    slots = delete(Missed).where(Missed.due_at >= since, Missed.location_id.in_(locations))
    missed = row_count(session.execute(slots.execution_options(synchronize_session=False)))
    too_far = update(AccountedUntil).where(AccountedUntil.schedule == name, AccountedUntil.until_at >= since)
    # From here on the slots must be accounted for again.
    session.execute(too_far.values(until_at=since - timedelta(microseconds=1)).execution_options(synchronize_session=False))
    log.warning("slots of the future were recorded as missed by a clock that was ahead", schedule=name, runs=runs, slots=missed)


def _is_missed(name: str, since: datetime) -> ColumnElement[bool]:
    is_missed = Run.state == RunState.MISSED
    return is_missed & (Run.schedule == name) & (Run.due_at >= since) & Run.started_at.is_(None)
