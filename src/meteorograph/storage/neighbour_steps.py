"""Find the steps of a batch that a neighbour confirms: its row of the same slot is in the batch or stored already."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..model.flags import Flag
from ..model.values import Coordinates
from ..quality.check_batch import merge_flags
from ..quality.neighbours import NEIGHBOUR_KM, Change, confirms
from ..quality.time_checks import CONFIRMED, MAX_CHANGE_PER_HOUR, MAX_STEP_AGE
from .models import Location, WeatherData
from .upsert import table_of

Row = Mapping[str, Any]

_table = table_of(WeatherData)
_NAMES: Final = tuple(_table.c.keys())
_KM_PER_DEGREE: Final = 111.2


class ConfirmedSteps(NamedTuple):
    """The steps of a batch that neighbours confirm."""

    #: Index of a row → quantities.
    names: dict[int, set[str]]
    #: Location, slot and quantity of stored rows with a step that a row of the batch confirms.
    stored: set[tuple[int, datetime, str]]

    def marked(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows of the batch, with ``CONFIRMED`` among the flags of these values."""
        marked = list(rows)
        for index, names in self.names.items():
            flags = merge_flags(rows[index]["flags"] or {}, {name: [CONFIRMED] for name in names})
            marked[index] = {**rows[index], "flags": flags}
        return marked


def find_confirmed_steps(session: Session, rows: Sequence[Row], checked: Sequence[Row]) -> ConfirmedSteps:
    """Compare each new step of the checked rows with the changes of neighbours in the same slot."""
    found = ConfirmedSteps({}, set())
    steps = [
        (index, name)
        for index, row in enumerate(checked)
        if row["flags"] and row is not rows[index]
        for name in MAX_CHANGE_PER_HOUR
        if _has_step(row, name)
    ]
    if steps:
        reader = _Reader(session, checked)
        for index, name in steps:
            row = checked[index]
            own = reader.change(row["location_id"], row["due_at"], name)
            for other_id in reader.neighbours(row["location_id"]) if own else ():
                other = reader.change(other_id, row["due_at"], name)
                if own and other and confirms(own, other):
                    found.names.setdefault(index, set()).add(name)
                    if not reader.is_in_batch(other_id, row["due_at"]):
                        found.stored.add((other_id, row["due_at"], name))
    return found


class _Reader:
    """Reads rows from the batch, or from the database where the batch does not have them."""

    def __init__(self, session: Session, batch: Sequence[Row]) -> None:
        self._session = session
        self._rows = {(row["location_id"], row["due_at"]): row for row in batch}
        self._slots: dict[int, list[datetime]] = {}
        for location_id, due_at in sorted(self._rows):
            self._slots.setdefault(location_id, []).append(due_at)
        self._neighbours: dict[int, list[int]] = {}

    def is_in_batch(self, location_id: int, due_at: datetime) -> bool:
        return (location_id, due_at) in self._rows

    def change(self, location_id: int, due_at: datetime, name: str) -> Change | None:
        """The value of a slot with the last one before it that is no step; None without one of them."""
        row = self._rows.get((location_id, due_at)) or self._stored(location_id, due_at, due_at, None)
        before = self._before(location_id, due_at, name)
        if row is None or before is None or row[name] is None:
            return None
        provider: str = (row["providers"] or {}).get(name) or row["provider"]
        return Change(before[name], row[name], row["observed_at"], provider)

    def _before(self, location_id: int, due_at: datetime, name: str) -> Row | None:
        since = due_at - timedelta(seconds=MAX_STEP_AGE)
        for slot in reversed(self._slots.get(location_id, ())):
            row = self._rows[location_id, slot]
            if since <= slot < due_at and row[name] is not None and not _has_step(row, name):
                return row
        return self._stored(location_id, since, due_at - timedelta(microseconds=1), name)

    def _stored(self, location_id: int, since: datetime, until: datetime, name: str | None) -> Row | None:
        """The last stored row of a period; with a value of a quantity that is no step, if one is named."""
        query = select(_table).where(_table.c.location_id == location_id, _table.c.due_at.between(since, until))
        found = self._session.execute(query.order_by(_table.c.due_at.desc())).all()
        rows = (dict(zip(_NAMES, values, strict=True)) for values in found)
        return next((row for row in rows if name is None or (row[name] is not None and not _has_step(row, name))), None)

    def neighbours(self, location_id: int) -> list[int]:
        """The ids of the locations within ``NEIGHBOUR_KM``."""
        if location_id not in self._neighbours:
            self._neighbours[location_id] = self._find_neighbours(location_id)
        return self._neighbours[location_id]

    def _find_neighbours(self, location_id: int) -> list[int]:
        location = self._session.get(Location, location_id)
        if location is None:
            return []
        here = Coordinates(location.latitude, location.longitude)
        height = NEIGHBOUR_KM / _KM_PER_DEGREE
        width = height / max(0.01, math.cos(math.radians(min(89.0, abs(here.latitude) + height))))
        query = select(Location.id, Location.latitude, Location.longitude).where(
            Location.latitude.between(here.latitude - height, here.latitude + height), Location.id != location_id
        )
        if abs(here.longitude) + width < 180:  # no neighbour beyond the date line
            query = query.where(Location.longitude.between(here.longitude - width, here.longitude + width))
        return [
            id_
            for id_, latitude, longitude in self._session.execute(query)
            if here.distance_km(Coordinates(latitude, longitude)) <= NEIGHBOUR_KM
        ]


def _has_step(row: Row, name: str) -> bool:
    return Flag.STEP in (row["flags"] or {}).get(name, ())
