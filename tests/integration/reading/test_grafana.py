"""The dashboards for Grafana: every query runs on PostgreSQL, and every metric that is asked for is there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from meteorograph import create_app, get_db_session
from meteorograph.config.loading import load_settings
from meteorograph.storage.models import Location, Missed, Quota, Run
from pages import add
from support import NOON, ROOT

DASHBOARDS = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "docs" / "grafana").glob("*.json"))
}


@pytest.fixture
def a_day(database: str, driven: object) -> None:
    hours = [NOON - timedelta(hours=back) for back in range(24)]
    values = {"temperature": 1.0, "humidity": 50.0, "pressure": 1010.0, "wind_speed": 3.0, "precipitation": 0.5}
    row = {**values, "precipitation_period": 3600, "flags": {"temperature": ["implied_zero"]}}
    suspect = {"due_at": hours[1], **row, "flags": {"temperature": ["step"]}}
    add("O'Hara", {"due_at": hours[0], **row}, suspect, *({"due_at": at, **row} for at in hours[3:]))
    with get_db_session() as session:
        id_ = session.query(Location.id).scalar()
        session.add(Missed(location_id=id_, due_at=hours[2], reason="quota", detail="said"))
        session.add_all(Run(schedule="default", due_at=at, state="succeeded", due=1, stored=1) for at in hours)
        session.add(Quota(provider="openweathermap", window="month", period_start=NOON.replace(hour=0), used=5))


def _panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, dashboard in DASHBOARDS.items():
        for panel in dashboard["panels"]:
            yield f"{name}: {panel['title']}", panel


def _sql(query: str) -> str:
    """A query as Grafana sends it: its macros and variables filled in."""
    query = re.sub(r"\$__timeFilter\(([\w.]+)\)", r"\1 BETWEEN '2026-02-28T12:00:00Z' AND '2026-03-01T12:00:00Z'", query)
    query = re.sub(r"\$__timeGroup\(([\w.]+), *'1h'\)", r"floor(extract(epoch from \1)/3600)*3600", query)
    query = query.replace("$location", "'O''Hara'")
    assert "$" not in query
    return query.replace(":", r"\:")  # what follows a colon is no parameter here


@pytest.mark.usefixtures("a_day")
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_every_query_of_the_database_gives_rows() -> None:
    found = {}
    with get_db_session(read_only=True) as session:
        for title, panel in _panels():
            for target in panel["targets"]:
                if "rawSql" in target:
                    found[title] = [row._mapping for row in session.execute(text(_sql(target["rawSql"])))]
        [variable] = [one for one in DASHBOARDS["weather"]["templating"]["list"] if one["type"] == "query"]
        assert session.scalars(text(variable["query"])).all() == ["O'Hara"]
    assert len(found) == 7
    assert all(found.values()), found
    assert len(found["weather: Temperature"]) == 22, "the hour that is missing and the value that is suspect are left out"
    assert sum(row["value"] for row in found["weather: Precipitation by hour"]) == 11.5
    assert {row["metric"]: row["value"] for row in found["weather: Slots by day"]}["quota"] == 1
    assert found["weather: Gaps"] == [
        {"location": "O'Hara", "slot": NOON - timedelta(hours=2), "reason": "quota", "detail": "said"}
    ]


@pytest.mark.usefixtures("a_day")
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_every_metric_that_is_asked_for_is_there() -> None:
    told = create_app(load_settings(scheduler_enabled=False)).test_client().get("/metrics").text
    there = {(name, tuple(re.findall(r"(\w+)=", labels))) for name, labels in re.findall(r"^(\w+)(?:\{(.*?)\})? ", told, re.M)}
    names = {name for name, _ in there}
    asked = [target["expr"] for _, panel in _panels() for target in panel["targets"] if "expr" in target]
    wanted = {name for expression in asked for name in re.findall(r"meteorograph_\w+", expression)}
    assert len(wanted) >= 10
    assert wanted - names == set()
    used = {label for expression in asked for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")}
    assert used <= {label for _, labels in there for label in labels}
