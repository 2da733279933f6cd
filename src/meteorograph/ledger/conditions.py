"""A claim, and the conditions on rows that the parts of the ledger share."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, CursorResult, and_, exists, func, or_

from ..config.loading import get_settings
from ..model import schedule
from ..model.schedule import Schedule
from ..model.states import OPEN_STATES, LocationState, ShardState
from ..storage.archive.ranges import has_no_row
from ..storage.models import Location, Missed, Run, Shard

#: How long a shard is held unless its lease is renewed: shorter than a run, since its holder renews nothing else.
SHARD_LEASE: Final = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that this process holds, or of which it may take shards."""

    run_id: int
    #: Name of the schedule: ``default``, or its text.
    schedule: str
    due_at: datetime
    #: End of collection: the next slot is due, or the grace period is over.
    ends_at: datetime
    #: Time from this slot to the next.
    length: timedelta
    #: Whether an earlier holder started it, and released it or let its lease expire.
    taken_over: bool
    #: Whether the run has shards, which are held one by one.
    is_cut: bool = False
    #: Fencing token of the run; of no use if it has shards.
    token: int = field(default=0, compare=False)
    #: The only shard that may be taken; None for any.
    shard: int | None = None

    @property
    def lease(self) -> timedelta:
        """How long the run, or each of its shards, is held unless the lease is renewed."""
        length = schedule.lease_length(self.length)
        return min(SHARD_LEASE, length) if self.is_cut else length


def grace_of(when: Schedule) -> timedelta:
    """How long after its instant a slot may still be collected, if the next one is not due before."""
    chosen = get_settings().grace
    return schedule.default_grace(when) if chosen is None else chosen


def slot_claim(run_id: int, name: str, when: Schedule, slot: datetime, shard: int | None = None) -> Claim:
    """A claim on the shards of a run, or on one of them."""
    length = (when.next_after(slot) or slot + schedule.GRACE) - slot
    return Claim(run_id, name, slot, slot + min(length, grace_of(when)), length, taken_over=False, is_cut=True, shard=shard)


def shard_is_free(lease_now: datetime) -> ColumnElement[bool]:
    """Shards that may be taken: unfinished, without a valid lease, and not waiting for a later time."""
    is_over = Shard.lease_expires_at <= lease_now
    return or_(
        and_(Shard.state == ShardState.PENDING, or_(Shard.lease_expires_at.is_(None), is_over)),
        and_(Shard.state == ShardState.RUNNING, is_over),
    )


def is_free(now: datetime) -> Any:
    """Runs that may be claimed: unfinished, without a valid lease, and not waiting for a later time."""
    return and_(Run.state.in_(OPEN_STATES), or_(Run.lease_expires_at.is_(None), Run.lease_expires_at <= now))


def follows_schedule(name: str) -> Any:
    """Active locations that follow a schedule."""
    mine = Location.schedule.is_(None) if name == schedule.DEFAULT_SCHEDULE else Location.schedule == name
    return and_(Location.state == LocationState.ACTIVE, mine)


def still_missing(name: str, due_at: Any) -> Any:
    """Active locations of a schedule with neither a row nor a reason for the slot."""
    missed = exists().where(Missed.location_id == Location.id, Missed.due_at == due_at)
    return and_(follows_schedule(name), has_no_row(Location.id, due_at), ~missed)


def has_no_account(name: str, due_at: Any) -> Any:
    """Active locations of a schedule that were there before a slot, and have neither a row nor a reason for it."""
    return and_(func.coalesce(Location.due_since, Location.created_at) < due_at, still_missing(name, due_at))


def row_count(result: Any) -> int:
    assert isinstance(result, CursorResult)
    return result.rowcount
