"""The SQL views: datasette opens them, and a role that may only read."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from clients.environment import client_program
from meteorograph import get_db_session
from meteorograph.reading.rollups import roll_up
from meteorograph.storage import migrations, views
from meteorograph.storage.engine import get_engine
from pages import add
from support import NOON

pytestmark = pytest.mark.usefixtures("database", "driven")

DAY = timedelta(days=1)


@pytest.fixture
def rows(database: str) -> None:
    """Four hours of yesterday and one of today."""
    values = {"temperature": 1.5, "precipitation": 0.5, "precipitation_period": 3600}
    times = [NOON - DAY + timedelta(hours=number) for number in range(4)]
    given = [{"due_at": at, "observed_at": at, **values, "temperature": float(number)} for number, at in enumerate(times)]
    add("Zürich", *given, {"due_at": NOON, "observed_at": NOON, **values}, created_at=NOON - DAY)
    while roll_up(NOON + 3 * DAY):
        pass


ASK_DATASETTE = """
import asyncio, json, sys
from pathlib import Path
from datasette.app import Datasette

async def main():
    path, *names = sys.argv[1:]
    client = Datasette([path]).client
    answers = {name: await client.get(f"/{Path(path).stem}/{name}.json?_shape=array") for name in names}
    print(json.dumps({name: answer.json() for name, answer in answers.items()}))

asyncio.run(main())
"""


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_datasette_shows_names_and_times(database: str) -> None:
    command = [client_program("python"), "-W", "ignore", "-c", ASK_DATASETTE, make_url(database).database or "", *views.NAMES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["weather"]) == 5
    [latest] = found["latest"]
    assert (latest["location"], latest["due_at"], latest["temperature"]) == ("Zürich", "2026-03-01T12:00:00Z", 1.5)
    day, today = sorted(found["daily"], key=lambda one: str(one["start_at"]))
    assert today["observations"] == 1
    assert (day["start_at"], day["end_at"]) == ("2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z")
    assert (day["temperature_min"], day["temperature_max"], day["temperature_mean"], day["observations"]) == (0, 3, 1.5, 4)
    assert day["precipitation_sum"] == 2


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_role_that_may_only_read_opens_them(database: str) -> None:
    url = re.sub(r"^postgresql\+\w+", "postgresql", database)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE reader_of_views")
        try:
            connection.execute("GRANT SELECT ON weather, latest, daily TO reader_of_views")
            connection.execute("SET ROLE reader_of_views")
            assert connection.execute("SELECT location, due_at, temperature FROM latest").fetchall() == [("Zürich", NOON, 1.5)]
            assert connection.execute("SELECT temperature_mean FROM daily").fetchall() == [(1.5,), (1.5,)]
            assert connection.execute("SELECT count(*) FROM weather").fetchall() == [(5,)]
            for statement in ("SELECT * FROM weather_data", "SELECT * FROM tokens", "DELETE FROM locations"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
        finally:
            connection.execute("RESET ROLE")
            connection.execute("DROP OWNED BY reader_of_views")
            connection.execute("DROP ROLE reader_of_views")


def test_a_migration_makes_them_anew_and_leaves_those_of_others(database: str) -> None:
    with get_engine().begin() as connection:
        views.drop_views(connection)
        connection.execute(text("CREATE VIEW latest AS SELECT 7 AS own"))
    migrations.upgrade(get_engine())
    migrations.upgrade(get_engine())
    with get_db_session(read_only=True) as session:
        assert session.scalar(text("SELECT own FROM latest")) == 7
        assert session.scalar(text("SELECT count(*) FROM weather")) == 0
