"""Rows put into the database as they are, for tests that need exact values and flags: ``store`` would check them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from meteorograph import get_db_session
from meteorograph.model import clock
from meteorograph.storage.models import WeatherData
from meteorograph.storage.rollup_invalidation import invalidate_rollups
from meteorograph.storage.upsert import insert_or_replace


def insert_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows of ``WeatherData`` without checking them."""
    with get_db_session() as session:
        invalidate_rollups(session, rows, clock.now())
        insert_or_replace(session, WeatherData, rows)
