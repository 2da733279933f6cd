"""Stop 8 of the walk: takes observations, gives rows, in bulk and idempotent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.exc import DataError, IntegrityError

from .db import get_db_session
from .quantities import QUANTITIES
from .tables import WeatherData
from .upsert import insert_or_replace
from .values import Observation

Row = dict[str, Any]


def row(location_id: int, due_at: datetime, observation: Observation) -> Row:
    """The columns of ``WeatherData`` for an observation of a slot."""
    return {
        "location_id": location_id,
        "due_at": due_at,
        "observed_at": observation.observed_at,
        "fetched_at": observation.fetched_at,
        "provider": observation.provider,
        **{quantity.name: getattr(observation, quantity.name) for quantity in QUANTITIES},
        "precipitation_period": observation.precipitation_period,
        "condition": observation.condition and observation.condition[:200],
        "providers": observation.providers or None,
        "flags": observation.flags or None,
    }


def store(rows: Sequence[Row]) -> list[tuple[Row, str]]:
    """Store rows, each replacing the one of the same location and slot; gives those the database refused, with its words.

    Raises:
        StoreError: The database cannot be reached; nothing of ``rows`` is stored.
    """
    if not rows:
        return []
    try:
        with get_db_session() as session:
            insert_or_replace(session, WeatherData, rows)
    except (DataError, IntegrityError) as error:
        if len(rows) == 1:
            return [(rows[0], " ".join(str(error.orig).split())[:300])]
        return [refused for one in rows for refused in store([one])]  # one bad row must not cost the others
    return []
