"""The audit: is every slot of every scheduled location accounted for by a row, a reason or an open run?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from ..model.schedule import Schedule
from ..model.states import MissedReason
from ..storage.engine import get_db_session
from .past_slots import (
    SLOTS_PER_STEP,
    Explain,
    Hole,
    accounted_until,
    due_from,
    find_holes,
    first_open_slot,
    no_explanation,
    record_reasons,
)

_MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True)
class Finding:
    """Consecutive slots of a schedule that are not accounted for."""

    schedule: str
    first_slot: datetime
    last_slot: datetime
    reason: MissedReason
    slots: int
    #: Slots of single locations without a row and without a reason.
    missing: int


def audit(
    now: datetime,
    schedules: Sequence[tuple[str, Schedule]],
    *,
    since: datetime | None = None,
    repair: bool = True,
    lag: timedelta = timedelta(0),
    explain: Explain = no_explanation,
) -> list[Finding]:
    """Look for slots that are not accounted for, and record the reason of each.

    Args:
        now: The current time (aware UTC).
        schedules: Names and schedules that locations follow.
        since: Start of the audit; from the beginning of the ledger if None.
        repair: Whether to record reasons.
        lag: How far the ticks may be behind: the slots of this time for which they have not accounted yet are left to them,
            since a tick that waited for the database knows why it collected nothing.
        explain: Says why this process did not collect a slot.

    Raises:
        StoreError: The database cannot be reached.
    """
    findings: list[Finding] = []
    for name, when in schedules:
        before = first_open_slot(now, when)
        if before is None:
            continue
        with get_db_session(read_only=True) as session:
            at = due_from(session, name, now, before)
            if lag:
                before = min(before, max(accounted_until(session, name, now, before) + _MICROSECOND, now - lag))
        at = max(at, since - _MICROSECOND) if since is not None else at
        while slots := list(islice(when.slots_between(at, before), SLOTS_PER_STEP)):
            with get_db_session(read_only=not repair) as session:
                holes = [hole for hole in find_holes(session, name, slots, at, explain) if hole.locations]
                if repair:
                    record_reasons(session, holes)
            _add(findings, holes)
            at = slots[-1]
    return findings


def _add(findings: list[Finding], holes: Sequence[Hole]) -> None:
    for hole in holes:
        last = findings[-1] if findings else None
        if last is not None and (last.schedule, last.reason) == (hole.schedule, hole.reason):
            last.last_slot, last.slots, last.missing = hole.due_at, last.slots + 1, last.missing + hole.locations
        else:
            findings.append(Finding(hole.schedule, hole.due_at, hole.due_at, hole.reason, 1, hole.locations))
