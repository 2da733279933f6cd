"""The places that a rule watches, and their newest rows, with one query for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from ..errors import LocationNotFoundError
from ..model.states import LocationState
from ..quality.row_checks import MAX_CLOCK_LEAD
from ..reading.rows import newest_slot
from ..storage.models import Location, WeatherData
from .rules import Rule


@dataclass(frozen=True, slots=True)
class Place:
    """A scheduled location."""

    id: int
    name: str
    #: Since when it is due.
    due_from: datetime
    #: Slot of its newest row; None without rows.
    newest_slot: datetime | None


def read_places(session: Session, rule: Rule, now: datetime) -> list[Place]:
    """The places that a rule watches, by name.

    Raises:
        LocationNotFoundError: A location of the rule was removed or renamed.
    """
    newest = newest_slot(now)
    query = select(Location.id, Location.name, Location.tags, Location.created_at, Location.due_since, newest)
    query = query.where(Location.state == LocationState.ACTIVE).order_by(Location.name)
    chosen, tag = set(rule.options.locations), rule.options.tag
    known = set(session.scalars(select(Location.name).where(Location.name.in_(chosen))))
    if missing := sorted(chosen - known):
        raise LocationNotFoundError(missing[0])
    return [
        Place(id_, name, max(created_at, due_since or created_at), slot)
        for id_, name, tags, created_at, due_since, slot in session.execute(query)
        if (not chosen or name in chosen) and (tag is None or tag in (tags or ()))
    ]


def newest_values(
    session: Session, names: Sequence[str], now: datetime
) -> dict[int, tuple[datetime, str, dict[str, list[str]], dict[str, float | None]]]:
    """Location id → valid time, provider, flags, and values of these quantities of the newest row."""
    columns = [getattr(WeatherData, name) for name in names]
    is_newest = and_(WeatherData.location_id == Location.id, WeatherData.due_at == newest_slot(now))
    query = select(
        WeatherData.location_id, WeatherData.due_at, WeatherData.observed_at, WeatherData.provider, WeatherData.flags, *columns
    )
    query = query.select_from(Location).join(WeatherData, is_newest).where(Location.state == LocationState.ACTIVE)
    found = {}
    for id_, due_at, observed_at, provider, flags, *values in session.execute(query):
        at = observed_at if observed_at is not None and observed_at <= now + MAX_CLOCK_LEAD else due_at
        found[id_] = at, provider, flags or {}, dict(zip(names, values, strict=True))
    return found
