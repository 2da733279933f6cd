"""A provider whose day begins elsewhere: every page and command shows the same periods as ``/api/quota``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from meteorograph import create_app
from meteorograph.accounts import quota
from meteorograph.accounts.call_plan import ScheduleGroup, make_plan
from meteorograph.cli.ingest_all import _remaining_calls
from meteorograph.config import provider_settings
from meteorograph.config.loading import load_settings
from meteorograph.config.settings import Settings
from meteorograph.model import clock
from meteorograph.model.clock import DrivenClock
from meteorograph.model.schedule import parse_schedule
from support import KEY

#: In Los Angeles this is still the evening of the last day of February.
NOW = datetime(2026, 3, 1, 3, tzinfo=UTC)
NAME = "openweathermap"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """OpenWeatherMap with a hundred calls a month, whose months begin in Los Angeles."""
    prefix, windows, _ = provider_settings.ACCOUNTS[NAME]
    monkeypatch.setitem(provider_settings.ACCOUNTS, NAME, (prefix, windows, "America/Los_Angeles"))
    monkeypatch.setenv("OWM_API_KEY", KEY)
    monkeypatch.setenv("METEOROGRAPH_OWM_CALLS_PER_MONTH", "100")
    monkeypatch.setenv("METEOROGRAPH_OWM_CALLS_PER_MINUTE", "100")
    return load_settings(scheduler_enabled=False)


@pytest.mark.usefixtures("database")
def test_api_page_gauges_and_command_agree(settings: Settings) -> None:
    with clock.driven_by(DrivenClock(NOW)):
        client = create_app(settings).test_client()
        quota.spend(settings.account(NAME), 40, NOW - timedelta(hours=1))
        [account] = [one for one in client.get("/api/quota").get_json()["data"] if one["provider"] == NAME]
        month = next(one for one in account["windows"] if one["window"] == "month")
        assert (month["used"], month["resets_at"]) == (40, "2026-03-01T08:00:00+00:00")
        text = re.sub(r"<[^>]*>|\s+", " ", client.get("/runs").get_data(as_text=True))
        assert re.search(r"\b40\b[^%]*\b100\b", text), "the page shows the calls of February in Los Angeles"
        assert _remaining_calls(settings) == "60 calls left this month"


def test_the_plan_counts_the_days_of_the_provider(settings: Settings) -> None:
    """Four slots from 22:00 to 01:00 in Los Angeles are on two days there, and on one day in UTC (05:00 to 08:00)."""
    groups = [ScheduleGroup("night", parse_schedule("0 5-8 * * *"), 1)]
    here = make_plan(groups, settings, NOW).providers[0]
    assert {need.window: need.calls for need in here.needs}["day"] == 4, "two before midnight and two of the night before"
    one_evening = [ScheduleGroup("evening", parse_schedule("0 5-8 15 * *"), 1)]
    assert {need.window: need.calls for need in make_plan(one_evening, settings, NOW).providers[0].needs}["day"] == 2
