"""An outage of half a day, healed from the real histories as the simulator serves them: every value is the truth of its slot."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from meteorograph import WeatherData, get_db_session
from meteorograph.config.loading import get_settings
from meteorograph.healing import rounds
from meteorograph.healing.filler import HealingResult
from meteorograph.ledger.gaps import list_gaps
from meteorograph.model.clock import DrivenClock
from meteorograph.model.quantities import BY_NAME
from meteorograph.scheduler import scheduled_healing, scheduled_ingest
from meteorograph.simulator import Simulator
from meteorograph.storage.models import Location, Missed, Quota
from support import KEY, NOON, RAIN_KEY

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PLACES = ((51.9, -8.47), (-33.92, 18.42), (78.22, 15.65))


@pytest.fixture
def simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """Named by its parameter: the keys that have One Call 3.0, and those that have 4.0."""
    three, four = getattr(request, "param", ((KEY,), (KEY,)))
    with Simulator(keys=(KEY, RAIN_KEY), one_call_keys=three, one_call_4_keys=four) as running:
        yield running


@pytest.fixture
def places(database: str, collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three locations, collected every hour from OpenWeatherMap alone; every history is the simulator's."""
    monkeypatch.delenv("WEATHERSTACK_API_KEY")
    for name in ("OPEN_METEO", "OPEN_METEO_ARCHIVE"):
        monkeypatch.setenv(f"METEOROGRAPH_{name}_BASE_URL", collecting.url)
    with get_db_session() as session:
        for latitude, longitude in PLACES:
            name = f"{latitude},{longitude}"
            session.add(Location(name=name, latitude=latitude, longitude=longitude, state="active", created_at=NOON))


def _refused_for_twelve_hours(collecting: Simulator, driven: DrivenClock) -> None:
    """The provider is down from 13:00 to 0:00, while somebody ticks."""
    scheduled_ingest()
    since, until = (f"{NOON + hours * HOUR:%Y-%m-%dT%H:%MZ}" for hours in (1, 13))
    collecting.set_faults(
        f"kind=status code=503 retry_after=600 provider=openweathermap since={since} until={until}"  # so long is not waited for
    )
    driven.advance(HOUR - timedelta(minutes=1))
    for _ in range(12):
        driven.advance(HOUR)
        scheduled_ingest()  # a minute before the next slot: there is no time to try again
    driven.advance(timedelta(minutes=1))
    scheduled_ingest()
    assert set(_reasons()) == {"provider_error"}


def _nobody_there_for_twelve_hours(collecting: Simulator, driven: DrivenClock) -> None:
    scheduled_ingest()
    driven.advance(13 * HOUR)
    scheduled_ingest()


def _tick() -> HealingResult | None:
    return rounds.heal_once(get_settings(), threading.Event())


def _healed() -> list[WeatherData]:
    with get_db_session(read_only=True) as session:
        return list(session.scalars(select(WeatherData).where(WeatherData.origin == "backfill").order_by(WeatherData.due_at)))


def _reasons() -> list[str]:
    with get_db_session(read_only=True) as session:
        return [one.reason for one in session.scalars(select(Missed))]


def _assert_true(sim: Simulator, rows: Collection[WeatherData], *, lacks: Collection[str] = ()) -> None:
    """Every value is that of the weather at the slot; what ``lacks`` names is not there."""
    for one in rows:
        assert one.observed_at == one.due_at
        truth = sim.truth(*PLACES[one.location_id - 1], one.due_at)
        for name in BY_NAME.keys() & truth.keys():
            given = getattr(one, name)
            wanted = None if name in lacks else truth[name]
            assert given == (None if wanted is None else pytest.approx(wanted, abs=1e-4)), (name, one.due_at)
        assert one.precipitation_period == 3600


@pytest.mark.usefixtures("places")
@pytest.mark.parametrize("outage", [_refused_for_twelve_hours, _nobody_there_for_twelve_hours])
def test_an_outage_of_openweathermap_is_healed_from_open_meteo(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch, outage: object
) -> None:
    monkeypatch.setenv("METEOROGRAPH_BACKFILL_PROVIDERS", "open-meteo")
    assert callable(outage)
    outage(collecting, driven)
    assert len(_reasons()) == 36
    scheduled_healing()
    rows = _healed()
    assert (len(rows), _reasons()) == (36, [])
    assert {one.provider for one in rows} == {"open-meteo"}
    _assert_true(collecting, rows)
    assert collecting.count("open-meteo") == 3
    with get_db_session(read_only=True) as session:
        assert list_gaps(session, NOON, driven())[0] == []
        used = {row.used for row in session.scalars(select(Quota).where(Quota.provider == "open-meteo"))}
    assert used == {round(collecting.charged_calls("open-meteo"))}
    scheduled_healing()
    assert collecting.count("open-meteo") == 3


@pytest.mark.usefixtures("places")
@pytest.mark.parametrize(
    ("simulator", "calls"),
    [(((KEY,), (KEY,)), 3), (((KEY,), ()), 1 + 36)],
    indirect=["simulator"],
    ids=["4.0", "3.0 where the key lacks 4.0"],
)
def test_it_is_healed_from_one_call(collecting: Simulator, driven: DrivenClock, calls: int) -> None:
    _nobody_there_for_twelve_hours(collecting, driven)
    assert _reasons() == ["down"] * 36
    scheduled_healing()
    rows = _healed()
    assert (len(rows), _reasons()) == (36, [])
    assert {one.provider for one in rows} == {"openweathermap"}
    _assert_true(collecting, rows)
    assert collecting.count("openweathermap-onecall") == calls
    with get_db_session(read_only=True) as session:
        used = {row.window: row.used for row in session.scalars(select(Quota).where(Quota.provider == "openweathermap-onecall"))}
    assert used == {"day": calls}


@pytest.mark.usefixtures("places")
@pytest.mark.parametrize("simulator", [((), ())], indirect=True, ids=["no One Call"])
def test_a_key_without_one_call_is_asked_once_a_day_and_open_meteo_instead(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_BACKFILL_PROVIDERS", "openweathermap,open-meteo")
    _nobody_there_for_twelve_hours(collecting, driven)
    _tick()
    assert collecting.count("openweathermap-onecall") == 2
    assert (len(_healed()), _reasons()) == (36, [])
    assert {one.provider for one in _healed()} == {"open-meteo"}
    driven.advance(6 * HOUR)
    scheduled_ingest()
    _tick()
    assert collecting.count("openweathermap-onecall") == 2
    assert (len(_healed()), _reasons()) == (51, [])
    driven.advance(DAY)
    scheduled_ingest()
    _tick()
    assert collecting.count("openweathermap-onecall") == 4
    assert _reasons() == []


@pytest.mark.usefixtures("places")
def test_hours_beyond_the_forecasts_reach_come_from_the_archive(
    collecting: Simulator, driven: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOROGRAPH_BACKFILL_PROVIDERS", "open-meteo")
    monkeypatch.setenv("METEOROGRAPH_HEALING_DAYS", "365")
    with get_db_session() as session:
        for hours in range(1, 13):
            session.add(Missed(location_id=1, due_at=NOON - 200 * DAY + hours * HOUR, reason="down"))
    _tick()
    assert (len(_healed()), _reasons()) == (12, [])
    _assert_true(collecting, _healed(), lacks=("visibility",))
    assert collecting.count("open-meteo") == 1
