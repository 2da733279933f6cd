"""Account for the slots of the past: each has a run, and each location due then a row or a reason. Stop 8 of the walk.

Whatever left a slot without a run (no process, a clock that jumped, a run of the fallback database that was moved, a restored
backup), the slots between the last accounted one and the one at hand are looked at in order. The slot at hand is claimed before,
so a long absence delays no collection.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, islice
from operator import itemgetter
from typing import Final

from sqlalchemy import and_, func, insert, literal, select
from sqlalchemy.orm import Session

from ..model import schedule
from ..model.schedule import Schedule
from ..model.states import OPEN_STATES, MissedReason, RunState
from ..storage.engine import get_db_session
from ..storage.instants import instants
from ..storage.models import AccountedUntil, Heartbeat, Location, Missed, Run
from ..storage.upsert import insert_or_ignore, insert_or_replace
from .closing import recount_runs
from .conditions import follows_schedule, grace_of, has_no_account

#: Most slots, and most slots times locations, of one transaction: other processes wait for it.
SLOTS_PER_STEP: Final = 200
ROWS_PER_STEP: Final = 20_000

#: The slots of a schedule have runs for at most so long before the first location was due.
LONGEST_BEFORE: Final = timedelta(days=1)

#: Says why this process did not collect a slot although it was there; None if it was not, or does not know.
Explain = Callable[[datetime, datetime], MissedReason | None]

_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Hole:
    """A slot with locations that have neither a row nor a reason, nor an open run that may still give one."""

    schedule: str
    due_at: datetime
    #: Whether the slot has no run at all.
    has_no_run: bool
    reason: MissedReason
    locations: int = 0


def no_explanation(slot: datetime, following: datetime) -> None:
    """An ``Explain`` that knows nothing."""


def account_for_past(now: datetime, name: str, when: Schedule, explain: Explain = no_explanation) -> bool:
    """Account for the next slots of a schedule that have passed; gives whether there may be more of them."""
    before = first_open_slot(now, when)
    if before is None:
        return False
    with get_db_session(read_only=True) as session:
        since = accounted_until(session, name, now, before)
        is_ahead = since >= before  # a clock that was ahead has accounted for slots of the future
        if not is_ahead and next(iter(when.slots_between(since, before)), None) is None:
            return False
        limit = _slots_per_step(session, name)
    if is_ahead:
        with get_db_session() as session:
            insert_or_replace(session, AccountedUntil, [{"schedule": name, "until_at": before - _MICROSECOND}])
        return False
    with get_db_session() as session:
        slots = list(islice(when.slots_between(since, before), limit + 1))
        holes = list(find_holes(session, name, slots[:limit], since, explain, following=slots[limit:]))
        record_reasons(session, holes)
        until = _last_closed(session, name, slots[:limit])
        if until is not None:
            insert_or_replace(session, AccountedUntil, [{"schedule": name, "until_at": until}])
    return len(slots) > limit and until == slots[limit - 1]


def find_holes(
    session: Session,
    name: str,
    slots: Sequence[datetime],
    since: datetime,
    explain: Explain = no_explanation,
    *,
    following: Sequence[datetime] = (),
) -> Iterator[Hole]:
    """The holes in consecutive slots of a schedule, oldest first.

    Args:
        session: Session to read with.
        name: The schedule.
        slots: Its slots after ``since``.
        since: The last instant that is accounted for.
        explain: Says why this process did not collect a slot.
        following: The slot after the last one, if it has passed too.
    """
    if not slots:
        return
    columns = Run.due_at, Run.state, Run.ended_at
    earlier = select(*columns).where(Run.schedule == name, Run.due_at <= since).order_by(Run.due_at.desc()).limit(1)
    own = select(*columns).where(Run.schedule == name, Run.due_at > since, Run.due_at <= slots[-1])
    runs = {due_at: (state, ended_at) for due_at, state, ended_at in session.execute(own)}
    last = session.execute(earlier).first()
    stops = _read_stops(session)
    closed = [slot for slot in slots if slot not in runs or runs[slot][0] not in OPEN_STATES]
    counts = _count_without_account(session, name, closed)
    busy_until: datetime | None = last.ended_at if last is not None and last.state != RunState.MISSED else None
    for slot, after in zip(slots, (*slots[1:], *following, slots[-1] + schedule.GRACE), strict=False):
        if slot in runs:
            state, ended_at = runs[slot]
            busy_until = ended_at if state != RunState.MISSED else None
            if slot in counts:
                yield Hole(name, slot, False, MissedReason.UNRECORDED, counts[slot])
            continue
        if busy_until is not None and busy_until > slot:
            reason = MissedReason.LATE
        else:
            reason = explain(slot, after) or _absence(slot, stops)
        yield Hole(name, slot, True, reason, counts.get(slot, 0))


def record_reasons(session: Session, holes: Collection[Hole]) -> None:
    """Write the reasons of holes, and the runs that they lack."""
    for (name, reason, has_no_run), group in groupby(holes, key=lambda hole: (hole.schedule, hole.reason, hole.has_no_run)):
        same = list(group)
        slots = [hole.due_at for hole in same]
        if has_no_run:
            counts = {"stored": 0, "calls": 0, "shard": 0, "state": RunState.MISSED, "reason": reason, "schedule": name}
            runs = [{**counts, "due_at": hole.due_at, "due": hole.locations, "failed": hole.locations} for hole in same]
            insert_or_ignore(session, Run, runs)
        _record_missed(session, name, slots, reason)
        if not has_no_run:
            recount_runs(session, slots)


def _record_missed(session: Session, name: str, slots: Sequence[datetime], reason: MissedReason) -> None:
    """Record a reason for each location without an account of some slots, which have runs."""
    of_slots = and_(Run.schedule == name, Run.due_at >= slots[0], Run.due_at <= slots[-1], Run.due_at.in_(slots))
    missing = select(Location.id, Run.due_at, literal(reason.value, Missed.reason.type)).select_from(Run).join(Location, of_slots)
    missing = missing.where(has_no_account(name, Run.due_at))
    session.execute(insert(Missed).from_select(["location_id", "due_at", "reason"], missing))


def _count_without_account(session: Session, name: str, slots: Sequence[datetime]) -> dict[datetime, int]:
    """Slot → number of locations with neither a row nor a reason, where there are any; all slots in one statement."""
    if not slots:
        return {}
    table = instants(session, slots)
    query = select(table.c.value, func.count()).join_from(table, Location, has_no_account(name, table.c.value))
    return dict(session.execute(query.group_by(table.c.value)).all())


def first_open_slot(now: datetime, when: Schedule) -> datetime | None:
    """The end of the past: the slot at hand while it may be collected, else the instant after it."""
    slot = when.slot_at(now)
    if slot is None:
        return None
    return slot if now - slot < grace_of(when) else slot + _MICROSECOND


def accounted_until(session: Session, name: str, now: datetime, before: datetime) -> datetime:
    """The instant until which a schedule is accounted for."""
    until = session.scalar(select(AccountedUntil.until_at).where(AccountedUntil.schedule == name))
    return due_from(session, name, now, before) if until is None else until


def due_from(session: Session, name: str, now: datetime, before: datetime) -> datetime:
    """The instant after which the slots of a schedule must be accounted for: from its first run on, or since it is followed.

    Not long before any location was due, although a clock that was wrong may have left runs there. The run of the slot at hand,
    which is not ``before`` it, does not count: it may be the first one after slots that no process collected.
    """
    due_since = session.scalar(
        select(func.min(func.coalesce(Location.due_since, Location.created_at))).where(follows_schedule(name))
    )
    first_run = session.scalar(select(func.min(Run.due_at)).where(Run.schedule == name, Run.due_at < before))
    if first_run is not None:
        return max(first_run, due_since - LONGEST_BEFORE if due_since else first_run) - _MICROSECOND
    # Nothing was missed before a service has ever run.
    started = [at for at in (session.scalar(select(func.min(column))) for column in (Run.due_at, Heartbeat.beat_at)) if at]
    return max(min(started, default=now), due_since or now) - _MICROSECOND


def _slots_per_step(session: Session, name: str) -> int:
    count = session.scalar(select(func.count()).select_from(Location).where(follows_schedule(name))) or 1
    return max(1, min(SLOTS_PER_STEP, ROWS_PER_STEP // max(1, count)))


def _last_closed(session: Session, name: str, slots: Sequence[datetime]) -> datetime | None:
    """The last of the slots before the first one whose run is still open."""
    is_open = (Run.schedule == name, Run.due_at >= slots[0], Run.due_at <= slots[-1], Run.state.in_(OPEN_STATES))
    first = session.scalar(select(func.min(Run.due_at)).where(*is_open))
    closed = slots if first is None else [slot for slot in slots if slot < first]
    return closed[-1] if closed else None


def _read_stops(session: Session) -> list[tuple[datetime, bool]]:
    """The last heartbeat of each process, and whether the process was stopped in order after it, oldest first."""
    query = select(Heartbeat.beat_at, Heartbeat.is_stopped).order_by(Heartbeat.beat_at)
    return [(beat_at, is_stopped) for beat_at, is_stopped in session.execute(query)]


def _absence(slot: datetime, stops: Sequence[tuple[datetime, bool]]) -> MissedReason:
    """Why no process was there: the last one before the slot was stopped in order, or it went down."""
    number = bisect_right(stops, slot, key=itemgetter(0))
    return MissedReason.STOPPED if number and stops[number - 1][1] else MissedReason.DOWN
