"""Rows are checked wherever they are stored from: no caller can leave the checks out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meteorograph import WeatherData, get_db_session
from meteorograph.model.values import Observation
from meteorograph.storage.models import Location
from meteorograph.storage.observations import store, to_row, write_rows
from support import NOON

pytestmark = pytest.mark.usefixtures("database")


def _store_in_a_session(rows: list[dict[str, Any]], **how: bool) -> None:
    with get_db_session() as session:
        write_rows(session, rows, **how)


@pytest.mark.parametrize(
    "write",
    [store, _store_in_a_session, lambda rows: _store_in_a_session(rows, replace=False)],
    ids=["store", "write_rows", "write_rows without replace"],
)
def test_every_way_of_storing_checks(write: Callable[[list[dict[str, Any]]], object]) -> None:
    with get_db_session() as session:
        session.add(Location(id=1, name="here", latitude=53.3, longitude=-6.4, created_at=NOON))
    impossible_pair = Observation(provider="a", fetched_at=NOON, observed_at=NOON, temperature=8.0, dew_point=12.0)
    write([to_row(1, NOON, impossible_pair)])
    with get_db_session(read_only=True) as session:
        row = session.get_one(WeatherData, (1, NOON))
    assert row.flags == {"temperature": ["inconsistent"], "dew_point": ["inconsistent"]}
