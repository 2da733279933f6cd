"""The statistics of a period: of all its values and no others, whether its days are rolled up or not."""

from __future__ import annotations

from datetime import timedelta
from math import fsum
from typing import Any

import pytest

from meteorograph import get_db_session
from meteorograph.model import clock
from meteorograph.model.clock import DrivenClock
from meteorograph.reading.ranges import read_periods
from meteorograph.reading.rollups import roll_up
from meteorograph.storage.models import DailyRollup, Location
from pages import add
from support import NOON

pytestmark = pytest.mark.usefixtures("database")

#: From one row an hour to one in ten minutes, where the mean of hours is another one than that of the values.
SLOTS = [NOON - hour * timedelta(hours=1) for hour in range(48, 144)] + [NOON - n * timedelta(minutes=10) for n in range(288)]


def _row(number: int) -> dict[str, Any]:
    return {
        "temperature": float(number % 17) + (10.0 if number >= 96 else 0.0),
        "precipitation": 0.5,
        "precipitation_period": 3600 if number < 96 else 600,
    }


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", None])
def test_a_period_has_its_values_and_no_others(driven: DrivenClock, zone: str | None) -> None:
    rows = [{"due_at": at, **_row(number)} for number, at in enumerate(SLOTS)]
    add("Athens", *rows, timezone=zone)
    start, end = NOON - timedelta(hours=110, minutes=30), NOON - timedelta(minutes=25)
    values = [row["temperature"] for row in rows if start <= row["due_at"] < end]
    for is_rolled_up in (False, True):
        if is_rolled_up:
            driven.advance(timedelta(days=3))
            while roll_up(clock.now()):
                pass
        with get_db_session(read_only=True) as session:
            assert (session.query(DailyRollup).count() > 3) == is_rolled_up
            [location] = session.query(Location)
            found = read_periods(session, [location], start, end, ("temperature", "precipitation"))[location.id]
        temperature, rain = found["temperature"], found["precipitation"]
        assert (temperature["min"], temperature["max"], temperature["count"]) == (min(values), max(values), len(values))
        assert temperature["mean"] == pytest.approx(fsum(values) / len(values))
        assert rain["covered_seconds"] == pytest.approx((end - start).total_seconds())
        hourly = (NOON - timedelta(hours=48) - start).total_seconds() / 3600 * 0.5
        often = (end - (NOON - timedelta(hours=48))).total_seconds() / 600 * 0.5
        assert rain["sum"] == pytest.approx(hourly + often, abs=1.0)
