"""Prometheus itself: it scrapes the service, runs every query of the dashboard, and checks metrics and alert rules."""

from __future__ import annotations

import json
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from acceptance.processes import Starter, until
from clients.environment import system_program
from integration.reading.test_grafana import DASHBOARDS
from meteorograph import create_app, get_db_session, ingest_data
from meteorograph.config.loading import load_settings
from meteorograph.ledger import heartbeat
from meteorograph.simulator import Simulator
from meteorograph.storage.counters import COUNTERS
from meteorograph.storage.models import Location, Run
from support import ROOT, served

RULES = ROOT / "docs" / "prometheus"


def _promtool(*arguments: str, given: str | None = None, folder: Path | None = None) -> str:
    done = subprocess.run(
        [system_program("promtool", "prometheus"), *arguments],
        input=given,
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_alert_rules_hold_what_they_say() -> None:
    assert "8 rules found" in _promtool("check", "rules", "alerts.yml", folder=RULES)
    assert "SUCCESS" in _promtool("test", "rules", "alerts_test.yml", folder=RULES)


@pytest.fixture
def collected(database: str, collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rainy place, collected with default settings, and the ledger of its run."""
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    now = datetime.now(UTC)
    places = ((north, east) for north in range(-60, 61, 2) for east in range(-180, 180, 3))
    rainy = next(place for place in places if (collecting.truth(*place, now)["precipitation"] or 0) > 0.5)  # type: ignore[operator]
    row = ingest_data(*rainy)
    with get_db_session() as session:
        session.query(Location).update({"state": "active", "name": "rainy"})
        session.add(Run(schedule="default", due_at=now, state="succeeded", due=1, stored=1))
    heartbeat.record_heartbeat(now)
    COUNTERS.record()
    assert row["precipitation"] > 0.5


@pytest.fixture
def prometheus(collected: None, start: Starter, tmp_path: Path) -> Iterator[str]:
    """The address of a Prometheus that scrapes the service."""
    with served(create_app(load_settings(scheduler_enabled=False))) as url:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
        target = url.removeprefix("http://")
        (tmp_path / "prometheus.yml").write_text(
            f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
rule_files: ["{RULES}/alerts.yml"]
scrape_configs: [{{job_name: meteorograph, static_configs: [{{targets: ["{target}"]}}]}}]
"""
        )
        server = start(
            system_program("prometheus", "prometheus"),
            f"--config.file={tmp_path}/prometheus.yml",
            f"--storage.tsdb.path={tmp_path}/tsdb",
            f"--web.listen-address={address}",
        )
        yield f"http://{address}"
        server.end()


def _query(address: str, expression: str) -> list[float]:
    try:
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{address}/api/v1/query?{query}", timeout=10) as answer:
            return [float(one["value"][1]) for one in json.load(answer)["data"]["result"]]
    except OSError:
        return []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_every_query_of_the_dashboard_runs(prometheus: str) -> None:
    until(lambda: _query(prometheus, 'up{job="meteorograph"} == 1'), "a scrape", pause=0.2)
    asked = [target["expr"] for panel in DASHBOARDS["service"]["panels"] for target in panel["targets"]]
    found = {one: _query(prometheus, one.replace("$location", ".*")) for one in asked}
    assert [one for one, values in found.items() if not values and "missed" not in one] == []
    [rain] = _query(prometheus, next(one for one in asked if "precipitation" in one).replace("$location", ".*"))
    assert rain > 0.5, "in mm"
    assert sum(_query(prometheus, "meteorograph_calls_total")) >= 2
    assert _query(prometheus, 'meteorograph_rows_total{origin="live"}') == [1]


@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_promtool_accepts_the_metrics() -> None:
    told = create_app(load_settings(scheduler_enabled=False)).test_client().get("/metrics").text
    assert "meteorograph_pressure_pascals{" in told
    assert _promtool("check", "metrics", given=told) == ""


@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_the_rain_panel_shows_rain_with_default_settings() -> None:
    [panel] = [one for one in DASHBOARDS["weather"]["panels"] if one["title"] == "Precipitation by hour"]
    query = panel["targets"][0]["rawSql"].replace("$__timeFilter(w.due_at)", "w.due_at > now() - interval '1 hour'")
    query = query.replace("$__timeGroup(w.valid_at, '1h')", "date_trunc('hour', w.valid_at)").replace("$location", "'rainy'")
    with get_db_session(read_only=True) as session:
        [row] = session.execute(text(query.replace(":", r"\:"))).all()
    assert row.value > 0.5
