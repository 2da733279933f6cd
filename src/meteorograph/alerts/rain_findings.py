"""Findings about sums of precipitation: the true totals of ``reading/``, with the time that they cover.

A total is computed for the places that may reach the limit only: no total is larger than the sum of all amounts in its time.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Final, NamedTuple

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import Session

from ..model.states import LocationState
from ..model.statistics import PARTS
from ..model.valid_time import MAX_DISPLACEMENT
from ..reading.bucket_rows import read_bucket_totals
from ..storage.models import Location, WeatherData
from ..storage.upsert import table_of
from .findings import FINE, UNKNOWN, Finding, Findings, Status, compare
from .places import PlaceReader
from .rules import Rule
from .weather_findings import MAX_AGE

#: Where the summary of an amount has its total [mm] and the covered time [s].
_TOTAL: Final = PARTS["precipitation"].index("total")
_COVERED: Final = PARTS["precipitation"].index("covered_seconds")

#: Share of the time that must be covered to say that less fell.
MIN_COVERAGE: Final = 0.75

#: Windows of the rule's hours that ended so long ago count too: a sum that healing raises later is reported once, with its hours.
LOOK_BACK: Final = timedelta(hours=6)

#: Time between two windows of up to so many hours, and of more.
_SHORT_HOURS: Final = 3
_SHORT_STEP: Final = timedelta(minutes=10)
_LONG_STEP: Final = timedelta(minutes=30)

#: Rows of slots this long before a window may have amounts in it.
_BEFORE: Final = timedelta(seconds=MAX_DISPLACEMENT)


class _Sum(NamedTuple):
    """The precipitation of a window."""

    amount: float
    covered_seconds: float
    end: datetime


def find_rain(reader: PlaceReader, rule: Rule, watched: Collection[str]) -> Findings:
    """Places by the precipitation of the rule's hours: the largest sum of those that ended within the last hours.

    Args:
        reader: What to read with.
        rule: The rule.
        watched: Names of the places that fulfil the condition by what is stored: their sums are always computed.
    """
    hours, limit = rule.options.hours or 24, rule.options.limit_of(rule.kind) or 0.0
    clear_limit = rule.options.clear_limit_of(rule.kind)
    places = reader.places_of(rule)
    edges = _edges(hours, reader.now)
    possible = _may_reach(reader.session, min(limit, clear_limit), edges[0])
    chosen = {place.id: place.name for place in places if place.id in possible or place.name in watched}
    findings: Findings = {place.name: FINE for place in places}
    findings.update(dict.fromkeys(chosen.values(), UNKNOWN))
    for id_, totals in read_bucket_totals(reader.session, dict.fromkeys(chosen, edges), ("precipitation",)):
        steps = [one.summaries["precipitation"] for one in totals]
        sums = _sums([one[_TOTAL] or 0.0 for one in steps], [one[_COVERED] for one in steps], edges, hours)
        if sums:
            findings[chosen[id_]] = _judge(sums, hours, limit, clear_limit)
    return findings


def _step(hours: int) -> timedelta:
    """The time between two windows."""
    return _SHORT_STEP if hours <= _SHORT_HOURS else _LONG_STEP


def _edges(hours: int, now: datetime) -> list[datetime]:
    """The edges of all steps, up to the last whole step."""
    step = _step(hours)
    end = now - timedelta(seconds=now.timestamp() % step.total_seconds())
    count = (LOOK_BACK + timedelta(hours=hours)) // step
    return [end - step * number for number in range(count, -1, -1)]


def _may_reach(session: Session, limit: float, start: datetime) -> set[int]:
    """Ids of the locations whose amounts add up to the limit, or have an amount of an unknown period.

    A location at a time: its rows lie together, so that this takes a fraction of reading the rows by their slots.
    """
    table = table_of(WeatherData)
    amount = table.c.precipitation
    mine = and_(table.c.location_id == Location.id, table.c.due_at >= start - _BEFORE, amount > 0)
    total = select(func.sum(amount)).where(mine).correlate(Location).scalar_subquery()
    unknown = exists(select(table.c.due_at).where(mine, table.c.precipitation_period.is_(None)).correlate(Location))
    active = Location.state == LocationState.ACTIVE
    return set(session.scalars(select(Location.id).where(active, or_(total >= limit, unknown))))


def _sums(amounts: list[float], covered: list[float], edges: list[datetime], hours: int) -> list[_Sum]:
    """The sums of the windows up to the last step with data, newest first; none if that is too old."""
    last = max((index for index, seconds in enumerate(covered) if seconds), default=-1)
    width = timedelta(hours=hours) // _step(hours)
    if last < 0 or edges[-1] - edges[last + 1] > MAX_AGE:
        return []
    totals, times = [0.0, *accumulate(amounts)], [0.0, *accumulate(covered)]
    return [
        _Sum(round(totals[end] - totals[end - width], 3), times[end] - times[end - width], edges[end])
        for end in range(last + 1, width - 1, -1)
    ]


def _judge(sums: list[_Sum], hours: int, limit: float, clear_limit: float) -> Finding:
    largest = max(sums, key=lambda one: one.amount)
    status = compare(largest.amount, limit, clear_limit, is_below=False)
    seconds = hours * 3600
    if status != Status.FIRING and sums[0].covered_seconds < MIN_COVERAGE * seconds:
        return UNKNOWN  # what fell in the rest of the time is not known
    start = largest.end - timedelta(hours=hours)
    detail = f"{largest.amount:.1f} mm from {start:%Y-%m-%d %H:%M} to {largest.end:%Y-%m-%d %H:%M} UTC"
    if largest.covered_seconds < seconds:
        detail += f", of which {largest.covered_seconds / 3600:.1f} of {hours} h are covered by data"
    return Finding(status, largest.end, "", detail)
