"""Missed slots are filled from a history: newest first, within what live collection leaves, each hour at most so often."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from histories import Archive, give, history
from meteorograph import WeatherData, get_db_session, heal
from meteorograph.clock import DrivenClock
from meteorograph.heal_fill import Healed
from meteorograph.quantities import QUANTITIES
from meteorograph.scheduler import scheduled_healing, scheduled_ingest
from meteorograph.settings import get_settings
from meteorograph.simulator import Simulator
from meteorograph.tables import Location, Missed
from support import NOON

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def archive(collecting: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """OpenWeatherMap has a history, on the account of its current weather, that tells the simulator's truth."""
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    made = Archive(collecting.truth)
    with made.served():
        give(monkeypatch, "openweathermap", history(made, "openweathermap", "openweathermap"))
        yield made


def _add(number: int, **values: Any) -> None:
    with get_db_session() as session:
        for index in range(number):
            session.add(Location(name=f"p{index:02}", latitude=index, longitude=10, state="active", created_at=NOON, **values))


def _outage(driven: DrivenClock, hours: int) -> None:
    """A slot that is collected, so many that nobody ran for, and one that is collected again."""
    scheduled_ingest()
    driven.advance((hours + 1) * HOUR)
    scheduled_ingest()


def _tick() -> Healed | None:
    return heal.tick(get_settings(), threading.Event())


def _all(model: type[Any], *order: Any) -> Sequence[Any]:
    with get_db_session(read_only=True) as session:
        return session.scalars(select(model).order_by(*order)).all()


def _count(model: type[Any]) -> int:
    with get_db_session(read_only=True) as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_an_outage_of_twelve_hours_is_healed_with_one_request_a_location(
    archive: Archive, collecting: Simulator, driven: DrivenClock
) -> None:
    _add(3)
    _outage(driven, 12)
    assert (_count(WeatherData), _count(Missed)) == (6, 36)
    scheduled_healing()
    assert (_count(WeatherData), _count(Missed)) == (42, 0)
    assert len(archive.calls) == 3
    assert {(start, end) for _, start, end in archive.calls} == {(NOON + HOUR, NOON + 12 * HOUR)}
    healed = [row for row in _all(WeatherData) if row.origin == "backfill"]
    assert len(healed) == 36
    for row in healed:
        truth = collecting.truth(row.location_id - 1, 10, row.due_at)
        assert (row.provider, row.observed_at) == ("openweathermap", row.due_at)
        assert {one.name: getattr(row, one.name) for one in QUANTITIES} == {one.name: truth[one.name] for one in QUANTITIES}
    scheduled_healing()
    assert len(archive.calls) == 3
