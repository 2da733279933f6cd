"""Stop 9 of the walk: takes rows, gives what they come to in buckets of time.

Days that are over are read from their rollups, and months are put together of days; all else is read from the rows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from .buckets import DAY, edges, parse_bucket, zone_of
from .days import Cell, cells
from .history import STILL_MISSED
from .locations import named
from .quantities import BY_NAME
from .series_rows import seconds
from .tables import Daily, Location, Missed
from .tallies import PARTS, Values, merged, tally, told
from .upsert import table_of

#: Locations that are read at once.
_TOGETHER: Final = 100


@dataclass(slots=True)
class Bucket:
    """What became of one location in ``start <= due_at < end`` (aware UTC)."""

    start: datetime
    end: datetime
    #: Slots that were due, and those of them that are stored.
    due: int = 0
    stored: int = 0
    #: Quantity → ``min``, ``max``, ``mean``, ``sum`` (of precipitation only) and ``count``, in canonical units.
    values: dict[str, Values] = field(default_factory=dict)


class _Asked(NamedTuple):
    """What is asked of a location."""

    id: int
    name: str
    zone: ZoneInfo
    #: Edges of the buckets.
    edges: list[datetime]
    #: Edges of what is read: the same, or the days of the months.
    finer: list[datetime]


def buckets(
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
    found = named(session, location)
    length = parse_bucket(bucket)
    asked = _asked(found.id, found.name, zone or found.timezone, start, end, length)
    [(_, made)] = _page(session, [asked], length, tuple(quantities) or tuple(BY_NAME), include_flagged)
    return made


def of_all(
    session: Session,
    *,
    start: datetime,
    end: datetime,
    bucket: str,
    zone: str | None = None,
    quantities: Sequence[str] = (),
    include_flagged: bool = False,
) -> Iterator[tuple[str, list[Bucket]]]:
    """The ``buckets`` of every location by its id: name and buckets of one after the other.

    Raises:
        ValueError: As for ``buckets``.
    """
    length = parse_bucket(bucket)
    every = list(session.execute(select(Location.id, Location.name, Location.timezone).order_by(Location.id)))
    for first in range(0, len(every), _TOGETHER):
        page = [_asked(id_, name, zone or own, start, end, length) for id_, name, own in every[first : first + _TOGETHER]]
        yield from _page(session, page, length, tuple(quantities) or tuple(BY_NAME), include_flagged)


def _asked(id_: int, name: str, zone: str | None, start: datetime, end: datetime, length: timedelta | None) -> _Asked:
    known = zone_of(zone)
    marks = edges(start, end, length, known)
    finer = edges(marks[0], marks[-1], DAY, known) if length is None and marks else marks
    return _Asked(id_, name, known, marks, finer)


def _page(
    session: Session, page: list[_Asked], length: timedelta | None, quantities: Sequence[str], include_flagged: bool
) -> Iterator[tuple[str, list[Bucket]]]:
    whole = [asked for asked in page if len(asked.edges) > 1]
    days = _rolled_up(session, whole, quantities, include_flagged) if length in (None, DAY) and whole else {}
    rest = {asked.id: pieces for asked in whole if (pieces := _missing(asked.finer, days.get(asked.id, {})))}
    read: dict[int, dict[datetime, Cell]] = {}
    for number in range(max(map(len, rest.values()), default=0)):
        stretch = {id_: stretches[number] for id_, stretches in rest.items() if number < len(stretches)}
        for id_, found in cells(session, stretch, quantities, include_flagged=include_flagged):
            read.setdefault(id_, {}).update(zip(stretch[id_], found, strict=False))
    missed = _missed(session, whole)
    for asked in page:
        known = days.get(asked.id, {}) | read.get(asked.id, {})
        yield asked.name, _buckets(asked, known, missed.get(asked.id, ()), quantities)


def _rolled_up(
    session: Session, page: list[_Asked], quantities: Sequence[str], include_flagged: bool
) -> dict[int, dict[datetime, Cell]]:
    """The rollups of the days that are asked for, by location and beginning."""
    table = table_of(Daily)
    start, end = min(asked.finer[0] for asked in page), max(asked.finer[-1] for asked in page)
    parts = [table.c[f"{name}_{part}"] for name in quantities for part in PARTS[name]]
    query = select(table.c.location_id, table.c.start_at, table.c.end_at, table.c.stored, table.c.suspect, *parts).where(
        table.c.location_id.in_([asked.id for asked in page]), table.c.start_at >= start, table.c.end_at <= end
    )
    if include_flagged:
        query = query.where(table.c.suspect == 0)
    slices = []
    first = 5
    for name in quantities:
        slices.append((name, slice(first, first + len(PARTS[name]))))
        first += len(PARTS[name])
    ends = {asked.id: dict(pairwise(asked.finer)) for asked in page}
    found: dict[int, dict[datetime, Cell]] = {}
    for row in session.connection().execute(query):
        id_, begin, finish, stored, suspect = row[:5]
        if ends[id_].get(begin) == finish:  # a day of the zone that is asked for
            found.setdefault(id_, {})[begin] = Cell(stored, suspect, {name: row[part] for name, part in slices})
    return found


def _missing(marks: list[datetime], known: dict[datetime, Any]) -> list[list[datetime]]:
    """The edges of each stretch of time that is yet to be read."""
    stretches: list[list[datetime]] = []
    for begin, end in pairwise(marks):
        if begin in known:
            continue
        if stretches and stretches[-1][-1] == begin:
            stretches[-1].append(end)
        else:
            stretches.append([begin, end])
    return stretches


def _missed(session: Session, page: list[_Asked]) -> dict[int, list[float]]:
    """The instants of slots with nothing stored, by location [s]."""
    if not page:
        return {}
    start, end = min(asked.edges[0] for asked in page), max(asked.edges[-1] for asked in page)
    within = (Missed.location_id.in_([asked.id for asked in page]), Missed.due_at >= start, Missed.due_at < end, STILL_MISSED)
    found: dict[int, list[float]] = {}
    query = select(Missed.location_id, seconds(session.get_bind().dialect, Missed.due_at)).where(*within)
    for id_, at in session.connection().execute(query):
        found.setdefault(id_, []).append(at)
    return found


def _buckets(asked: _Asked, known: dict[datetime, Cell], missed: Sequence[float], quantities: Sequence[str]) -> list[Bucket]:
    made = [Bucket(start, end) for start, end in pairwise(asked.edges)]
    places = iter(range(len(made)))
    parts: list[list[Cell]] = [[] for _ in made]
    place = next(places, 0)
    for begin in asked.finer[:-1]:
        while begin >= asked.edges[place + 1]:
            place = next(places)
        if begin in known:
            parts[place].append(known[begin])
    for bucket, found in zip(made, parts, strict=True):
        bucket.stored = bucket.due = sum(cell.stored for cell in found)
        for name in quantities:
            bucket.values[name] = told(name, merged(name, [cell.tallies[name] for cell in found]) if found else tally(name, ()))
    marks = [edge.timestamp() for edge in asked.edges]
    for at in missed:
        if marks[0] <= at < marks[-1]:
            made[bisect_right(marks, at) - 1].due += 1
    return made
