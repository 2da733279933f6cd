"""Each provider of the service reads the truth of the simulator."""

from __future__ import annotations

from datetime import datetime

import pytest

from meteorograph import ingest_data
from meteorograph.providers.registry import PROVIDERS
from meteorograph.simulator import Simulator

pytestmark = [pytest.mark.usefixtures("database", "driven"), pytest.mark.parametrize("database", ["sqlite"], indirect=True)]

PLACE = (40.0, -75.0)
#: Largest difference of a temperature: Weatherstack has whole degrees, METAR of the United States tenths.
ROUNDING = {"weatherstack": 0.5, "metar": 0.05}


@pytest.mark.parametrize("name", ["openweathermap", "weatherstack", "open-meteo", "met-norway", "nws", "metar"])
def test_a_provider_reads_the_truth(collecting: Simulator, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", name)
    monkeypatch.setenv("METEOROGRAPH_PRECIPITATION_PROVIDERS", name)
    monkeypatch.setenv(f"METEOROGRAPH_{PROVIDERS[name].setting.upper()}_BASE_URL", collecting.url)
    monkeypatch.setenv("METEOROGRAPH_USER_AGENT", "test (test@example.org)")
    row = ingest_data(*PLACE)
    truth = collecting.truth(*PLACE, datetime.fromisoformat(row["timestamp"]))
    assert row["provider"] == name
    assert isinstance(truth["temperature"], float)
    assert row["temperature"] == pytest.approx(truth["temperature"], abs=ROUNDING.get(name, 0.01) + 1e-9)
    assert row["humidity"] == pytest.approx(truth["humidity"], abs=3 if name == "metar" else 0.01)
    assert collecting.count(name) >= 1
