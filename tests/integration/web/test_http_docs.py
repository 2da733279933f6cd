"""Every example of the page about HTTP runs, and is answered as it shows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from meteorograph import WeatherData, get_db_session
from meteorograph.config.loading import load_settings
from meteorograph.model.clock import DrivenClock
from meteorograph.storage.models import Heartbeat, Location, Run
from meteorograph.web.app import create_app
from support import NOON, ROOT, absent, served

PAGE = ROOT / "docs" / "http.md"

#: When the examples were written.
NOW = datetime(2026, 11, 23, 17, 36, tzinfo=UTC)
SLOT = NOW.replace(minute=0)


def _examples() -> Iterator[tuple[str, str]]:
    """Commands, and the answers that are shown below them."""
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, answer = example.partition("\n")
            yield command, answer


EXAMPLES = list(_examples())


@pytest.fixture
def address(database: str, collecting: object, driven: DrivenClock) -> Iterator[str]:
    """A service that has two days of three places."""
    if not shutil.which("curl"):
        absent("curl")
    driven.advance(NOW - NOON)
    slots = [SLOT - timedelta(hours=back) for back in range(48)]
    run = {"schedule": "default", "shard": 0, "state": "succeeded", "due": 3, "stored": 3, "failed": 0, "calls": 3}
    with get_db_session() as session:
        places = [
            Location(name=name, latitude=10, longitude=20 + number, state="active", created_at=slots[-1])
            for number, name in enumerate(("London", "Anchorage", "Athens"))
        ]
        session.add_all(places)
        session.add(Heartbeat(holder="test", beat_at=NOW))
        session.flush()
        row = {"provider": "openweathermap", "origin": "live", "temperature": 3.7, "humidity": 64, "fetched_at": NOW}
        rows = [{"location_id": place.id, "due_at": slot, **row} for place in places for slot in slots]
        session.execute(insert(WeatherData), rows)
        session.execute(insert(Run), [{"due_at": slot, **run} for slot in slots])
    with served(create_app(load_settings(scheduler_enabled=False))) as url:
        yield url


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_examples_are_answered_as_they_show(address: str) -> None:
    assert len(EXAMPLES) >= 9
    for command, answer in EXAMPLES:
        assert command.startswith("curl -s ")
        assert "http://127.0.0.1:8000" in command
        line = f"{command.replace('http://127.0.0.1:8000', address)} --max-time 30 -w '\\n%{{http_code}}'"
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
        body, _, status = done.stdout.rpartition("\n")
        shown, told = json.loads(answer), json.loads(body)
        error = shown.get("status")
        assert int(status) == (error if isinstance(error, int) else 200), (command, body)
        _assert_alike(shown, told, command)


#: Fields whose members depend on the weather.
WEATHER_DEPENDENT = {"flags", "other_values"}


def _assert_alike(shown: Any, told: Any, where: str) -> None:
    """What is told has the fields that are shown, and no others; of a list, its first entry has."""
    if isinstance(shown, dict):
        assert isinstance(told, dict), where
        assert set(shown) == set(told), where
        for name in shown.keys() - WEATHER_DEPENDENT:
            value = shown[name]
            _assert_alike(value, told[name], f"{where}: {name}")
    elif isinstance(shown, list) and shown:
        assert isinstance(told, list), where
        assert told, where
        _assert_alike(shown[0], told[0], where)
    elif isinstance(shown, str):
        assert isinstance(told, str), where
