"""What became of the slots of a stretch of time, by location, by UTC day, or by both.

A row counts as a stored slot where the schedule that its location follows has a run at that instant; before the first run of
that schedule the location may have followed another one, so the instants of all schedules count. A row of a collection on
demand lies at an instant of its own and counts nowhere.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, and_, exists, func, literal, literal_column, not_, or_, select, true
from sqlalchemy.orm import Session

from ..locations.repository import get_location
from ..model.states import OPEN_STATES, LocationState, Origin
from ..storage.models import Location, Missed, Run, WeatherData
from ..storage.types import UTCDateTime
from .queries import FOLLOWED_SCHEDULE, MISSED_OF_LOCATION, STILL_MISSED, ScheduleSpan, schedules_with_runs

By = Literal["location", "day", "location,day"]
BY: Final[tuple[By, ...]] = ("location", "day", "location,day")

#: Entries of a page of coverage by location and day at most, unless one location has more.
_MOST_ENTRIES: Final = 20_000

#: Locations whose rows are better counted by themselves than told from those of all others.
_FEW: Final = 100

#: [s]
_DAY: Final = 86_400


@dataclass(slots=True)
class _SlotCounts:
    """What became of the slots of an entry."""

    stored: int = 0
    #: Of those stored, the ones that came from a history afterwards.
    backfilled: int = 0
    pending: int = 0
    #: Of those missed, the ones that will not be healed any more.
    unrecoverable: int = 0
    missed: Counter[str] = field(default_factory=Counter)

    def told(self) -> dict[str, Any]:
        missed = self.missed.total()
        due = self.stored + missed + self.pending
        counts = {"due": due, "stored": self.stored, "backfilled": self.backfilled, "missed": missed}
        lost = {"missed_by_reason": dict(sorted(self.missed.items())), "unrecoverable": self.unrecoverable}
        return {**counts, **lost, "pending": self.pending, "coverage": self.stored / due if due else None}


@dataclass(frozen=True, slots=True)
class _CoverageQuery:
    """Which locations over which stretches of time."""

    session: Session
    #: Which locations are looked at.
    scope: ColumnElement[bool]
    #: Whether those are all scheduled ones.
    is_all: bool
    #: Whether each location has an entry of its own.
    per_location: bool
    #: The edges of the stretches: one more than there are stretches.
    edges: list[datetime]

    def stretch(self, at: datetime) -> int:
        return bisect_right(self.edges, at) - 1


def slot_coverage(
    session: Session,
    start: datetime,
    end: datetime,
    *,
    by: By = "location",
    location: str | None = None,
    limit: int = 100,
    after: str | None = None,
) -> tuple[list[dict[str, Any]], str | None]:
    """What became of the slots with ``start <= due_at < end``: due, stored (and of those
    backfilled), missed by reason (and of those unrecoverable), pending, and stored/due.

    By location, in the order of names, at most ``limit`` of them, and the name to go on after (None when there are no more);
    or by UTC day, oldest first, from the first day on that has a run to the last one.

    Raises:
        LocationNotFoundError: No location has that name.
    """
    known = schedules_with_runs(session)
    edges = _days(known, start, end) if "day" in by else [start, end]
    names: dict[int, str] = {}
    scope, more = Location.state != LocationState.UNSCHEDULED, None
    if location is not None:
        found = get_location(session, location)
        names = {found.id: found.name}
    elif by != "day":
        most = max(1, min(limit, _MOST_ENTRIES // max(1, len(edges) - 1)))
        query = select(Location.id, Location.name).where(scope, true() if after is None else Location.name > after)
        page = session.execute(query.order_by(Location.name).limit(most + 1)).all()
        names = {row.id: row.name for row in page[:most]}
        more = page[most - 1].name if len(page) > most else None
    if by != "day" or location is not None:
        scope = and_(scope, Location.id.in_(names))
    asked = _CoverageQuery(session, scope, not names and by == "day", by != "day", edges)
    tallies = _tallies(asked, known) if len(edges) > 1 else {}
    stretches = range(len(edges) - 1)
    keys = [(key, stretch) for key in (names if by != "day" else [0]) for stretch in stretches]
    return [
        _entry(by, names.get(key, ""), edges[stretch], tallies.get((key, stretch), _SlotCounts())) for key, stretch in keys
    ], more


def _entry(by: By, name: str, since: datetime, tally: _SlotCounts) -> dict[str, Any]:
    head = {"location": name, "day": since.date().isoformat()}
    return {**{key: value for key, value in head.items() if key in by.split(",")}, **tally.told()}


def _days(known: dict[str, ScheduleSpan], start: datetime, end: datetime) -> list[datetime]:
    """The midnights that part the days of a period, between its edges; where there is no run there is no day."""
    if not known:
        return []
    start = max(start, min(span.first for span in known.values()))
    end = min(end, max(span.last for span in known.values()) + timedelta(microseconds=1))
    edges, midnight = [start], start.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    while midnight < end:
        edges.append(midnight)
        midnight += timedelta(days=1)
    return [*edges, end] if start < end else []


def _tallies(asked: _CoverageQuery, known: dict[str, ScheduleSpan]) -> dict[tuple[int, int], _SlotCounts]:
    found: dict[tuple[int, int], _SlotCounts] = {}
    for key, stretch, many in _stored(asked, known):
        found.setdefault((key, stretch), _SlotCounts()).stored += many
    for key, stretch, many in _backfilled(asked, known):
        found.setdefault((key, stretch), _SlotCounts()).backfilled += many
    for key, stretch, reason, many, closed in _missed(asked):
        tally = found.setdefault((key, stretch), _SlotCounts())
        tally.missed[reason] += many
        tally.unrecoverable += closed
    for key, stretch, many in _pending(asked, known):
        found.setdefault((key, stretch), _SlotCounts()).pending += many
    return found


def _stored(asked: _CoverageQuery, known: dict[str, ScheduleSpan]) -> Iterator[tuple[int, int, int]]:
    """Rows at slots. All locations of the commonest schedule are counted slot by slot, the others location by location."""
    followers = asked.session.execute(
        select(FOLLOWED_SCHEDULE, func.count()).where(asked.scope).group_by(FOLLOWED_SCHEDULE)
    ).all()
    total = sum(many for _, many in followers)
    for schedule, many in followers:
        slots = _slots(schedule, known, asked.edges[0], asked.edges[-1])
        mine = and_(asked.scope, FOLLOWED_SCHEDULE == schedule)
        yield from (_by_slot if asked.is_all and 2 * many > total else _by_location)(asked, mine, slots)


def _slots(schedule: str, known: dict[str, ScheduleSpan], start: datetime, end: datetime) -> Any:
    """The instants at which a location that follows a schedule now was due, or may have been under the one before."""
    mine = Run.schedule == schedule
    if schedule not in known:
        mine = true()
    elif start < known[schedule].first:
        mine = or_(mine, Run.due_at < known[schedule].first)
    return select(Run.due_at).where(mine, Run.due_at >= start, Run.due_at < end).distinct()


def _by_slot(asked: _CoverageQuery, mine: ColumnElement[bool], slots: Any) -> Iterator[tuple[int, int, int]]:
    """All rows of each slot but those of locations that are not meant. To look whose each row is takes more than twice as long,
    so a few of those are counted by themselves.
    """
    slot = slots.subquery()
    here = [WeatherData.due_at == slot.c.due_at]
    others = select(Location.id).where(not_(mine))
    if len(asked.session.scalars(others.limit(_FEW + 1)).all()) > _FEW:
        here.append(WeatherData.location_id.not_in(others))
    else:
        yield from ((key, stretch, -many) for key, stretch, many in _by_location(asked, not_(mine), slots))
    rows = select(func.count()).where(*here).correlate(slot).scalar_subquery()
    for due_at, many in asked.session.execute(select(slot.c.due_at, rows)):
        yield 0, asked.stretch(due_at), many


def _by_location(asked: _CoverageQuery, mine: ColumnElement[bool], slots: Any) -> Iterator[tuple[int, int, int]]:
    # Wrapped in a function, the set of slots is looked up for the rows of a range, instead of each slot for a row.
    at_slot = func.coalesce(WeatherData.due_at, WeatherData.due_at).in_(slots)
    start, end = (literal(edge, UTCDateTime()) for edge in (asked.edges[0], asked.edges[-1]))
    first = int(asked.edges[0].timestamp()) // _DAY
    stretches: Any = select(literal(first).label("day")).cte("stretches", recursive=len(asked.edges) > 2)
    if len(asked.edges) > 2:
        following = select(stretches.c.day + 1).where(stretches.c.day < first + len(asked.edges) - 2)
        stretches = stretches.union_all(following)
        start, end = (_midnight(asked.session, stretches.c.day + more) for more in (0, 1))  # slots are within the edges
    within = and_(WeatherData.location_id == Location.id, WeatherData.due_at >= start, WeatherData.due_at < end, at_slot)
    rows = select(func.count()).where(within).correlate(Location, stretches).scalar_subquery()
    whose = Location.id if asked.per_location else literal(0)
    query = select(whose, stretches.c.day - first, rows).select_from(Location).join(stretches, true())
    yield from asked.session.execute(query.where(mine))


def _midnight(session: Session, day: Any) -> Any:
    """The instant at which a day begins, by its number since the epoch."""
    seconds = day * _DAY
    return seconds if session.get_bind().dialect.name == "sqlite" else func.to_timestamp(seconds)


def _backfilled(asked: _CoverageQuery, known: dict[str, ScheduleSpan]) -> Iterator[tuple[int, int, int]]:
    """Rows at slots that came from a history; an index has them alone. Given plain columns, SQLite would use larger ones."""
    at, whose = (func.coalesce(column, column) for column in (WeatherData.due_at, WeatherData.location_id))
    by_time = len(asked.edges) > 2
    groups = [*([Location.id] if asked.per_location else []), *([at] if by_time else [])]
    start, end = asked.edges[0], asked.edges[-1]
    mine = and_(asked.scope, WeatherData.origin == literal_column(f"'{Origin.BACKFILL}'"), at >= start, at < end)
    for schedule in asked.session.scalars(select(FOLLOWED_SCHEDULE).where(asked.scope).distinct()).all():
        query = select(*groups, func.count()).select_from(WeatherData).join(Location, Location.id == whose)
        within = (mine, FOLLOWED_SCHEDULE == schedule, at.in_(_slots(schedule, known, start, end)))
        for row in asked.session.execute(query.where(*within).group_by(*groups)):
            *place, many = row
            stretch = asked.stretch(place.pop()) if by_time else 0
            yield (place[0] if place else 0), stretch, many


def _missed(asked: _CoverageQuery) -> Iterator[tuple[int, int, str, int, int]]:
    by_time = len(asked.edges) > 2
    keys = [Location.id] if asked.per_location else []
    groups = [*keys, *([Missed.due_at] if by_time else []), Missed.reason]
    within = and_(asked.scope, Missed.due_at >= asked.edges[0], Missed.due_at < asked.edges[-1], STILL_MISSED)
    query = select(*groups, func.count(), func.count(Missed.closed_at)).select_from(Location)
    query = query.join(Missed, MISSED_OF_LOCATION).where(within)
    for row in asked.session.execute(query.group_by(*groups)):
        *place, reason, many, closed = row
        stretch = asked.stretch(place.pop()) if by_time else 0
        yield (place[0] if place else 0), stretch, reason, many, closed


def _pending(asked: _CoverageQuery, known: dict[str, ScheduleSpan]) -> Iterator[tuple[int, int, int]]:
    """Slots of runs that are not over; there are few."""
    within = and_(Run.schedule.in_(known), Run.due_at >= asked.edges[0], Run.due_at < asked.edges[-1], Run.state.in_(OPEN_STATES))
    for schedule, due_at in asked.session.execute(select(Run.schedule, Run.due_at).where(within).distinct()).all():
        stored = exists().where(WeatherData.location_id == Location.id, WeatherData.due_at == due_at)
        missed = exists().where(Missed.location_id == Location.id, Missed.due_at == due_at)
        query = select(Location.id).where(
            asked.scope, Location.state == LocationState.ACTIVE, FOLLOWED_SCHEDULE == schedule, ~stored, ~missed
        )
        for found in asked.session.scalars(query):
            yield (found if asked.per_location else 0), asked.stretch(due_at), 1
