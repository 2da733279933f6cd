"""A parser that is mended mends what it read wrongly, from the journal."""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, select, text, update

from meteorograph import WeatherData, get_db_session
from meteorograph.cli import main
from meteorograph.config.loading import get_settings
from meteorograph.errors import PayloadError
from meteorograph.ledger.closing import close_run, record_unaccounted
from meteorograph.model.clock import DrivenClock
from meteorograph.model.values import Observation, Payload
from meteorograph.providers.base import Page
from meteorograph.providers.registry import PROVIDERS
from meteorograph.reparsing import reparse as reparse_
from meteorograph.reparsing.compare import Difference
from meteorograph.reparsing.reparse import ReparseResult, reparse
from meteorograph.scheduler import scheduled_healing, scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Location, Missed, Run
from meteorograph.storage.observations import store
from meteorograph.storage.observations import to_row as row_of
from support import NOON, wait_until

HOUR = timedelta(hours=1)

pytestmark = pytest.mark.usefixtures("database")


def _add(number: int) -> None:
    with get_db_session() as session:
        for index in range(number):
            session.add(Location(name=f"p{index}", latitude=index, longitude=10, state="active", created_at=NOON))


def _colder(monkeypatch: pytest.MonkeyPatch, provider: str = "openweathermap", **values: Any) -> None:
    """Let a provider's parser read these values wrongly, a temperature of -40 °C if none are named."""
    mended = PROVIDERS[provider]

    def wrong(payload: Payload) -> list[Observation | None]:
        changes = values or {"temperature": -40.0}
        return [msgspec.structs.replace(one, **changes) for one in mended.parse(payload) if isinstance(one, Observation)]

    monkeypatch.setitem(PROVIDERS, provider, replace(mended, parse=wrong))


def _row(location_id: int = 1, due_at: datetime = NOON) -> WeatherData:
    with get_db_session(read_only=True) as session:
        return session.get_one(WeatherData, (location_id, due_at))


#: The quantity that is derived from the temperature and the humidity, so that it changes with them.
DERIVED = "dew_point"


def _again(start: datetime = NOON, end: datetime = NOON + HOUR, *, apply: bool = True) -> tuple[ReparseResult, list[Difference]]:
    """What came of it, and what was told."""
    told: list[Difference] = []
    return reparse(get_settings(), start, end, apply=apply, report=told.append), told


def _rows() -> dict[int, tuple[float | None, float | None, dict[str, str] | None]]:
    with get_db_session(read_only=True) as session:
        rows = session.scalars(select(WeatherData)).all()
    return {row.location_id: (row.temperature, row.precipitation, row.providers) for row in rows}


