"""Counts of slots by their outcome, as database queries; ``coverage.py`` makes entries of them."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Integer,
    and_,
    case,
    column,
    exists,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
    union_all,
    values,
)
from sqlalchemy.orm import Session

from ..model.states import OPEN_STATES, LocationState, Origin
from ..storage.archive.ranges import RangeView
from ..storage.models import Location, Missed, Run, SealedRange, WeatherData
from ..storage.types import UTCDateTime
from .queries import FOLLOWED_SCHEDULE, MISSED_OF_LOCATION, STILL_MISSED, ScheduleSpan

#: Up to this number of locations, counting their rows and subtracting them is cheaper than excluding them from the count.
_MAX_SUBTRACTED_LOCATIONS: Final = 100

_DAY_SECONDS: Final = 86_400

#: Location id (0 for all locations together), index of the period, number of slots.
_Count = tuple[int, int, int]


@dataclass(slots=True)
class SlotCounts:
    """Counters of one entry."""

    stored: int = 0
    backfilled: int = 0
    imported: int = 0
    pending: int = 0
    unrecoverable: int = 0
    missed: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which locations and which periods are counted."""

    session: Session
    #: Condition that selects the locations.
    locations: ColumnElement[bool]
    #: Whether the condition selects all scheduled locations.
    is_all: bool
    #: Whether each location has its own entry.
    per_location: bool
    #: Edges of the periods (aware UTC): one more than there are periods.
    edges: list[datetime]
    #: Whether the periods are UTC days.
    is_utc: bool = True

    @property
    def start(self) -> datetime:
        """Start of the first period."""
        return self.edges[0]

    @property
    def end(self) -> datetime:
        """End of the last period."""
        return self.edges[-1]

    @property
    def has_periods(self) -> bool:
        """Whether there is more than one period."""
        return len(self.edges) > 2

    def period_of(self, at: datetime) -> int:
        """Index of the period that contains an instant."""
        return bisect_right(self.edges, at) - 1

    def split_key(self, key: list[Any]) -> tuple[int, int]:
        """Location id and period index from the grouped columns of a row: the id, then the instant, if they are grouped by."""
        period = self.period_of(key.pop()) if self.has_periods else 0
        return (key[0] if key else 0), period


#: The origins of rows that were not collected in their slot.
FILLED: Final = (Origin.BACKFILL, Origin.IMPORT)


def count_slots(
    scope: Scope, schedules: Mapping[str, ScheduleSpan], filled: Collection[Origin] = FILLED
) -> dict[tuple[int, int], SlotCounts]:
    """Counters by location id (0 for all locations together) and index of the period.

    Args:
        scope: What to count.
        schedules: The schedules that have runs.
        filled: The origins, among ``FILLED``, that may have rows.
    """
    counts: defaultdict[tuple[int, int], SlotCounts] = defaultdict(SlotCounts)
    followers = scope.session.execute(
        select(FOLLOWED_SCHEDULE, func.count()).where(scope.locations).group_by(FOLLOWED_SCHEDULE)
    ).all()
    by_name = {row[0]: row[1] for row in followers}
    for key, period, count in _stored(scope, schedules, by_name):
        counts[key, period].stored += count
    for origin in filled:
        for key, period, count, without_run in _filled(scope, schedules, by_name, origin):
            counts[key, period].stored += without_run
            counts[key, period].backfilled += count if origin == Origin.BACKFILL else 0
            counts[key, period].imported += count if origin == Origin.IMPORT else 0
    for key, period, sealed_origin, count in _sealed(scope, schedules):
        counts[key, period].stored += count
        counts[key, period].backfilled += count if sealed_origin == Origin.BACKFILL else 0
        counts[key, period].imported += count if sealed_origin == Origin.IMPORT else 0
    for key, period, reason, count, closed in _missed(scope):
        counts[key, period].missed[reason] += count
        counts[key, period].unrecoverable += closed
    for key, period, count in _pending(scope, schedules):
        counts[key, period].pending += count
    return counts


def _stored(scope: Scope, schedules: Mapping[str, ScheduleSpan], followers: dict[str, int]) -> Iterator[_Count]:
    """Rows at slots. The locations of the most common schedule are counted slot by slot, other locations one by one."""
    total = sum(followers.values())
    for schedule, count in followers.items():
        slots = _slots(schedule, schedules, scope.start, scope.end)
        selection = and_(scope.locations, FOLLOWED_SCHEDULE == schedule)
        yield from (_by_slot if scope.is_all and 2 * count > total else _by_location)(scope, selection, slots)


