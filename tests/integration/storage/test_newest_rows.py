"""The newest row of each location, on both databases: the right one, and without reading all rows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert, select, text

from meteorograph import WeatherData, get_db_session
from meteorograph.quality.row_checks import MAX_CLOCK_LEAD
from meteorograph.storage.models import Location
from meteorograph.storage.newest_rows import newest_row
from pages import add
from support import NOON

HOUR = timedelta(hours=1)

pytestmark = pytest.mark.usefixtures("database")


def test_the_newest_row_until_now_is_joined() -> None:
    add("Athens", {"temperature": 1.0}, {"due_at": NOON - HOUR, "temperature": 2.0})
    add("Bergen", {"due_at": NOON - 9 * HOUR, "temperature": 3.0}, {"due_at": NOON + 9 * HOUR, "temperature": 4.0})
    add("Cork")
    add("Delft", {"due_at": NOON + 9 * HOUR, "temperature": 5.0})
    add("Essen", {"due_at": NOON + MAX_CLOCK_LEAD, "temperature": 6.0})
    with get_db_session() as session:
        rows, condition = newest_row(session.get_bind().dialect, NOON)
        query = select(Location.name, rows.c.temperature).select_from(Location).outerjoin(rows, condition)
        found = {name: value for name, value in session.execute(query)}  # noqa: C416  # typed by its parts
        assert found == {"Athens": 1.0, "Bergen": 3.0, "Cork": None, "Delft": None, "Essen": 6.0}
        within = query.where(Location.name >= "B", rows.c.temperature > 3).order_by(Location.name)
        assert session.execute(within).all() == [("Essen", 6.0)]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_postgresql_does_not_read_all_rows() -> None:
    with get_db_session() as session:
        session.execute(
            insert(Location),
            [
                {"name": f"P{number}", "latitude": 1, "longitude": 2, "state": "active", "created_at": NOON}
                for number in range(300)
            ],
        )
        ids = session.scalars(select(Location.id)).all()
        row = {"fetched_at": NOON, "provider": "x", "temperature": 1.0}
        rows_of_all = [{**row, "location_id": id_, "due_at": NOON - back * HOUR} for id_ in ids for back in range(100)]
        session.execute(insert(WeatherData), rows_of_all)
        session.execute(text("ANALYZE"))
        rows, condition = newest_row(session.get_bind().dialect, NOON)
        query = select(Location.name, rows.c.temperature).select_from(Location).outerjoin(rows, condition)
        statement = str(query.compile(session.get_bind(), compile_kwargs={"literal_binds": True}))
        plan = "\n".join(session.scalars(text(f"EXPLAIN {statement.replace(':', chr(92) + ':')}")))
    assert "Seq Scan on weather_data" not in plan, plan
    assert "pk_weather_data" in plan, plan
