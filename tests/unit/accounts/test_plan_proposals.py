"""What the plan proposes where a quota is too small: each change is tried, and holds."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from meteorograph.accounts.call_plan import ScheduleGroup, make_plan
from meteorograph.accounts.plan_proposals import proposals
from meteorograph.config.loading import load_settings
from meteorograph.model.schedule import parse_schedule
from support import KEY, NOON


def _propose(locations: int, schedule: str = "1h", **limits: Any) -> tuple[list[str], Any]:
    settings = load_settings(owm_api_key=KEY, precipitation_providers=[], **limits)
    plan = make_plan([ScheduleGroup("default", parse_schedule(schedule), locations)], settings, NOON)
    return proposals(plan, settings, NOON), settings


def test_a_plan_that_holds_needs_none() -> None:
    assert _propose(1344)[0] == []


def test_a_longer_interval_and_providers_that_could_take_all() -> None:
    found, settings = _propose(41, owm_calls_per_month=10_000)
    assert found == [
        "a longer interval: 41 locations every 4 h (METEOROGRAPH_INTERVAL=4h)",
        "a second provider: Open-Meteo takes the slots that are left (METEOROGRAPH_PROVIDERS=openweathermap,open-meteo)",
        "a second provider: MET Norway takes the slots that are left (METEOROGRAPH_PROVIDERS=openweathermap,met-norway)",
    ]
    longer = [ScheduleGroup("default", parse_schedule("4h"), 41)]
    assert make_plan(longer, settings, NOON).holds
    assert not any("open-meteo" in one for one in _propose(2000)[0]), "its day holds 10,000 calls"


def test_a_slot_lasts_as_long_as_its_interval() -> None:
    """So a free key holds more locations than the minutes of an hour hold calls."""
    found, settings = _propose(5000)
    assert found[0] == "a longer interval: 5,000 locations every 4 h (METEOROGRAPH_INTERVAL=4h)"
    plan = make_plan([ScheduleGroup("default", parse_schedule("4h"), 5000)], settings, NOON)
    assert plan.holds
    assert plan.providers[0].slot_minutes == 88


@pytest.mark.parametrize("locations", [3421, 5000])
def test_groups_with_hours_of_their_own_fit_where_one_hour_is_too_short(locations: int) -> None:
    found, settings = _propose(locations, grace=timedelta(hours=1))
    assert not found[0].startswith("a longer interval"), "a slot has an hour at most"
    (staggering,) = [one for one in found if one.startswith("staggering: ")]
    hours = int(re.findall(r"every (\d+) h", staggering)[0])
    size = int(re.findall(r"up to ([\d,]+) with", staggering)[0].replace(",", ""))
    assert f"'0 0-23/{hours} * * *' to '0 {hours - 1}-23/{hours} * * *'" in staggering
    groups = [ScheduleGroup(str(hour), parse_schedule(f"0 {hour}-23/{hours} * * *"), size) for hour in range(hours)]
    assert make_plan(groups, settings, NOON).holds
    assert sum(group.locations for group in groups) >= locations
