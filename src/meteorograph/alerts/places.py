"""The scheduled places and their newest rows, read once for all rules of a look, with one query each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from ..errors import LocationNotFoundError
from ..model.states import LocationState
from ..quality.row_checks import MAX_CLOCK_LEAD
from ..reading.columns import iterate_rows, plain_column, suspect_quantities
from ..storage.models import Location, WeatherData
from ..storage.newest_rows import newest_slot
from .rules import Rule

#: The quantities of a newest row.
QUANTITIES: Final = ("temperature", "wind_speed", "wind_gust")


@dataclass(frozen=True, slots=True)
class Place:
    """A scheduled location."""

    id: int
    name: str
    tags: frozenset[str]
    #: Since when it is due.
    due_from: datetime
    #: Slot of its newest row; None without rows.
    newest_slot: datetime | None


@dataclass(frozen=True, slots=True)
class NewestRow:
    """The newest row of a place."""

    #: The time of its values (aware UTC).
    at: datetime
    provider: str
    #: The JSON text of its flags; empty without flags.
    flags: str
    values: dict[str, float | None]

    def value(self, quantity: str) -> float | None:
        """The value of a quantity; None if there is none, or it is suspect."""
        return None if self.flags and quantity in suspect_quantities(self.flags) else self.values[quantity]


class PlaceReader:
    """Reads what rules need to know of places, as it is at one moment.

    Args:
        session: Session to read with.
        now: The current time (aware UTC).
    """

    def __init__(self, session: Session, now: datetime) -> None:
        self.session, self.now = session, now

    def places_of(self, rule: Rule) -> list[Place]:
        """The places that a rule watches, by name; those that were removed are missing."""
        chosen, tag = set(rule.options.locations), rule.options.tag
        if not chosen:
            return self._places if tag is None else [place for place in self._places if tag in place.tags]
        return [place for place in self._places if place.name in chosen]

    def fault_of(self, rule: Rule) -> str | None:
        """That a location of the rule was removed, or no location has its tag; None if it watches what it should."""
        chosen, tag = set(rule.options.locations), rule.options.tag
        if tag is not None and not self.places_of(rule):
            is_missing = not any(tag in (tags or ()) for tags in self.session.scalars(select(Location.tags)))
            return f"no location has the tag {tag!r}" if is_missing else None
        known = set(self.session.scalars(select(Location.name).where(Location.name.in_(chosen)))) if chosen else chosen
        return str(LocationNotFoundError(min(chosen - known))) if chosen - known else None

    @cached_property
    def _places(self) -> list[Place]:
        newest = newest_slot(self.now)
        query = select(Location.id, Location.name, Location.tags, Location.created_at, Location.due_since, newest)
        rows = self.session.execute(query.where(Location.state == LocationState.ACTIVE).order_by(Location.name))
        return [
            Place(id_, name, frozenset(tags or ()), max(created_at, due_since or created_at), slot)
            for id_, name, tags, created_at, due_since, slot in rows
        ]

    @cached_property
    def newest_rows(self) -> dict[int, NewestRow]:
        """Location id → its newest row."""
        latest = (self.now + MAX_CLOCK_LEAD).timestamp()
        is_newest = and_(WeatherData.location_id == Location.id, WeatherData.due_at == newest_slot(self.now))
        query = self._plain("location_id", "due_at", "observed_at", "provider", "flags", *QUANTITIES)
        query = query.select_from(Location).join(WeatherData, is_newest).where(Location.state == LocationState.ACTIVE)
        return {
            id_: NewestRow(
                datetime.fromtimestamp(observed if observed is not None and observed <= latest else due, UTC),
                provider,
                flags or "",
                dict(zip(QUANTITIES, values, strict=True)),
            )
            for id_, due, observed, provider, flags, *values in iterate_rows(self.session, query)
        }

    def read_rows(self, fields: tuple[str, ...], *conditions: Any) -> Iterator[tuple[Any, ...]]:
        """Plain values of these fields of all rows that satisfy the conditions."""
        return iterate_rows(self.session, self._plain(*fields).where(*conditions))

    def _plain(self, *fields: str) -> Any:
        dialect = self.session.get_bind().dialect
        return select(*(plain_column(dialect, field) for field in fields))
