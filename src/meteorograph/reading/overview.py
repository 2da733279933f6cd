"""Reads the newest values and the last 24 hours of a page of locations. Stop 9 of the walk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..model.time_buckets import midnight, zone_or_utc
from ..model.valid_time import is_whole
from ..quality.row_checks import MAX_CLOCK_LEAD
from ..storage.models import Location, WeatherData
from .overview_order import OverviewQuery, Position, find_page, last_day, newest_of
from .ranges import RangeStatistics, read_ranges

#: Maximum number of points of a series.
MAX_POINTS: Final = 96

#: A line breaks between two points that are further apart than this multiple of the usual step.
BREAK: Final = 1.5

_DAY: Final = timedelta(days=1)
_HOUR: Final = 3600

#: How far the clock of a provider may be ahead [s].
_LEAD: Final = MAX_CLOCK_LEAD.total_seconds()

#: An instant (aware UTC) and a value; the value None breaks the line.
SeriesPoint = tuple[datetime, float | None]


@dataclass(frozen=True, slots=True)
class DayOfPlace:
    """The last 24 hours of a location, and its today; None for what no row gives."""

    #: Mean temperature [°C] of each hour, oldest first.
    temperatures: list[SeriesPoint] = field(default_factory=list)
    #: Lowest and highest temperature [°C] since local midnight.
    low: float | None = None
    high: float | None = None
    #: Precipitation of 24 hours [mm], and the part of that time which is measured.
    rain: float | None = None
    rain_coverage: float = 0.0
    #: Names of the providers of that precipitation.
    rain_providers: tuple[str, ...] = ()

    @property
    def is_rain_partial(self) -> bool:
        """Whether it may have rained more, because too little of the time is measured."""
        return self.rain is not None and not is_whole(self.rain_coverage, _DAY.total_seconds())


@dataclass(frozen=True, slots=True)
class LocationCard:
    """One location of the page."""

    location: Location
    #: The newest row; None without rows.
    row: WeatherData | None = None
    day: DayOfPlace = field(default_factory=DayOfPlace)


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """The locations of one page."""

    cards: list[LocationCard]
    #: The position of the next page; None on the last one.
    following: Position | None = None
    #: Number of locations on all pages.
    total: int = 0


def read_overview_page(session: Session, query: OverviewQuery, late: Sequence[str], now: datetime) -> OverviewPage:
    """Read a page of the overview. ``late`` are the names of the late locations, in the order of the database."""
    page = find_page(session, query, late, now)
    return OverviewPage(read_cards(session, page.ids, now), page.following, page.total)


def read_cards(session: Session, ids: Sequence[int], now: datetime, *, has_day: bool = True) -> list[LocationCard]:
    """Read the locations with these ids, in this order, with their newest rows.

    Args:
        session: Session to read with.
        ids: Ids of the locations.
        now: The present (aware UTC).
        has_day: Whether the last 24 hours are read too.
    """
    query = select(Location, WeatherData).outerjoin(WeatherData, newest_of(now)).where(Location.id.in_(ids))
    found = {location.id: (location, newest) for location, newest in session.execute(query)}
    days = read_days(session, [found[id_][0] for id_ in ids if id_ in found], now) if has_day else {}
    return [LocationCard(*found[id_], days.get(id_, DayOfPlace())) for id_ in ids if id_ in found]


def read_days(session: Session, locations: Sequence[Location], now: datetime) -> dict[int, DayOfPlace]:
    """The last 24 hours of locations, by id."""
    if not locations:
        return {}
    midnights = {one.id: _midnight(now, one.timezone) for one in locations}
    edges = {id_: _edges(now, at) for id_, at in midnights.items()}
    ranges = read_ranges(session, edges, ("temperature", "precipitation"))
    return {id_: _make_day(own, midnights[id_], now) for id_, own in ranges.items()}


def _midnight(now: datetime, zone: str | None) -> datetime:
    own = zone_or_utc(zone)
    return midnight(now.astimezone(own).date(), own)


def _edges(now: datetime, midnight_at: datetime) -> tuple[float, ...]:
    """The hours of 24 hours, with their start and the local midnight, which may be an hour earlier where clocks change.

    The last range is that of values by a provider's clock that is ahead: the newest value is one of today.
    """
    start, end = last_day(now)
    hours = range(int(start // _HOUR + 1) * _HOUR, int(now.timestamp()) + 1, _HOUR)
    return tuple(sorted({start, *map(float, hours), min(midnight_at.timestamp(), end - 1), end, end + _LEAD}))


def _make_day(ranges: RangeStatistics, midnight_at: datetime, now: datetime) -> DayOfPlace:
    start, end = last_day(now)
    means = zip(ranges.edges, ranges.each("temperature"), strict=False)
    points = [
        (datetime.fromtimestamp(at, UTC), one["mean"]) for at, one in means if start <= at < end and one["mean"] is not None
    ]
    today = ranges.merged("temperature", midnight_at.timestamp(), ranges.edges[-1])
    rain = ranges.merged("precipitation", start, end)
    coverage = min(1.0, (rain["covered_seconds"] or 0.0) / _DAY.total_seconds())
    line = insert_breaks(thin_out(points))
    return DayOfPlace(line, today["min"], today["max"], rain["sum"], coverage, tuple(rain["providers"]))


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
