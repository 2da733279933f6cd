"""What an import has left in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from meteorograph import WeatherData, get_db_session
from meteorograph.ledger.coverage import slot_coverage
from meteorograph.reading.aggregates import read_buckets


def stored_rows(location_id: int) -> Sequence[Any]:
    """The rows of a location, oldest first."""
    with get_db_session(read_only=True) as session:
        return session.scalars(
            select(WeatherData).where(WeatherData.location_id == location_id).order_by(WeatherData.due_at)
        ).all()


def coverage_of(start: datetime, end: datetime) -> list[tuple[int, int, int, int]]:
    """Due, stored, imported and missed slots of each location."""
    with get_db_session(read_only=True) as session:
        entries, _ = slot_coverage(session, start, end)
    return [(entry.due, entry.stored, entry.imported, entry.missed) for entry in entries]


def month_totals(location: str, start: datetime, end: datetime) -> list[tuple[float, float]]:
    """Precipitation [mm] and covered time [s] of each month, as ``/data/aggregate`` gives them."""
    return _totals(location, start, end, "month")


def amounts_of(location: str, start: datetime, end: datetime) -> tuple[float, float]:
    """Precipitation [mm] and covered time [s] of a range of whole half-hours."""
    totals: list[tuple[float, float]] = []
    while start < end:
        until = min(end, start + timedelta(days=365))
        totals += _totals(location, start, until, "30m" if (end - start).days < 40 else "day")
        start = until
    return round(sum(amount for amount, _ in totals), 6), sum(covered for _, covered in totals)


def _totals(location: str, start: datetime, end: datetime, bucket: str) -> list[tuple[float, float]]:
    with get_db_session(read_only=True) as session:
        buckets = read_buckets(session, location=location, start=start, end=end, bucket=bucket, quantities=["precipitation"])
    cells = [bucket.values["precipitation"] for bucket in buckets]
    return [(cell["sum"] or 0.0, cell["covered_seconds"]) for cell in cells]
