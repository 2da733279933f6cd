"""Which locations a page of the overview shows, and in which order: found by position, so that a page costs the same anywhere."""

from __future__ import annotations

import json
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, false, func, or_, select
from sqlalchemy.orm import Session

from ..storage.models import Location, WeatherData
from ..storage.newest_rows import newest_row, newest_slot
from ..storage.plain_columns import as_seconds, as_text
from .columns import iterate_rows
from .ranges import read_ranges

#: What a list can be sorted by, besides the name and ``attention``: the newest value of a quantity.
VALUES: Final = {"weather": "weather_code", "temperature": "temperature", "wind": "wind_speed"}

#: Totals of rain are computed, not stored: at most so many locations can be sorted by it.
MOST_BY_RAIN: Final = 500

#: Names that are read at once while late locations are left out, if the first read was not enough.
_GROWTH: Final = 4


class TooManyToSortError(Exception):
    """There are too many locations for this order."""


class Position(NamedTuple):
    """Where a page ends: the value that the list is sorted by, and the name."""

    #: The value; of ``attention``, 0 among the late locations and 1 after them; of ``age``, Unix seconds; of ``name``, None.
    key: float | None
    name: str


@dataclass(frozen=True, slots=True)
class OverviewQuery:
    """What the overview shows."""

    limit: int
    #: Part of a name or tag, in any case; empty for all.
    words: str = ""
    only_late: bool = False
    #: ``attention``, ``name``, ``age``, ``rain`` (of 24 hours) or one of ``VALUES``.
    sort: str = "attention"
    descending: bool = False
    after: Position | None = None


@dataclass(frozen=True, slots=True)
class FoundPage:
    """The ids of the locations of a page, in order."""

    ids: list[int]
    #: The position of the next page; None on the last one.
    following: Position | None
    #: Number of locations on all pages.
    total: int


def numbered_page(session: Session, words: str, skip: int, limit: int) -> tuple[list[int], int]:
    """The ids of a page by name after ``skip`` locations, and the number of those on all pages."""
    if not words:
        ids = session.scalars(select(Location.id).order_by(Location.name).offset(skip).limit(limit)).all()
        return list(ids), session.scalar(select(func.count()).select_from(Location)) or 0
    matches = _matches(session, words, None)
    return [id_ for id_, _ in matches[skip : skip + limit]], len(matches)


class _Found(NamedTuple):
    id: int
    name: str
    key: float | None


def find_page(session: Session, query: OverviewQuery, late: Sequence[str], now: datetime) -> FoundPage:
    """Find a page. ``late`` are the names of the late locations, in the order of the database."""
    if query.only_late and not late:
        return FoundPage([], None, 0)
    matches: list[tuple[int, str]] | None = None
    if query.words or query.only_late:
        matches = _matches(session, query.words, frozenset(late) if query.only_late else None)
    total = len(matches) if matches is not None else session.scalar(select(func.count()).select_from(Location)) or 0
    ids = [id_ for id_, _ in matches] if matches is not None else None
    if matches is not None and query.sort in ("attention", "name"):
        found = _from_matches(query, late, matches)
    elif query.sort == "attention":
        found = _by_attention(session, query, late)
    elif query.sort == "name":
        found = _by_name(session, query)
    elif query.sort == "rain":
        found = _by_rain(session, query, ids, total, now)
    else:
        found = _by_value(session, query, ids, now)
    page = found[: query.limit]
    following = Position(page[-1].key, page[-1].name) if len(found) > query.limit else None
    return FoundPage([one.id for one in page], following, total)


def matching_ids(session: Session, words: str, names: frozenset[str] | None) -> list[int] | None:
    """The ids of the locations with a text in their name or tags, all or those of ``names``; None if nothing is left out."""
    if not words and names is None:
        return None
    return [id_ for id_, _ in _matches(session, words, names)]


def _matches(session: Session, words: str, names: frozenset[str] | None) -> list[tuple[int, str]]:
    """Id and name of the locations with a text in their name or tags. Neither database knows the cases of all letters."""
    text = words.casefold()
    tags = as_text(session.get_bind().dialect, Location.tags)
    return [
        (id_, name)
        for id_, name, own in iterate_rows(session, select(Location.id, Location.name, tags).order_by(Location.name))
        if (names is None or name in names) and (text in name.casefold() or (own and any(text in one for one in _folded(own))))
    ]


@lru_cache(maxsize=4096)
def _folded(tags: str) -> tuple[str, ...]:
    """The tags in a JSON text, without their cases."""
    return tuple(tag.casefold() for tag in json.loads(tags))


def _from_matches(query: OverviewQuery, late: Sequence[str], matches: Sequence[tuple[int, str]]) -> list[_Found]:
    """A page of the matches, which are in the order of names."""
    if query.sort == "name":
        found = [_Found(id_, name, None) for id_, name in (reversed(matches) if query.descending else matches)]
    else:
        names = frozenset(late)
        found = [_Found(id_, name, 0) for id_, name in matches if name in names]
        found += [_Found(id_, name, 1) for id_, name in matches if name not in names]
    start = 0 if query.after is None else _start_after(found, query.after, descending=query.descending)
    return found[start : start + query.limit + 1]


