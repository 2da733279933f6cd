"""A database with some weeks of rows, and what of it every reader sees."""

from __future__ import annotations

import io
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

import past
from meteorograph import create_app, get_db_session
from meteorograph.archiving.sealing import SealResult, seal_months
from meteorograph.exporting.export import ExportQuery, export
from meteorograph.ledger.audit import audit
from meteorograph.ledger.claims import due_schedules
from meteorograph.ledger.coverage import slot_coverage
from meteorograph.ledger.gaps import list_gaps
from meteorograph.model.clock import DrivenClock
from meteorograph.model.schedule import Interval
from meteorograph.reading import rollups
from meteorograph.server.demo import CITIES
from meteorograph.storage.models import WeatherData

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
PLACES = 2
#: October and a day of September are older than the retention.
DAYS = 58
RETENTION = 20


@pytest.fixture
def world(database: str, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> DrivenClock:
    """Hourly rows of two places since the end of September, rolled up; rows older than twenty days may be sealed."""
    monkeypatch.setenv("METEOROGRAPH_RETENTION_DAYS", str(RETENTION))
    monkeypatch.setenv("METEOROGRAPH_SCHEDULER_ENABLED", "false")
    driven.advance(NOW - driven())
    past.fill(NOW, places=PLACES, days=DAYS)
    # A collection on demand has the instant of its request.
    with get_db_session() as session:
        at = NOW - timedelta(days=40, seconds=17.25)
        fetched = {"observed_at": None, "fetched_at": at + timedelta(seconds=1.5), "provider": "openweathermap"}
        session.add(WeatherData(location_id=1, due_at=at, temperature=1.0, **fetched))
    while rollups.roll_up(NOW):
        pass
    return driven


def seal() -> SealResult:
    """Seal what is old enough."""
    result = seal_months(threading.Event())
    assert result is not None
    return result


def sealed_file() -> Path:
    """The file of October."""
    [path] = Path("data/archive").glob("2026-10-*.parquet")
    return path


def client() -> FlaskClient:
    """The HTTP interface."""
    return create_app().test_client()


def everything() -> dict[str, Any]:
    """What each reader says of all rows."""
    told: dict[str, Any] = {}
    start = NOW - timedelta(days=DAYS - 2, hours=3)
    with get_db_session(read_only=True) as session:
        for format in ("csv", "ndjson"):
            file = io.BytesIO()
            export(session, ExportQuery(), format, file)
            told[format] = file.getvalue()
        for by in ("location", "day", "location,day"):
            told[by] = slot_coverage(session, start, NOW, by=by)
        told["gaps"] = list_gaps(session, start, NOW)
    told["audit"] = audit(NOW, due_schedules(Interval(timedelta(hours=1))), repair=False)
    with client() as web:
        name = CITIES[1][0]
        since = f"start={start:%Y-%m-%dT%H:%M}Z"
        for path in (
            "/data?format=csv",
            "/data?format=ndjson&order=asc&provider=openweathermap",
            f"/data?format=csv&location={name}&{since}&end=2026-11-03",
            "/data?limit=1000&total=true&end=2026-10-20",
            f"/data/aggregate?location={name}&bucket=6h&start=2026-10-28&end=2026-11-03",
            f"/data/aggregate?bucket=month&fields=temperature,precipitation&{since}&end=2026-11-27",
            "/data/latest",
        ):
            answer = web.get(path)
            assert answer.status_code == 200, answer.text
            told[path] = answer.data if "format" in path else {**answer.get_json(), "request_id": None}
    return told