def test_a_mended_parser_repairs_values_and_missing_rows(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(3)
    mended = PROVIDERS["openweathermap"]

    def wrong(payload: Payload) -> list[Observation | None]:
        (found,) = mended.parse(payload)
        assert isinstance(found, Observation)
        if payload.request.params["lat"] == "2.0":
            raise PayloadError("openweathermap", "not understood", payload.body)
        return [msgspec.structs.replace(found, temperature=-40.0)]

    with monkeypatch.context() as broken:
        broken.setitem(PROVIDERS, "openweathermap", replace(mended, parse=wrong))
        scheduled_ingest()
    before = _rows()
    assert {row[0] for row in before.values()} == {-40.0}
    assert set(before) == {1, 2}
    _, told = _again(apply=False)
    assert sorted((one.location_id, one.quantity, one.before) for one in told if one.quantity and one.quantity != DERIVED) == [
        (1, "temperature", -40.0),
        (2, "temperature", -40.0),
    ]
    assert sorted(one.location_id for one in told if one.quantity == DERIVED) == [1, 2], "it follows the temperature"
    assert [one.location_id for one in told if one.quantity is None] == [3]
    assert _rows() == before
    monkeypatch.setattr(sys, "argv", ["meteorograph", "reparse", "--start", "2026-03-01T00:00"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 0
    after = _rows()
    for number in range(3):
        assert after[number + 1][0] == pytest.approx(collecting.truth(number, 10, NOON)["temperature"], abs=0.01)
    assert [after[number][1:] for number in (1, 2)] == [before[number][1:] for number in (1, 2)]
    with get_db_session(read_only=True) as session:
        assert session.scalars(select(Missed)).all() == []
    assert _again()[1] == []


def _run() -> tuple[str, int, int, int]:
    with get_db_session(read_only=True) as session:
        run = session.scalars(select(Run)).one()
        return run.state, run.due, run.stored, run.failed


def test_the_run_counts_the_rows_that_its_answers_give_afterwards(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(3)

    def wrong(payload: Payload) -> list[Observation | None]:
        raise PayloadError("openweathermap", "not understood", payload.body)

    with monkeypatch.context() as broken:
        broken.setitem(PROVIDERS, "openweathermap", replace(PROVIDERS["openweathermap"], parse=wrong))
        scheduled_ingest()
    assert _run() == ("failed", 3, 0, 3)
    with get_db_session() as session:
        session.execute(update(Location).where(Location.id == 3).values(state="paused"))
    _again()
    assert _run() == ("succeeded", 3, 3, 0)
    _again()
    assert _run() == ("succeeded", 3, 3, 0)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # SQLite has one writer at a time
def test_a_run_that_another_process_closes_meanwhile_has_no_reasons_beside_rows(
    collecting: Simulator, driven: DrivenClock
) -> None:
    _add(2)
    scheduled_ingest()
    with get_db_session() as session:
        session.execute(delete(WeatherData).where(WeatherData.location_id == 2))
        session.execute(update(Run).values(state="pending", stored=0, ended_at=None))
    again = threading.Thread(target=_again)
    with get_db_session() as closing:
        run = closing.scalars(select(Run).with_for_update()).one()
        again.start()
        waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")

        def is_waiting() -> object:
            with get_db_session(read_only=True) as session:
                return session.scalar(waits)

        wait_until(is_waiting, 30)
        record_unaccounted(closing, run.schedule, run.due_at, "down")
        close_run(closing, run.id, 1, 1, NOON + HOUR)
    again.join()
    assert _run() == ("succeeded", 2, 2, 0)
    assert set(_rows()) == {1, 2}
    with get_db_session(read_only=True) as session:
        assert session.scalars(select(Missed)).all() == []


def test_what_cannot_be_read_leaves_the_row_and_a_lost_row_comes_back_as_it_was(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(1)
    scheduled_ingest()
    before = _rows()
    assert _again()[1] == []

    def wrong(payload: Payload) -> list[Observation | None]:
        raise PayloadError("openweathermap", "not understood", payload.body)

    with monkeypatch.context() as broken:
        broken.setitem(PROVIDERS, "openweathermap", replace(PROVIDERS["openweathermap"], parse=wrong))
        done, _ = _again()
    assert (done.unread, done.rows, _rows()) == ({"openweathermap: not understood": 1}, 0, before)
    with get_db_session() as session:
        session.execute(delete(WeatherData))
    _again()
    assert _rows() == before


def test_what_a_history_gave_is_read_again_too(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(2)
    scheduled_ingest()
    driven.advance(7 * HOUR)
    scheduled_ingest()
    mended = PROVIDERS["openweathermap"]

    def wrong(payload: Payload) -> Page:
        page = mended.history[0].parse(payload)
        there = [one for one in page.observations if one.observed_at != NOON + 3 * HOUR]
        return Page([msgspec.structs.replace(one, temperature=-40.0) for one in there], page.next_start)

    with monkeypatch.context() as broken:
        broken.setitem(PROVIDERS, "openweathermap", replace(mended, history=(replace(mended.history[0], parse=wrong),)))
        scheduled_healing()
    with get_db_session(read_only=True) as session:
        assert {row.due_at for row in session.scalars(select(Missed))} == {NOON + 3 * HOUR}
    assert _row(due_at=NOON + 2 * HOUR).temperature == -40
    _, told = _again(NOON + 2 * HOUR, NOON + 5 * HOUR)
    changed = [(one.location_id, one.due_at, one.quantity) for one in told if one.quantity != DERIVED]
    assert sorted(changed, key=lambda one: one[:2]) == [
        (id_, NOON + hours * HOUR, None if hours == 3 else "temperature") for id_ in (1, 2) for hours in (2, 3, 4)
    ]
    for id_, hours in product((1, 2), (2, 3, 4)):
        row = _row(id_, NOON + hours * HOUR)
        assert (row.origin, row.observed_at) == ("backfill", row.due_at)
        assert row.temperature == pytest.approx(collecting.truth(id_ - 1, 10, row.due_at)["temperature"], abs=0.01)
    assert _row(due_at=NOON + HOUR).temperature == -40, "it is not of the time that was asked for"
    with get_db_session(read_only=True) as session:
        assert session.scalars(select(Missed)).all() == []
    assert len(_again(end=NOON + 7 * HOUR)[1]) == 2 * 2 * 3, "temperatures, and dew points derived from them"
    assert _again(end=NOON + 7 * HOUR)[1] == []


def test_each_quantity_is_held_against_the_provider_it_came_from(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(1)
    with monkeypatch.context() as broken:
        _colder(broken, "weatherstack", precipitation=7.5, temperature=-50.0)
        scheduled_ingest()
    before = _row()
    assert (before.provider, before.providers, before.precipitation) == (
        "openweathermap",
        {"precipitation": "weatherstack"},
        7.5,
    )
    _, told = _again()
    after = _row()
    assert [(one.provider, one.quantity, one.before, one.after) for one in told] == [
        ("weatherstack", "precipitation", 7.5, after.precipitation)
    ]
    assert after.precipitation == pytest.approx(collecting.truth(0, 10, NOON)["precipitation"], abs=0.1)
    assert after.temperature == before.temperature
    with get_db_session() as session:
        session.execute(delete(WeatherData))
    _again()
    assert (_row().providers, _row().precipitation) == ({"precipitation": "weatherstack"}, after.precipitation)


def test_time_and_words_are_compared_and_what_the_checks_found_is_kept(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(1)
    early = NOON - 9 * HOUR
    with monkeypatch.context() as broken:
        _colder(broken, humidity=0.0, condition="fog", observed_at=early)
        scheduled_ingest()
    with get_db_session() as session:
        row = session.get_one(WeatherData, (1, NOON))
        row.flags = {
            **(row.flags or {}),
            "temperature": ["step"],
            "humidity": ["inconsistent", "stale"],
            "observed_at": ["duplicate"],
        }
    _, told = _again()
    own = {one.quantity: one.before for one in told if one.quantity != DERIVED}
    assert own == {"humidity": 0.0, "condition": "fog", "observed_at": early.isoformat()}
    after = _row()
    assert after.flags is not None
    assert after.flags["temperature"] == ["step"]
    assert after.flags.keys().isdisjoint({"humidity", "observed_at"})
    assert after.condition != "fog"
    assert after.observed_at != early
    assert _again()[1] == []


def test_a_row_that_is_stored_meanwhile_is_not_lost(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(2)
    with monkeypatch.context() as broken:
        _colder(broken)
        scheduled_ingest()
    with get_db_session() as session:
        session.execute(delete(WeatherData).where(WeatherData.location_id == 2))
    found = Observation(provider="openweathermap", fetched_at=NOON + HOUR / 2, observed_at=NOON, temperature=7.0)
    live = [threading.Thread(target=store, args=([row_of(id_, NOON, found)],)) for id_ in (1, 2)]

    def meanwhile(name: str, thread: threading.Thread) -> None:
        before = getattr(reparse_, name)

        def after_reading(*args: Any) -> Any:
            thread.start()
            thread.join(0.3)  # by then it is stored, or waits for the end of the transaction
            return before(*args)

        monkeypatch.setattr(reparse_, name, after_reading)

    meanwhile("changed_row", live[0])
    meanwhile("assemble_row", live[1])
    _again()
    for thread in live:
        thread.join()
    assert [_row(id_).temperature for id_ in (1, 2)] == [7.0, 7.0]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_no_more_is_held_than_the_slots_of_an_hour_or_two(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(3)
    with monkeypatch.context() as broken:
        _colder(broken)
        for _ in range(8):
            scheduled_ingest()
            driven.advance(HOUR)
    mended, held, most = PROVIDERS["openweathermap"], 0, 0

    def counting(payload: Payload) -> Any:
        nonlocal held, most
        held += 1
        most = max(most, held)
        return mended.parse(payload)

    def told(one: Difference) -> None:
        nonlocal held
        held -= one.quantity != DERIVED

    monkeypatch.setitem(PROVIDERS, "openweathermap", replace(mended, parse=counting))
    done = reparse(get_settings(), NOON, NOON + 8 * HOUR, apply=True, report=told)
    assert (done.payloads, done.rows, done.differences) == (2 * 24, 24, 2 * 24), "temperatures, and dew points derived from them"
    assert most <= 3 * 3


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("collecting", "driven")
def test_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def ask(*args: str) -> tuple[object, Any]:
        monkeypatch.setattr(sys, "argv", ["meteorograph", "reparse", "--start", "2026-03-01T00:00", "--json", *args])
        with pytest.raises(SystemExit) as ended:
            main.main()
        return ended.value.code, json.loads(capsys.readouterr().out)

    nothing = {"payloads": 0, "rows": 0, "applied": True, "differences": [], "unread": {}, "refused": []}
    assert ask() == (0, nothing)
    _add(2)
    with monkeypatch.context() as broken:
        _colder(broken)
        scheduled_ingest()
    for _ in range(2):
        code, told = ask("--dry-run")
        assert (code, told["payloads"], told["rows"], told["applied"]) == (0, 4, 2, False)
        own = [one for one in told["differences"] if one["quantity"] != DERIVED]
        assert [(one["location"], one["quantity"], one["before"]) for one in own] == [
            ("p0", "temperature", -40.0),
            ("p1", "temperature", -40.0),
        ]
    assert ask()[1]["differences"] == told["differences"]
    assert ask()[1]["differences"] == []
