"""Two hosts while their database is away: each with a fallback database of its own, and one quota for both."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from acceptance.books import add_places
from acceptance.holds import away
from acceptance.processes import Starter, until
from meteorograph.simulator import Simulator

pytestmark = pytest.mark.parametrize("empty_database", ["postgresql"], indirect=True)

LIMIT = 400


#: The number of sites that a fallback database knows, and of slots that it could not collect because of the quota.
SITES = "SELECT count(DISTINCT site) FROM heartbeats WHERE NOT is_stopped"
REFUSED = "SELECT count(*) FROM missed WHERE reason = 'quota'"


def _count(folder: Path, query: str) -> int:
    """A number from the fallback database in a folder; 0 without one."""
    found = list(folder.glob("standin-*.db"))
    if not found:
        return 0
    with closing(sqlite3.connect(found[0])) as connection, suppress(sqlite3.OperationalError):  # it has just been created
        (count,) = connection.execute(query).fetchone()
        return int(count)
    return 0


@pytest.mark.usefixtures("empty_database")
def test_two_hosts_without_the_database_stay_within_the_quota_together(
    start: Starter, collecting: Simulator, empty_database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("WEATHERSTACK_API_KEY", raising=False)
    monkeypatch.setenv("METEOROGRAPH_INTERVAL", "3s")
    monkeypatch.setenv("METEOROGRAPH_OWM_CALLS_PER_MONTH", str(LIMIT))
    add_places(10)
    folders = [tmp_path / name for name in ("one", "other")]
    services = [start.serve(METEOROGRAPH_JOURNAL_DIR=str(folder)) for folder in folders]
    until(lambda: all(_count(folder, SITES) == 2 for folder in folders), "fallback databases that know of both hosts")
    with away(empty_database):
        before = collecting.count("openweathermap")
        until(lambda: all(_count(folder, REFUSED) for folder in folders), "both to have spent their shares")
        during = collecting.count("openweathermap") - before
    assert before + during <= LIMIT
    assert during > (LIMIT - before) // 2, "both have collected"
    for service in services:
        service.end()
    assert collecting.count("openweathermap") <= LIMIT
