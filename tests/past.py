"""A past to look at: places with simulated weather, gaps for several reasons, late rows and suspect values.

Shared by the browser tests, the pictures of the docs and the benchmark of the page.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, update

from meteorograph import WeatherData, get_db_session, init_db
from meteorograph.quality.row_checks import MAX_CLOCK_LEAD
from meteorograph.server.demo import CITIES
from meteorograph.simulator.model import weather
from meteorograph.storage.engine import ENGINES
from meteorograph.storage.models import BackgroundTask, Heartbeat, Location, Missed, Quota, Run

HOUR = timedelta(hours=1)


@contextmanager
def database(path: Path) -> Iterator[None]:
    """The database of this process is this file of SQLite, as long as the block lasts."""
    before = dict(os.environ)
    os.environ["DATABASE_URL"] = f"sqlite:///{path}"
    try:
        init_db()
        yield
    finally:
        ENGINES.reset()
        os.environ.clear()
        os.environ.update(before)


def fill(now: datetime, *, places: int = len(CITIES), days: int = 40) -> None:
    """Every hour of so many days up to ``now`` of so many places. What is missed, late or suspect follows from its number."""
    last = now.replace(minute=0, second=0, microsecond=0)
    names = [f"{CITIES[i % 12][0]}{f' {i // 12 + 1:03d}' if i >= 12 else ''}" for i in range(places)]
    with get_db_session() as session:
        made = [_location(name, CITIES[i % 12], last - days * 24 * HOUR) for i, name in enumerate(names)]
        session.add_all(made)
        session.flush()
        ids = {location.id: location for location in made}
        for back in range(days * 24, -1, -1):
            _slot(session, last - back * HOUR, back, ids)
        month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        session.add_all(_tasks(last))
        session.add(Heartbeat(holder="past", beat_at=now))
        session.add(Quota(provider="openweathermap", window="month", period_start=month, used=640_000))
        session.add(Quota(provider="weatherstack", window="month", period_start=month, used=91))


def _tasks(at: datetime) -> list[BackgroundTask]:
    """Background tasks of another host, which no process here takes."""
    span = json.dumps({"start": (at - 30 * 24 * HOUR).isoformat(), "end": at.isoformat()})
    file = json.dumps({"locations": [], "tags": ["coast"], "output": "/srv/export/rows_of_the_whole_year.parquet"})
    lost = "given up: 3 attempts ended without a result, because their process or its database was lost"
    filled = json.dumps({"missing_before": 130, "filled": 127, "missing": 3})
    tasks = [
        BackgroundTask(
            kind="backfill", arguments=span, state="succeeded", ended_at=at - HOUR, done=127, total=130, counts=filled
        ),
        BackgroundTask(kind="reparse", arguments=span, state="failed", ended_at=at - HOUR, message=lost),
        BackgroundTask(kind="reparse", arguments=span, state="running", holder="weather-1:4711", done=310, total=720),
        BackgroundTask(kind="export", arguments=file, state="pending"),
    ]
    for task in tasks:
        task.created_at, task.host = at - 2 * HOUR, "weather-1"
    return tasks


def keep_alive(now: datetime) -> None:
    """Let the collector be alive for ten minutes, by a clock that is ahead as far as clocks may be."""
    with get_db_session() as session:
        session.execute(update(Heartbeat).values(beat_at=now + MAX_CLOCK_LEAD - timedelta(seconds=30)))


def _location(name: str, city: tuple[str, float, float, int, str], since: datetime) -> Location:
    _, latitude, longitude, elevation, zone = city
    where = {"latitude": latitude, "longitude": longitude, "elevation": elevation, "timezone": zone}
    state = "paused" if name == "La Paz" else "active"
    return Location(name=name, state=state, created_at=since, tags=["coast"] if elevation < 100 else None, **where)


def _reason(id_: int, back: int) -> str | None:
    if 60 < back < 66:
        return "down"
    if id_ % 5 == 2 and 100 < back < 122:
        return "provider_error"
    return "quota" if (id_ * 7919 + back * 31) % 311 == 7 else None


def _slot(session: Any, at: datetime, back: int, ids: dict[int, Location]) -> None:
    reasons = {id_: reason for id_ in ids if (reason := _reason(id_, back))}
    said = "openweathermap: HTTP 502 Bad Gateway"
    missed = [
        {"location_id": id_, "due_at": at, "reason": reason, "detail": said if reason == "provider_error" else None}
        for id_, reason in reasons.items()
    ]
    # Nairobi has had nothing for some hours, and nobody knows why yet.
    rows = [
        _row(location, at, back)
        for id_, location in ids.items()
        if id_ not in reasons and not (location.name == "Nairobi" and back < 4)
    ]
    if missed:
        session.execute(insert(Missed), missed)
    if rows:
        session.execute(insert(WeatherData), rows)
    counts = {"due": len(ids), "stored": len(rows), "failed": len(ids) - len(rows), "calls": len(ids)}
    state = "succeeded" if len(rows) == len(ids) else "partial" if rows else "missed"
    times = {"started_at": at, "ended_at": at + timedelta(seconds=2.4 + back % 5 / 10)} if rows else {}
    session.add(Run(schedule="default", due_at=at, state=state, reason="down" if state == "missed" else None, **counts, **times))


def _row(location: Location, at: datetime, back: int) -> dict[str, Any]:
    values = {**weather(location.latitude, location.longitude, at - timedelta(minutes=6), 7).truth()}
    flags = None
    if (location.id * 13 + back) % 157 == 3:
        flags = {"temperature": ["step"]}
        values["temperature"] = float(values["temperature"] or 0) + 9
    late, origin = (29 * HOUR, "backfill") if 30 < back < 36 else (timedelta(seconds=40), "live")
    whose = {"precipitation": "weatherstack"} if back % 3 == 0 else None
    head = {"location_id": location.id, "due_at": at, "observed_at": at - timedelta(minutes=6), "fetched_at": at + late}
    return {**head, **values, "provider": "openweathermap", "providers": whose, "flags": flags, "origin": origin}


def now() -> datetime:
    """The time by this machine's clock (aware UTC)."""
    return datetime.now(UTC)
