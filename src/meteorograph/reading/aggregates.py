"""Aggregates rows in buckets of time. Stop 9 of the walk."""

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
from .aggregate_columns import HEAD_COLUMNS, AggregateColumns, AggregateRow, read_columns, read_missed_instants

#: Number of locations that are read at once.
LOCATIONS_PER_PAGE: Final = 100

#: Most values (buckets by quantities) of one location, and about how many are read at once. A value has up to nine statistics.
MAX_VALUES: Final = 250_000
_VALUES_PER_PAGE: Final = 100_000


@dataclass(slots=True)
class Bucket:
    """Aggregates of one location between two instants (aware UTC): its slots by ``due_at``, its values by their valid time."""

    start: datetime
    end: datetime
    #: Number of slots that were due, and number of those that are stored.
    due: int = 0
    stored: int = 0
    #: Number of different observations.
    observations: int = 0
    #: Quantity → its ``STATISTICS``, in canonical units.
    values: dict[str, Statistics] = field(default_factory=dict)


class LocationBuckets(NamedTuple):
    """The buckets of a location as columns, because an answer may have hundreds of thousands."""

    id: int
    name: str
    #: Time zone of its days.
    zone: ZoneInfo
    #: Edges of the buckets [Unix s], one more than there are buckets.
    edges: tuple[float, ...]
    due: Sequence[int]
    stored: Sequence[int]
    observations: Sequence[int]
    #: Quantity → a column for each of its ``STATISTICS``.
    values: Mapping[str, Sequence[Column]]

    def buckets(self) -> list[Bucket]:
        """The same data as objects."""
        instants = [datetime.fromtimestamp(edge, UTC) for edge in self.edges]
        heads = zip(instants, instants[1:], self.due, self.stored, self.observations, strict=False)
        buckets = [Bucket(*numbers) for numbers in heads]
        for name, columns in self.values.items():
            for bucket, row in zip(buckets, zip(*columns, strict=True), strict=True):
                bucket.values[name] = dict(zip(STATISTICS[name], row, strict=True))
        return buckets


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
    """All whole buckets that overlap the time from ``start`` to ``end``, oldest first; values of a bucket without data are None.

    Args:
        session: Session to read with.
        location: Name of the location.
        start: First instant (aware UTC).
        end: Instant after the last one (aware UTC).
        bucket: ``hour``, ``day``, ``month`` or a length that divides a day, such as ``15m`` or ``6h``.
        zone: IANA time zone of the days. Default: the location's own, or UTC if it has none.
        quantities: Names of the quantities; all if empty.
        include_flagged: Whether suspect values (``flags.SUSPECT``) are included.

    Raises:
        LocationNotFoundError: No location has that name.
        ValueError: ``bucket`` is invalid, or there would be too many buckets.
    """
    [page] = read_bucket_page(
        session,
        location=location,
        start=start,
        end=end,
        bucket=bucket,
        zone=zone,
        quantities=quantities,
        include_flagged=include_flagged,
    )
    return page.buckets()


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
    """Buckets as ``read_buckets`` returns them, of one location or of the next locations after the id ``after``.

    These are ``limit`` locations, or fewer if they have many buckets and quantities; none after the last one.

    Raises:
        LocationNotFoundError: No location has that name.
        ValueError: ``bucket`` is invalid, or there would be too many buckets or values.
    """
    length, names = parse_bucket(bucket), tuple(quantities) or tuple(BY_NAME)
    limit = min(limit, max(1, _VALUES_PER_PAGE // count_values(start, end, bucket, len(names))))
    if location is not None:
        locations = [get_location(session, location)]
    else:
        locations = list(session.scalars(select(Location).where(Location.id > after).order_by(Location.id).limit(limit)))
    zones = {row.id: zone_or_utc(zone or row.timezone) for row in locations}
    all_edges = {location_id: _edge_seconds(start, end, length, zone_) for location_id, zone_ in zones.items()}
    # Months are merged from days, because days have rollups.
    read_edges = all_edges if length is not None else {id_: _day_edges(own, zones[id_]) for id_, own in all_edges.items()}
    edges = {location_id: own for location_id, own in read_edges.items() if own}
    columns = read_columns(session, edges, names, daily=length in (None, DAY), include_flagged=include_flagged)
    missed = read_missed_instants(session, edges)
    no_columns: AggregateColumns = [()] * (HEAD_COLUMNS + sum(len(PARTS[name]) for name in names))
    page = []
    for row in locations:
        own = columns.get(row.id, no_columns)
        if length is None:
            own = _merge_months(own, read_edges[row.id], all_edges[row.id], names)
        page.append(_make_buckets(row, zones[row.id], all_edges[row.id], own, names, missed.get(row.id, ())))
    return page


def has_location_after(session: Session, id_: int) -> bool:
    """Whether ``read_bucket_page`` has more locations after this id."""
    return session.scalar(select(Location.id).where(Location.id > id_).limit(1)) is not None


def count_values(start: datetime, end: datetime, bucket: str, quantities: int) -> int:
    """Number of values (buckets by quantities) of one location, at least 1. Months count as their days, from which they are made.

    Raises:
        ValueError: ``bucket`` is invalid, or there are too many buckets or values.
    """
    buckets = max(1, len(_edge_seconds(start, end, parse_bucket(bucket) or DAY, zone_or_utc(None))) - 1)
    values = buckets * quantities
    if values > MAX_VALUES:
        raise ValueError(
            f"would give {values:,} values ({buckets:,} buckets of {quantities} fields), and at most {MAX_VALUES:,} are allowed: "
            "use longer buckets, a shorter range or fewer fields"
        )
    return values


@lru_cache(maxsize=64)
def _edge_seconds(start: datetime, end: datetime, length: timedelta | None, zone: ZoneInfo) -> tuple[float, ...]:
    return tuple(edge.timestamp() for edge in bucket_edges(start, end, length, zone))


@lru_cache(maxsize=64)
def _day_edges(months: tuple[float, ...], zone: ZoneInfo) -> tuple[float, ...]:
    """The edges of the days of months."""
    if not months:
        return ()
    start, end = (datetime.fromtimestamp(edge, UTC) for edge in (months[0], months[-1]))
    return _edge_seconds(start, end, DAY, zone)


def _merge_months(
    columns: AggregateColumns, days: Sequence[float], months: Sequence[float], names: Sequence[str]
) -> AggregateColumns:
    """Merge columns of days into columns of months."""
    bounds = [bisect_left(days, month) for month in months]
    rows: list[AggregateRow] = []
    for first, last in pairwise(bounds):
        parts = [column[first:last] for column in columns]
        numbers: list[Any] = [sum(part) for part in parts[:HEAD_COLUMNS]]
        index = HEAD_COLUMNS
        for name in names:
            width = len(PARTS[name])
            numbers += merge_summaries(name, parts[index : index + width])
            index += width
        rows.append(tuple(numbers))
    return list(zip(*rows, strict=True)) or columns


def _make_buckets(
    location: Location,
    zone: ZoneInfo,
    edges: tuple[float, ...],
    columns: AggregateColumns,
    names: Sequence[str],
    missed: Iterable[float],
) -> LocationBuckets:
    stored, observations = columns[:HEAD_COLUMNS]
    index = HEAD_COLUMNS
    seconds = [end - start for start, end in pairwise(edges)]
    values = {}
    for name in names:
        width = len(PARTS[name])
        values[name] = compute_statistics(name, columns[index : index + width], seconds)
        index += width
    due = list(stored)
    for at in missed:
        if edges[0] <= at < edges[-1]:
            due[bisect_right(edges, at) - 1] += 1
    return LocationBuckets(location.id, location.name, zone, edges, due, stored, observations, values)
