"""Four guarantees of collecting, each of which was once untested: a program without it passed every test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import msgspec
import pytest
from sqlalchemy import select, update

from meteorograph import WeatherData, get_db_session, ingest_data
from meteorograph.accounts import quota
from meteorograph.collecting.event_loop import run_async
from meteorograph.collecting.run import collect
from meteorograph.config.loading import get_settings
from meteorograph.journal.entry import make_entry
from meteorograph.journal.writer import open_journal
from meteorograph.ledger.claims import claim_run
from meteorograph.ledger.conditions import Claim
from meteorograph.model.clock import DrivenClock
from meteorograph.model.schedule import DEFAULT_SCHEDULE, Interval
from meteorograph.model.values import Coordinates, DueLocation, Observation, Payload, RequestPoint
from meteorograph.providers.registry import PROVIDERS
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Location, Run
from support import KEY, NOON, wait_until

NAME = "openweathermap"


@pytest.fixture(autouse=True)
def _one_provider(database: str, collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEATHERSTACK_API_KEY")


def _add_locations(count: int) -> None:
    with get_db_session() as session:
        session.add_all(
            Location(name=f"p{number}", latitude=number % 90, longitude=10, created_at=NOON) for number in range(count)
        )


def _claim() -> Claim:
    claim = claim_run(NOON, DEFAULT_SCHEDULE, Interval(get_settings().interval))
    assert claim
    return claim


def _lease_of(run_id: int) -> datetime | None:
    with get_db_session(read_only=True) as session:
        return session.scalar(select(Run.lease_expires_at).where(Run.id == run_id))


def _has_lease(run_id: int, until: datetime) -> bool:
    return _lease_of(run_id) == until


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_the_lease_is_renewed_while_a_run_works(collecting: Simulator, driven: DrivenClock, stop: threading.Event) -> None:
    _add_locations(1)
    claim = _claim()
    collecting.set_faults("kind=timeout")
    working = threading.Thread(target=lambda: run_async(collect(claim, get_settings(), stop)))
    working.start()
    wait_until(lambda: collecting.count() == 1, 60, "the call")
    for _ in range(3):
        before = _lease_of(claim.run_id)
        assert before is not None
        renewed = driven.advance(claim.lease / 2) + claim.lease
        wait_until(partial(_has_lease, claim.run_id, renewed), 60, "a renewed lease")
        assert renewed > before
    stop.set()
    working.join()


def test_a_collection_on_demand_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_OWM_BASE_URL", get_settings().base_url(NAME))
    parsed = PROVIDERS[NAME].parse

    def parse_dry(payload: Payload) -> list[Observation | None]:
        return [msgspec.structs.replace(one, humidity=0.0) for one in parsed(payload) if isinstance(one, Observation)]

    monkeypatch.setitem(PROVIDERS, NAME, replace(PROVIDERS[NAME], parse=parse_dry))
    ingest_data(51.5, -0.13)
    with get_db_session(read_only=True) as session:
        [flags] = session.scalars(select(WeatherData.flags))
    assert flags is not None
    assert "inconsistent" in flags["humidity"]


def test_each_location_of_a_batch_is_charged(
    collecting: Simulator, monkeypatch: pytest.MonkeyPatch, stop: threading.Event
) -> None:
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "open-meteo")
    monkeypatch.setenv("METEOROGRAPH_PRECIPITATION_PROVIDERS", "open-meteo")
    monkeypatch.setenv("METEOROGRAPH_OPEN_METEO_BASE_URL", collecting.url)
    _add_locations(60)
    assert run_async(collect(_claim(), get_settings(), stop)) == "succeeded"
    assert collecting.count("open-meteo") == 1
    with get_db_session(read_only=True) as session:
        used = {one.window: one.used for one in quota.usage(session, get_settings().account("open-meteo"), NOON)}
    assert used == {"minute": 60, "hour": 60, "day": 60}
    assert used["day"] == collecting.charged_calls("open-meteo")


@pytest.mark.parametrize("status", [200, 401, 500])
def test_only_good_answers_of_an_earlier_holder_are_used_again(
    collecting: Simulator, driven: DrivenClock, stop: threading.Event, status: int
) -> None:
    _add_locations(1)
    first = _claim()
    _keep_answer(collecting, status)
    with get_db_session() as session:
        session.execute(update(Run).values(lease_expires_at=NOON, holder="another:1"))
    driven.advance(timedelta(seconds=1))
    again = claim_run(driven(), DEFAULT_SCHEDULE, Interval(get_settings().interval))
    assert again is not None
    assert (again.run_id, again.taken_over) == (first.run_id, True)
    assert run_async(collect(again, get_settings(), stop)) == "succeeded"
    assert collecting.count() == (0 if status == 200 else 1)


def _keep_answer(collecting: Simulator, status: int) -> None:
    """Leave in the journal what the first holder of the run was answered."""
    request = PROVIDERS[NAME].request(get_settings().base_url(NAME), [RequestPoint(0, 10)], KEY)
    body = b'{"main":{"temp":7.0,"humidity":80},"dt":%d,"coord":{"lat":0,"lon":10}}' % NOON.timestamp()
    location = DueLocation(1, "p0", Coordinates(0, 10))
    entry = make_entry(Payload(request, status, body, NOON), "current", NOON, [location])
    assert open_journal(get_settings().journal_dir).append(entry)
