"""Stop 9 of the walk: takes rows, gives what a page of locations shows of each: its newest values, and their course."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from ..model.flags import is_suspect
from ..storage.models import Location, WeatherData

#: Points of a course at most.
MAX_POINTS: Final = 96

#: A course breaks where two of its points are further apart than this many times what is usual.
BREAK: Final = 1.5

#: An instant (aware UTC) and a value; None is where the line breaks.
SeriesPoint = tuple[datetime, float | None]


@dataclass(slots=True)
class LocationCard:
    """One location of the page."""

    location: Location
    #: The newest row; None while there is none.
    row: WeatherData | None = None
    #: Temperature [°C] of the last hours, oldest first.
    course: list[SeriesPoint] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """The locations of one page, by name, and how many there are on all pages."""

    shown: list[LocationCard]
    total: int


def overview_page(
    session: Session, *, words: str, only: Sequence[str] | None, skip: int, limit: int, since: datetime
) -> OverviewPage:
    """The locations whose name or one of whose tags has ``words`` in it, in any case.

    Args:
        session: Where the rows are.
        words: What is looked for; an empty text finds all.
        only: The names to choose from; all without them.
        skip: How many are on the pages before.
        limit: How many are on this one.
        since: Where the courses begin (aware UTC).
    """
    wanted, names = words.casefold(), None if only is None else set(only)
    every = session.execute(select(Location.id, Location.name, Location.tags).order_by(Location.name))
    found = [
        id_
        for id_, name, tags in every
        if (names is None or name in names) and any(wanted in text.casefold() for text in (name, *(tags or ())))
    ]
    ids = found[skip : skip + limit]
    newest = select(func.max(WeatherData.due_at)).where(WeatherData.location_id == Location.id).correlate(Location)
    row = and_(WeatherData.location_id == Location.id, WeatherData.due_at == newest.scalar_subquery())
    query = select(Location, WeatherData).outerjoin(WeatherData, row).where(Location.id.in_(ids)).order_by(Location.name)
    shown = {location.id: LocationCard(location, row) for location, row in session.execute(query)}
    columns = (WeatherData.location_id, WeatherData.due_at, WeatherData.temperature, WeatherData.flags)
    within = (WeatherData.location_id.in_(ids), WeatherData.due_at > since)
    for id_, due_at, value, flags in session.execute(select(*columns).where(*within).order_by(*columns[:2])):
        if value is not None and not is_suspect((flags or {}).get("temperature", ())):
            shown[id_].course.append((due_at, value))
    for one in shown.values():
        one.course = insert_breaks(thin(one.course))
    return OverviewPage(list(shown.values()), len(found))


def thin(course: Sequence[SeriesPoint]) -> list[SeriesPoint]:
    """Every so-manieth point, so that there are no more than ``POINTS``; the newest is one of them."""
    step = -(-len(course) // MAX_POINTS) or 1
    return list(course[::-1][::step][::-1])


def usual_step(instants: Iterable[datetime]) -> timedelta | None:
    """The time that usually lies between one instant and the next; None for fewer than two."""
    steps = sorted(later - earlier for earlier, later in pairwise(instants))
    return steps[len(steps) // 2] if steps else None


def insert_breaks(course: Sequence[SeriesPoint]) -> list[SeriesPoint]:
    """The course with a None wherever points are missing."""
    step = usual_step(at for at, _ in course)
    made: list[SeriesPoint] = list(course[:1])
    for (earlier, _), point in pairwise(course):
        if step is not None and point[0] - earlier > step * BREAK:
            made.append((earlier + step, None))
        made.append(point)
    return made
