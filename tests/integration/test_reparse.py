"""A parser that is mended mends what it read wrongly, from the journal."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import delete, select

from meteorograph import WeatherData, cli, get_db_session
from meteorograph.clock import DrivenClock
from meteorograph.errors import PayloadError
from meteorograph.providers import PROVIDERS
from meteorograph.reparse import reparse
from meteorograph.scheduler import scheduled_ingest
from meteorograph.settings import get_settings
from meteorograph.simulator import Simulator
from meteorograph.tables import Location, Missed
from meteorograph.values import Observation, Payload
from support import NOON

HOUR = timedelta(hours=1)

pytestmark = pytest.mark.usefixtures("database")


def _rows() -> dict[int, tuple[float | None, float | None, dict[str, str] | None]]:
    with get_db_session(read_only=True) as session:
        rows = session.scalars(select(WeatherData)).all()
    return {row.location_id: (row.temperature, row.precipitation, row.providers) for row in rows}


def test_a_mended_parser_repairs_values_and_missing_rows(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with get_db_session() as session:
        for number in range(3):
            session.add(Location(name=f"p{number}", latitude=number, longitude=10, state="active", created_at=NOON))
    mended = PROVIDERS["openweathermap"]

    def wrong(payload: Payload) -> list[Observation | None]:
        (found,) = mended.parse(payload)
        assert found is not None
        if payload.request.params["lat"] == "2.0":
            raise PayloadError("openweathermap", "not understood", payload.body)
        return [msgspec.structs.replace(found, temperature=-40.0)]

    with monkeypatch.context() as broken:
        broken.setitem(PROVIDERS, "openweathermap", replace(mended, parse=wrong))
        scheduled_ingest()
    before = _rows()
    assert {row[0] for row in before.values()} == {-40.0}
    assert set(before) == {1, 2}
    done = reparse(get_settings(), NOON, NOON + HOUR, apply=False)
    assert sorted((one.location_id, one.quantity, one.before) for one in done.differences if one.quantity) == [
        (1, "temperature", -40.0),
        (2, "temperature", -40.0),
    ]
    assert [one.location_id for one in done.differences if one.quantity is None] == [3]
    assert _rows() == before
    monkeypatch.setattr(sys, "argv", ["meteorograph", "reparse", "--start", "2026-03-01T00:00"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    after = _rows()
    for number in range(3):
        assert after[number + 1][0] == pytest.approx(collecting.truth(number, 10, NOON)["temperature"], abs=0.01)
    assert [after[number][1:] for number in (1, 2)] == [before[number][1:] for number in (1, 2)]
    with get_db_session(read_only=True) as session:
        assert session.scalars(select(Missed)).all() == []
    assert reparse(get_settings(), NOON, NOON + HOUR, apply=True).differences == []


def test_what_cannot_be_read_leaves_the_row_and_a_lost_row_comes_back_as_it_was(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with get_db_session() as session:
        session.add(Location(name="p", latitude=1, longitude=10, state="active", created_at=NOON))
    scheduled_ingest()
    before = _rows()
    assert reparse(get_settings(), NOON, NOON + HOUR, apply=True).differences == []

    def wrong(payload: Payload) -> list[Observation | None]:
        raise PayloadError("openweathermap", "not understood", payload.body)

    with monkeypatch.context() as broken:
        broken.setitem(PROVIDERS, "openweathermap", replace(PROVIDERS["openweathermap"], parse=wrong))
        done = reparse(get_settings(), NOON, NOON + HOUR, apply=True)
    assert (done.unread, done.rows, _rows()) == ({"openweathermap: not understood": 1}, [], before)
    with get_db_session() as session:
        session.execute(delete(WeatherData))
    reparse(get_settings(), NOON, NOON + HOUR, apply=True)
    assert _rows() == before
