"""Reads what a meteogram shows: single rows if there are few enough, otherwise means, and precipitation by bucket."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...ledger.gaps import list_gaps
from ...locations.repository import get_location
from ...model.states import Origin
from ...reading.aggregates import read_buckets
from ...reading.overview import usual_step
from ...reading.rows import read_rows
from ...storage.archive.ranges import read_ranges
from ...storage.models import WeatherData
from .meteogram_data import LINES, Lines, MeteogramData, bars_of_buckets, lines_of_buckets, lines_of_rows, missed_spans

#: More rows than this are drawn as means.
_MAX_ROWS: Final = 400

#: Gaps that are drawn at most.
_MAX_GAPS: Final = 1000

_DAY: Final = timedelta(days=1)

#: Longest period, its buckets of means and those of precipitation.
_BUCKETS: Final = (
    (timedelta(hours=13), "2m", "15m"),
    (1.1 * _DAY, "5m", "hour"),
    (8 * _DAY, "hour", "hour"),
    (32 * _DAY, "3h", "day"),
)

#: Least time that is drawn: what is before the first values is left out.
_LEAST: Final = timedelta(hours=1)

#: Part of a period that ends now which is left free after its end.
_ROOM: Final = 1 / 48


def read_meteogram(session: Session, name: str, start: datetime, end: datetime, zone: ZoneInfo, now: datetime) -> MeteogramData:
    """Read what a meteogram of a location between two instants shows; days are those of ``zone``.

    Raises:
        LocationNotFoundError: No location has that name.
    """
    means, amounts = next(((fine, rain) for length, fine, rain in _BUCKETS if end - start <= length), ("day", "day"))
    rows, more = read_rows(session, location=name, start=start - timedelta(hours=1), end=end, limit=_MAX_ROWS)
    if more is None and means != "day":
        within = [row for row in rows if start <= (row.observed_at or row.due_at) <= end]
        lines = lines_of_rows(within)
    else:
        buckets = read_buckets(session, location=name, start=start, end=end, bucket=means, zone=zone.key, quantities=LINES)
        lines = lines_of_buckets(buckets, _backfilled(session, name, start, end))
    rain = read_buckets(
        session, location=name, start=start, end=end, bucket=amounts, zone=zone.key, quantities=("precipitation",)
    )
    gaps, _ = list_gaps(session, start, end, location=name, limit=_MAX_GAPS)
    bars, missed = bars_of_buckets(rain, now), missed_spans(gaps, usual_step(lines.times) or timedelta(hours=1))
    begins = [*_first_with_value(lines), *(bar.start for bar in bars if bar.amount is not None), *(one.start for one in missed)]
    first = min(begins, default=start)
    drawn_start = max(start, min(first - (end - start) / 100, end - _LEAST))
    drawn_end = end + (end - drawn_start) * _ROOM if end > now - timedelta(minutes=2) else end
    return MeteogramData(drawn_start, drawn_end, lines, bars, missed)


def _first_with_value(lines: Lines) -> list[datetime]:
    """The first time with any value; empty without values."""
    columns = list(lines.values.values())
    return [at for index, at in enumerate(lines.times) if any(column[index] is not None for column in columns)][:1]


def _backfilled(session: Session, name: str, start: datetime, end: datetime) -> Sequence[datetime]:
    location_id = get_location(session, name).id
    within = (WeatherData.location_id == location_id, WeatherData.due_at >= start, WeatherData.due_at < end)
    query = select(WeatherData.due_at).where(*within, WeatherData.origin == Origin.BACKFILL).order_by(WeatherData.due_at)
    sealed = [one for one in read_ranges(session, [location_id], start, end) if one.origin == Origin.BACKFILL]
    return sorted([*session.scalars(query), *(slot for one in sealed for slot in one.slots(start, end))])
