"""Coverage: how many slots of a period were stored, missed or are pending, by location, by UTC day, or by both.

A row counts as a stored slot if the schedule that its location follows has a run at that instant. Before the first run of that
schedule the location may have followed another schedule, so there the instants of all schedules count. A backfilled row counts
always, since only slots are backfilled: also slots without a run, from before the location was added or from a time without a
service. An imported row counts always before the first run of its location's schedule, and from then on only at the instants
of runs, since a file may have more rows than there are slots. Rows of collections on demand lie at other instants and are not
counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import and_, func, select, true
from sqlalchemy.orm import Session

from ..locations.repository import get_location
from ..model.states import LocationState
from ..model.time_buckets import midnight
from ..storage.models import Location, Run
from .queries import ScheduleSpan, schedules_with_runs
from .slot_counts import FILLED, Scope, SlotCounts, count_slots, filled_spans

By = Literal["location", "day", "location,day"]
BY: Final[tuple[By, ...]] = ("location", "day", "location,day")

#: Maximum number of entries of a page of coverage by location and day. A page has at least one location.
_MAX_PAGE_ENTRIES: Final = 20_000

#: Maximum number of slots that a page of coverage by location counts. A page has at least one location.
_MAX_PAGE_SLOTS: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class SlotCoverage:
    """Number of slots of one location, of one UTC day, or of both, by their outcome."""

    #: Name of the location; None where all locations are counted together.
    location: str | None
    #: UTC day; None where the whole period is one entry.
    day: date | None
    stored: int
    #: Of the stored slots, those that a history filled later.
    backfilled: int
    missed_by_reason: dict[str, int]
    #: Of the missed slots, those that are not healed any more.
    unrecoverable: int
    pending: int
    #: Of the stored slots, those whose row was imported.
    imported: int = 0

    @property
    def missed(self) -> int:
        """Number of missed slots."""
        return sum(self.missed_by_reason.values())

    @property
    def due(self) -> int:
        """Number of slots that were due."""
        return self.stored + self.missed + self.pending

    @property
    def coverage(self) -> float | None:
        """Share of the due slots that is stored [0 to 1]; None if no slot was due."""
        return self.stored / self.due if self.due else None


def slot_coverage(
    session: Session,
    start: datetime,
    end: datetime,
    *,
    by: By = "location",
    location: str | None = None,
    limit: int = 100,
    after: str | None = None,
    zone: ZoneInfo | None = None,
) -> tuple[list[SlotCoverage], str | None]:
    """Coverage of the slots with ``start <= due_at < end``, and the name of the last location of the page (None: last page).

    Args:
        session: Session to read with.
        start: First instant (aware UTC).
        end: Instant after the last one (aware UTC).
        by: One entry per location, in the order of names; per UTC day, oldest first, from the first day with a run, a
            backfilled or an imported row to the last one; or per location and day.
        location: Name of the only location.
        limit: Maximum number of locations.
        after: Name of the last location of the previous page.
        zone: The days are those of this zone, of at most a few years.

    Raises:
        LocationNotFoundError: No location has that name.
    """
    schedules = schedules_with_runs(session)
    names: dict[int, str] = {}
    selection, following = Location.state != LocationState.UNSCHEDULED, None
    if location is not None:
        selected = get_location(session, location)
        names = {selected.id: selected.name}
    filled = filled_spans(session, list(names)) if "day" in by else dict.fromkeys(FILLED)
    spans = [span for span in (*schedules.values(), *filled.values()) if span]
    edges = _day_edges(spans, start, end, zone) if "day" in by else [start, end]
    if not names and by != "day":
        most = min(_MAX_PAGE_ENTRIES // max(1, len(edges) - 1), _MAX_PAGE_SLOTS // max(1, _count_instants(session, start, end)))
        page_size = max(1, min(limit, most))
        query = select(Location.id, Location.name).where(selection, true() if after is None else Location.name > after)
        page = session.execute(query.order_by(Location.name).limit(page_size + 1)).all()
        names = {row.id: row.name for row in page[:page_size]}
        following = page[page_size - 1].name if len(page) > page_size else None
    if by != "day" or location is not None:
        selection = and_(selection, Location.id.in_(names))
    scope = Scope(
        session, selection, is_all=not names and by == "day", per_location=by != "day", edges=edges, is_utc=zone is None
    )
    counts = count_slots(scope, schedules, list(filled)) if len(edges) > 1 else {}
    keys = [(key, period) for key in (names if by != "day" else [0]) for period in range(len(edges) - 1)]
    return [
        _make_entry(
            names[key] if by != "day" else None,
            edges[period].astimezone(zone or UTC).date() if "day" in by else None,
            counts.get((key, period), SlotCounts()),
        )
        for key, period in keys
    ], following


def _count_instants(session: Session, start: datetime, end: datetime) -> int:
    return session.scalar(select(func.count()).where(Run.due_at >= start, Run.due_at < end)) or 0


def earliest_start(session: Session, start: datetime, end: datetime, slots: int) -> datetime | None:
    """The earliest start at which all locations have at most so many slots until ``end``; None if ``start`` is not earlier."""
    locations = session.scalar(select(func.count()).where(Location.state != LocationState.UNSCHEDULED)) or 0
    instants = select(Run.due_at).where(Run.due_at >= start, Run.due_at < end).order_by(Run.due_at.desc())
    latest = session.execute(instants.offset(slots // max(1, locations)).limit(1)).scalar()
    return None if latest is None else latest + timedelta(seconds=1)


def _day_edges(spans: Sequence[ScheduleSpan], start: datetime, end: datetime, zone: ZoneInfo | None) -> list[datetime]:
    """The edges of the days of a period, cut to the spans of runs and filled rows; empty if none lies in the period."""
    if not spans:
        return []
    start = max(start, min(span.first for span in spans))
    end = min(end, max(span.last for span in spans) + timedelta(microseconds=1))
    if start >= end:
        return []
    edges, own = [start], zone or ZoneInfo("UTC")
    day = start.astimezone(own).date() + timedelta(days=1)
    while (at := midnight(day, own)) < end:
        if at > start:
            edges.append(at)
        day += timedelta(days=1)
    return [*edges, end]


def _make_entry(location: str | None, day: date | None, counts: SlotCounts) -> SlotCoverage:
    missed = dict(sorted(counts.missed.items()))
    return SlotCoverage(
        location, day, counts.stored, counts.backfilled, missed, counts.unrecoverable, counts.pending, counts.imported
    )