def _slots(schedule: str, schedules: Mapping[str, ScheduleSpan], start: datetime, end: datetime) -> Any:
    """Query of the instants at which a location of this schedule was due, or may have been due under an earlier schedule."""
    selection = Run.schedule == schedule
    if schedule not in schedules:
        selection = true()
    elif start < schedules[schedule].first:
        selection = or_(selection, Run.due_at < schedules[schedule].first)
    return select(Run.due_at).where(selection, Run.due_at >= start, Run.due_at < end).distinct()


def _by_slot(scope: Scope, selection: ColumnElement[bool], slots: Any) -> Iterator[_Count]:
    """Number of rows of each slot, without the rows of other locations.

    A check of each row's location takes more than twice as long. So the rows of a few other locations are counted by location
    and subtracted.
    """
    slot = slots.subquery()
    conditions = [WeatherData.due_at == slot.c.due_at]
    others = select(Location.id).where(not_(selection))
    if len(scope.session.scalars(others.limit(_MAX_SUBTRACTED_LOCATIONS + 1)).all()) > _MAX_SUBTRACTED_LOCATIONS:
        conditions.append(WeatherData.location_id.not_in(others))
    else:
        yield from ((key, period, -count) for key, period, count in _by_location(scope, not_(selection), slots))
    rows = select(func.count()).where(*conditions).correlate(slot).scalar_subquery()
    for due_at, count in scope.session.execute(select(slot.c.due_at, rows)):
        yield 0, scope.period_of(due_at), count


def _by_location(scope: Scope, selection: ColumnElement[bool], slots: Any) -> Iterator[_Count]:
    # The function call keeps the planner from a seek per slot: it reads the rows of the range and looks each one up in the slots.
    at_slot = func.coalesce(WeatherData.due_at, WeatherData.due_at).in_(slots)
    start, end = (literal(edge, UTCDateTime()) for edge in (scope.start, scope.end))
    if scope.has_periods and not scope.is_utc:
        edged = zip(range(len(scope.edges) - 1), scope.edges, scope.edges[1:], strict=False)
        columns = (column("number", Integer), column("start_at", UTCDateTime()), column("end_at", UTCDateTime()))
        days: Any = values(*columns).data(list(edged)).cte("days")
        number, start, end = days.c.number, days.c.start_at, days.c.end_at
    else:
        first = int(scope.start.timestamp()) // _DAY_SECONDS
        days = select(literal(first).label("day")).cte("days", recursive=scope.has_periods)
        number = days.c.day - first
        if scope.has_periods:
            days = days.union_all(select(days.c.day + 1).where(days.c.day < first + len(scope.edges) - 2))
            number = days.c.day - first
            start, end = (_midnight(scope.session, days.c.day + offset) for offset in (0, 1))  # all slots lie within the edges
    within = and_(WeatherData.location_id == Location.id, WeatherData.due_at >= start, WeatherData.due_at < end, at_slot)
    rows = select(func.count()).where(within).correlate(Location, days).scalar_subquery()
    key = Location.id if scope.per_location else literal(0)
    query = select(key, number, rows).select_from(Location).join(days, true())
    yield from scope.session.execute(query.where(selection))


def _midnight(session: Session, day: Any) -> Any:
    """The start of a day that is given as its number since the Unix epoch."""
    seconds = day * _DAY_SECONDS
    return seconds if session.get_bind().dialect.name == "sqlite" else func.to_timestamp(seconds)


def _has_origin(origin: Origin) -> ColumnElement[bool]:
    """Condition of rows that a history filled, or that were imported. A partial index for each origin holds only these rows."""
    return WeatherData.origin == literal_column(f"'{origin}'")


def _filled(
    scope: Scope, schedules: Mapping[str, ScheduleSpan], followed: Iterable[str], origin: Origin
) -> Iterator[tuple[int, int, int, int]]:
    """Location id, index of the period, number of rows of an origin at slots, and how many of those lie at no run's instant."""
    # With plain columns, SQLite uses larger indexes than the partial ones.
    at, location_id = (func.coalesce(column, column) for column in (WeatherData.due_at, WeatherData.location_id))
    groups = [*([Location.id] if scope.per_location else []), *([at] if scope.has_periods else [])]
    for schedule in followed:
        at_no_run = at.not_in(_slots(schedule, schedules, scope.start, scope.end))
        query = select(*groups, func.count(), func.count(case((at_no_run, 1)))).select_from(WeatherData)
        query = query.join(Location, Location.id == location_id).group_by(*groups)
        query = query.where(scope.locations, _has_origin(origin), at >= scope.start, at < scope.end)
        query = query.where(FOLLOWED_SCHEDULE == schedule)
        if origin == Origin.IMPORT and schedule in schedules:
            query = query.where(or_(at < literal(schedules[schedule].first, UTCDateTime()), not_(at_no_run)))
        for *key, count, elsewhere in scope.session.execute(query):
            yield *scope.split_key(key), count, elsewhere


