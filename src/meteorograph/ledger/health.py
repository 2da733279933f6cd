"""The health of the service, as the ledger shows it: freshness, stale locations, last run and heartbeat."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Text, and_, cast, func, select
from sqlalchemy.orm import Session

from ..model.flags import Flag
from ..model.schedule import EPOCH, Schedule, parse_schedule
from ..model.states import LocationState, RunState
from ..quality.row_checks import MAX_CLOCK_LEAD
from ..storage.models import Heartbeat, Location, Missed, Run, WeatherData

#: How far back missed slots are counted, and how many at most.
MISSED_SINCE: Final = timedelta(days=1)
MISSED_COUNTED: Final = 10_000


@dataclass(frozen=True, slots=True)
class LedgerHealth:
    """The health of the service."""

    #: Age of each scheduled location's newest observation [s]; None without a row, and for an observation of the future.
    freshness: dict[str, float | None]
    #: Scheduled locations without a row of the slot before the current one, and of any later slot.
    stale: list[str]
    #: The newest run.
    last_run: Run | None
    #: Process → age of its newest heartbeat [s].
    heartbeats: dict[str, float]
    #: Flag (``old``, ``stale`` or ``future``) and provider → the locations with this flag in their newest row.
    standing_still: dict[tuple[Flag, str], list[str]] = field(default_factory=dict)
    #: When the newest of all rows was due.
    newest_slot: datetime | None = None


def read_health(session: Session, now: datetime, default: Schedule) -> LedgerHealth:
    """The state of the ledger at ``now``."""
    until = now + MAX_CLOCK_LEAD  # what is later comes from a clock that was wrong
    newest = select(func.max(WeatherData.due_at)).where(WeatherData.location_id == Location.id, WeatherData.due_at <= until)
    is_newest = WeatherData.due_at == newest.correlate(Location).scalar_subquery()
    columns = (
        Location.name,
        Location.schedule,
        Location.created_at,
        Location.due_since,
        WeatherData.due_at,
        WeatherData.observed_at,
        WeatherData.provider,
        _has_flag(Flag.OLD),
        _has_flag(Flag.STALE),
        _has_flag(Flag.FUTURE),
    )
    query = select(*columns).outerjoin(WeatherData, and_(WeatherData.location_id == Location.id, is_newest))
    health = LedgerHealth({}, [], _last_run(session, until), _heartbeats(session, now))
    newest_slot: datetime | None = None
    expected: dict[str | None, datetime] = {}
    query = query.where(Location.state == LocationState.ACTIVE).order_by(Location.name)
    for name, text, created_at, due_since, newest_at, observed_at, provider, is_old, is_still, is_future in session.execute(
        query
    ):
        due_at: datetime | None = newest_at  # None where there is no row, although the type of an outer join excludes it
        health.freshness[name] = _age(now, observed_at or due_at)
        for flag, is_flagged in ((Flag.OLD, is_old), (Flag.STALE, is_still), (Flag.FUTURE, is_future)):
            if is_flagged:
                health.standing_still.setdefault((flag, provider), []).append(name)
        if due_at is not None and (newest_slot is None or due_at > newest_slot):
            newest_slot = due_at
        if text not in expected:
            expected[text] = _expected(parse_schedule(text) if text else default, now)
        since_when = due_at or created_at
        if max(since_when, due_since or since_when) < expected[text]:
            health.stale.append(name)
    return replace(health, newest_slot=newest_slot)


def count_missed(session: Session, now: datetime) -> dict[str, int]:
    """Reason → missed slots of the last day that may still be healed; counts no more than ``MISSED_COUNTED`` of them."""
    is_recent = (Missed.due_at > now - MISSED_SINCE, Missed.due_at <= now + MAX_CLOCK_LEAD, Missed.closed_at.is_(None))
    newest = select(Missed.reason).where(*is_recent).limit(MISSED_COUNTED).subquery()
    query = select(newest.c.reason, func.count()).group_by(newest.c.reason)
    return {row.reason: row[1] for row in session.execute(query)}


def _has_flag(flag: Flag) -> ColumnElement[bool]:
    """Whether any value of a row has a flag; decoding the flags of all rows would take longer than the query."""
    return cast(WeatherData.flags, Text).contains(f'"{flag}"')


def _age(now: datetime, observed_at: datetime | None) -> float | None:
    if observed_at is None or observed_at > now + MAX_CLOCK_LEAD:
        return None
    return max(0.0, (now - observed_at).total_seconds())


def _last_run(session: Session, until: datetime) -> Run | None:
    query = select(Run).where(Run.state != RunState.MISSED, Run.due_at <= until)
    return session.scalars(query.order_by(Run.due_at.desc()).limit(1)).first()


def _heartbeats(session: Session, now: datetime) -> dict[str, float]:
    is_alive = (Heartbeat.beat_at <= now + MAX_CLOCK_LEAD, Heartbeat.is_stopped.is_(False))
    query = select(Heartbeat.holder, Heartbeat.beat_at).where(*is_alive)
    return {holder: (now - beat_at).total_seconds() for holder, beat_at in session.execute(query)}


def _expected(when: Schedule, now: datetime) -> datetime:
    """The slot that must be stored by now: the one before the current one, which has a minute to be collected."""
    current = when.slot_at(now - timedelta(minutes=1)) or EPOCH
    return when.slot_at(current - timedelta(microseconds=1)) or EPOCH
