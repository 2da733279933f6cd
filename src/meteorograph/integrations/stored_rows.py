"""Reads the rows that an integration still has to get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from ..storage.models import Location, OutboxEntry, WeatherData
from ..storage.upsert import table_of
from .receiver import StoredRow

_outbox: Final = table_of(OutboxEntry)
_weather: Final = table_of(WeatherData)
_locations: Final = table_of(Location)
_NAMES: Final = tuple(_weather.c.keys())


def read_batch(session: Session, integration: str, limit: int) -> tuple[Sequence[int], list[StoredRow]]:
    """The ids of the oldest entries of the outbox, and their rows as they are stored now, each once.

    The row of an entry may be gone.
    """
    is_row = and_(_weather.c.location_id == _outbox.c.location_id, _weather.c.due_at == _outbox.c.due_at)
    query = (
        select(_outbox.c.id, _locations.c.name.label("location"), *(_weather.c[name] for name in _NAMES))
        .select_from(_outbox)
        .outerjoin(_weather, is_row)
        .outerjoin(_locations, _locations.c.id == _weather.c.location_id)
        .where(_outbox.c.integration == integration)
        .order_by(_outbox.c.id)
        .limit(limit)
    )
    ids: list[int] = []
    rows: dict[object, StoredRow] = {}
    for id_, location, *columns in session.execute(query):
        ids.append(id_)
        values = dict(zip(_NAMES, columns, strict=True))
        if values["location_id"] is not None:
            rows[values["location_id"], values["due_at"]] = StoredRow(values["location_id"], location, values)
    return ids, list(rows.values())
