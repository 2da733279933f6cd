"""Weather rows as records: a page of them, or the newest row of each location."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..errors import LocationNotFoundError
from ..model import clock
from ..model.names import normalise_name
from ..model.quantities import QuantityValues
from ..model.units import units_of
from ..storage.models import Location, WeatherData
from ..storage.newest_rows import newest_row
from ..storage.upsert import table_of
from .columns import DOCUMENTS, FIELDS, INSTANTS, Columns, Position, RowQuery, fetch_columns, plain_column, read_page

#: Canonical unit of each quantity.
UNITS: Final = units_of(FIELDS)

_table = table_of(WeatherData)


class WeatherRow(QuantityValues, frozen=True, gc=False, kw_only=True):
    """A row of weather data in canonical units; None is "not given". The fields are ``columns.FIELDS``."""

    #: Name of the location.
    location: str
    due_at: datetime
    observed_at: datetime | None
    fetched_at: datetime
    provider: str
    origin: str
    #: [s]
    precipitation_period: int | None
    condition: str | None
    #: Quantity → provider, for quantities of another provider than ``provider``.
    providers: dict[str, str] | None
    #: Quantity → flags of its value.
    flags: dict[str, list[str]] | None
    #: Provider → what it said for the slot and is not used above (``OtherValues``).
    other_values: dict[str, dict[str, Any]] | None

    def provider_of(self, quantity: str) -> str:
        """Name of the provider that a value comes from."""
        return (self.providers or {}).get(quantity, self.provider)

    def flags_of(self, quantity: str) -> list[str]:
        """Flags of a value."""
        return (self.flags or {}).get(quantity, [])


def find_location(session: Session, name: str) -> tuple[int, str]:
    """Id and name of the location that has this name, in whatever form it is asked for.

    Raises:
        LocationNotFoundError: No location has that name.
    """
    # PostgreSQL refuses a text that contains a NUL, so no name contains one.
    names = {name, normalise_name(name)}  # an older version may have stored it in another form
    found = [] if "\0" in name else session.execute(select(Location.id, Location.name).where(Location.name.in_(names))).all()
    if not found:
        raise LocationNotFoundError(name)
    location_id, stored_name = min(found, key=lambda one: one[1] != name)  # the form that was asked for, where both are there
    return location_id, stored_name


def read_rows(
    session: Session,
    *,
    location: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int = 100,
    after: Position | None = None,
) -> tuple[list[WeatherRow], Position | None]:
    """Rows with ``start <= due_at < end``, newest first, and the position of the last one (None: last page).

    Raises:
        LocationNotFoundError: No location has that name.
    """
    selected = None if location is None else find_location(session, location)
    columns, position = read_page(session, RowQuery(FIELDS, selected, start, end), limit, after)
    return _make_rows(columns), position


def read_latest_columns(
    session: Session,
    fields: Sequence[str] = FIELDS,
    now: datetime | None = None,
    *,
    after: str | None = None,
    limit: int | None = None,
) -> Columns:
    """The newest row of each location that has rows until now, by name, as columns of plain values.

    These are all, or at most ``limit`` after the location of the name ``after``.
    """
    dialect = session.get_bind().dialect
    newest, is_newest = newest_row(dialect, now or clock.now())
    selected = [Location.name if name == "location" else plain_column(dialect, name, newest) for name in fields]
    query = select(*selected).select_from(Location).join(newest, is_newest).order_by(Location.name)
    if after is not None:
        query = query.where(Location.name > after)
    return fetch_columns(session, query.limit(limit))


def read_latest_rows(session: Session, now: datetime | None = None) -> list[WeatherRow]:
    """The newest row of each location that has rows until now, by name."""
    return _make_rows(read_latest_columns(session, now=now))


def _make_rows(columns: Columns) -> list[WeatherRow]:
    converted = [
        values if convert is None else [None if value is None else convert(value) for value in values]
        for convert, values in zip(_CONVERTERS, columns, strict=True)
    ]
    return [WeatherRow(**dict(zip(FIELDS, values, strict=True))) for values in zip(*converted, strict=True)]


def _to_datetime(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


#: For each field, the function that converts a plain value; None where the plain value is used.
_CONVERTERS: Final[tuple[Any, ...]] = tuple(
    _to_datetime if name in INSTANTS else json.loads if name in DOCUMENTS else None for name in FIELDS
)
