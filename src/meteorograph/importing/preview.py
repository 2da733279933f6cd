"""What an import would store, for the user to look at before anything is stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from ..model.precipitation_totals import Total, Window, total_ranges
from ..model.quantities import QUANTITIES
from ..model.time_buckets import DAY, bucket_edges, iterate_edges, midnight
from ..model.valid_time import MAX_PERIOD, valid_time
from .staging import StagedRow, Staging

#: Amounts of this time before an edge reach over it at most, and values may be that much later than their slots.
_REACH: Final = timedelta(seconds=MAX_PERIOD)


@dataclass(slots=True)
class MonthTotal:
    """The rows and the precipitation of a month."""

    start: datetime
    rows: int
    precipitation: Total


@dataclass(slots=True)
class LocationPreview:
    """The rows of one location."""

    name: str
    zone: ZoneInfo
    rows: int
    first: datetime
    last: datetime
    #: Number of values of each quantity that has one.
    values: dict[str, int]
    months: list[MonthTotal] = field(default_factory=list)
    #: The day with the most precipitation, or the first one, and its rows.
    day: date | None = None
    day_rows: list[StagedRow] = field(default_factory=list)
    day_total: Total | None = None


def preview_location(staging: Staging, location_id: int, name: str, zone: ZoneInfo) -> LocationPreview | None:
    """What the rows of a location say; None without rows."""
    span = staging.span(location_id)
    if span is None:
        return None
    preview = LocationPreview(name, zone, *span, values={})
    wettest = (-1.0, preview.first)
    for start, end in _months(preview.first, preview.last, zone):
        rows = list(staging.read(location_id, start - timedelta(microseconds=1), end + _REACH))
        own = [row for row in rows if row.due_at < end]
        if not own:
            continue
        _count_values(preview, own)
        windows = [_window(row) for row in rows if _has_amount(row)]
        edges = [edge.timestamp() for edge in (start, end)]
        preview.months.append(MonthTotal(start, len(own), total_ranges(windows, edges)[0]))
        days = bucket_edges(start, end, DAY, zone)
        totals = total_ranges(windows, [day.timestamp() for day in days])
        wettest = max(wettest, *((total.amount or 0.0, day) for total, day in zip(totals, days, strict=False)), key=_amount)
    _take_day(preview, staging, location_id, wettest[1] if wettest[0] > 0 else preview.first)
    return preview


def _amount(day: tuple[float, datetime]) -> float:
    return day[0]


def _months(first: datetime, last: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    for start, end in pairwise(iterate_edges(first, None, zone)):
        yield start, end
        if end > last:
            return


def _count_values(preview: LocationPreview, rows: list[StagedRow]) -> None:
    for quantity in QUANTITIES:
        count = sum(1 for row in rows if getattr(row.observation, quantity.name) is not None)
        if count:
            preview.values[quantity.name] = preview.values.get(quantity.name, 0) + count


def _has_amount(row: StagedRow) -> bool:
    return row.observation.precipitation is not None and row.observation.precipitation >= 0


def _window(row: StagedRow) -> Window:
    amount, observed_at = row.observation.precipitation, row.observation.observed_at
    assert amount is not None
    at = valid_time(row.due_at.timestamp(), None if observed_at is None else observed_at.timestamp())
    period = row.observation.precipitation_period
    return Window(at, period if period and period <= MAX_PERIOD else None, amount)


def _take_day(preview: LocationPreview, staging: Staging, location_id: int, at: datetime) -> None:
    """Keep the rows of the day of an instant; a day includes its end, at which its last amount ends."""
    preview.day = at.astimezone(preview.zone).date()
    start, end = midnight(preview.day, preview.zone), midnight(preview.day + DAY, preview.zone)
    preview.day_rows = list(staging.read(location_id, start, end)) or list(staging.read(location_id, start - DAY, end))
    near = staging.read(location_id, start, end + _REACH)
    windows = [_window(row) for row in near if _has_amount(row)]
    preview.day_total = total_ranges(windows, [start.timestamp(), end.timestamp()])[0]
