"""Gaps of all locations, page by page: they are those of each location."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from sqlalchemy import insert

from meteorograph import get_db_session
from meteorograph.ledger.gaps import Gap, list_gaps
from meteorograph.ledger.queries import Cursor
from meteorograph.storage.models import Location, Missed, Run, WeatherData
from support import NOON

HOUR = timedelta(hours=1)
SLOTS = 120


def _fill(rng: random.Random) -> None:
    """Four hourly locations and a six-hourly one, with outages of all lengths and slots that were stored later."""
    places = [{"id": n, "name": f"p{n}", "latitude": n, "longitude": 9, "schedule": None if n < 5 else "6h"} for n in range(1, 6)]
    runs, missed, stored = [], [], []
    for hour in range(SLOTS):
        for schedule in ("default", *(["6h"] if hour % 6 == 0 else [])):
            if rng.random() < 0.95:
                runs.append({"schedule": schedule, "due_at": NOON + hour * HOUR, "state": "failed", "shard": 0})
    for place in places:
        reason, is_closed = "quota", False
        length = rng.choice((3, 12, 60))
        for hour in range(0, SLOTS, 6 if place["id"] == 5 else 1):
            if rng.random() < 1 / length:
                reason, is_closed = rng.choice(("quota", "down", "")), rng.random() < 0.3
            at = NOON + hour * HOUR
            if reason:
                detail = rng.choice((None, f"detail {hour}"))
                missed.append(
                    {
                        "location_id": place["id"],
                        "due_at": at,
                        "reason": reason,
                        "detail": detail,
                        "closed_at": NOON if is_closed else None,
                    }
                )
            if rng.random() < 0.1:
                stored.append({"location_id": place["id"], "due_at": at, "fetched_at": at, "provider": "a", "origin": "live"})
    with get_db_session() as session:
        session.execute(insert(Location), [{**place, "state": "active", "created_at": NOON} for place in places])
        for model, rows in ((Run, runs), (Missed, missed), (WeatherData, stored)):
            session.execute(insert(model), rows)


def _pages(limit: int, end: int, **query: str | None) -> list[Gap]:
    found: list[Gap] = []
    after: Cursor | None = None
    with get_db_session(read_only=True) as session:
        while True:
            page, after = list_gaps(session, NOON + 5 * HOUR, NOON + end * HOUR, limit=limit, after=after, **query)
            found += page
            if after is None:
                return found


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("seed", range(4))
def test_pages_of_all_locations_are_the_gaps_of_each(database: str, seed: int) -> None:
    rng = random.Random(seed)
    _fill(rng)
    for reason in (None, "quota"):
        for end in (SLOTS, SLOTS - 7):
            each = [gap for place in range(1, 6) for gap in _pages(1000, end, location=f"p{place}", reason=reason)]
            expected = sorted(each, key=lambda gap: gap.cursor, reverse=True)
            for limit in (1, 3, 1000):
                assert _pages(limit, end, reason=reason) == expected, (seed, reason, end, limit)
            assert sum(gap.slots for gap in expected) > 50


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("limit", [1, 10])
def test_gaps_before_another_schedule_are_not_joined_over_the_rows_between_them(database: str, limit: int) -> None:
    """A location that was collected hourly, and every ten minutes now."""
    missed, change = (5, 6, 9, 10, 11, 30, 31), 40
    with get_db_session() as session:
        session.execute(
            insert(Location), [{"id": 1, "name": "p1", "latitude": 1, "longitude": 9, "state": "active", "created_at": NOON}]
        )
        rows = [{"location_id": 1, "due_at": NOON + hour * HOUR} for hour in range(change) if hour not in missed]
        session.execute(insert(WeatherData), [{**row, "fetched_at": NOON, "provider": "a", "origin": "live"} for row in rows])
        session.execute(insert(Missed), [{"location_id": 1, "due_at": NOON + hour * HOUR, "reason": "down"} for hour in missed])
        session.execute(insert(Run), [{"schedule": "default", "due_at": NOON + change * HOUR, "state": "succeeded", "shard": 0}])
    for query in ({}, {"location": "p1"}):
        gaps = _pages(limit, 60, **query)
        assert [((gap.first_slot - NOON) // HOUR, gap.slots) for gap in gaps] == [(30, 2), (9, 3), (5, 2)]
