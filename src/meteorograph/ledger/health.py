"""The health of the service, as the ledger shows it: freshness, stale locations, last run and heartbeat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..model.schedule import EPOCH, Schedule, parse_schedule
from ..model.states import LocationState, RunState
from ..storage.models import Heartbeat, Location, Run, WeatherData


@dataclass(frozen=True, slots=True)
class LedgerHealth:
    """The health of the service."""

    #: Age of each scheduled location's newest slot [s]; None for a location without a row.
    freshness: dict[str, float | None]
    #: Scheduled locations without a row of the slot before the current one, and of any later slot.
    stale: list[str]
    #: The newest run.
    last_run: Run | None
    #: Age of the newest heartbeat of any process [s].
    heartbeat_seconds: float | None


def read_health(session: Session, now: datetime, default: Schedule) -> LedgerHealth:
    """The state of the ledger at ``now``."""
    # Rows of the future, from a clock that was ahead, do not count as fresh.
    newest = select(func.max(WeatherData.due_at)).where(WeatherData.location_id == Location.id, WeatherData.due_at <= now)
    columns = (
        Location.name,
        Location.schedule,
        Location.created_at,
        Location.due_since,
        newest.correlate(Location).scalar_subquery(),
    )
    query = select(*columns).where(Location.state == LocationState.ACTIVE).order_by(Location.name)
    freshness: dict[str, float | None] = {}
    stale = []
    expected: dict[str | None, datetime] = {}
    for name, text, created_at, due_since, newest_at in session.execute(query):
        due_at: datetime | None = newest_at  # None where there is no row, although the type of the subquery excludes it
        freshness[name] = None if due_at is None else (now - due_at).total_seconds()
        if text not in expected:
            expected[text] = _expected(parse_schedule(text) if text else default, now)
        since_when = due_at or created_at
        if max(since_when, due_since or since_when) < expected[text]:
            stale.append(name)
    beat = session.scalar(select(func.max(Heartbeat.beat_at)))
    last = session.scalars(select(Run).where(Run.state != RunState.MISSED).order_by(Run.due_at.desc()).limit(1)).first()
    return LedgerHealth(freshness, stale, last, None if beat is None else (now - beat).total_seconds())


def _expected(when: Schedule, now: datetime) -> datetime:
    """The slot that must be stored by now: the one before the current one, which has a minute to be collected."""
    current = when.slot_at(now - timedelta(minutes=1)) or EPOCH
    return when.slot_at(current - timedelta(microseconds=1)) or EPOCH
