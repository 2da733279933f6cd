"""Reads the newest values and the recent temperatures of a page of locations. Stop 9 of the walk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from ..model import clock
from ..model.flags import is_suspect
from ..storage.models import Location, WeatherData
from ..storage.upsert import table_of
from .rows import newest_slot

#: Maximum number of points of a series.
MAX_POINTS: Final = 96

#: A line breaks between two points that are further apart than this multiple of the usual step.
BREAK: Final = 1.5

#: An instant (aware UTC) and a value; the value None breaks the line.
SeriesPoint = tuple[datetime, float | None]


@dataclass(slots=True)
class LocationCard:
    """One location of the page."""

    location: Location
    #: The newest row; None without rows.
    row: WeatherData | None = None
    #: Temperature [°C] of the last hours, oldest first.
    temperatures: list[SeriesPoint] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """The locations of one page, in the order of names."""

    cards: list[LocationCard]
    #: Number of locations on all pages.
    total: int


def read_overview_page(
    session: Session, *, words: str, only: Sequence[str] | None, skip: int, limit: int, since: datetime
) -> OverviewPage:
    """Read the locations that have ``words`` in their name or in one of their tags, in any case.

    Args:
        session: Session to read with.
        words: Text to search for; an empty text matches all.
        only: Names of the locations to search; None for all.
        skip: Number of locations on the previous pages.
        limit: Maximum number of locations on this page.
        since: Start of the series (aware UTC).
    """
    ids, total = _find_page(session, words.casefold(), None if only is None else set(only), skip, limit)
    row = and_(WeatherData.location_id == Location.id, WeatherData.due_at == newest_slot(clock.now()))
    query = select(Location, WeatherData).outerjoin(WeatherData, row).where(Location.id.in_(ids)).order_by(Location.name)
    cards = {location.id: LocationCard(location, row) for location, row in session.execute(query)}
    columns = (WeatherData.location_id, WeatherData.due_at, table_of(WeatherData).c.temperature, WeatherData.flags)
    within = (WeatherData.location_id.in_(ids), WeatherData.due_at > since)
    for id_, due_at, value, flags in session.execute(select(*columns).where(*within).order_by(*columns[:2])):
        if value is not None and not is_suspect((flags or {}).get("temperature", ())):
            cards[id_].temperatures.append((due_at, value))
    for card in cards.values():
        card.temperatures = insert_breaks(thin_out(card.temperatures))
    return OverviewPage(list(cards.values()), total)


def _find_page(session: Session, text: str, names: set[str] | None, skip: int, limit: int) -> tuple[list[int], int]:
    """The ids of the locations of a page in the order of names, and the number of those on all pages."""
    if not text and names is None:
        ids = session.scalars(select(Location.id).order_by(Location.name).offset(skip).limit(limit)).all()
        return list(ids), session.scalar(select(func.count()).select_from(Location)) or 0
    # Neither database knows the cases of all letters.
    locations = session.execute(select(Location.id, Location.name, Location.tags).order_by(Location.name))
    matches = [
        id_
        for id_, name, tags in locations
        if (names is None or name in names) and any(text in part.casefold() for part in (name, *(tags or ())))
    ]
    return matches[skip : skip + limit], len(matches)


def thin_out(series: Sequence[SeriesPoint]) -> list[SeriesPoint]:
    """Every n-th point with the smallest n that leaves at most ``MAX_POINTS``; keeps the newest point."""
    step = -(-len(series) // MAX_POINTS) or 1
    return list(series[::-1][::step][::-1])


def usual_step(instants: Iterable[datetime]) -> timedelta | None:
    """The median time between neighbouring instants; None for fewer than two instants."""
    steps = sorted(later - earlier for earlier, later in pairwise(instants))
    return steps[len(steps) // 2] if steps else None


def insert_breaks(series: Sequence[SeriesPoint]) -> list[SeriesPoint]:
    """The series with a None wherever points are missing."""
    step = usual_step(at for at, _ in series)
    broken: list[SeriesPoint] = list(series[:1])
    for (earlier, _), point in pairwise(series):
        if step is not None and point[0] - earlier > step * BREAK:
            broken.append((earlier + step, None))
        broken.append(point)
    return broken