def _sealed(scope: Scope, schedules: Mapping[str, ScheduleSpan]) -> Iterator[tuple[int, int, str, int]]:
    """Location id, index of the period, origin, and number of sealed rows that count as stored.

    Whole months have the same slots at most locations, so the slots of equal ranges are counted once.
    """
    overlap = and_(SealedRange.last_at >= scope.start, SealedRange.first_at < scope.end, scope.locations)
    columns = [FOLLOWED_SCHEDULE, *(getattr(SealedRange, name) for name in RangeView._fields)]
    query = select(*columns).select_from(SealedRange).join(Location, Location.id == SealedRange.location_id)
    found = scope.session.execute(query.where(overlap).order_by(FOLLOWED_SCHEDULE)).all()
    for schedule, group in groupby(found, itemgetter(0)):
        slots = set(scope.session.scalars(_slots(schedule, schedules, scope.start, scope.end)))
        first_run = schedules[schedule].first if schedule in schedules else None
        counted: dict[tuple[Any, ...], Counter[int]] = {}
        for _, *fields in group:
            sealed = RangeView(*fields)
            key = sealed.first_at, sealed.step_seconds, sealed.rows, sealed.origin
            if key not in counted:
                counted[key] = _count_periods(scope, sealed, slots, first_run)
            for period, count in counted[key].items():
                yield (sealed.location_id if scope.per_location else 0), period, sealed.origin, count


def _count_periods(scope: Scope, sealed: RangeView, slots: set[datetime], first_run: datetime | None) -> Counter[int]:
    """Index of each period → number of rows of a range that count as stored."""
    counts: Counter[int] = Counter()
    for at in sealed.slots(scope.start, scope.end):
        is_import = sealed.origin == Origin.IMPORT and (first_run is None or at < first_run)
        if at in slots or is_import or sealed.origin == Origin.BACKFILL:
            counts[scope.period_of(at)] += 1
    return counts


def filled_spans(session: Session, location_ids: Sequence[int]) -> dict[Origin, ScheduleSpan]:
    """Origin → ``due_at`` of its first and of its last row, of these locations or, if there are none, of all.

    Only the origins of ``FILLED`` that have rows.
    """
    spans = {}
    for origin in FILLED:
        query = select(func.min(WeatherData.due_at), func.max(WeatherData.due_at)).where(_has_origin(origin))
        sealed = select(func.min(SealedRange.first_at), func.max(SealedRange.last_at)).where(SealedRange.origin == origin)
        if location_ids:
            query = query.where(WeatherData.location_id.in_(location_ids))
            sealed = sealed.where(SealedRange.location_id.in_(location_ids))
        found = [span for span in session.execute(union_all(query, sealed)).all() if any(span)]
        if found:
            spans[origin] = ScheduleSpan(min(span[0] for span in found), max(span[1] for span in found))
    return spans


def _missed(scope: Scope) -> Iterator[tuple[int, int, str, int, int]]:
    """Location id, index of the period, reason, number of missed slots, and how many of those are closed."""
    keys = [*([Location.id] if scope.per_location else []), *([Missed.due_at] if scope.has_periods else [])]
    within = and_(scope.locations, Missed.due_at >= scope.start, Missed.due_at < scope.end, STILL_MISSED)
    query = select(*keys, Missed.reason, func.count(), func.count(Missed.closed_at)).select_from(Location)
    query = query.join(Missed, MISSED_OF_LOCATION).where(within)
    for *key, reason, count, closed in scope.session.execute(query.group_by(*keys, Missed.reason)):
        yield *scope.split_key(key), reason, count, closed


def _pending(scope: Scope, schedules: Mapping[str, ScheduleSpan]) -> Iterator[_Count]:
    """Slots of open runs, of which there are few."""
    within = and_(Run.schedule.in_(schedules), Run.due_at >= scope.start, Run.due_at < scope.end, Run.state.in_(OPEN_STATES))
    for schedule, due_at in scope.session.execute(select(Run.schedule, Run.due_at).where(within).distinct()).all():
        stored = exists().where(WeatherData.location_id == Location.id, WeatherData.due_at == due_at)
        missed = exists().where(Missed.location_id == Location.id, Missed.due_at == due_at)
        query = select(Location.id).where(
            scope.locations, Location.state == LocationState.ACTIVE, FOLLOWED_SCHEDULE == schedule, ~stored, ~missed
        )
        for location_id in scope.session.scalars(query):
            yield (location_id if scope.per_location else 0), scope.period_of(due_at), 1
