"""Stop 9 of the walk: takes rows, gives what they come to in buckets of time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..locations.repository import get_location
from ..model.quantities import BY_NAME
from ..model.statistics import PARTS, STATISTICS, Column, Statistics, compute_statistics, merge_summaries
from ..model.time_buckets import DAY, bucket_edges, parse_bucket, zone_or_utc
from ..storage.models import Location
from .aggregate_columns import Columns, Row, missed_instants, read_columns

#: Locations that are read at once.
LOCATIONS_PER_PAGE: Final = 100


@dataclass(slots=True)
class Bucket:
    """What became of one location in ``start <= due_at < end`` (aware UTC)."""

    start: datetime
    end: datetime
    #: Slots that were due, and those of them that are stored.
    due: int = 0
    stored: int = 0
    #: Quantity → ``min``, ``max``, ``mean``, ``sum`` (of precipitation only) and ``count``, in canonical units.
    values: dict[str, Statistics] = field(default_factory=dict)


class LocationBuckets(NamedTuple):
    """The buckets of a location, column by column: an answer may have hundreds of thousands."""

    id: int
    name: str
    #: The zone of its days.
    zone: ZoneInfo
    #: Edges of the buckets [Unix s], one more than there are buckets.
    marks: tuple[float, ...]
    due: Sequence[int]
    stored: Sequence[int]
    #: Quantity → a column for each of the ``STATISTICS``.
    values: Mapping[str, Sequence[Column]]

    def buckets(self) -> list[Bucket]:
        """The same as objects."""
        instants = [datetime.fromtimestamp(mark, UTC) for mark in self.marks]
        made = [Bucket(*each) for each in zip(instants, instants[1:], self.due, self.stored, strict=False)]
        for name, columns in self.values.items():
            for bucket, row in zip(made, zip(*columns, strict=True), strict=True):
                bucket.values[name] = dict(zip(STATISTICS, row, strict=True))
        return made


def read_buckets(
    session: Session,
    *,
    location: str,
    start: datetime,
    end: datetime,
    bucket: str,
    zone: str | None = None,
    quantities: Sequence[str] = (),
    include_flagged: bool = False,
) -> list[Bucket]:
    """The whole buckets that ``start <= due_at < end`` touches, oldest first; one without data is there, with None.

    Args:
        session: Where the rows are.
        location: Name of the location.
        start: First instant (aware UTC).
        end: Instant after the last one (aware UTC).
        bucket: ``hour``, ``day``, ``month`` or a length that divides a day, such as ``15m`` or ``6h``.
        zone: IANA time zone of the days; the location's own without it, UTC where it has none.
        quantities: Which ones, by name; all when there are none.
        include_flagged: Whether values that are not to be trusted (``flags.SUSPECT``) count too.

    Raises:
        LocationNotFoundError: There is no location of this name.
        ValueError: ``bucket`` is none, or there would be too many buckets.
    """
    [found] = read_bucket_page(
        session,
        location=location,
        start=start,
        end=end,
        bucket=bucket,
        zone=zone,
        quantities=quantities,
        include_flagged=include_flagged,
    )
    return found.buckets()


def read_bucket_page(
    session: Session,
    *,
    start: datetime,
    end: datetime,
    bucket: str,
    location: str | None = None,
    zone: str | None = None,
    quantities: Sequence[str] = (),
    include_flagged: bool = False,
    after: int = 0,
    limit: int = LOCATIONS_PER_PAGE,
) -> list[LocationBuckets]:
    """The ``buckets`` of one location, or of some at a time: those whose id follows ``after``.

    Raises:
        LocationNotFoundError: There is no location of this name.
        ValueError: As for ``buckets``.
    """
    length, names = parse_bucket(bucket), tuple(quantities) or tuple(BY_NAME)
    if location is not None:
        known = [get_location(session, location)]
    else:
        known = list(session.scalars(select(Location).where(Location.id > after).order_by(Location.id).limit(limit)))
    zones = {each.id: zone_or_utc(zone or each.timezone) for each in known}
    marks = {id_: _marks(start, end, length, each) for id_, each in zones.items()}
    finer = {id_: _days(each, zones[id_]) if length is None else each for id_, each in marks.items()}
    asked = {id_: each for id_, each in finer.items() if each}
    rows = read_columns(session, asked, names, daily=length in (None, DAY), include_flagged=include_flagged)
    lost = missed_instants(session, asked)
    nothing: Columns = [()] * (1 + sum(len(PARTS[each]) for each in names))
    found = []
    for each in known:
        own = rows.get(each.id, nothing)
        if length is None:
            own = _months(own, finer[each.id], marks[each.id], names)
        found.append(_found(each.id, each.name, zones[each.id], marks[each.id], own, names, lost.get(each.id, ())))
    return found


@lru_cache(maxsize=64)
def _marks(start: datetime, end: datetime, length: timedelta | None, zone: ZoneInfo) -> tuple[float, ...]:
    return tuple(edge.timestamp() for edge in bucket_edges(start, end, length, zone))


@lru_cache(maxsize=64)
def _days(marks: tuple[float, ...], zone: ZoneInfo) -> tuple[float, ...]:
    """The edges of the days of months."""
    if not marks:
        return ()
    start, end = (datetime.fromtimestamp(mark, UTC) for mark in (marks[0], marks[-1]))
    return _marks(start, end, DAY, zone)


def _months(of_days: Columns, days: Sequence[float], months: Sequence[float], names: Sequence[str]) -> Columns:
    """The numbers of months from those of their days."""
    places = [bisect_left(days, month) for month in months]
    made: list[Row] = []
    for first, last in pairwise(places):
        columns = [column[first:last] for column in of_days]
        place = 1
        numbers: list[Any] = [sum(columns[0])]
        for name in names:
            width = len(PARTS[name])
            numbers += merge_summaries(name, columns[place : place + width])
            place += width
        made.append(tuple(numbers))
    return list(zip(*made, strict=True)) or of_days


def _found(
    id_: int, name: str, zone: ZoneInfo, marks: tuple[float, ...], columns: Columns, names: Sequence[str], lost: Iterable[float]
) -> LocationBuckets:
    stored, place = columns[0], 1
    values = {}
    for each in names:
        width = len(PARTS[each])
        values[each] = compute_statistics(each, columns[place : place + width])
        place += width
    due = list(stored)
    for at in lost:
        if marks[0] <= at < marks[-1]:
            due[bisect_right(marks, at) - 1] += 1
    return LocationBuckets(id_, name, zone, marks, due, stored, values)