def _start_after(found: Sequence[_Found], after: Position, *, descending: bool) -> int:
    """Where the page after a position begins; the location there may have gone since, or have changed its place."""
    for index, one in enumerate(found):
        if one.name == after.name and one.key == after.key:
            return index + 1
    place = (after.key or 0, after.name)
    beyond = operator.lt if descending else operator.gt
    later = (index for index, one in enumerate(found) if beyond((one.key or 0, one.name), place))
    return next(later, len(found))


def within_ids(ids: list[int] | None) -> ColumnElement[bool]:
    """The condition that a location is one of these. The ids are a part of the statement: no limit of parameters applies."""
    return Location.id.in_(bindparam("ids", ids, expanding=True, literal_execute=True)) if ids is not None else ~false()


def newest_of(now: datetime) -> ColumnElement[bool]:
    """The condition that a row is the newest one of a location."""
    return and_(WeatherData.location_id == Location.id, WeatherData.due_at == newest_slot(now))


def _by_attention(session: Session, query: OverviewQuery, late: Sequence[str]) -> list[_Found]:
    """Late locations first, then the others; each by name."""
    wanted, after = query.limit + 1, query.after
    found: list[_Found] = []
    if after is None or after.key == 0:
        rest = list(late) if after is None else _following(late, after.name)
        for index in range(0, len(rest), wanted):
            within = Location.name.in_(rest[index : index + wanted])
            rows = session.execute(select(Location.id, Location.name).where(within).order_by(Location.name))
            found += [_Found(id_, name, 0) for id_, name in rows]
            if len(found) >= wanted:
                return found[:wanted]
    excluded, name = frozenset(late), after.name if after is not None and after.key == 1 else None
    size = wanted
    while len(found) < wanted:
        read = session.execute(_names(after=name).limit(size)).all()
        found += [_Found(id_, own, 1) for id_, own in read if own not in excluded]
        if len(read) < size:
            break
        name, size = read[-1].name, size * _GROWTH
    return found[:wanted]


def _following(names: Sequence[str], name: str) -> list[str]:
    """The names after a name, which may have gone since."""
    return list(names[names.index(name) + 1 :]) if name in names else [other for other in names if other > name]


def _names(*, after: str | None, descending: bool = False) -> Any:
    query = select(Location.id, Location.name)
    if after is not None:
        query = query.where(Location.name < after if descending else Location.name > after)
    return query.order_by(Location.name.desc() if descending else Location.name)


def _by_name(session: Session, query: OverviewQuery) -> list[_Found]:
    after = query.after.name if query.after else None
    rows = session.execute(_names(after=after, descending=query.descending).limit(query.limit + 1))
    return [_Found(id_, name, None) for id_, name in rows]


def _by_value(session: Session, query: OverviewQuery, ids: list[int] | None, now: datetime) -> list[_Found]:
    """By the newest value; locations without one come last."""
    dialect = session.get_bind().dialect
    rows, is_newest = newest_row(dialect, now)
    key: Any = rows.c[VALUES[query.sort]] if query.sort != "age" else None
    if key is None:
        key = as_seconds(dialect, func.coalesce(rows.c.observed_at, rows.c.due_at))
    columns = (Location.id, Location.name, key.label("key"))
    select_ = select(*columns).select_from(Location).outerjoin(rows, is_newest).where(within_ids(ids))
    # The age grows as the instant falls.
    descending = query.descending != (query.sort == "age")
    if query.after is not None:
        select_ = select_.where(_is_after(key, query.after, descending=descending))
    ordered = select_.order_by(key.is_(None), key.desc() if descending else key, Location.name)
    return [_Found(*row) for row in session.execute(ordered.limit(query.limit + 1))]


def last_day(now: datetime) -> tuple[float, float]:
    """The edges of the last 24 hours [Unix s], with what is of now."""
    return (now - timedelta(days=1)).timestamp(), now.timestamp() + 1


def _by_rain(session: Session, query: OverviewQuery, ids: list[int] | None, total: int, now: datetime) -> list[_Found]:
    """By the precipitation of the last 24 hours; locations without it come last.

    Raises:
        TooManyToSortError: There are more than ``MOST_BY_RAIN``.
    """
    if total > MOST_BY_RAIN:
        raise TooManyToSortError
    names: dict[int, str] = dict(session.execute(select(Location.id, Location.name).where(within_ids(ids))).all())
    totals = read_ranges(session, dict.fromkeys(names, last_day(now)), ("precipitation",))
    sums = {id_: own.each("precipitation")[0]["sum"] for id_, own in totals.items()}

    def place(one: _Found | Position) -> tuple[bool, float, str]:
        return one.key is None, (one.key or 0.0) * (-1 if query.descending else 1), one.name

    found = sorted((_Found(id_, name, sums[id_]) for id_, name in names.items()), key=place)
    after = query.after
    return found if after is None else [one for one in found if place(one) > place(after)]


def _is_after(key: Any, after: Position, *, descending: bool) -> ColumnElement[bool]:
    if after.key is None:
        return and_(key.is_(None), Location.name > after.name)
    beyond = key < after.key if descending else key > after.key
    return or_(beyond, and_(key == after.key, Location.name > after.name), key.is_(None))
