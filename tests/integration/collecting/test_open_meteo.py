"""Open-Meteo over a real socket: many points in a call, past hours, and what the server refuses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product

import msgspec
import pytest

from integration.asking import assert_true, fetch
from meteorograph.collecting.on_demand import ingest_data
from meteorograph.config.loading import get_settings
from meteorograph.errors import FetchError, PayloadError, PermanentFetchError, QuotaExceededError, RetryableFetchError
from meteorograph.model.clock import DrivenClock, driven_by
from meteorograph.model.values import Observation, Payload, RequestPoint
from meteorograph.providers.base import History
from meteorograph.providers.registry import PROVIDERS
from meteorograph.simulator import Simulator

NOW = datetime(2026, 3, 1, 12, 7, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
OPEN_METEO = PROVIDERS["open-meteo"]
RECENT, ARCHIVE = OPEN_METEO.history
DUBLIN = RequestPoint(53.35, -6.26)
AT = (DUBLIN.latitude, DUBLIN.longitude)


@pytest.fixture(autouse=True)
def clock() -> Iterator[DrivenClock]:
    driven = DrivenClock(NOW)
    with driven_by(driven):
        yield driven


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(open_meteo_calls={"minute": 2000}) as simulator:
        yield simulator


def current(sim: Simulator, *points: RequestPoint) -> list[Observation | None]:
    return parse(fetch(OPEN_METEO.request(sim.url, points, "")))


def parse(payload: Payload) -> list[Observation | None]:
    outcomes = list(OPEN_METEO.parse(payload))
    assert not any(isinstance(outcome, PayloadError) for outcome in outcomes)
    return [outcome for outcome in outcomes if not isinstance(outcome, PayloadError)]


def hours(sim: Simulator, history: History, start: datetime, end: datetime) -> list[Observation]:
    return list(history.parse(fetch(history.request(sim.url, DUBLIN, start, end, ""))).observations)


def test_the_weather_of_a_thousand_points_in_one_call(sim: Simulator) -> None:
    points = [RequestPoint(latitude / 2, longitude / 2) for latitude, longitude in product(range(-20, 20), range(-12, 13))]
    assert len(points) == OPEN_METEO.most
    found = current(sim, *points)
    assert len(found) == 1000
    for point, one in zip(points, found, strict=True):
        assert one is not None
        assert one.observed_at == datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        assert one.precipitation_period == 3600
        assert one.place is not None
        assert one.place.coordinates.distance_km(point) < 5
        assert_true(sim, one, point)
    assert sim.count() == 1
    assert sim.charged_calls("open-meteo") == 1000 * OPEN_METEO.cost
    assert len({one.temperature for one in found if one}) > 100
    assert any(one.precipitation for one in found if one)


def test_one_point_is_answered_without_a_list_and_without_a_key(sim: Simulator) -> None:
    payload = fetch(OPEN_METEO.request(sim.url, [DUBLIN], ""))
    assert payload.body.startswith(b'{"latitude"')
    (found,) = parse(payload)
    assert found is not None
    assert_true(sim, found, DUBLIN)
    assert sim.calls()[0].key == ""


def test_the_amount_is_that_of_the_four_quarters_before_the_observation(sim: Simulator, clock: DrivenClock) -> None:
    clock.advance(timedelta(minutes=25))
    wet = next(point for point in map(RequestPoint, range(-60, 60, 2), range(-120, 120, 4)) if amount_at(sim, point, 12))
    (found,) = current(sim, wet)
    assert found is not None
    assert found.observed_at == datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    assert found.precipitation_period == 3600
    assert found.precipitation == pytest.approx((amount_at(sim, wet, 12) + amount_at(sim, wet, 13)) / 2, abs=1e-3)


def amount_at(sim: Simulator, point: RequestPoint, hour: int) -> float:
    """What falls in the hour that ends then."""
    return float(sim.truth(point.latitude, point.longitude, NOW.replace(hour=hour, minute=0, second=0))["precipitation"] or 0)


def test_the_defaults_of_the_provider_are_not_relied_on(sim: Simulator) -> None:
    request = OPEN_METEO.request(sim.url, [DUBLIN], "")
    asked = {name: value for name, value in request.params.items() if not name.endswith(("_unit", "format", "timezone"))}
    payload = fetch(msgspec.structs.replace(request, params=asked))
    assert b"km/h" in payload.body
    (found,) = parse(payload)
    assert found is not None
    assert_true(sim, found, DUBLIN)  # the echo of the units is believed, whatever was asked for


def test_a_bad_point_fails_all(sim: Simulator) -> None:
    with pytest.raises(PermanentFetchError, match=r"Latitude must be in range .* Given: 91\.0"):
        current(sim, DUBLIN, RequestPoint(91, 0))


def test_past_hours_are_those_of_the_weather_then(sim: Simulator) -> None:
    for history, start in ((RECENT, NOW - timedelta(days=91)), (RECENT, NOW - 30 * HOUR), (ARCHIVE, NOW - timedelta(days=400))):
        first = start.replace(minute=0, second=0)
        found = hours(sim, history, first, first + 29 * HOUR)
        assert [one.observed_at for one in found] == [first + index * HOUR for index in range(30)]
        for one in found:
            assert one.precipitation_period == 3600
            assert_true(sim, one, DUBLIN, lacks=() if history is RECENT else ("visibility",))


def test_hours_to_come_and_hours_without_data_are_left_out(sim: Simulator) -> None:
    found = hours(sim, RECENT, NOW - HOUR, NOW + 5 * HOUR)
    assert [one.observed_at for one in found] == [datetime(2026, 3, 1, hour, tzinfo=UTC) for hour in (11, 12)]
    last = NOW - ARCHIVE.delay
    found = hours(sim, ARCHIVE, last - 2 * HOUR, last + 2 * HOUR)
    assert [one.observed_at for one in found] == [last.replace(hour=hour, minute=0, second=0) for hour in (10, 11, 12)]
    assert hours(sim, ARCHIVE, NOW - HOUR, NOW) == []


def test_what_lies_further_back_than_it_reaches_is_refused(sim: Simulator) -> None:
    assert RECENT.reach is not None
    with pytest.raises(PermanentFetchError, match="out of allowed range"):
        hours(sim, RECENT, NOW - RECENT.reach - timedelta(days=2), NOW - RECENT.reach)


def test_a_history_costs_what_its_metadata_says(sim: Simulator) -> None:
    for length in (timedelta(0), 5 * HOUR, RECENT.span, 2 * RECENT.span):
        for history, back in ((RECENT, 60), (ARCHIVE, 500)):
            start = NOW - timedelta(days=back)
            before = sim.charged_calls("open-meteo")
            hours(sim, history, start, start + length)
            assert sim.charged_calls("open-meteo") - before == pytest.approx(history.cost(start, start + length), abs=0.25)


@pytest.mark.parametrize(
    ("window", "until"),
    [
        ("minute", datetime(2026, 3, 1, 12, 8, tzinfo=UTC)),
        ("hour", datetime(2026, 3, 1, 13, 0, tzinfo=UTC)),
        ("day", datetime(2026, 3, 2, tzinfo=UTC)),
    ],
)
def test_a_used_up_window_tells_when_it_is_renewed(clock: DrivenClock, window: str, until: datetime) -> None:
    with Simulator(open_meteo_calls={window: 3}) as sim:
        current(sim, DUBLIN, DUBLIN, DUBLIN)
        with pytest.raises(QuotaExceededError) as caught:
            current(sim, DUBLIN)
        assert caught.value.retry_at == until
        clock.advance(until - NOW)
        assert current(sim, DUBLIN) != [None]


@pytest.mark.parametrize(
    ("fault", "raises"),
    [
        ("kind=broken_off", RetryableFetchError),
        ("kind=status code=503", RetryableFetchError),
        ("kind=status code=502", RetryableFetchError),
        ("kind=status code=429", QuotaExceededError),
    ],
)
def test_what_fails_on_its_side_is_told_apart(sim: Simulator, fault: str, raises: type[FetchError]) -> None:
    sim.set_faults(fault)
    with pytest.raises(raises) as caught:
        current(sim, DUBLIN, DUBLIN)
    assert type(caught.value) is raises


def test_null_is_not_zero(sim: Simulator) -> None:
    sim.set_faults("kind=null")
    for one in (*current(sim, DUBLIN, DUBLIN), *hours(sim, RECENT, NOW - 3 * HOUR, NOW)):
        assert one is not None
        assert one.temperature is not None
        assert (one.precipitation, one.precipitation_period) == (None, None)


@pytest.mark.usefixtures("database")
def test_it_collects_without_any_key(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METEOROGRAPH_PROVIDERS", "open-meteo")
    monkeypatch.setenv("METEOROGRAPH_OPEN_METEO_BASE_URL", sim.url)
    assert get_settings().key("open-meteo") == ""
    stored = ingest_data(*AT)
    truth = sim.truth(*AT, NOW.replace(minute=0, second=0))
    assert stored["temperature"] == truth["temperature"]
    assert stored["pressure"] == truth["pressure"]
    assert stored["provider"] == "open-meteo"
