"""The locations as MQTT shows them, and their newest rows."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..config.settings import Settings
from ..ledger.health import read_health
from ..model.schedule import Interval, parse_schedule
from ..model.states import LocationState
from ..storage.models import Location, WeatherData
from ..storage.newest_rows import newest_slot
from ..storage.upsert import table_of
from .home_assistant import seconds_to_expiry
from .receiver import StoredRow

_weather: Final = table_of(WeatherData)


class Place(NamedTuple):
    """A location, as it is announced."""

    id: int
    name: str
    #: After how long without news its values are unknown [s].
    expire_after: int
    #: Whether its newest values are those of its last slots.
    is_fresh: bool


def read_places(session: Session, settings: Settings, now: datetime) -> list[Place]:
    """All locations but the unscheduled ones. Those that are paused are not fresh."""
    default = Interval(settings.interval)
    health = read_health(session, now, default)
    fresh = {name for name, age in health.freshness.items() if age is not None} - set(health.stale)
    query = select(Location.id, Location.name, Location.schedule).where(Location.state != LocationState.UNSCHEDULED)
    rows = session.execute(query.order_by(Location.id)).all()
    expiry = {text: seconds_to_expiry(parse_schedule(text) if text else default, now) for text in {row.schedule for row in rows}}
    return [Place(row.id, row.name, expiry[row.schedule], row.name in fresh) for row in rows]


def read_newest(session: Session, ids: Collection[int], now: datetime) -> list[StoredRow]:
    """The newest row of each of these locations that has any."""
    query = select(Location.name, *_weather.columns).join(Location, Location.id == _weather.c.location_id)
    query = query.where(Location.id.in_(ids), _weather.c.due_at == newest_slot(now))
    found = session.execute(query).all()
    return [StoredRow(row.location_id, row.name, dict(zip(_weather.c.keys(), row[1:], strict=True))) for row in found]
